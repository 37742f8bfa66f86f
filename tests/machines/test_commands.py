"""The commands work on machines that are set up for other work, too, or say in one sentence what to do. Needs no stack."""

import contextlib
import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import threading
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.machines.checkout import environment
from tests.stack import before_deploy, emulator
from tests.stack.console import Failure

ROOT = Path(__file__).resolve().parents[2]
STACK_PYTHON = ROOT / ".local" / "venv" / "stack" / "bin" / "python"


def python(code: str, **variables: str) -> subprocess.CompletedProcess:
    environment = {name: value for name, value in os.environ.items() if name.upper() != "NO_PROXY"}
    return subprocess.run([STACK_PYTHON, "-c", code], cwd=ROOT, env=environment | variables, capture_output=True, text=True, timeout=120)


def make(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=folder, env=environment() | variables, capture_output=True, text=True, timeout=300)


def is_one_sentence(text: str) -> bool:
    lines = [line for line in text.splitlines() if not line.startswith("make: ***")]
    return len(lines) == 1 and lines[0].startswith("error: ")


def package_of_one_function(folder: Path) -> Path:
    """Makes a workspace with one function in its template, and returns its package, which has no source yet."""
    package = folder / "functions" / "hello"
    (package / "src").mkdir(parents=True)
    (folder / "Cargo.toml").write_text('[workspace]\nmembers = ["functions/hello"]\nresolver = "3"\n')
    (folder / "Cargo.lock").write_text('version = 4\n\n[[package]]\nname = "hello"\nversion = "0.1.0"\n')
    (folder / "template.yaml").write_text("Resources:\n  A:\n    Properties:\n      CodeUri: functions/hello\n")
    (package / "Cargo.toml").write_text('[package]\nname = "hello"\nversion = "0.1.0"\nedition = "2024"\n')
    return package


@pytest.mark.parametrize("is_set_by", ["environment", "settings"])
def test_what_was_just_compiled_is_deployed_whatever_target_and_folder_the_user_has_set(tmp_path: Path, is_set_by: str) -> None:
    other_target, variables = "wasm32-unknown-unknown", {"CARGO_TARGET_DIR": str(tmp_path / "elsewhere")}
    if is_set_by == "environment":
        variables["CARGO_BUILD_TARGET"] = other_target
    else:
        # cargo reads those of the folders above, too, as it reads those of the home folder.
        (tmp_path / ".cargo").mkdir()
        (tmp_path / ".cargo" / "config.toml").write_text(f'[build]\ntarget = "{other_target}"\n')
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    package = package_of_one_function(workspace)
    code = f"""
from pathlib import Path
from tests.stack import build
build.ROOT = Path({str(workspace)!r})
build.TEMPLATE, build.BUILD = build.ROOT / "template.yaml", build.ROOT / "built"
print(build.build())
"""
    for text in ("first", "second"):
        (package / "src" / "main.rs").write_text(f'fn main() {{ println!("{text}"); }}\n')
        result = python(code, **variables)
        assert result.stdout.strip() == "['hello']", result.stdout + result.stderr
        assert subprocess.check_output([workspace / "built" / "hello" / "bootstrap"], text=True).strip() == text


def test_a_request_after_a_fault_was_saved_gets_the_error_of_the_compiler(tmp_path: Path) -> None:
    package = package_of_one_function(tmp_path)
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


def test_a_port_that_is_taken_at_one_address_of_localhost_is_taken() -> None:
    addresses = [(socket.AF_INET, "127.0.0.1")]
    with socket.socket(socket.AF_INET6) as probe, contextlib.suppress(OSError):
        probe.bind(("::1", 0))
        # Some machines have no IPv6.
        addresses.append((socket.AF_INET6, "::1"))
    for family, address in addresses:
        with socket.socket(family) as other:
            other.bind((address, 0))
            other.listen()
            with pytest.raises(Failure, match="is taken: stop the program that listens on it, or choose another one"):
                emulator.require_free(other.getsockname()[1], "choose another one")


def test_a_port_that_cannot_be_is_one_sentence() -> None:
    command = [STACK_PYTHON, "-m", "tests.stack", "run", "--port=70000"]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and is_one_sentence(result.stderr), result.stderr
    for port in ("65535", "0", "-1", "x", ""):
        with pytest.raises(Failure, match="is no port: choose a number"):
            emulator.base_port(port)


