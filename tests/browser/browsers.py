"""Finds Chromium and Firefox, or installs them with apt when run as root: `python -m tests.browser.browsers`."""

import os
import shutil
import subprocess
import sys

# The names in Debian, in other distributions, and Chrome, which CI images often have.
_CHROMIUM = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
_FIREFOX = ["firefox-esr", "firefox"]
# The font is needed for text in screenshots.
_PACKAGES = ["chromium", "firefox-esr", "fonts-dejavu-core"]
_HINT = f"sudo apt-get install {' '.join(_PACKAGES)}"

CHROMIUM_ARGUMENTS = [
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


def _find(names: list[str]) -> str | None:
    return next((path for name in names if (path := shutil.which(name))), None)


def chromium() -> str | None:
    return _find(_CHROMIUM)


def firefox() -> str | None:
    return _find(_FIREFOX)


def main() -> int:
    if chromium() and firefox():
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"error: Chromium or Firefox was not found: install both, for example with `{_HINT}`", file=sys.stderr)
        return 1
    print("==> Installing Chromium and Firefox (once)", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["update", "--quiet=2"], ["install", "--quiet=2", "--yes", "--no-install-recommends", *_PACKAGES]):
        ended = subprocess.run(["apt-get", *command], env=environment, capture_output=True, text=True)
        if ended.returncode != 0:
            print(f"{ended.stdout}{ended.stderr}\nerror: the browsers could not be installed: see the output above, then try `{_HINT}`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
