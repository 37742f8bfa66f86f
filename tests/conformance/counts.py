"""Counts of responses by operation and status, in files of lines such as `12 GET /api/accounts/me/ 200`."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


def read(file: Path) -> Counter[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter({key: int(count) for count, _, key in (line.partition(" ") for line in lines)})


def add(file: Path, more: Counter[str]) -> None:
    """Adds the counts of another round."""
    counted = read(file) + more
    file.write_text("".join(f"{counted[key]} {key}\n" for key in sorted(counted, key=str.split)))


def operations(document: dict[str, Any]) -> dict[str, set[str]]:
    """Returns the documented success statuses of each operation."""
    return {
        f"{method.upper()} {path}": {status for status in operation["responses"] if status.startswith("2")}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def operations_of(document: dict[str, Any], role: str) -> list[str]:
    """Returns the ids of the operations that are for a role; `anonymous` has those that are for anyone."""

    def is_for_role(operation: dict[str, Any]) -> bool:
        if role == "anonymous":
            return operation["security"] == []
        return any(scheme["bearer"] in ([], [role]) for scheme in operation["security"])

    operations = [item[method] for item in document["paths"].values() for method in sorted(METHODS & item.keys())]
    return [operation["operationId"] for operation in operations if is_for_role(operation)]


def unavailable_share(counted: Counter[str]) -> float:
    """Returns the share of responses that said that the service was busy, from 0 to 1."""
    return sum(count for key, count in counted.items() if key.endswith(" 503")) / max(1, counted.total())


def errors(document: dict[str, Any], counted: Iterable[str], expected_failures: Iterable[str]) -> list[str]:
    """Names the operations that never succeeded although they should, and those that did although they should not."""
    seen, expected = set(counted), set(expected_failures)
    succeeded = {name for name, statuses in operations(document).items() if any(f"{name} {status}" in seen for status in statuses)}
    never_succeeded = operations(document).keys() - succeeded - expected
    return [f"{name} never succeeded: correct hooks.py, or name it in WITHOUT_SUCCESS" for name in sorted(never_succeeded)] + [
        f"{name} must not be in WITHOUT_SUCCESS: remove it" for name in sorted(expected - operations(document).keys() | expected & succeeded)
    ]
