"""Fixtures: the shells of the documents."""

import pytest

from . import shells


@pytest.fixture(params=shells.NAMES)
def shell(request: pytest.FixtureRequest) -> str:
    return request.param
