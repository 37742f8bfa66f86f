"""The stack as a whole: the commands `run`, `watch`, `exec`, `invoke`, `admin`, `recover-admin` and `clean`."""

import contextlib
import fcntl
import json
import os
import shutil
import time
from pathlib import Path

from botocore.exceptions import EndpointConnectionError
from yarl import URL

from . import adjustments, build, deploy, processes
from .console import Failure, step
from .emulator import CREDENTIALS, REGION, Emulator, free_port, require_free
from .proxy import Proxy
from .sources import Sources

LOCAL = build.ROOT / ".local"
_VENV = LOCAL / "venv"
_SAM = _VENV / "sam" / "bin" / "sam"
_MAIL_SENDER = "records@example.org"
# The allowed origin, of another web client. With `make run` and `make watch`, all others on this machine are allowed, too.
_WEB_CLIENT = "http://localhost:3000"
# The sizes of the artifacts of cargo (1.9 GB), of .local/build, of .local/run and of two virtual environments (1.1 GB), added up; the
# time follows from that of `make test`, which compiles all tests, too.
FIRST_TIME = "The first time takes about 10 minutes on two processors, and 3 GB of disk below .local and target; after that, it takes seconds."


def run(port: int) -> int:
    with _kept_stack(port) as stack:
        _print_addresses(stack, "Press Ctrl-C to stop; the data stays until `make clean`.")
        stack.wait()
    return 0


def watch(port: int) -> int:
    with _kept_stack(port) as stack:
        stack.watch()
        _print_addresses(stack, "A saved file is live at the next request, which waits until it is compiled. Press Ctrl-C to stop.")
        stack.wait()
    return 0


def execute(argv: list[str], name: str, parameters: dict[str, str]) -> int:
    """Runs a command with a fresh stack, deployed with these parameters, and returns the command's exit code.

    Stacks with different names can be used at the same time.
    """
    if not argv:
        raise Failure("the command is missing: write it after --")
    home = LOCAL / "test" / name
    with _only_one(LOCAL / f"test-{name}.lock", f"the test stack {name} of this checkout is in use: wait until it has ended"):
        shutil.rmtree(home, ignore_errors=True)
        with _stack(home, home / "stack.json", free_port(), free_port(), others=parameters) as stack:
            template = home / "template.json"
            template.write_text(json.dumps(deploy.expanded_template(stack.emulator), indent=2))
            variables = {"STACK_FILE": str(stack.file), "TEMPLATE_JSON": str(template)}
            return processes.call(argv, cwd=build.ROOT, env=stack.emulator.client_environment() | variables)


def clean() -> int:
    with _only_one(LOCAL / "run.lock", "the stack of this checkout is running: stop it with Ctrl-C first"):
        for folder in ("run", "test", "build"):
            shutil.rmtree(LOCAL / folder, ignore_errors=True)
        for file in ("stack.json", "env"):
            (LOCAL / file).unlink(missing_ok=True)
    return 0


@contextlib.contextmanager
def _kept_stack(port: int):
    """Runs the stack of `make run`, with a fixed address and persistent data."""
    with _only_one(LOCAL / "run.lock", "the stack of this checkout is running already: use it, or stop it with Ctrl-C first"):
        require_free(port, "choose another one with PORT=")
        emulator_port = _kept_port(LOCAL / "run", otherwise=port + 1)
        with _stack(LOCAL / "run", LOCAL / "stack.json", port, emulator_port, others={}) as stack:
            stack.proxy.web_client = _WEB_CLIENT
            adjustments.allow_local_origins(deploy.client(stack.emulator, "s3"), stack.description["bucket"])
            stack.write_environment_file(LOCAL / "env")
            yield stack


def _kept_port(home: Path, otherwise: int) -> int:
    """Returns the port of the emulated cloud. It is kept, because the URLs of the queues contain it."""
    file = home / "port"
    if file.exists():
        port = int(file.read_text())
        require_free(port, "delete the kept data with `make clean`")
        return port
    require_free(otherwise, "choose another base with PORT=")
    home.mkdir(parents=True, exist_ok=True)
    file.write_text(str(otherwise))
    return otherwise


