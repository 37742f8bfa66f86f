"""The shells into which people copy the commands of the documents."""

import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_UNPACKED = ROOT / ".local" / "shells"
# Without the user's own settings.
_QUIET = {"bash": ["--norc", "--noprofile"], "dash": [], "zsh": ["-f"]}
NAMES = tuple(_QUIET)


@dataclass(frozen=True)
class Missing:
    """Why a shell cannot be had on this machine."""

    reason: str


@cache
def find(name: str) -> Path | Missing:
    """Returns a shell of this machine, or one of Debian's packages, which is unpacked without being installed."""
    found = shutil.which(name)
    if found:
        return Path(found)
    unpacked = _UNPACKED / name / "bin" / name
    if unpacked.exists():
        return unpacked
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return Missing(f"{name} is not installed, no registry of Python or Node.js has it, and {platform.system()} has no apt-get: install {name}")
    folder = _UNPACKED / name
    folder.mkdir(parents=True, exist_ok=True)
    loaded = subprocess.run(["apt-get", "download", name], cwd=folder, capture_output=True, text=True)
    packages = sorted(folder.glob("*.deb"))
    if loaded.returncode != 0 or not packages:
        return Missing(f"{name} is not installed, and apt-get cannot load its package: {loaded.stderr.strip() or loaded.stdout.strip()}")
    subprocess.run(["dpkg-deb", "-x", packages[-1], folder], check=True)
    if not unpacked.exists():
        unpacked = folder / "usr" / "bin" / name
    works = subprocess.run([unpacked, "-c", "true"], capture_output=True, text=True) if unpacked.exists() else None
    if works is None or works.returncode != 0:
        return Missing(f"{name} is not installed, and that of its package does not run here: {works.stderr.strip() if works else 'it is not in the package'}")
    return unpacked


def run(shell: Path, script: str, interactive: bool, **options) -> subprocess.CompletedProcess:
    """Runs a script as a file would be run, or as it is when its lines are typed."""
    quiet = _QUIET[shell.name]
    if interactive:
        command, options = [shell, *quiet, "-i"], options | {"input": script}
    else:
        command, options = [shell, *quiet, "-c", script], options | {"stdin": subprocess.DEVNULL}
    return subprocess.run(command, capture_output=True, text=True, start_new_session=True, timeout=120, **options)


def script_of(document: str) -> str:
    """Returns all `sh` blocks of a document."""
    blocks = (ROOT / document).read_text().split("```sh\n")[1:]
    return "".join(block.split("```")[0] for block in blocks)
