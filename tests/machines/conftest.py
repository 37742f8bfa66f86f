"""A shell that cannot be had is skipped, and the summary says why: run pytest with -rs."""

import pytest

from . import shells


@pytest.fixture(params=shells.NAMES)
def shell(request: pytest.FixtureRequest):
    found = shells.find(request.param)
    if isinstance(found, shells.Missing):
        pytest.skip(found.reason)
    return found
