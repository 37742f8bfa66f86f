"""What schemathesis is told about this API: who calls it, and which refusals of well-formed requests are its contract."""

import atexit
import os
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis import AuthContext, Case, HookContext, Response

from tests.people import Person, Stack

ROLE = os.environ["ROLE"]
_stack = Stack()
_MAKERS = {"patient": _stack.patient_with_chart, "doctor": _stack.doctor_with_chart, "admin": _stack.admin}
_statuses: dict[str, int] = {}

if ROLE in _MAKERS:

    # Anew before an access token expires, and after each 401: what a role may do includes ending its own session, changing
    # its password and deactivating its account. The next requests are somebody else's of the same role.
    @schemathesis.auth(refresh_interval=600)
    class SignedIn:
        def get(self, case: Case, context: AuthContext) -> Person:
            return _MAKERS[ROLE]()

        def set(self, case: Case, data: Person, context: AuthContext) -> None:
            case.headers["Authorization"] = f"Bearer {data.access}"


@schemathesis.hook
def after_call(context: HookContext, case: Case, response: Response) -> None:
    key = f"{case.method} {case.operation.path} {response.status_code}"
    _statuses[key] = _statuses.get(key, 0) + 1


@atexit.register
def _tell_requests() -> None:
    lines = [f"{count} {key}\n" for key, count in sorted(_statuses.items(), key=lambda each: each[0].split())]
    Path(os.environ["REQUESTS_FILE"]).write_text("".join(lines))
