"""What the person in front of the terminal sees."""

import contextlib
import time


class Failure(Exception):
    """One clear sentence that says what went wrong and what to do."""


@contextlib.contextmanager
def step(title: str):
    """Shows that something long has begun, and how long it took."""
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
