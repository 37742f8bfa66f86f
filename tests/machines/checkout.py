"""A checkout with this template, Makefile and stack, but with functions that are compiled in a second."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.stack import build

ROOT = Path(__file__).resolve().parents[2]
# The functions of function.rs. The others do nothing.
_ASKED = ("docs", "mailer", "records")
# Longer than anything takes while other programs compile.
_TIMEOUT_SECONDS = 300


def environment() -> dict[str, str]:
    """Returns the environment without what `make test` sets for its children."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}


def free_pair() -> int:
    """Returns a port that is free, as the one above it is."""
    while True:
        with socket.socket() as first, socket.socket() as second, contextlib.suppress(OSError, OverflowError):
            first.bind(("127.0.0.1", 0))
            second.bind(("127.0.0.1", first.getsockname()[1] + 1))
            return first.getsockname()[1]


class Checkout:
    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_pair()
        self.url = f"http://localhost:{self.port}"
        self.template = folder / "template.yaml"
        for file in ("Makefile", "template.yaml", "samconfig.toml"):
            shutil.copy(ROOT / file, folder)
        shutil.copytree(ROOT / "events", folder / "events")
        shutil.copytree(ROOT / "tests" / "stack", folder / "tests" / "stack")
        (folder / "tests" / "__init__.py").touch()
        for name in build.functions():
            (folder / "functions" / name / "src").mkdir(parents=True)
            (folder / "functions" / name / "Cargo.toml").write_text(f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2024"\n')
            self.source(name).write_text(_source(name) if name in _ASKED else "fn main() {}\n")
        (folder / "Cargo.toml").write_text('[workspace]\nmembers = ["functions/*"]\nresolver = "3"\n[profile.dev]\nincremental = false\nstrip = true\n')
        subprocess.run(["cargo", "generate-lockfile", "--offline", "--quiet"], cwd=folder, check=True)
        self._take_tools()

    def _take_tools(self) -> None:
        """Makes the installed tools those of this checkout, so that make does not install them anew."""
        checksum = subprocess.run(["cksum"], input=str(self.folder).encode(), capture_output=True, check=True).stdout.split()[0].decode()
        for tool in ("stack", "sam"):
            venv = self.folder / ".local" / "venv" / tool
            venv.mkdir(parents=True)
            for each in (ROOT / ".local" / "venv" / tool).iterdir():
                if not each.name.startswith("ready"):
                    (venv / each.name).symlink_to(each)
            (venv / f"ready-{checksum}").touch()

    def source(self, function: str) -> Path:
        return self.folder / "functions" / function / "src" / "main.rs"

    def say(self, function: str, text: str) -> None:
        """Saves a function that says something else."""
        self.source(function).write_text(_source(text))

    def make(self, *arguments: str) -> subprocess.CompletedProcess:
        command = ["make", "--no-print-directory", *arguments]
        return subprocess.run(command, cwd=self.folder, env=environment(), capture_output=True, text=True, timeout=_TIMEOUT_SECONDS)

    @contextlib.contextmanager
    def running(self, target: str) -> Iterator[str]:
        """Runs `make run` or `make watch` until it is stopped by Ctrl-C; returns what it has said when it was ready."""
        command = ["make", "--no-print-directory", target, f"PORT={self.port}"]
        child = subprocess.Popen(
            command, cwd=self.folder, env=environment(), start_new_session=True, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        too_late = threading.Timer(_TIMEOUT_SECONDS, os.killpg, (child.pid, signal.SIGKILL))
        too_late.start()
        said = ""
        for line in child.stdout:
            said += line
            if "Ctrl-C" in line:
                break
        too_late.cancel()
        # What it says from now on must not fill the pipe.
        rest: list[str] = []
        reader = threading.Thread(target=lambda: rest.extend(child.stdout))
        reader.start()
        try:
            assert "Ctrl-C" in said, said
            yield said
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGINT)
            child.wait(_TIMEOUT_SECONDS)
            reader.join()
        assert "Traceback" not in "".join(rest), "".join(rest)


def _source(says: str) -> str:
    return f'const SAYS: &str = "{says}";\ninclude!("{ROOT / "tests" / "machines" / "function.rs"}");\n'
