"""The requests of the README and the tour work as they are printed, in every shell. Needs a stack (STACK_FILE)."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from . import shells

PRINTED = {
    "README.md": ['"specialization":"Cardiology"', "patient_assigned"],
    "shared/docs/tour.md": [
        "Smith", "available", "All values are normal.", "Dr. Jane Smith has", '"unread_count":0', "Jones", "404, as expected",
        '"subject": "Health Record Notification - Patient Assigned"',
    ],
}  # fmt: skip
# People type into the shells of their terminals, bash and zsh. Scripts run in sh, which is often dash.
TYPED = {"bash": True, "dash": False, "zsh": True}


@pytest.mark.parametrize("document", PRINTED)
def test_the_requests_work_as_printed(document: str) -> None:
    api = json.loads(Path(os.environ["STACK_FILE"]).read_text())["base_url"]
    # The python3 of the tests: a version manager in its place needs longer than the requests.
    environment = os.environ | {"API": api, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}

    def run(shell: str) -> subprocess.CompletedProcess:
        return shells.run(shell, shells.script_of(document), TYPED[shell], env=environment)

    with ThreadPoolExecutor() as pool:
        for shell, result in zip(shells.NAMES, pool.map(run, shells.NAMES)):
            said = f"{shell}:\n{result.stdout}{result.stderr}"
            assert result.returncode == 0, said
            # An interactive shell repeats what is typed, which contains the word.
            assert TYPED[shell] or "error:" not in said, said
            for text in ("Traceback", "command not found", "no matches"):
                assert text not in said, said
            for text in PRINTED[document]:
                assert text in result.stdout, f"{text} is not printed in {said}"