@contextlib.contextmanager
def _stack(home: Path, file: Path, proxy_port: int, emulator_port: int, others: dict[str, str]):
    home.mkdir(parents=True, exist_ok=True)
    if not (LOCAL / "build").exists():
        print(FIRST_TIME, flush=True)
    with step("Building the functions"):
        build.build()
    parameters = {
        "Architecture": build.ARCHITECTURE,
        "DataPolicy": "Delete",
        "MailSender": _MAIL_SENDER,
        "MailIdentity": "ADDRESS",
        "Environment": "local",
        "LocalOrigins": f"http://localhost:{proxy_port},{_WEB_CLIENT}",
        # Kept stacks have values of earlier versions, which are refused now.
        "PublicUrl": '""',
        "AllowedOrigins": '""',
        # As the Django service did.
        "RevealRegisteredEmail": "true",
        # Doctors can be used right after registration.
        "RequireDoctorApproval": "false",
        # All clients have the same address here.
        "MaxFailuresPerNetwork": "1000",
        # An organization in tests/api/src/accounts/throttling.rs.
        "SharedNetworks": "192.0.2.1",
        "RequireDoctorSecondFactor": "false",
        **others,
    }
    emulator = Emulator(home, emulator_port, _VENV / "stack")
    with contextlib.ExitStack() as started:
        with step("Starting the emulated cloud"):
            started.enter_context(emulator.running())
        deploy.deploy_if_changed(emulator, _SAM, parameters)
        stack = Stack(emulator, file, f"http://localhost:{proxy_port}", parameters)
        started.enter_context(stack.proxy.running())
        stack.file.write_text(json.dumps(stack.description, indent=2) + "\n")
        started.callback(stack.file.unlink, missing_ok=True)
        yield stack


@contextlib.contextmanager
def _only_one(lock: Path, otherwise: str):
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failure(otherwise) from None
        yield


def create_admin(email: str) -> int:
    """Creates the first admin of the running stack."""
    description = _running()
    result = _invoke(description, "bootstrap-admin", {"email": email}, failure="the admin was not created")
    print(f"{result['next']}\nSent mails: {description['mails_url']}")
    return 0


def recover_admin(email: str, reason: str) -> int:
    """Recovers the only admin of the running stack, who has lost the second factor."""
    description = _running()
    result = _invoke(description, "recovery", {"email": email, "reason": reason}, failure="the admin was not recovered")
    print(f"{result['next']}\nSent mails: {description['mails_url']}")
    return 0


def invoke(function: str, event: str | None, token: str | None) -> int:
    """Invokes a function of the running stack with one event, without the gateway, and prints what it returns."""
    file = Path(event or build.ROOT / "events" / f"{function}.json")
    if function not in build.functions():
        raise Failure(f"there is no function {function}: choose one of {', '.join(build.functions())}")
    if not file.exists():
        raise Failure(f"there is no file {file}: EVENT= names the file of an event")
    try:
        content = json.loads(file.read_text())
    except ValueError as error:
        raise Failure(f"{file} is no JSON: {error}") from None
    if token:
        if "headers" not in content:
            raise Failure(f"{file} has no headers, so that there is no place for a token: leave TOKEN= out")
        content["headers"]["authorization"] = f"Bearer {token}"
    result = _invoke(_running(), function, content, failure=f"{function} has failed")
    if isinstance(result, dict) and isinstance(result.get("body"), str):
        with contextlib.suppress(ValueError):
            result["body"] = json.loads(result["body"])
    print(json.dumps(result, indent=2), flush=True)
    return 0


def reconcile() -> int:
    """Lets the running stack repair what was lost between table, bucket and queues; prints what that was."""
    report = _invoke(_running(), "reconciler", {}, failure="the reconciliation has stopped; it continues there the next time")
    for name, value in report.items():
        print(f"{name.replace('_', ' ')}: {json.dumps(value)}")
    return 0


