"""The sources behind `make watch`: compiled and deployed when a request finds them changed."""

import os
from pathlib import Path

from . import build, deploy
from .console import Failure
from .emulator import Emulator

# What the functions are built from.
_FOLDERS = ("functions", "shared", ".cargo")
_FILES = ("Cargo.toml", "Cargo.lock", "template.yaml", "samconfig.toml")


class Sources:
    def __init__(self, emulator: Emulator, sam: Path, parameters: dict[str, str], functions: dict[str, str]):
        self._emulator, self._sam, self._parameters, self._functions = emulator, sam, parameters, functions
        self._seen = _state()
        self._template = build.TEMPLATE.read_bytes()
        self._problem: str | None = None

    def bring_live(self) -> str | None:
        """Compiles and deploys what has changed since the last call. Returns what is wrong with the sources, if anything.

        What is saved meanwhile is found by the next call.
        """
        state = _state()
        if state != self._seen:
            self._problem = self._update()
            self._seen = state
        return self._problem

    def _update(self) -> str | None:
        try:
            changed = build.build()
            template = build.TEMPLATE.read_bytes()
            if changed and template == self._template:
                deploy.update_code(self._emulator, {name: self._functions[name] for name in changed}, self._parameters)
            else:
                deploy.deploy_if_changed(self._emulator, self._sam, self._parameters)
            self._template = template
        except build.CompileError as error:
            return "\n".join(error.errors) or str(error)
        except Failure as failure:
            return str(failure)


def _state() -> frozenset:
    """Returns the names of the files, and when and how long each was written."""
    files = [os.path.join(folder, name) for top in _FOLDERS for folder, _, names in os.walk(build.ROOT / top) for name in names]
    return frozenset(filter(None, map(_stamp, [*files, *(build.ROOT / name for name in _FILES)])))


def _stamp(path) -> tuple | None:
    try:
        status = os.stat(path)
    except FileNotFoundError:
        # A file that an editor has just replaced or removed.
        return None
    return str(path), status.st_mtime_ns, status.st_size
