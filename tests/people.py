"""Test users for the tests in Python: people with accounts on the deployed stack.

Everything possible is done through the API. Only admins are created in the table, because the first admin of a stack
can be created only once.
"""

import base64
import hashlib
import hmac
import json
import itertools
import os
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from pathlib import Path
from typing import Any

import boto3

# Realistic, because the README shows screenshots with them, and unusual, so that a search of the logs finds them.
_PATIENTS = [("Samuel", "Okonjira", "male"), ("Elena", "Marchettini", "female"), ("Tomas", "Lindqvarn", "male")]
_DOCTORS = [
    ("Amara", "Nwachukor", "Cardiology"),
    ("Noor", "Verhaeghen", "Paediatrics"),
    ("Henrik", "Sorensgard", "Neurology"),
    ("Imre", "Szalontay", "Dermatology"),
    ("Lucia", "Castellvera", "Radiology"),
    ("Oisin", "Lochlainn", "Oncology"),
]
_ADMIN = ("Ada", "Whitlowe")
_ANYBODY = ("Jane", "Fairweatherby")
LAST_NAMES = [last_name for _, last_name, *_ in [*_PATIENTS, *_DOCTORS, _ADMIN, _ANYBODY]]
STREET = "12 Larkspurne Road"
DESCRIPTION = "Complete blood count, requested after six weeks of fatigue"
FILE_NAME = "complete-blood-count.pdf"
NOTE = "Haemoglobin is slightly low. Please repeat the count in four weeks."
PASSWORD = "quiet-harbour-lantern-58"
_PDF = b"%PDF-1.7\nHaemoglobin 11.8 g/dl\n%%EOF\n"
_STEP_SECONDS = 30
# Long enough for stream, queue and function on a busy machine.
_TIMEOUT_SECONDS = 240


def new_address(first_name: str, last_name: str) -> str:
    return f"{first_name}.{last_name}.{uuid.uuid4().hex[:12]}@example.com".lower()


@dataclass
class Response:
    status: int
    headers: Message
    body: Any


