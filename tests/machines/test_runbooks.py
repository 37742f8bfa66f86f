"""The commands of the operating guide, as they are written there."""

import json
import re
from pathlib import Path

import jq

_GUIDE = (Path(__file__).resolve().parents[2] / "shared" / "docs" / "operating.md").read_text()


def _filter(command: str) -> str:
    """Returns the filter that follows a command of the guide."""
    found = re.search(re.escape(command) + r"\s*(?:\\\n\s*)?'([^']+)'", _GUIDE)
    assert found, f"shared/docs/operating.md has no {command}"
    return found[1]


def _add_version(secret: str, new: str) -> str:
    versions = jq.compile(_filter('jq -Rc --arg new "$NEW"'), args={"new": new}).input_value(secret).first()
    return json.dumps(versions)


def _remove_first_version(secret: str) -> str:
    return json.dumps(jq.compile(_filter("jq -c")).input_text(secret).first())


def test_rotating_a_secret_adds_versions_and_uses_no_number_again() -> None:
    first = _add_version("a text with \"quotes\" and 'more'", "b")
    assert json.loads(first) == {"1": "a text with \"quotes\" and 'more'", "2": "b"}
    second = _add_version(first, "c")
    assert json.loads(second) == {**json.loads(first), "3": "c"}
    without = _remove_first_version(_remove_first_version(second))
    assert json.loads(without) == {"2": "b", "3": "c"}
    tenth = without
    for number in range(4, 12):
        tenth = _add_version(tenth, str(number))
    assert sorted(map(int, json.loads(tenth))) == [*range(2, 12)], "numbers are compared as numbers"
