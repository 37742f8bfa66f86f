"""Terminal output: progress and errors."""

import contextlib
import time


class Failure(Exception):
    """An error for the user: one sentence that says what went wrong and what to do."""


@contextlib.contextmanager
def step(title: str):
    """Prints the title of a long step, and its duration at the end."""
    print(f"==> {title}", flush=True)
    started = time.monotonic()
    yield
    print(f"    done in {time.monotonic() - started:.1f} s", flush=True)