def test_the_documents_name_no_port_of_cargo_lambda() -> None:
    for document in ("README.md", "shared/docs/tour.md", ".github/CONTRIBUTING.md"):
        for port in re.findall(r"PORT=(\d+)", (ROOT / document).read_text()):
            # PORT and the one above it are used; `cargo lambda watch` listens on 9000.
            assert 9000 not in (int(port), int(port) + 1), document


def small_checkout(folder: Path) -> Path:
    """Returns a folder with this Makefile and tools that need no download; its commands print where its Python is."""
    (folder / "tests" / "stack").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", folder)
    (folder / "tests" / "stack" / "requirements-stack.txt").touch()
    (folder / "tests" / "stack" / "__main__.py").write_text("import sys\nprint(sys.prefix)\n")
    return folder


def test_tools_are_installed_below_the_checkout_whatever_pip_is_told_and_anew_where_it_was_renamed(tmp_path: Path) -> None:
    folder = small_checkout(tmp_path / "before")
    result = make(folder, "reconcile", PIP_USER="1", PIP_TARGET=str(tmp_path / "target"))
    assert result.returncode == 0 and f"{folder}/.local/venv/stack" in result.stdout, result.stdout + result.stderr
    assert "-m venv" not in make(folder, "--dry-run", "reconcile").stdout
    folder = folder.rename(tmp_path / "after")
    assert "rm -rf .local/venv/stack && python3 -m venv .local/venv/stack" in make(folder, "--dry-run", "reconcile").stdout


def test_tools_of_node_are_installed_whatever_npm_is_told() -> None:
    node = [str(ROOT / path) for path in ("tests/client/package.json", "tests/browser/package.json", "tests/conformance/package.json")]
    assert all("dependencies" not in json.loads(Path(path).read_text()) for path in node), "they are all for development"
    # npm leaves these out if NODE_ENV is `production` or its settings say `omit=dev`; what is on the command line goes before.
    planned = make(ROOT, "--dry-run", "--always-make", "tests/client/node_modules/ready", NODE_ENV="production", NPM_CONFIG_OMIT="dev").stdout
    [install] = [line for line in planned.splitlines() if "npm ci" in line]
    assert "--include=dev" in install, install


def test_files_of_another_user_are_one_sentence(tmp_path: Path) -> None:
    folder = small_checkout(tmp_path / "checkout")
    (folder / ".local").mkdir()
    # Only root can give files away. For others, `id` says that they are somebody else.
    identity = tmp_path / "bin" / "id"
    identity.parent.mkdir()
    identity.write_text("#!/bin/sh\ntest \"$1\" = -un && echo somebody || echo 65534\n")
    identity.chmod(0o755)
    result = make(folder, "reconcile", PATH=f"{identity.parent}:{os.environ['PATH']}")
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


def test_what_cannot_be_invoked_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no JSON")
    code = f"""
from pathlib import Path
from tests.stack import stack
from tests.stack.console import Failure
stack.LOCAL = Path({str(tmp_path)!r})
for arguments in [("recordss", None, None), ("records", "missing.json", None), ("records", {str(tmp_path / "text")!r}, None),
                  ("mailer", None, "a.b.c"), ("records", None, None)]:
    try:
        stack.invoke(*arguments)
    except Failure as failure:
        print(failure)
"""
    result = python(code)
    said = ["there is no function recordss", "there is no file missing.json", "text is no JSON", "mailer.json has no headers", "start one with `make run`"]
    lines = result.stdout.splitlines()
    assert len(lines) == len(said) and all(text in line for text, line in zip(said, lines)), result.stdout + result.stderr
    result = make(ROOT, "invoke")
    assert result.returncode != 0 and "FUNCTION=<name> is missing" in result.stderr, result.stderr


class _Refusal(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = b"<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>It is not valid.</Message></Error></ErrorResponse>"
        self.send_response(403)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments) -> None:
        pass


