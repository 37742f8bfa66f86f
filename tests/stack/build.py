"""Compiles the functions for this machine."""

import filecmp
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from . import processes
from .console import Failure

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = ROOT / "template.yaml"
BUILD = ROOT / ".local" / "build"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]

_CODE_URI = re.compile(r"^(\s+CodeUri: )functions/([a-z-]+)$", re.MULTILINE)


def functions() -> list[str]:
    """Returns the names of the functions in the template."""
    return [name for _, name in _CODE_URI.findall(TEMPLATE.read_text())]


class CompileError(Failure):
    """The sources do not compile; `errors` is what the compiler says."""

    def __init__(self, errors: list[str]):
        super().__init__("the functions do not compile: correct the errors that cargo reports above")
        self.errors = errors


def build() -> list[str]:
    """Leaves .local/build/<name>/bootstrap for each function, and returns the names of those that have changed.

    The whole workspace is selected, not the functions alone: then cargo resolves the same features of the dependencies
    as for the tests, and compiles them once.
    """
    processes.require("cargo", "install Rust from https://rustup.rs")
    changed = []
    for name, executable in _compile().items():
        bootstrap = BUILD / name / "bootstrap"
        if not bootstrap.exists() or not filecmp.cmp(executable, bootstrap, shallow=False):
            bootstrap.parent.mkdir(parents=True, exist_ok=True)
            # Another stack may read it meanwhile.
            copy = bootstrap.with_name(f"bootstrap-{os.getpid()}")
            shutil.copy2(executable, copy)
            copy.replace(bootstrap)
            changed.append(name)
    return changed


def _compile() -> dict[str, str]:
    """Returns the executable of each function."""
    # For this machine, and where cargo says it is, whatever target and folder the user has set.
    binaries = [word for name in functions() for word in ("--bin", name)]
    command = ["cargo", "build", "--locked", "--workspace", *binaries, "--target", "host-tuple", "--message-format", "json"]
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_BUILD_TARGET"}
    child = processes.start(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        executables, errors = _read(child.stdout)
        failed = child.wait() != 0
    finally:
        processes.stop(child)
    if failed:
        raise CompileError(errors)
    missing = [name for name in functions() if name not in executables]
    if missing:
        raise Failure(f"cargo has built no binary {missing[0]}: a function of template.yaml needs a crate whose binary has its name")
    return {name: executables[name] for name in functions()}


def _read(messages) -> tuple[dict[str, str], list[str]]:
    """Returns what cargo says it has built, and the errors; shows errors and warnings at once."""
    executables, errors = {}, []
    for each in map(json.loads, messages):
        if each.get("executable"):
            executables[each["target"]["name"]] = each["executable"]
        if each["reason"] == "compiler-message":
            print(each["message"]["rendered"], end="", file=sys.stderr, flush=True)
            if each["message"]["level"] == "error":
                errors.append(each["message"]["rendered"])
    return executables, errors


def template() -> str:
    """Returns template.yaml with the built binaries in place of the sources."""
    return _CODE_URI.sub(lambda match: f"{match[1]}{BUILD / match[2]}", TEMPLATE.read_text())