def _running() -> dict:
    """Returns the description of the running stack."""
    file = LOCAL / "stack.json"
    if not file.exists():
        raise Failure("no stack of this checkout is running: start one with `make run`")
    return json.loads(file.read_text())


def _invoke(description: dict, function: str, event: dict, failure: str) -> dict:
    emulator = Emulator(LOCAL / "run", int((LOCAL / "run" / "port").read_text()), _VENV / "stack")
    name = description["functions"][function]
    try:
        response = deploy.client(emulator, "lambda").invoke(FunctionName=name, Payload=json.dumps(event))
    except EndpointConnectionError:
        raise Failure("the stack of this checkout has ended without stopping: start it again with `make run`") from None
    result = json.load(response["Payload"])
    if "FunctionError" in response:
        raise Failure(f"{failure}: {result['errorMessage']}")
    return result


def _logical_id(function: str) -> str:
    """Returns the logical id of a function without its suffix: BootstrapAdmin for `bootstrap-admin`."""
    return "".join(part.capitalize() for part in function.split("-"))


def _print_addresses(stack: "Stack", hint: str) -> None:
    base = stack.description["base_url"]
    entrances = {
        "Web app": f"{base} (open it in a browser: patients and doctors register there)",
        "API": f"{base}/api/",
        "Swagger UI": f"{base}/api/schema/swagger-ui/",
        "Console": f"{base}/admin/ (its first admin: make admin EMAIL=you@example.org)",
        "Sent mails": stack.description["mails_url"],
        "A day": "make demo",
        "Description": os.path.relpath(stack.file, build.ROOT),
    }
    print("\n" + "".join(f"{name:<13}{where}\n" for name, where in entrances.items()) + f"\n{hint}", flush=True)


class Stack:
    """A deployed stack with its proxy in front."""

    def __init__(self, emulator: Emulator, file: Path, base_url: str, parameters: dict[str, str]):
        self.emulator, self.file, self._parameters = emulator, file, parameters
        outputs = deploy.outputs(emulator)
        self.description = {
            "base_url": base_url,
            "mails_url": f"{base_url}/_local/mails",
            "endpoint_url": emulator.url,
            "region": REGION,
            "emulator_log": str(emulator.log),
            "api_id": outputs["ApiId"],
            "table": outputs["TableName"],
            "bucket": outputs["BucketName"],
            "archive_bucket": outputs["ArchiveBucketName"],
            "queues": {
                "mail": outputs["MailQueueUrl"],
                "account_mail": outputs["AccountMailQueueUrl"],
                "mail_dlq": outputs["MailDeadLetterQueueUrl"],
                "mail_event": outputs["MailEventQueueUrl"],
                "mail_event_dlq": outputs["MailEventDeadLetterQueueUrl"],
                "upload": outputs["UploadQueueUrl"],
                "upload_dlq": outputs["UploadDeadLetterQueueUrl"],
                "stream_failure": outputs["StreamFailureQueueUrl"],
            },
            "functions": {name: outputs[f"{_logical_id(name)}FunctionName"] for name in build.functions()},
        }
        self.proxy = Proxy(URL(base_url).port, emulator.url, outputs["ApiId"], emulator.folder)

    def watch(self) -> None:
        """Compiles and deploys what has changed before each request."""
        sources = Sources(self.emulator, _SAM, self._parameters, self.description["functions"])
        self.proxy.before = sources.bring_live

    def wait(self) -> None:
        """Waits for a signal (see processes.Stopped); fails if the emulated cloud ends by itself."""
        while self.emulator.child.poll() is None:
            time.sleep(0.2)
        raise Failure(f"the emulated cloud ended by itself: see {self.emulator.log}, and start again")

    def write_environment_file(self, file: Path) -> None:
        """Writes the environments of all functions into one file, for `make audit-verify` and for functions that run alone."""
        variables = {
            "AWS_ENDPOINT_URL": self.emulator.url,
            "AWS_REGION": REGION,
            **CREDENTIALS,
        }
        for function in self.description["functions"].values():
            variables |= deploy.environment_of(self.emulator, function)
        file.write_text("".join(f"{name}={value}\n" for name, value in sorted(variables.items())))