def test_deploying_checks_settings_and_credentials_first(monkeypatch: pytest.MonkeyPatch) -> None:
    command = [ROOT / ".local" / "venv" / "sam" / "bin" / "python", "-m", "tests.stack.before_deploy", "dve", ""]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and is_one_sentence(result.stderr) and "is not in samconfig.toml" in result.stderr, result.stderr
    assert "is no address" in before_deploy.wrong("dev", "x")
    planned = make(ROOT, "--dry-run", "deploy", "ENV=dev").stdout
    assert 0 < planned.index("-m tests.stack.before_deploy") < planned.index("sam build"), planned
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusal) as aws:
        threading.Thread(target=aws.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{aws.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert "does not accept your credentials" in before_deploy.wrong("dev", "a@example.org")
        aws.shutdown()


def test_deploying_checks_the_parameters_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_deploy, "_wrong_in_the_account", lambda *_given: None)
    for environment_name in ("dev", "prod"):
        assert before_deploy.wrong(environment_name, "records@example.org") is None
    shutil.copy(ROOT / "template.yaml", tmp_path)
    settings = (ROOT / "samconfig.toml").read_text()
    (tmp_path / "samconfig.toml").write_text(settings.replace("StaffIdleHours=", "StafIdleHours="))
    monkeypatch.setattr(before_deploy, "ROOT", tmp_path)
    assert "template.yaml has no parameter StafIdleHours: correct" in before_deploy.wrong("prod", "")
    assert before_deploy.wrong("dev", "") is None
    assert "no parameter PageSizes: correct PARAMETERS=" in before_deploy.wrong("dev", "", ["PageSizes=5"])
    for domain in ("records", "https://records.example.org", "records.example.org/app"):
        assert "DOMAIN=records.example.org" in before_deploy.wrong("dev", "", [f"PublicUrl=https://{domain}"]), domain
    for value in ("https://records.example.org", '""'):
        assert before_deploy.wrong("dev", "", [f"PublicUrl={value}"]) is None, value


def test_a_plan_shows_the_changes_of_the_same_deployment() -> None:
    settings = ["ENV=prod", "MAIL_SENDER=records@example.org", "DOMAIN=records.example.org", "PARAMETERS=PageSize=50"]
    deploy, plan = (make(ROOT, "--dry-run", target, *settings).stdout for target in ("deploy", "deploy-plan"))
    assert plan.replace(" --no-execute-changeset ", "  ") == deploy != plan
    for parameter in ("MailSender=records@example.org", "PublicUrl=https://records.example.org", "PageSize=50"):
        assert f"'{parameter}'" in deploy.partition("--parameter-overrides")[2], deploy
    emptied = make(ROOT, "--dry-run", "deploy", "ENV=prod", "PARAMETERS=SharedNetworks=").stdout
    assert """'SharedNetworks=""'""" in emptied.partition("--parameter-overrides")[2], emptied


class _Cloud:
    """The three services of AWS that are asked, in a region with one stack, whose sender SES knows."""

    def get_email_identity(self, EmailIdentity: str) -> None:  # noqa: N803
        if EmailIdentity != "example.org":
            raise ClientError({"Error": {"Code": "NotFoundException", "Message": "no identity"}}, "GetEmailIdentity")

    def get_caller_identity(self) -> None:
        pass

    def describe_stacks(self, StackName: str) -> None:  # noqa: N803
        if StackName != "health-records":
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")


def test_the_first_deployment_needs_the_sender_of_mails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_deploy.boto3, "client", lambda *_arguments, **_settings: _Cloud())
    said = before_deploy.wrong("dev", "")
    assert "there is no stack health-records-dev" in said and "MAIL_SENDER=<address>" in said
    assert before_deploy.wrong("dev", "records@example.com") is None
    assert before_deploy.wrong("prod", "") is None, "the stack has its sender"


def test_an_identity_that_another_stack_has_made_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(before_deploy.boto3, "client", lambda *_arguments, **_settings: _Cloud())
    assert "PARAMETERS=MailIdentity=EXISTING" in before_deploy.wrong("dev", "records@example.org")
    assert before_deploy.wrong("dev", "records@example.org", ["MailIdentity=EXISTING"]) is None
    assert before_deploy.wrong("dev", "records@example.org", ["MailIdentity=ADDRESS"]) is None
    assert "leave out MailIdentity=EXISTING" in before_deploy.wrong("dev", "a@example.com", ["MailIdentity=EXISTING"])
