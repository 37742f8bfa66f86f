"""What schemathesis is told about this API: who calls it, and which refusals of well-formed requests are its contract."""

import atexit
import json
import os
import re
import time
import uuid
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import schemathesis
from jsonschema import Draft202012Validator
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

from tests.conformance import counts
from tests.people import PASSWORD, Person, Stack

ROLE = os.environ["ROLE"]
_DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "functions" / "docs" / "openapi.json").read_text())


def _is_over(person: Person, response: Response) -> bool:
    """Whether somebody's session has ended."""
    sent = response.request.headers.get("Authorization")
    return response.status_code == 401 and sent == f"Bearer {person.access}" and '"token_not_valid"' in response.text


class Somebody:
    """Whoever asks at the moment, with a chart that there is something to find in."""

    # Access tokens live for 15 minutes.
    _LIFETIME_SECONDS = 600

    def __init__(self) -> None:
        self._stack = Stack()
        self._caller: Person | None = None
        self._since = 0.0
        self.ids: dict[str, str] = {}

    def caller(self) -> Person:
        """Somebody else of the same role once the session has ended: what a role may do includes ending its own, or being
        deactivated."""
        if self._caller is None or time.monotonic() > self._since + self._LIFETIME_SECONDS:
            self._caller, self._since = self._renewed(), time.monotonic()
        return self._caller

    def heard(self, response: Response) -> None:
        if self._caller is not None and _is_over(self._caller, response):
            self._caller = None

    def _renewed(self) -> Person:
        chart = self._stack.chart()
        person = {"patient": chart.patient, "doctor": chart.doctor}.get(ROLE) or self._stack.admin()
        notifications = person.call("GET", "/api/notifications/")["results"]
        self.ids = {"patient": chart.patient.id, "doctor": chart.doctor.id, "record": chart.record, "file": chart.file, "annotation": chart.annotation}
        if notifications:
            self.ids["notification"] = notifications[0]["id"]
        self.wait_for_decision()
        return person

    def wait_for_decision(self) -> None:
        """Another doctor waits, where there is somebody to decide."""
        if ROLE == "admin":
            self.ids["waiting"] = self._stack.pending_doctor().id


_somebody = Somebody()


class Guests:
    """Who asks for what changes how one signs in, or can be done once: somebody for that alone, who is what it needs, and
    somebody else once it was done."""

    _LIFETIME_SECONDS = 200

    def __init__(self) -> None:
        self._stack = Stack()
        self._guests: dict[str, tuple[Person, float]] = {}
        self._makers = {
            "/api/accounts/profile-create/": self._without_profile,
            "/api/accounts/password-change/": self._without_profile,
            "/api/accounts/email-change/": self._without_profile,
            "/api/accounts/second-factor/setup/": self._without_profile,
            "/api/accounts/second-factor/confirm/": self._with_secret,
            "/api/accounts/second-factor/disable/": self._with_second_factor,
            "/api/accounts/login/second-factor/": self._with_second_factor,
        }
        if ROLE == "anonymous":
            self._makers = {path: maker for path, maker in self._makers.items() if path.startswith("/api/accounts/login/")}

    def of(self, path: str) -> Person | None:
        guest, since = self._guests.get(path, (None, 0.0))
        if path in self._makers and (guest is None or time.monotonic() > since + self._LIFETIME_SECONDS):
            guest = self._makers[path]()
            self._guests[path] = (guest, time.monotonic())
        return guest

    def heard(self, path: str, response: Response) -> None:
        """Somebody else is next when it was done, when one has to wait, or when others have ended the session."""
        guest, _ = self._guests.get(path, (None, 0.0))
        if guest is not None and (response.status_code < 300 or response.status_code == 429 or _is_over(guest, response)):
            del self._guests[path]

    def _without_profile(self) -> Person:
        return self._stack.admin_without_second_factor() if ROLE == "admin" else self._stack.register("doctor" if ROLE == "doctor" else "patient")

    def _with_secret(self) -> Person:
        guest = self._without_profile()
        guest.secret = guest.call("POST", "/api/accounts/second-factor/setup/", {"password": PASSWORD})["secret"]
        return guest

    def _with_second_factor(self) -> Person:
        guest = self._without_profile()
        guest.set_up_second_factor()
        guest.mfa_token = guest.show_password().body["mfa_token"]
        return guest


_guests = Guests()

