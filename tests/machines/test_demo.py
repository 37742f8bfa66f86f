"""`make demo` walks through its day on one screen after another, and ends well. Needs a stack (STACK_FILE)."""

import os
import shutil
import subprocess
from pathlib import Path

from .checkout import ROOT, environment


def test_the_demo_ends_well_and_prints_little(tmp_path: Path) -> None:
    # A checkout whose running system is the stack.
    (tmp_path / "tests" / "stack").mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copy(ROOT / "tests" / "stack" / "demo.py", tmp_path / "tests" / "stack")
    (tmp_path / ".local").mkdir()
    shutil.copy(os.environ["STACK_FILE"], tmp_path / ".local" / "stack.json")
    command = ["make", "--no-print-directory", "demo"]
    result = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert 50 < len(lines) < 150, f"{len(lines)} lines: {result.stdout}"
    for printed in ("> POST /api/records/patient/", "< 404", "Each notification was also sent as a mail", "Patient Assigned"):
        assert printed in result.stdout, f"{printed} is not printed in {result.stdout}"
    assert result.stderr == ""
