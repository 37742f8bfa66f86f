"""Asks the deployed stack what the OpenAPI document promises, in each role: `python -m tests.conformance --cases 200`.

Schemathesis makes requests from the document, valid ones and invalid ones, and chains of them along its links, and
compares each answer with the document. `--seed` repeats a run.
"""

import argparse
import concurrent.futures
import json
import math
import os
import secrets
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from tests.conformance import counts

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
DOCUMENT = ROOT / "functions" / "docs" / "openapi.json"
REPORTS = ROOT / ".local" / "conformance"
ROLES = ["anonymous", "patient", "doctor", "admin"]
# Every rule of the document at its edge: some 60 requests for each operation.
THOROUGH = 2000
# What succeeds in no role, and why. The API's own tests do it (tests/api).
UNPROVEN = {
    "POST /api/accounts/email-change/confirm/": "needs the token of a mail",
    "POST /api/accounts/password-reset/confirm/": "needs the token of a mail",
    "POST /api/accounts/verify-email/": "needs the token of a mail",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--cases", type=int, required=True, help="requests in each role, at least")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="repeats a run")
    parser.add_argument("--roles", nargs="*", default=ROLES, choices=ROLES)
    arguments = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    print(f"seed {arguments.seed}", flush=True)
    # The emulated cloud has a few hundred requests a second to give; one role alone does not take them.
    with concurrent.futures.ThreadPoolExecutor(len(arguments.roles)) as pool:
        results = list(pool.map(lambda role: _run(role, arguments.cases, arguments.seed), arguments.roles))
    if not all(results):
        return 1
    if arguments.cases < THOROUGH or set(arguments.roles) != set(ROLES):
        return 0
    counted = sum((counts.read(_requests(role)) for role in ROLES), Counter())
    mistakes = counts.mistakes(json.loads(DOCUMENT.read_text()), counted, UNPROVEN)
    print("".join(f"error: {mistake}\n" for mistake in mistakes), end="", flush=True)
    return 1 if mistakes else 0


def _requests(role: str) -> Path:
    return REPORTS / f"{role}.requests"


def _run(role: str, cases: int, seed: int) -> bool:
    """Rounds with one seed after the other, until there were so many requests or one of them failed."""
    started, sent, rounds = time.monotonic(), 0, 0
    log, requests = REPORTS / f"{role}.log", _requests(role)
    log.unlink(missing_ok=True)
    requests.unlink(missing_ok=True)
    while sent < cases:
        passed = _round(role, cases, seed + rounds, log, requests)
        sent = counts.read(requests).total()
        rounds += 1
        if not passed:
            print(f"{log.read_text()}\nerror: {role}: the answers above are not as documented; seed {seed + rounds - 1}", flush=True)
            return False
    print(f"    {role}: {sent} requests, all answered as documented, in {time.monotonic() - started:.0f} s", flush=True)
    return True


def _round(role: str, cases: int, seed: int, log: Path, requests: Path) -> bool:
    phases = ["examples", "coverage", "fuzzing", "stateful"] if cases >= THOROUGH else ["examples", "fuzzing", "stateful"]
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT,
        "--url", json.loads(Path(os.environ["STACK_FILE"]).read_text())["base_url"],
        "--checks", "all", "--phases", ",".join(phases), "--seed", seed, "--max-examples", max(1, math.ceil(cases / _operations() / 2.2)),
        "--continue-on-failure", "--max-redirects", 1, "--generation-database", "none", "--no-color",
    ]  # fmt: skip
    environment = os.environ | {"ROLE": role, "REQUESTS_FILE": str(requests), "SCHEMATHESIS_HOOKS": "tests.conformance.hooks"}
    with log.open("a") as file:
        return subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT).returncode == 0


def _operations() -> int:
    return len(counts.operations(json.loads(DOCUMENT.read_text())))


if __name__ == "__main__":
    sys.exit(main())