if ROLE != "anonymous":

    # Asked for each request: schemathesis itself would not ask again within a chain.
    @schemathesis.auth(refresh_interval=None)
    class SignedIn:
        def get(self, case: Case, context: AuthContext) -> Person:
            return _somebody.caller()

        def set(self, case: Case, data: Person, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {(_guests.of(case.operation.path) or data).access}"


# Whose id the one in a path is.
_OWNERS = {
    "/api/records/patient/annotations/": "annotation",
    "/api/records/doctor/annotations/": "annotation",
    "/api/records/patient/": "record",
    "/api/records/doctor/": "record",
    "/api/records/files/": "file",
    "/api/notifications/": "notification",
    "/api/admin/users/": "patient",
    "/api/admin/doctors/{id}/suspend/": "doctor",
    "/api/admin/doctors/": "waiting",
}

# Which id was named to whom: a chain that passes it on means it, unless it is somebody else's chain by now.
_told: set[tuple[str | None, str]] = set()
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _is_of_a_half(drawn: object) -> bool:
    return zlib.crc32(repr(drawn).encode()) % 2 == 0


def _know_better(case: Case) -> None:
    """Whoever has an own password, code or token shows it: in every example, and in half of what was drawn."""
    guest = _guests.of(case.operation.path)
    if guest is None or not isinstance(case.body, dict) or not (case.meta.phase.name == "examples" or _is_of_a_half(case.body)):
        return
    known = {"password": PASSWORD, "current_password": PASSWORD, "mfa_token": guest.mfa_token}
    if guest.secret:
        known["code"] = guest.unused_code()
    if guest.recovery_codes:
        known["recovery_code"] = guest.recovery_codes[0]
    case.body |= {name: value for name, value in known.items() if value and name in case.body}


# Where an address must be nobody's. Those that are drawn are soon somebody's: there are not many short ones.
_NEW_ADDRESSES = {"/api/accounts/register/", "/api/accounts/email-change/", "/api/admin/users/", "/api/admin/users/{id}/email-change/"}


def _find_new_address(case: Case) -> None:
    """Every example has an address that is nobody's, and half of what was drawn."""
    if case.operation.path not in _NEW_ADDRESSES or not isinstance(case.body, dict) or not isinstance(case.body.get("email"), str):
        return
    if case.meta.phase.name == "examples" or _is_of_a_half(case.body):
        case.body["email"] = f"new.{uuid.uuid4().hex}@example.com"


@schemathesis.hook
def map_case(context: HookContext, case: Case) -> Case:
    """Half of all well-formed ids are those of something that exists, or hardly any request would get beyond 404, and so with
    passwords, codes, cursors and new addresses. Ids that a link passes on stay."""
    if case.meta and case.meta.generation.mode == GenerationMode.POSITIVE:
        places = [(case.path_parameters, "id", next((owner for path, owner in _OWNERS.items() if case.operation.path.startswith(path)), ""))]
        if isinstance(case.body, dict):
            places += [(case.body, name, name) for name in ("doctor", "record")]
        linked, asker = case.meta.phase.name == "stateful", (case.headers or {}).get("Authorization")
        for values, name, owner in places:
            drawn, known = (values or {}).get(name), _somebody.ids.get(owner)
            if known and isinstance(drawn, str) and drawn[:1] in "02468ace" and not (linked and (asker, drawn) in _told):
                values[name] = known
        _know_better(case)
        _find_new_address(case)
        # Only we make cursors, and a list with another one is refused.
        if isinstance(case.query, dict) and (linked or _is_of_a_half(case.query)):
            case.query.pop("cursor", None)
    return case


# What a schema cannot say, because it is about what is stored, who asks, what day it is, or two fields together. Whatever
# else is refused as invalid although it is as the document says has its limits wrong there.
_FACTS = {"future", "incorrect", "not_alone", "not_assignable", "not_assigned", "taken", "too_common", "too_similar", "unchanged"}
_FACTS_OF_FIELDS = {
    # Only we make tokens and cursors.
    ("token", "invalid"),
    ("cursor", "invalid"),
    # At least one of two people.
    ("subject", "required"),
    # As many as there may be, with those that the record has.
    ("files", "too_many"),
}


def _schema(case: Case) -> dict[str, Any]:
    """What the document says of the body."""
    body = _DOCUMENT["paths"][case.operation.path][case.method.lower()].get("requestBody")
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] if body else ""
    return _DOCUMENT["components"]["schemas"].get(name, {})


def _takes(schema: dict[str, Any], body: object) -> bool:
    return Draft202012Validator(schema | {"components": _DOCUMENT["components"]}).is_valid(body)


def _is_for_another_role(case: Case) -> bool:
    """Whether a profile is as that of a patient must be, and a doctor sends it, or the other way round."""
    if ROLE not in ("doctor", "patient") or not case.operation.path.startswith("/api/accounts/profile-"):
        return False
    return not _takes(_schema(case)["anyOf"][["doctor", "patient"].index(ROLE)], case.body)


def _is_right_without_margins(case: Case) -> bool:
    """Whether nothing is wrong with the body but that it is too long with the white space around its texts, which is not counted:
    a schema cannot say so beside a length."""
    if not isinstance(case.body, dict) or _takes(_schema(case), case.body):
        return False
    return _takes(_schema(case), {name: value.strip() if isinstance(value, str) else value for name, value in case.body.items()})


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    if isinstance(failure, RejectedPositiveData) and response.status_code in (409, 422):
        # Whether a key was used before.
        return not response.json()["code"].startswith("idempotency_")
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        if _is_for_another_role(case):
            return False
        errors = response.json().get("errors", [])
        return not errors or any(each["code"] not in _FACTS and (each["field"], each["code"]) not in _FACTS_OF_FIELDS for each in errors)
    if isinstance(failure, AcceptedNegativeData):
        if _is_right_without_margins(case):
            return False
        # A parameter without a value is one that is not there, as with the forms of web pages. Whatever a client names as
        # the version that it has is another one.
        return "" not in (case.query or {}).values() and "If-None-Match" not in (case.headers or {})
    return True


_statuses: Counter[str] = Counter()


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    path, status = case.operation.path, response.status_code
    _statuses[f"{case.method} {path} {status}"] += 1
    kind = (response.headers.get("content-type") or [""])[0]
    if kind.startswith("application/json"):
        asker = response.request.headers.get("Authorization")
        _told.update((asker, each) for each in _ID.findall(response.text))
    _somebody.heard(response)
    _guests.heard(path, response)
    if status < 300 and path in ("/api/admin/doctors/{id}/approve/", "/api/admin/doctors/{id}/refuse/"):
        _somebody.wait_for_decision()


@atexit.register
def _tell_requests() -> None:
    counts.add(Path(os.environ["REQUESTS_FILE"]), _statuses)
