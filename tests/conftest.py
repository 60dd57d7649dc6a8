"""What the whole suite needs: virtual time where a test is marked so, and the long soak runs."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
from hypothesis import settings

from tests.virtual_time import VirtualTimeLoop

# A slow machine must fail no test: properties are bounded by examples, not by time.
settings.register_profile("bounded by examples", deadline=None)
settings.load_profile("bounded by examples")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--soak", action="store_true", help="run the soak tests in full length, not in brief"
    )


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "soak: runs for seconds, with --soak for many minutes")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of a test; pytest-asyncio asks for each one."""
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualTimeLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture
def soaking(pytestconfig: pytest.Config) -> bool:
    """Return whether the long runs are wanted."""
    return bool(pytestconfig.getoption("--soak"))
