"""Finds Chromium, or installs it with apt when run as root: `python -m tests.browser.chromium`."""

import os
import shutil
import subprocess
import sys

# The names in Debian, in other distributions, and Chrome, which CI images often have.
_NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
# The font is needed for text in screenshots.
_PACKAGES = ["chromium", "fonts-dejavu-core"]
_HINT = "sudo apt-get install chromium fonts-dejavu-core"

ARGUMENTS = [
    # The sandbox needs privileges that containers lack. Only our own pages are opened.
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def find() -> str | None:
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def main() -> int:
    if find():
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"error: Chromium was not found: install it, for example with `{_HINT}`", file=sys.stderr)
        return 1
    print("==> Installing Chromium (once)", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "--quiet=2"], ["install", "--quiet=2", "--yes", "--no-install-recommends", *_PACKAGES]):
        ended = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True)
        if ended.returncode != 0:
            print(f"{ended.stdout}{ended.stderr}\nerror: Chromium could not be installed: see the output above, then try `{_HINT}`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
