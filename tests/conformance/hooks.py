"""What schemathesis is told about this API: who calls it, and which refusals of well-formed requests are its contract."""

import atexit
import json
import os
from pathlib import Path
from typing import Any

import schemathesis
from jsonschema import Draft202012Validator
from schemathesis import AuthContext, Case, GenerationMode, HookContext, Response
from schemathesis.core.failures import AcceptedNegativeData, Failure
from schemathesis.openapi.checks import RejectedPositiveData

from tests.people import Chart, Person, Stack

ROLE = os.environ["ROLE"]
_DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "functions" / "docs" / "openapi.json").read_text())


class Somebody:
    """Whoever asks at the moment, with a chart that there is something to find in."""

    def __init__(self) -> None:
        self._stack = Stack()
        self.ids: dict[str, str] = {}

    def renew(self) -> Person:
        chart = self._stack.chart()
        person = {"patient": chart.patient, "doctor": chart.doctor}.get(ROLE) or self._stack.admin()
        notifications = person.call("GET", "/api/notifications/")["results"]
        self.ids = {"patient": chart.patient.id, "doctor": chart.doctor.id, "record": chart.record, "file": chart.file, "annotation": chart.annotation}
        if notifications:
            self.ids["notification"] = notifications[0]["id"]
        return person


_somebody = Somebody()

if ROLE != "anonymous":

    # Anew before an access token expires, and after each 401: what a role may do includes ending its own session, changing
    # its password and deactivating its account. The next requests are somebody else's of the same role.
    @schemathesis.auth(refresh_interval=600)
    class SignedIn:
        def get(self, case: Case, context: AuthContext) -> Person:
            return _somebody.renew()

        def set(self, case: Case, data: Person, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data.access}"


# Whose id the one in a path is.
_OWNERS = {
    "/api/records/patient/annotations/": "annotation",
    "/api/records/doctor/annotations/": "annotation",
    "/api/records/patient/": "record",
    "/api/records/doctor/": "record",
    "/api/records/files/": "file",
    "/api/notifications/": "notification",
    "/api/admin/users/": "patient",
    "/api/admin/doctors/": "doctor",
}


@schemathesis.hook
def map_case(context: HookContext, case: Case) -> Case:
    """Half of all well-formed ids are those of something that exists, or hardly any request would get beyond 404."""
    # The gateway decodes paths and drops what is behind a question mark in them: the rest is another operation's path.
    for name, value in (case.path_parameters or {}).items():
        if isinstance(value, str):
            case.path_parameters[name] = value.replace("?", "0")
    if case.meta and case.meta.generation.mode == GenerationMode.POSITIVE:
        places = [(case.path_parameters, "id", next((owner for path, owner in _OWNERS.items() if case.operation.path.startswith(path)), ""))]
        if isinstance(case.body, dict):
            places += [(case.body, name, name) for name in ("doctor", "record")]
        for values, name, owner in places:
            drawn, known = (values or {}).get(name), _somebody.ids.get(owner)
            if known and isinstance(drawn, str) and drawn[:1] in "02468ace":
                values[name] = known
    return case


# What a schema cannot say, because it is about what is stored, who asks, what day it is, or two fields together. Whatever
# else is refused as invalid although it is as the document says has its limits wrong there.
_FACTS = {"future", "incorrect", "not_alone", "not_assignable", "not_assigned", "taken", "too_common", "too_similar", "unchanged"}
_FACTS_OF_FIELDS = {
    # Only we make tokens and cursors.
    ("token", "invalid"),
    ("cursor", "invalid"),
    # Exactly one of two proofs.
    ("code", "required"),
    ("recovery_code", "invalid"),
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


_statuses: dict[str, int] = {}


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    key = f"{case.method} {case.operation.path} {response.status_code}"
    _statuses[key] = _statuses.get(key, 0) + 1


@atexit.register
def _tell_requests() -> None:
    lines = [f"{count} {key}\n" for key, count in sorted(_statuses.items(), key=lambda each: each[0].split())]
    Path(os.environ["REQUESTS_FILE"]).write_text("".join(lines))
