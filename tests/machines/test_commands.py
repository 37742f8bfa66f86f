"""The commands work on machines that are set up for other work, too, or say in one sentence what to do. Needs no stack."""

import http.server
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STACK_PYTHON = ROOT / ".local" / "venv" / "stack" / "bin" / "python"


def python(code: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name.upper() != "NO_PROXY"}
    return subprocess.run([STACK_PYTHON, "-c", code], cwd=ROOT, env=environment | variables, capture_output=True, text=True, timeout=120)


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=300)


def is_one_sentence(text: str) -> bool:
    lines = [line for line in text.splitlines() if not line.startswith("make: ***")]
    return len(lines) == 1 and lines[0].startswith("error: ")


def test_what_was_just_compiled_is_deployed_whatever_target_and_folder_the_user_has_set(tmp_path: Path) -> None:
    package = tmp_path / "functions" / "hello"
    (package / "src").mkdir(parents=True)
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["functions/hello"]\nresolver = "3"\n')
    (tmp_path / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "hello"\nversion = "0.1.0"\n')
    (tmp_path / "template.yaml").write_text("Resources:\n  A:\n    Properties:\n      CodeUri: functions/hello\n")
    (package / "Cargo.toml").write_text('[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2024"\n')
    code = f"""
from pathlib import Path
from tests.stack import build
build.ROOT = Path({str(tmp_path)!r})
build.TEMPLATE, build.BUILD = build.ROOT / "template.yaml", build.ROOT / "built"
print(build.build())
"""
    for answer in ("first", "second"):
        (package / "src" / "main.rs").write_text(f'fn main() {{ println!("{answer}"); }}\n')
        result = python(code, CARGO_BUILD_TARGET="wasm32-unknown-unknown", CARGO_TARGET_DIR=str(tmp_path / "elsewhere"))
        assert result.stdout.strip() == "['hello']", result.stdout + result.stderr
        assert subprocess.check_output([tmp_path / "built" / "hello" / "bootstrap"], text=True).strip() == answer


def test_a_request_after_a_fault_was_saved_gets_the_error_of_the_compiler(tmp_path: Path) -> None:
    package = tmp_path / "functions" / "hello"
    (package / "src").mkdir(parents=True)
    (tmp_path / "Cargo.toml").write_text('[workspace]\nmembers = ["functions/hello"]\nresolver = "3"\n')
    (tmp_path / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "hello"\nversion = "0.1.0"\n')
    (tmp_path / "template.yaml").write_text("Resources:\n  A:\n    Properties:\n      CodeUri: functions/hello\n")
    (package / "Cargo.toml").write_text('[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2024"\n')
    (package / "src" / "main.rs").write_text("fn main() {}\n")
    code = f"""
from pathlib import Path
from tests.stack import build
from tests.stack.sources import Sources
build.ROOT = Path({str(tmp_path)!r})
build.TEMPLATE, build.BUILD = build.ROOT / "template.yaml", build.ROOT / "built"
sources = Sources(None, None, {{}}, {{}})
print(sources.bring_live())
(build.ROOT / "functions/hello/src/main.rs").write_text("fn main() {{ not_there(); }}\\n")
for _ in range(2):
    print("cannot find function `not_there`" in sources.bring_live())
"""
    result = python(code)
    assert result.stdout.split() == ["None", "True", "True"], result.stdout + result.stderr


def test_loopback_is_never_proxied() -> None:
    code = """
import os, subprocess, sys, urllib.request
from tests.stack import processes
processes.never_proxy_loopback()
child = subprocess.check_output([sys.executable, "-c", "import urllib.request as u; print(u.proxy_bypass('127.0.0.1'), u.proxy_bypass('localhost'))"], text=True)
print(bool(urllib.request.proxy_bypass("127.0.0.1")), child.split(), os.environ["NO_PROXY"])
"""
    result = python(code, HTTP_PROXY="http://192.0.2.1:3128", NO_PROXY="corp.example")
    assert result.stdout.strip() == "True ['True', 'True'] corp.example,localhost,127.0.0.1,::1", result.stdout + result.stderr


def test_make_tells_its_children_not_to_proxy_loopback() -> None:
    result = make(ROOT, "--print-data-base", "--dry-run", "help", NO_PROXY="corp.example")
    assert "\nno_proxy := corp.example,localhost,127.0.0.1,::1\n" in result.stdout


@pytest.mark.parametrize(("family", "address"), [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")])
def test_a_port_that_is_taken_at_one_address_of_localhost_is_taken(family: int, address: str) -> None:
    with socket.socket(family) as other:
        try:
            other.bind((address, 0))
        except OSError:
            pytest.skip(f"this machine has no {address}")
        other.listen()
        result = python(f"from tests.stack import emulator; emulator.require_free({other.getsockname()[1]}, 'choose another one')")
        assert "is taken: stop the program that listens on it, or choose another one" in result.stderr


@pytest.mark.parametrize("port", ["70000", "65535", "0", "-1", "x", ""])
def test_a_port_that_cannot_be_is_one_sentence(port: str) -> None:
    command = [STACK_PYTHON, "-m", "tests.stack", "run", f"--port={port}"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and is_one_sentence(result.stderr), result.stderr


def test_the_documents_name_no_port_of_cargo_lambda() -> None:
    for document in ("README.md", "shared/docs/tour.md", ".github/CONTRIBUTING.md"):
        for port in re.findall(r"PORT=(\d+)", (ROOT / document).read_text()):
            # PORT and the one above it are used; `cargo lambda watch` listens on 9000.
            assert 9000 not in (int(port), int(port) + 1), document


def small_checkout(folder: Path) -> Path:
    """Returns a folder with this Makefile and tools that need no download; its `make run` prints where its Python is."""
    (folder / "tests" / "stack").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    for tool in ("stack", "sam"):
        (folder / "tests" / "stack" / f"requirements-{tool}.txt").touch()
    (folder / "tests" / "stack" / "__main__.py").write_text("import sys\nprint(sys.prefix)\n")
    return folder


def test_a_renamed_checkout_installs_its_tools_anew_and_user_installations_are_ignored(tmp_path: Path) -> None:
    folder = small_checkout(tmp_path / "before")
    for name in ("before", "after"):
        folder = folder.rename(tmp_path / name)
        result = make(folder, "run", PIP_USER="1", PIP_TARGET=str(tmp_path / "target"))
        assert result.returncode == 0, result.stdout + result.stderr
        assert str(folder) in (folder / ".local" / "venv" / "stack" / "bin" / "pip").read_text().splitlines()[0]
        assert f"{folder}/.local/venv/stack" in result.stdout
    again = make(folder, "run")
    assert "Installing" not in again.stdout, again.stdout


def test_files_of_another_user_are_one_sentence(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give files to another user")
    folder = small_checkout(tmp_path / "checkout")
    (folder / ".local").mkdir()
    for each in (*tmp_path.parents, tmp_path):
        if str(each).startswith("/tmp/pytest"):
            each.chmod(0o755)
    command = ["make", "--no-print-directory", "run"]
    result = subprocess.run(command, cwd=folder, user=65534, group=65534, capture_output=True, text=True, timeout=60)
    assert result.returncode != 0 and is_one_sentence(result.stderr), result.stderr
    assert ".local belongs to another user" in result.stderr


def test_a_demo_without_a_stack_is_one_sentence(tmp_path: Path) -> None:
    demo = tmp_path / "tests" / "stack" / "demo.py"
    demo.parent.mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "stack" / "demo.py", demo)
    (tmp_path / ".local").mkdir()
    for description in (None, '{"base_url": "http://127.0.0.1:9"}'):
        if description:
            (tmp_path / ".local" / "stack.json").write_text(description)
        result = subprocess.run(["python3", demo], capture_output=True, text=True, timeout=60)
        assert result.returncode == 1 and is_one_sentence(result.stderr), result.stderr


class _Refusal(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>It is not valid.</Message></Error></ErrorResponse>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["dve", ""], "is not in samconfig.toml"), (["dev", "x"], "is no address"), (["dev", "a@example.org"], "does not accept your credentials")],
)
def test_deploying_checks_settings_and_credentials_first(arguments: list[str], said: str) -> None:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as aws:
        threading.Thread(target=aws.serve_forever, daemon=True).start()
        variables = {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{aws.server_port}", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
        }  # fmt: skip
        command = [ROOT / ".local" / "venv" / "sam" / "bin" / "python", "-m", "tests.stack.before_deploy", *arguments]
        result = subprocess.run(command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=60)
        aws.shutdown()
    assert result.returncode == 1 and is_one_sentence(result.stderr) and said in result.stderr, result.stderr
