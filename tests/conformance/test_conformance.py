"""What the runs are made of: which ids are replaced, and what is said of their answers."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from schemathesis import GenerationMode

from tests.conformance import counts

KNOWN, TOLD, DRAWN, ODD = (f"{digit}190a5c0-0000-7000-8000-00000000000{digit}" for digit in "0481")
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

    monkeypatch.setattr(hooks._somebody, "ids", {"record": KNOWN})
    monkeypatch.setattr(hooks, "_told", {("me", TOLD)})
    return hooks


def _case(phase: str, path: str, **parts: Any) -> SimpleNamespace:
    """A well-formed request of a phase, with what it has beside its path."""
    meta = SimpleNamespace(generation=SimpleNamespace(mode=GenerationMode.POSITIVE), phase=SimpleNamespace(name=phase))
    return SimpleNamespace(operation=SimpleNamespace(path=path), meta=meta, **({"path_parameters": {}, "query": {}, "headers": {}, "body": None} | parts))


@pytest.mark.parametrize(
    ("phase", "asker", "drawn", "sent"),
    [
        ("fuzzing", "me", DRAWN, KNOWN),
        ("fuzzing", "me", ODD, ODD),
        ("stateful", "me", DRAWN, KNOWN),
        ("stateful", "me", TOLD, TOLD),
        ("stateful", "you", TOLD, KNOWN),
    ],
)
def test_an_id_that_a_link_passes_on_stays(hooks: Any, phase: str, asker: str, drawn: str, sent: str) -> None:
    case = _case(phase, "/api/records/patient/{id}/", path_parameters={"id": drawn}, headers={"Authorization": asker})
    assert hooks.map_case(None, case).path_parameters["id"] == sent


@pytest.mark.parametrize(
    ("path", "is_new"),
    [("/api/accounts/register/", True), ("/api/admin/users/{id}/email-change/", True), ("/api/accounts/login/", False)],
)
def test_an_address_that_must_be_new_is_nobodys(hooks: Any, path: str, is_new: bool) -> None:
    case = _case("examples", path, body={"email": "taken@example.com"})
    assert (hooks.map_case(None, case).body["email"] != "taken@example.com") == is_new


def test_whose_session_has_ended_is_replaced(hooks: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    people = iter([SimpleNamespace(access="first"), SimpleNamespace(access="second")])
    monkeypatch.setattr(hooks._somebody, "_renewed", lambda: next(people))
    monkeypatch.setattr(hooks._somebody, "_caller", None)

    def answered(status: int, token: str, code: str) -> str:
        request = SimpleNamespace(headers={"Authorization": f"Bearer {token}"})
        hooks._somebody.heard(SimpleNamespace(status_code=status, request=request, text=f'{{"code":"{code}"}}'))
        return hooks._somebody.caller().access

    assert hooks._somebody.caller().access == "first"
    assert answered(403, "first", "wrong_role") == "first"
    assert answered(401, "first", "invalid_credentials") == "first", "a login that failed"
    assert answered(401, "made up", "token_not_valid") == "first"
    assert answered(401, "first", "token_not_valid") == "second"


def test_rounds_are_added_up(tmp_path: Path) -> None:
    file = tmp_path / "patient.requests"
    counts.add(file, counts.Counter({"POST /a/ 201": 2, "GET /a/ 200": 1}))
    counts.add(file, counts.Counter({"POST /a/ 201": 3}))
    assert file.read_text() == "1 GET /a/ 200\n5 POST /a/ 201\n"
    assert counts.read(file).total() == 6


def test_what_was_never_answered_with_success_is_named() -> None:
    answered = ["GET /a/ 200", "POST /a/ 200", "PUT /b/ 404"]
    assert counts.mistakes(DOCUMENT, answered, ["PUT /b/"]) == ["POST /a/ was never answered with success"]
    assert counts.mistakes(DOCUMENT, ["GET /a/ 200", "POST /a/ 201", "PUT /b/ 204"], []) == []
    reasonless = counts.mistakes(DOCUMENT, ["GET /a/ 200", "POST /a/ 201", "PUT /b/ 204"], ["PUT /b/", "PUT /gone/"])
    assert reasonless == ["PUT /b/ is not to be among those without success", "PUT /gone/ is not to be among those without success"]
