"""Compares the deployed stack with the OpenAPI document, in each role: `python -m tests.conformance --cases 200`.

Schemathesis generates valid and invalid requests from the document, and chains of them along its links, and validates
each response. `--seed` repeats a run.
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
# From this number on, each role asks for all operations, and the boundary values of all schemas are tested: about 60 requests
# per operation. Below it, each role asks for its own: preparing the requests of one operation takes longer than many requests.
FULL_COVERAGE_CASES = 2000
# A busy machine lets some calls to the emulated cloud take too long; a fault lets an operation never respond.
LARGEST_UNAVAILABLE_SHARE = 0.05
# Operations that cannot succeed here, and why. The tests in tests/api cover their success.
WITHOUT_SUCCESS = {
    "POST /api/accounts/email-change/confirm/": "needs the token of a mail",
    "POST /api/accounts/login/link/confirm/": "needs the token of a mail",
    "POST /api/accounts/password-reset/confirm/": "needs the token of a mail",
    "POST /api/accounts/recovery/cancel/": "needs the token of a mail",
    "POST /api/accounts/recovery/confirm/": "needs the token of a mail",
    "POST /api/accounts/registration/": "needs the token of a mail",
    "POST /api/accounts/registration/discard/": "needs the token of a mail",
    "POST /api/accounts/verify-email/": "needs the token of a mail",
    "POST /api/admin/users/{id}/recovery/approve/": "needs a recovery that another admin has started",
    "POST /api/admin/users/{id}/recovery/cancel/": "needs a recovery that waits",
    "POST /api/admin/users/{id}/second-factor-removal/": "needs a user with a second factor",
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("--cases", type=int, required=True, help="minimum number of requests in each role")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1 << 32), help="the seed of a run to repeat")
    parser.add_argument("--roles", nargs="*", default=ROLES, choices=ROLES)
    arguments = parser.parse_args()
    REPORTS.mkdir(parents=True, exist_ok=True)
    print(f"seed {arguments.seed}", flush=True)
    # One role alone does not use the capacity of the emulated cloud, a few hundred requests per second.
    with concurrent.futures.ThreadPoolExecutor(len(arguments.roles)) as pool:
        results = list(pool.map(lambda role: _run(role, arguments.cases, arguments.seed), arguments.roles))
    if not all(results):
        return 1
    if arguments.cases < FULL_COVERAGE_CASES or set(arguments.roles) != set(ROLES):
        return 0
    counted = sum((counts.read(_requests(role)) for role in ROLES), Counter())
    errors = counts.errors(json.loads(DOCUMENT.read_text()), counted, WITHOUT_SUCCESS)
    print("".join(f"error: {error}\n" for error in errors), end="", flush=True)
    return 1 if errors else 0


def _requests(role: str) -> Path:
    return REPORTS / f"{role}.requests"


def _run(role: str, cases: int, seed: int) -> bool:
    """Runs rounds with consecutive seeds until there were enough requests, or until one round failed."""
    started, sent, rounds = time.monotonic(), 0, 0
    log, requests = REPORTS / f"{role}.log", _requests(role)
    log.unlink(missing_ok=True)
    requests.unlink(missing_ok=True)
    while sent < cases:
        passed = _round(role, cases, seed + rounds, log, requests)
        sent = counts.read(requests).total()
        rounds += 1
        if not passed:
            advice = f"correct code or document, and repeat the run with --seed {seed + rounds - 1}"
            print(f"{log.read_text()}\nerror: {role}: the responses above differ from the OpenAPI document: {advice}", flush=True)
            return False
    if counts.unavailable_share(counts.read(requests)) > LARGEST_UNAVAILABLE_SHARE:
        print(f"error: {role}: more than {LARGEST_UNAVAILABLE_SHARE:.0%} of the responses are 503: see {requests}", flush=True)
        return False
    print(f"    {role}: {sent} requests, all responses as documented, in {time.monotonic() - started:.0f} s", flush=True)
    return True


def _round(role: str, cases: int, seed: int, log: Path, requests: Path) -> bool:
    document = json.loads(DOCUMENT.read_text())
    if cases >= FULL_COVERAGE_CASES:
        phases, operations = ["examples", "coverage", "fuzzing", "stateful"], list(counts.operations(document))
        chosen = []
    else:
        operations = counts.operations_of(document, role)
        # No operation for anyone is linked to another one.
        phases = ["examples", "fuzzing"] if role == "anonymous" else ["examples", "fuzzing", "stateful"]
        chosen = ["--include-operation-id-regex", f"^({'|'.join(operations)})$"]
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", DOCUMENT,
        "--url", json.loads(Path(os.environ["STACK_FILE"]).read_text())["base_url"],
        "--checks", "all", "--phases", ",".join(phases), "--seed", seed, "--max-examples", max(1, math.ceil(cases / len(operations) / 2.2)),
        *chosen, "--continue-on-failure", "--max-redirects", 1, "--generation-database", "none", "--no-color",
    ]  # fmt: skip
    environment = os.environ | {"ROLE": role, "REQUESTS_FILE": str(requests), "SCHEMATHESIS_HOOKS": "tests.conformance.hooks"}
    with log.open("a") as file:
        return subprocess.run([str(word) for word in command], cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
