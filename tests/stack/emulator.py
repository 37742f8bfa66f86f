"""The emulated cloud: a ministack process on the loopback interface, with its data in one folder."""

import contextlib
import errno
import os
import shutil
import socket
import subprocess
import urllib.request
from pathlib import Path

from . import adjustments, processes
from .console import Failure

REGION = "eu-central-1"
# The root user of the emulated account. Functions use the credentials of their roles.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
_START_SECONDS = 60


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def base_port(text: str) -> int:
    """Reads the port of the base URL. The emulated cloud has the one above it."""
    if not text.isdecimal() or not 1 <= int(text) <= 65534:
        raise Failure(f"PORT={text} is no port: choose a number from 1024 to 65534, such as PORT=8100")
    return int(text)


def require_free(port: int, alternative: str) -> None:
    """Fails if a program has the port at one of the addresses of localhost, because clients may try either."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((address, port))
        except PermissionError:
            raise Failure(f"port {port} is reserved for the administrator: {alternative}") from None
        except OSError as error:
            # Any other error means that this machine has no such address.
            if error.errno == errno.EADDRINUSE:
                raise Failure(f"port {port} is taken: stop the program that listens on it, or {alternative}") from None


class Emulator:
    def __init__(self, folder: Path, port: int, venv: Path):
        self.folder, self.port, self._venv = folder, port, venv
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "emulator.log"
        self.child: subprocess.Popen | None = None

    def client_environment(self) -> dict[str, str]:
        """Returns the environment for clients of the emulated cloud, without the AWS settings of the user."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        return inherited | CREDENTIALS | {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    @contextlib.contextmanager
    def running(self):
        temporary = self.folder / "tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        # Minimal, because the functions inherit this environment.
        environment = CREDENTIALS | {
            "PATH": os.defpath,
            "HOME": str(temporary),
            "TMPDIR": str(temporary),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(self.port),
            "AWS_ENDPOINT_URL": self.url,
            "MINISTACK_REGION": REGION,
            # Verifies signatures and enforces the policies of the roles.
            "AUTH": "true",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self.folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self.folder / "s3"),
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        adjustments.forget_stream_positions(self.folder / "state")
        with self.log.open("wb") as log:
            self.child = processes.start(
                [self._venv / "bin" / "ministack"], env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        try:
            if not processes.wait_until(self._is_ready, self.child, _START_SECONDS):
                raise Failure(f"the emulated cloud did not start: see {self.log}")
            yield self
        finally:
            # ministack saves its state on SIGTERM.
            processes.stop(self.child)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_ministack/ready", timeout=2) as response:
                return response.status == 200
        except OSError:
            return False
