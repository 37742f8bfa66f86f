"""The requests of the README and the tour work as they are printed, in every shell. Needs a stack (STACK_FILE)."""

import json
import os
from pathlib import Path

import pytest

from . import shells

PRINTED = {
    "README.md": ['"specialization":"Cardiology"', "patient_assigned"],
    "shared/docs/tour.md": [
        "Smith", "available", "All values are normal.", "Dr. Jane Smith has", '"unread_count":0', "Jones", "404, as expected", "Health Record ",
    ],
}  # fmt: skip


@pytest.mark.parametrize("document", PRINTED)
@pytest.mark.parametrize("interactive", [False, True], ids=["script", "typed"])
def test_the_requests_work_as_printed(shell: str, interactive: bool, document: str) -> None:
    api = json.loads(Path(os.environ["STACK_FILE"]).read_text())["base_url"]
    result = shells.run(shell, shells.script_of(document), interactive, env=os.environ | {"API": api})
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    # An interactive shell repeats what is typed, which contains the word.
    assert interactive or "error:" not in said, said
    for text in ("Traceback", "command not found", "no matches"):
        assert text not in said, said
    for text in PRINTED[document]:
        assert text in result.stdout, f"{text} is not printed:\n{said}"
