"""Hooks of schemathesis: callers and existing ids for the requests, and the failures that are part of the contract."""

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
from schemathesis.core.failures import AcceptedNegativeData, Failure, ServerError
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

from tests.conformance import counts
from tests.people import PASSWORD, Person, Stack

ROLE = os.environ["ROLE"]
_DOCUMENT = json.loads((Path(__file__).resolve().parents[2] / "functions" / "docs" / "openapi.json").read_text())


def _session_ended(person: Person, response: Response) -> bool:
    """Returns whether the response shows that the person's session has ended."""
    sent = response.request.headers.get("Authorization")
    return response.status_code == 401 and sent == f"Bearer {person.access}" and '"token_not_valid"' in response.text


class CallerProvider:
    """Provides the current caller, who has a record with a file, an annotation and a notification."""

    # Access tokens are valid for 15 minutes.
    _LIFETIME_SECONDS = 600

    def __init__(self) -> None:
        self._stack = Stack()
        self._caller: Person | None = None
        self._since = 0.0
        self.ids: dict[str, str] = {}
        self.origin = self._stack.base_url

    def caller(self) -> Person:
        """Returns the caller; a new one of the same role after the session has ended, because requests may end their own
        session or deactivate the caller."""
        if self._caller is None or time.monotonic() > self._since + self._LIFETIME_SECONDS:
            self._caller, self._since = self._new_caller(), time.monotonic()
        return self._caller

    def observe(self, response: Response) -> None:
        if self._caller is not None and _session_ended(self._caller, response):
            self._caller = None

    def _new_caller(self) -> Person:
        sample = self._stack.sample_record()
        person = {"patient": sample.patient, "doctor": sample.doctor}.get(ROLE) or self._stack.admin()
        notifications = person.call("GET", "/api/notifications/")["results"]
        self.ids = {"patient": sample.patient.id, "doctor": sample.doctor.id, "record": sample.record, "file": sample.file, "annotation": sample.annotation}
        if notifications:
            self.ids["notification"] = notifications[0]["id"]
        self.add_pending_doctor()
        return person

    def add_pending_doctor(self) -> None:
        """Adds a doctor with a pending approval, for admins."""
        if ROLE == "admin":
            self.ids["pending_doctor"] = self._stack.pending_doctor().id


_callers = CallerProvider()


class SingleUseUsers:
    """Provides separate users for operations that change credentials or can be done only once per user."""

    _LIFETIME_SECONDS = 200

    def __init__(self) -> None:
        self._stack = Stack()
        self._users: dict[str, tuple[Person, float]] = {}
        self._factories = {
            "/api/accounts/profile-create/": self._without_profile,
            "/api/accounts/password-change/": self._without_profile,
            "/api/accounts/email-change/": self._without_profile,
            "/api/accounts/second-factor/setup/": self._without_profile,
            "/api/accounts/second-factor/confirm/": self._with_secret,
            "/api/accounts/second-factor/disable/": self._with_second_factor,
            "/api/accounts/login/second-factor/": self._with_second_factor,
        }
        if ROLE == "anonymous":
            self._factories = {path: factory for path, factory in self._factories.items() if path.startswith("/api/accounts/login/")}

    def of(self, path: str) -> Person | None:
        user, since = self._users.get(path, (None, 0.0))
        if path in self._factories and (user is None or time.monotonic() > since + self._LIFETIME_SECONDS):
            user = self._factories[path]()
            self._users[path] = (user, time.monotonic())
        return user

    def observe(self, path: str, response: Response) -> None:
        """Discards the user after a success, after a lockout, or when the session was ended."""
        user, _ = self._users.get(path, (None, 0.0))
        if user is not None and (response.status_code < 300 or response.status_code == 429 or _session_ended(user, response)):
            del self._users[path]

    def _without_profile(self) -> Person:
        if ROLE == "admin":
            return self._stack.admin_without_second_factor()
        user = self._stack.register("doctor" if ROLE == "doctor" else "patient")
        # Otherwise there is no second factor.
        self._stack.confirm_address(user)
        return user

    def _with_secret(self) -> Person:
        user = self._without_profile()
        user.secret = user.call("POST", "/api/accounts/second-factor/setup/", {"password": PASSWORD})["secret"]
        return user

    def _with_second_factor(self) -> Person:
        user = self._without_profile()
        user.set_up_second_factor()
        user.mfa_token = user.submit_password().body["mfa_token"]
        return user


_single_use_users = SingleUseUsers()

