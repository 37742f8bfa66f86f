"""Tests of the hooks and counts: which generated values are replaced, and which operations are reported."""

import json
import os
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from schemathesis import GenerationMode

from tests.conformance import counts
from tests.conformance.__main__ import DOCUMENT as DOCUMENT_FILE
from tests.conformance.__main__ import ROLES

EXISTING, RETURNED, GENERATED, KEPT = (f"{digit}190a5c0-0000-7000-8000-00000000000{digit}" for digit in "0481")
DOCUMENT = {
    "paths": {
        "/a/": {"get": {"responses": {"200": {}, "404": {}}}, "post": {"responses": {"201": {}}}, "parameters": []},
        "/b/": {"put": {"responses": {"204": {}}}},
    }
}


@pytest.fixture
def hooks(monkeypatch: pytest.MonkeyPatch) -> Any:
    os.environ |= {"ROLE": "patient", "REQUESTS_FILE": os.devnull}
    from tests.conformance import hooks

    monkeypatch.setattr(hooks._callers, "ids", {"record": EXISTING})
    monkeypatch.setattr(hooks, "_returned_ids", {("me", RETURNED)})
    return hooks


def _case(phase: str, path: str, **parts: Any) -> SimpleNamespace:
    """Returns a valid request of a phase."""
    meta = SimpleNamespace(generation=SimpleNamespace(mode=GenerationMode.POSITIVE), phase=SimpleNamespace(name=phase))
    return SimpleNamespace(operation=SimpleNamespace(path=path), meta=meta, **({"path_parameters": {}, "query": {}, "headers": {}, "body": None} | parts))


@pytest.mark.parametrize(
    ("phase", "authorization", "generated", "sent"),
    [
        ("fuzzing", "me", GENERATED, EXISTING),
        ("fuzzing", "me", KEPT, KEPT),
        ("stateful", "me", GENERATED, EXISTING),
        ("stateful", "me", RETURNED, RETURNED),
        ("stateful", "you", RETURNED, EXISTING),
    ],
)
def test_ids_passed_on_by_a_link_are_kept(hooks: Any, phase: str, authorization: str, generated: str, sent: str) -> None:
    case = _case(phase, "/api/records/patient/{id}/", path_parameters={"id": generated}, headers={"Authorization": authorization})
    assert hooks.map_case(None, case).path_parameters["id"] == sent


@pytest.mark.parametrize(
    ("path", "is_new"),
    [("/api/accounts/register/", True), ("/api/admin/users/{id}/email-change/", True), ("/api/accounts/login/", False)],
)
def test_addresses_that_must_be_new_are_replaced(hooks: Any, path: str, is_new: bool) -> None:
    case = _case("examples", path, body={"email": "taken@example.com"})
    assert (hooks.map_case(None, case).body["email"] != "taken@example.com") == is_new


def test_a_caller_whose_session_has_ended_is_replaced(hooks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people = iter([SimpleNamespace(access="first"), SimpleNamespace(access="second")])
    monkeypatch.setattr(hooks._callers, "_new_caller", lambda: next(people))
    monkeypatch.setattr(hooks._callers, "_caller", None)

    def caller_after(status: int, token: str, code: str) -> str:
        request = SimpleNamespace(headers={"Authorization": f"Bearer {token}"})
        hooks._callers.observe(SimpleNamespace(status_code=status, request=request, text=f'{{"code":"{code}"}}'))
        return hooks._callers.caller().access

    assert hooks._callers.caller().access == "first"
    assert caller_after(403, "first", "wrong_role") == "first"
    assert caller_after(401, "first", "invalid_credentials") == "first", "a failed login does not end the session"
    assert caller_after(401, "made up", "token_not_valid") == "first"
    assert caller_after(401, "first", "token_not_valid") == "second"


def test_the_counts_of_rounds_are_added(tmp_path: Path) -> None:
    file = tmp_path / "patient.requests"
    counts.add(file, counts.Counter({"POST /a/ 201": 2, "GET /a/ 200": 1}))
    counts.add(file, counts.Counter({"POST /a/ 201": 3}))
    assert file.read_text() == "1 GET /a/ 200\n5 POST /a/ 201\n"
    assert counts.read(file).total() == 6


def test_operations_without_success_are_named() -> None:
    seen = ["GET /a/ 200", "POST /a/ 200", "PUT /b/ 404"]
    assert counts.errors(DOCUMENT, seen, ["PUT /b/"]) == ["POST /a/ never succeeded: correct hooks.py, or name it in WITHOUT_SUCCESS"]
    assert counts.errors(DOCUMENT, ["GET /a/ 200", "POST /a/ 201", "PUT /b/ 204"], []) == []
    outdated = counts.errors(DOCUMENT, ["GET /a/ 200", "POST /a/ 201", "PUT /b/ 204"], ["PUT /b/", "PUT /gone/"])
    assert outdated == ["PUT /b/ must not be in WITHOUT_SUCCESS: remove it", "PUT /gone/ must not be in WITHOUT_SUCCESS: remove it"]


def test_every_operation_is_asked_for_by_the_roles_that_it_is_for() -> None:
    document = json.loads(DOCUMENT_FILE.read_text())
    of = {role: set(counts.operations_of(document, role)) for role in ROLES}
    assert len(set().union(*of.values())) == len(counts.operations(document))
    assert "login" in of["anonymous"] and "login" not in of["patient"] | of["doctor"] | of["admin"]
    assert "me" in of["patient"] & of["doctor"] & of["admin"]
    assert "create_record" in of["patient"] - of["doctor"] - of["admin"]
    assert "list_users" in of["admin"] - of["patient"] - of["doctor"]


def test_the_share_of_unavailable_responses_is_counted() -> None:
    assert counts.unavailable_share(Counter({"GET /a/ 200": 3, "GET /a/ 503": 1})) == 0.25
    assert counts.unavailable_share(Counter()) == 0