class Stack:
    """The deployed stack that STACK_FILE describes."""

    def __init__(self) -> None:
        file = os.environ.get("STACK_FILE")
        if not file:
            sys.exit("error: STACK_FILE is not set: run `make test`, or start `make run` in another terminal and set STACK_FILE=$PWD/.local/stack.json")
        self.description = json.loads(Path(file).read_text())
        self.base_url: str = self.description["base_url"]
        self._began = int(time.time() * 1000)
        # Tests find doctors by their names: those that run side by side have other doctors.
        worker, workers = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]), int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
        self._patients, self._doctors = itertools.cycle(_PATIENTS), itertools.cycle(_DOCTORS[worker::workers])

    def client(self, service: str) -> Any:
        """Returns a client of the emulated cloud, with root credentials."""
        return boto3.client(
            service,
            endpoint_url=self.description["endpoint_url"],
            region_name=self.description["region"],
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )

    def send(self, method: str, path: str, token: str | None = None, body: Any = None) -> Response:
        """Sends a request to the API and returns the response, whatever its status."""
        request = urllib.request.Request(self.base_url + path, method=method)
        if token:
            request.add_header("Authorization", f"Bearer {token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request) as response:
                content, status, headers = response.read(), response.status, response.headers
        except urllib.error.HTTPError as error:
            content, status, headers = error.read(), error.code, error.headers
        return Response(status, headers, json.loads(content) if "json" in headers.get("Content-Type", "") and content else None)

    def call(self, method: str, path: str, token: str | None = None, body: Any = None) -> Any:
        """Sends a request that must succeed and returns the body of the response."""
        response = self.send(method, path, token, body)
        assert response.status < 300, f"{method} {path} returned {response.status}: {response.body}"
        return response.body

    def mails(self) -> list[dict[str, Any]]:
        """Returns all mails sent, newest first."""
        with urllib.request.urlopen(self.description["mails_url"]) as response:
            return json.load(response)

    def register(self, role: str, first_name: str = _ANYBODY[0], last_name: str = _ANYBODY[1], **profile: Any) -> "Person":
        """Registers a user, with a profile if fields of it are given."""
        email = new_address(first_name, last_name)
        body = {"email": email, "password": PASSWORD, "role": role, "first_name": first_name, "last_name": last_name}
        response = self.call("POST", "/api/accounts/register/", body=body)
        person = Person(self, response["pk"], email, first_name, last_name, response["tokens"]["access"], response["tokens"]["refresh"])
        if profile:
            self.call("POST", "/api/accounts/profile-create/", person.access, profile)
        return person

    def patient(self) -> "Person":
        first_name, last_name, gender = next(self._patients)
        return self.register("patient", first_name, last_name, date_of_birth="1985-04-12", gender=gender, address=STREET)

    def doctor(self) -> "Person":
        """Registers a doctor with a profile. Local stacks require no approval."""
        first_name, last_name, specialization = next(self._doctors)
        profile = {"specialization": specialization, "license_number": "MD-104872", "years_of_experience": 12}
        return self.register("doctor", first_name, last_name, **profile)

    def sample_record(self) -> "SampleRecord":
        """Creates a record with a file and an annotation, and thereby a notification for its patient and its doctor."""
        patient, doctor = self.patient(), self.doctor()
        file = {"name": FILE_NAME, "content_type": "application/pdf", "size_bytes": len(_PDF)}
        new_record = {"doctor": doctor.id, "record_type": "lab_result", "description": DESCRIPTION, "files": [file]}
        record = patient.call("POST", "/api/records/patient/", new_record)
        note = {"record": record["id"], "note": NOTE}
        annotation = doctor.call("POST", "/api/records/doctor/annotations/", note)
        [created] = record["files"]
        return SampleRecord(patient, doctor, record["id"], created["id"], annotation["id"], created["upload"])

    def pending_doctor(self) -> "Person":
        """Registers a doctor whose approval is pending, as where approval is required."""
        doctor = self.doctor()
        self._change(
            f"USER#{doctor.id}",
            "ACCOUNT",
            "SET approval = :pending, gsi2pk = :waiting, gsi2sk = :id, version = version + :one REMOVE gsi1pk, gsi1sk",
            {":pending": {"S": "pending"}, ":waiting": {"S": "APPROVAL#pending"}, ":id": {"S": doctor.id}, ":one": {"N": "1"}},
        )
        return doctor

    def give_up_newest_mail(self, person: "Person") -> None:
        """Leaves the mail of a user's newest notification as the mailer and SQS do when SES has refused it five times."""
        notification = person.call("GET", "/api/notifications/")["results"][0]["id"]
        change = "SET mail_state = :failed, mail_failure = :failure, mail_failed_at = mail_sent_at"
        values = {":failed": {"S": "failed"}, ":failure": {"S": "address_invalid"}}
        eventually("the mail is noted as sent", lambda: self._mail_is_sent(person, notification))
        self._change(f"INBOX#{person.id}", f"NOTIFICATION#{notification}", change, values)
        order = json.dumps({"recipient_id": person.id, "notification_id": notification})
        self.client("sqs").send_message(QueueUrl=self.description["queues"]["mail_dlq"], MessageBody=order)

    def _mail_is_sent(self, person: "Person", notification: str) -> bool:
        key = {"pk": {"S": f"INBOX#{person.id}"}, "sk": {"S": f"NOTIFICATION#{notification}"}}
        item = self.client("dynamodb").get_item(TableName=self.description["table"], Key=key, ConsistentRead=True)["Item"]
        return "mail_sent_at" in item

    def confirm_address(self, person: "Person") -> None:
        """Makes a user's address a confirmed one, as a token from a mail does."""
        self._change(f"USER#{person.id}", "ACCOUNT", "SET email_verified = :yes", {":yes": {"BOOL": True}})

    def fail_sign_ins(self, person: "Person") -> None:
        """Leaves the account as after 100 refused sign-ins from unknown devices in a row, after the pause."""
        subject = base64.urlsafe_b64encode(hashlib.sha256(person.email.encode()).digest()).rstrip(b"=").decode()
        self._change(
            f"RATE#login#{subject}",
            "ATTEMPTS",
            "SET entity = :entity, attempt = :attempt, in_a_row = :many, networks = :none, #ttl = :later",
            {":entity": {"S": "attempts"}, ":attempt": {"S": "of a test"}, ":many": {"N": "100"}, ":none": {"M": {}}, ":later": {"N": str(int(time.time()) + 900)}},
            {"#ttl": "ttl"},
        )

    @contextmanager
    def setting(self, function: str, name: str, value: str) -> Iterator[None]:
        """Changes an environment variable of a function for a while."""
        functions = self.client("lambda")
        function_name = self.description["functions"][function]
        before: dict[str, str] = functions.get_function_configuration(FunctionName=function_name)["Environment"]["Variables"]
        functions.update_function_configuration(FunctionName=function_name, Environment={"Variables": before | {name: value}})
        try:
            yield
        finally:
            functions.update_function_configuration(FunctionName=function_name, Environment={"Variables": before})

    def let_mails_bounce(self, person: "Person") -> None:
        """Leaves the account as after a mail that could not be delivered."""
        change = "SET email_problem = :problem, email_problem_at = :now, version = version + :one"
        values = {":problem": {"S": "bounced"}, ":now": {"S": datetime.now(UTC).isoformat().replace("+00:00", "Z")}, ":one": {"N": "1"}}
        self._change(f"USER#{person.id}", "ACCOUNT", change, values)

    def admin(self) -> "Person":
        """Creates an admin, signed in with a second factor."""
        admin = self.admin_without_second_factor()
        admin.set_up_second_factor()
        admin.sign_in()
        # Makes the codes of the current time steps usable again, so that the next one need not be awaited.
        self._change(f"FACTOR#{admin.id}", "SECOND_FACTOR", "SET last_step = :none", {":none": {"N": "0"}})
        admin.used_step = 0
        return admin

    def admin_without_second_factor(self) -> "Person":
        admin = self.register("patient", *_ADMIN)
        values = {":admin": {"S": "admin"}, ":long_ago": {"S": "2026-01-01T00:00:00Z"}, ":one": {"N": "1"}, ":yes": {"BOOL": True}}
        self._change(f"USER#{admin.id}", "ACCOUNT", "SET #role = :admin, role_changed_at = :long_ago, email_verified = :yes, version = version + :one", values, {"#role": "role"})
        self._change("ADMINS", "STATE", "SET entity = :entity ADD working_admins :one", {":entity": {"S": "admins"}, ":one": {"N": "1"}})
        admin.sign_in()
        return admin

    def count_a_month(self) -> None:
        """Gives the dashboard numbers for the past days on which nothing was counted."""
        today = datetime.now(UTC).date()
        for ago in range(1, 30):
            day = today - timedelta(days=ago)
            # Fewer at weekends, with some variation.
            busy = (9 if day.weekday() < 5 else 3) + ago * 7 % 5
            counts = {"patients": busy, "doctors": ago % 3 == 0, "records": 2 * busy, "mails_sent": 5 * busy, "mails_failed": ago % 11 == 0}
            values = {f":{name}": {"N": str(int(count))} for name, count in counts.items()}
            expression = "SET entity = :entity, " + ", ".join(f"{name} = if_not_exists({name}, :{name})" for name in counts)
            self._change(f"COUNTERS#{day.year}", day.isoformat(), expression, values | {":entity": {"S": "counters"}})

    def logged(self) -> Iterator[tuple[str, str]]:
        """The names of functions with what they have logged since this object was made, message by message."""
        logs = self.client("logs")
        for name, function in self.description["functions"].items():
            for event in logs.filter_log_events(logGroupName=f"/aws/lambda/{function}", startTime=self._began, limit=10_000)["events"]:
                yield name, event["message"]

    def _change(self, pk: str, sk: str, expression: str, values: dict[str, Any], names: dict[str, str] | None = None) -> None:
        self.client("dynamodb").update_item(
            TableName=self.description["table"],
            Key={"pk": {"S": pk}, "sk": {"S": sk}},
            UpdateExpression=expression,
            ExpressionAttributeValues=values,
            **({"ExpressionAttributeNames": names} if names else {}),
        )


@dataclass
class Person:
    stack: Stack
    id: str
    email: str
    first_name: str
    last_name: str
    access: str
    refresh: str
    secret: str | None = None
    recovery_codes: list[str] = field(default_factory=list)
    mfa_token: str | None = None
    used_step: int = field(default=0, repr=False)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        return self.stack.call(method, path, self.access, body)

    def set_up_second_factor(self) -> None:
        self.secret = self.call("POST", "/api/accounts/second-factor/setup/", {"password": PASSWORD})["secret"]
        self.recovery_codes = self.call("POST", "/api/accounts/second-factor/confirm/", {"code": self.code()})["recovery_codes"]

    def sign_in(self) -> None:
        """Starts a new session, with the second factor if there is one."""
        response = self.submit_password()
        if response.status == 401 and response.body["code"] == "mfa_required":
            proof = {"mfa_token": response.body["mfa_token"], "code": self.code()}
            response = self.stack.send("POST", "/api/accounts/login/second-factor/", body=proof)
        assert response.status == 200, response
        self.access, self.refresh = response.body["tokens"]["access"], response.body["tokens"]["refresh"]

    def submit_password(self) -> Response:
        """Returns the response of a login with the password alone."""
        return self.stack.send("POST", "/api/accounts/login/", body={"email": self.email, "password": PASSWORD})

    def code(self) -> str:
        """Returns the next unused code, valid for at least 30 seconds. Each code works once; codes of the adjacent time steps are
        accepted."""
        step = self._next_step()
        # Only reached when more than two codes are needed within 30 seconds.
        while step > int(time.time()) // _STEP_SECONDS + 1:
            time.sleep(0.2)
        self.used_step = step
        return self._shown(step)

    def unused_code(self) -> str:
        """Returns the next code without marking it as used, for a request that may not be sent."""
        return self._shown(self._next_step())

    def _next_step(self) -> int:
        return max(int(time.time()) // _STEP_SECONDS, self.used_step + 1)

    def _shown(self, step: int) -> str:
        assert self.secret, "there is no second factor: call set_up_second_factor first"
        digest = hmac.digest(base64.b32decode(self.secret + "=" * (-len(self.secret) % 8)), step.to_bytes(8, "big"), hashlib.sha1)
        offset = digest[-1] & 15
        return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06}"


@dataclass
class SampleRecord:
    patient: Person
    doctor: Person
    record: str
    file: str
    annotation: str
    upload: dict[str, Any]

    def upload_file(self) -> None:
        """Uploads the file and reads the record, after which the file is available."""
        request = urllib.request.Request(self.upload["url"], method=self.upload["method"], headers=self.upload["headers"], data=_PDF)
        with urllib.request.urlopen(request):
            pass
        [file] = self.patient.call("GET", f"/api/records/patient/{self.record}/")["files"]
        assert file["status"] == "available", file


def eventually(what: str, probe: Any) -> Any:
    """Waits until `probe` returns a truthy value, and returns it."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while not (found := probe()):
        assert time.monotonic() < deadline, f"timeout after {_TIMEOUT_SECONDS} s: {what}"
        time.sleep(0.2)
    return found
