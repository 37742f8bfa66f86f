"""How often what was answered how, in files of lines such as `12 GET /api/accounts/me/ 200`; and what was never answered well."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


def read(file: Path) -> Counter[str]:
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter({key: int(count) for count, _, key in (line.partition(" ") for line in lines)})


def add(file: Path, more: Counter[str]) -> None:
    """Adds what one more round has counted."""
    counted = read(file) + more
    file.write_text("".join(f"{counted[key]} {key}\n" for key in sorted(counted, key=str.split)))


def operations(document: dict[str, Any]) -> dict[str, set[str]]:
    """The statuses of success that the document has, by operation."""
    return {
        f"{method.upper()} {path}": {status for status in operation["responses"] if status.startswith("2")}
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


def mistakes(document: dict[str, Any], counted: Iterable[str], unproven: Iterable[str]) -> list[str]:
    """Which operations never had a success, but for those of which that is expected, and which of these had one."""
    seen, expected = set(counted), set(unproven)
    succeeded = {name for name, statuses in operations(document).items() if any(f"{name} {status}" in seen for status in statuses)}
    silent = operations(document).keys() - succeeded - expected
    return [f"{name} was never answered with success" for name in sorted(silent)] + [
        f"{name} is not to be among those without success" for name in sorted(expected - operations(document).keys() | expected & succeeded)
    ]
