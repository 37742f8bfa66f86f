"""Child processes that never outlive this process.

Each child leads its own process group, which is stopped as a whole. On Linux, the kernel also terminates the child when
this process is killed, and this process when its parent, such as `make`, ends.
"""

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .console import Failure

_PR_SET_PDEATHSIG = 1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STOP_TIMEOUT_SECONDS = 15


class Stopped(BaseException):
    """Raised by a signal to stop. Not an Exception, so that no handler catches it as an error."""

    def __init__(self, number: int):
        # Ctrl-C is the documented way to stop, so it is a success.
        self.code = 0 if number == signal.SIGINT else 128 + number


def stop_on_signals() -> None:
    """Raises Stopped at the first signal, so that all `with` and `finally` blocks are run; ignores further signals."""

    def stop(number, _frame):
        for each in _STOP_SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for each in _STOP_SIGNALS:
        signal.signal(each, stop)
    _die_with_parent()


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _prepare_child() -> None:
    for each in _STOP_SIGNALS:
        signal.signal(each, signal.SIG_DFL)
    _die_with_parent()


def start(argv: list, **options) -> subprocess.Popen:
    """Starts a child; the caller must `stop` it."""
    try:
        return subprocess.Popen([str(word) for word in argv], start_new_session=True, preexec_fn=_prepare_child, **options)
    except FileNotFoundError:
        raise Failure(f"{argv[0]} was not found: check that it is installed and in PATH, then try again") from None


def stop(child: subprocess.Popen) -> None:
    """Terminates the child's process group, and kills what has not ended in time."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(_STOP_TIMEOUT_SECONDS)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def call(argv: list, **options) -> int:
    """Runs a child to its end and returns its exit code."""
    child = start(argv, **options)
    try:
        return child.wait()
    finally:
        stop(child)


def call_logged(argv: list, log: Path, failure: str, **options) -> None:
    """Runs a child and shows its output only if it fails."""
    with log.open("wb") as output:
        code = call(argv, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, **options)
    if code != 0:
        raise Failure(f"{failure}\n{log.read_text(errors='replace').strip()}")


def never_proxy_loopback() -> None:
    """Lets neither this process nor its children use the user's HTTP_PROXY for what runs on this machine."""
    for name in ("NO_PROXY", "no_proxy"):
        hosts = [os.environ[name]] if os.environ.get(name) else []
        os.environ[name] = ",".join([*hosts, "localhost", "127.0.0.1", "::1"])


def require(tool: str, remedy: str) -> None:
    if shutil.which(tool) is None:
        raise Failure(f"{tool} was not found: {remedy}, then try again")


def wait_until(ready, child: subprocess.Popen, seconds: float) -> bool:
    """Polls until `ready()` is true; returns False if the child ended or the time ran out first."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and child.poll() is None:
        if ready():
            return True
        time.sleep(0.05)
    return False
