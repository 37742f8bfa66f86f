"""Compiles the functions for this machine."""

import json
import platform
import re
import shutil
import subprocess
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


def build() -> None:
    """Leaves .local/build/<name>/bootstrap for each function.

    The whole workspace is selected, not the functions alone: then cargo resolves the same features of the dependencies
    as for the tests, and compiles them once.
    """
    processes.require("cargo", "install Rust from https://rustup.rs")
    for name, executable in _compile().items():
        bootstrap = BUILD / name / "bootstrap"
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(executable, bootstrap)


def _compile() -> dict[str, str]:
    """Returns the executable of each function."""
    command = ["cargo", "build", "--locked", "--workspace", "--bins", "--message-format", "json-render-diagnostics"]
    child = processes.start(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        messages = [json.loads(line) for line in child.stdout]
        failed = child.wait() != 0
    finally:
        processes.stop(child)
    if failed:
        raise Failure("the functions do not compile: correct the errors that cargo reports above")
    executables = {each["target"]["name"]: each["executable"] for each in messages if each.get("executable")}
    return {name: executables[name] for name in functions()}


def template() -> str:
    """Returns template.yaml with the built binaries in place of the sources."""
    return _CODE_URI.sub(lambda match: f"{match[1]}{BUILD / match[2]}", TEMPLATE.read_text())