if ROLE != "anonymous":

    # Not cached: otherwise schemathesis would use one token for a whole chain.
    @schemathesis.auth(refresh_interval=None)
    class SignedIn:
        def get(self, case: Case, context: AuthContext) -> Person:
            return _callers.caller()

        def set(self, case: Case, data: Person, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {(_single_use_users.of(case.operation.path) or data).access}"


# The entity whose id is in a path.
_ENTITIES = {
    "/api/records/patient/annotations/": "annotation",
    "/api/records/doctor/annotations/": "annotation",
    "/api/records/patient/": "record",
    "/api/records/doctor/": "record",
    "/api/records/files/": "file",
    "/api/notifications/": "notification",
    "/api/admin/users/": "patient",
    "/api/admin/doctors/{id}/suspend/": "doctor",
    "/api/admin/doctors/": "pending_doctor",
}

# The ids that were returned to a caller. Chains pass them on, so they are not replaced, unless the caller has changed.
_returned_ids: set[tuple[str | None, str]] = set()
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def _in_half(generated: object) -> bool:
    return zlib.crc32(repr(generated).encode()) % 2 == 0


def _insert_credentials(case: Case) -> None:
    """Inserts valid passwords, codes and tokens into all examples and half of the generated bodies."""
    user = _single_use_users.of(case.operation.path)
    if user is None or not isinstance(case.body, dict) or not (case.meta.phase.name == "examples" or _in_half(case.body)):
        return
    known = {"password": PASSWORD, "current_password": PASSWORD, "mfa_token": user.mfa_token}
    if user.secret:
        known["code"] = user.unused_code()
    if user.recovery_codes:
        known["recovery_code"] = user.recovery_codes[0]
    case.body |= {name: value for name, value in known.items() if value and name in case.body}


# Where an address must be unused. Generated addresses are short and soon used.
_NEW_ADDRESSES = {"/api/accounts/register/", "/api/accounts/email-change/", "/api/admin/users/", "/api/admin/users/{id}/email-change/"}


def _insert_new_address(case: Case) -> None:
    """Inserts an unused address into all examples and half of the generated bodies."""
    if case.operation.path not in _NEW_ADDRESSES or not isinstance(case.body, dict) or not isinstance(case.body.get("email"), str):
        return
    if case.meta.phase.name == "examples" or _in_half(case.body):
        case.body["email"] = f"new.{uuid.uuid4().hex}@example.com"


def _insert_extensions(case: Case) -> None:
    """Gives files without a type a name that tells it, in half of the generated bodies: the others are refused."""
    files = case.body.get("files") if isinstance(case.body, dict) and _in_half(case.body) else None
    for file in files if isinstance(files, list) else []:
        if isinstance(file, dict) and "content_type" not in file and "name" in file:
            file["name"] = "report.pdf"


@schemathesis.hook
def map_case(context: HookContext, case: Case) -> Case:
    """Replaces half of the generated ids with existing ones, and likewise passwords, codes, cursors and new addresses: otherwise
    nearly all responses would be errors. Ids passed on by a link are kept."""
    if case.meta and case.meta.generation.mode == GenerationMode.POSITIVE:
        places = [(case.path_parameters, "id", next((entity for path, entity in _ENTITIES.items() if case.operation.path.startswith(path)), ""))]
        if isinstance(case.body, dict):
            places += [(case.body, name, name) for name in ("doctor", "record")]
        linked, authorization = case.meta.phase.name == "stateful", (case.headers or {}).get("Authorization")
        for values, name, entity in places:
            generated, known = (values or {}).get(name), _callers.ids.get(entity)
            if known and isinstance(generated, str) and generated[:1].lower() in "02468ace" and not (linked and (authorization, generated) in _returned_ids):
                values[name] = known
        _insert_credentials(case)
        _insert_new_address(case)
        _insert_extensions(case)
        # As a browser sends it: without the origin of the service, the header is refused before anything else.
        if (case.headers or {}).get("Token-Transport") == "cookie":
            case.headers["Origin"] = _callers.origin
        # Only cursors issued by the API are accepted.
        if isinstance(case.query, dict) and (linked or _in_half(case.query)):
            case.query.pop("cursor", None)
    return case


# Codes of refusals that a schema cannot express, because they depend on stored data, the caller, the date or two fields. Any
# other refusal of a value that matches the schema means that the schema is wrong.
_STATEFUL_CODES = {"exclusive", "future", "incorrect", "not_alone", "not_assignable", "not_assigned", "taken", "too_common", "too_similar", "too_weak", "unchanged"}
_STATEFUL_FIELD_CODES = {
    # Only tokens and cursors issued by the API are accepted.
    ("token", "invalid"),
    ("cursor", "invalid"),
    # Required unless the token is in a cookie.
    ("refresh", "required"),
    # Required where the extension of the name is of no accepted type.
    ("files[].content_type", "required"),
    # Invisible characters do not count.
    ("password", "too_short"),
    ("new_password", "too_short"),
    # Depends on whether the caller has a second factor.
    ("code", "required"),
    # At least one of two parameters is required.
    ("subject", "required"),
    # Includes the files that the record already has.
    ("files", "too_many"),
}

_INDEX = re.compile(r"\[\d+\]")

# Query parameters that are true or false are also taken as clients in Python write them.
_PYTHON_FLAGS = {"True", "False", "TRUE", "FALSE", "1", "0"}


def _schema(case: Case) -> dict[str, Any]:
    """Returns the schema of the body."""
    body = _DOCUMENT["paths"][case.operation.path][case.method.lower()].get("requestBody")
    name = body["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2] if body else ""
    return _DOCUMENT["components"]["schemas"].get(name, {})


def _accepts(schema: dict[str, Any], body: object) -> bool:
    return Draft202012Validator(schema | {"components": _DOCUMENT["components"]}).is_valid(body)


# The fields of a profile, by the role of its owner.
_PROFILE_FIELDS = {role: set(_DOCUMENT["components"]["schemas"][f"{role.capitalize()}Profile"]["properties"]) for role in ("doctor", "patient")}
_REQUIRED_OF_DOCTORS = {"specialization", "license_number"}


def _lacks_fields_of_role(case: Case) -> bool:
    """Returns whether the body lacks fields that a whole profile of the caller's role must have: which ones depends on the role, so
    that the schema requires none."""
    is_whole = case.operation.path.startswith("/api/accounts/profile-") and case.method in ("POST", "PUT")
    return is_whole and ROLE == "doctor" and not (isinstance(case.body, dict) and _REQUIRED_OF_DOCTORS <= case.body.keys())


def _is_valid_for_role(case: Case) -> bool:
    """Returns whether the body is a valid profile without the fields of the other role, which are ignored."""
    if ROLE not in _PROFILE_FIELDS or not case.operation.path.startswith("/api/accounts/profile-") or not isinstance(case.body, dict):
        return False
    return _accepts(_schema(case), {name: value for name, value in case.body.items() if name in _PROFILE_FIELDS[ROLE]})


# Characters with the property Default_Ignorable_Code_Point, and those of annotations.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)


def _is_valid_after_trimming(case: Case) -> bool:
    """Returns whether the body is invalid only because of white space around its texts and of invisible characters, which the API
    removes before it checks the length. A schema cannot express this."""
    if not isinstance(case.body, dict) or _accepts(_schema(case), case.body):
        return False
    trimmed = {name: _INVISIBLE.sub("", value).strip() if isinstance(value, str) else value for name, value in case.body.items()}
    return _accepts(_schema(case), trimmed)


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case, response: Response) -> bool:
    if isinstance(failure, ServerError) and response.status_code == 503:
        # The emulated cloud was too slow. How many responses may be like this is checked after the run.
        return response.json()["code"] != "unavailable"
    if isinstance(failure, EnsureResourceAvailability) and case.operation.path.startswith("/api/admin/users/{id}/recovery/"):
        # The user of the path exists, and the recovery that the body names does not.
        return False
    if isinstance(failure, RejectedPositiveData) and response.status_code in (409, 422):
        # The idempotency key was used before.
        return not response.json()["code"].startswith("idempotency_")
    if isinstance(failure, RejectedPositiveData) and response.status_code == 400:
        if _lacks_fields_of_role(case):
            return False
        errors = response.json().get("errors", [])
        return not errors or any(each["code"] not in _STATEFUL_CODES and (_INDEX.sub("[]", each["field"]), each["code"]) not in _STATEFUL_FIELD_CODES for each in errors)
    if isinstance(failure, AcceptedNegativeData):
        if _is_valid_after_trimming(case) or _is_valid_for_role(case):
            return False
        if _PYTHON_FLAGS & {str(value) for name, value in (case.query or {}).items() if name.startswith("is_")}:
            return False
        # Empty parameters count as absent, as in HTML forms. Any value of If-None-Match that is not the current version
        # is accepted.
        return "" not in (case.query or {}).values() and "If-None-Match" not in (case.headers or {})
    return True


_statuses: Counter[str] = Counter()


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    path, status = case.operation.path, response.status_code
    _statuses[f"{case.method} {path} {status}"] += 1
    kind = (response.headers.get("content-type") or [""])[0]
    if kind.startswith("application/json"):
        authorization = response.request.headers.get("Authorization")
        _returned_ids.update((authorization, each) for each in _ID.findall(response.text))
    _callers.observe(response)
    _single_use_users.observe(path, response)
    if status < 300 and path in ("/api/admin/doctors/{id}/approve/", "/api/admin/doctors/{id}/refuse/"):
        _callers.add_pending_doctor()


@atexit.register
def _write_counts() -> None:
    counts.add(Path(os.environ["REQUESTS_FILE"]), _statuses)
