"""What tests in a mock of USB need: Debian's packages, in CI without fail."""

import os

import pytest

from tests.umockdev.bench import missing


@pytest.fixture(scope="session")
def packages() -> None:
    """Skip without the packages, but never in CI."""
    reason = missing()
    if reason and os.environ.get("CI") != "true":
        pytest.skip(reason)
    assert not reason
