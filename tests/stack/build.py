"""Compiles the functions for this machine, with the profile that the tests use too."""

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
PROFILE = "local"
ARCHITECTURE = {"x86_64": "x86_64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]

_CODE_URI = re.compile(r"^(\s+CodeUri: )functions/([a-z-]+)$", re.MULTILINE)


def functions() -> list[str]:
    """Returns the names of the functions in the template."""
    return [name for _, name in _CODE_URI.findall(TEMPLATE.read_text())]


def build(with_tests: bool) -> None:
    """Leaves .local/build/<name>/bootstrap for each function.

    The tests need more features of some dependencies. Where they run too, functions and tests are built in one go, so
    that every dependency is compiled once.
    """
    processes.require("cargo", "install Rust from https://rustup.rs")
    packages = ["--bins", *(word for name in functions() for word in ("-p", name))]
    selection = ["--workspace", "--all-targets"] if with_tests else packages
    if processes.call(["cargo", "build", "--profile", PROFILE, *selection], cwd=ROOT) != 0:
        raise Failure("the functions do not compile: correct the errors that cargo reports above")
    for name in functions():
        bootstrap = BUILD / name / "bootstrap"
        bootstrap.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(_target_directory() / PROFILE / name, bootstrap)


def _target_directory() -> Path:
    metadata = subprocess.check_output(["cargo", "metadata", "--no-deps", "--format-version", "1"], cwd=ROOT)
    return Path(json.loads(metadata)["target_directory"])


def template() -> str:
    """Returns template.yaml with the built binaries in place of the sources."""
    return _CODE_URI.sub(lambda match: f"{match[1]}{BUILD / match[2]}", TEMPLATE.read_text())
