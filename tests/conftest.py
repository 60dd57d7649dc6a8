"""What the whole suite needs: virtual time where a test is marked so, and the long soak runs."""

import asyncio
import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatch

import pytest
from hypothesis import settings

from drivers.hashing import native
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


NEED_COMPILED_KERNELS = (
    *("tests/bm13xx/test_emulated*", "tests/bm13xx/test_device*", "tests/bm13xx/test_boards*"),
    *("tests/bm13xx/test_thermal*", "tests/bm13xx/test_sticks*", "tests/bm13xx/test_chain*"),
    *("tests/icarus/*", "tests/emulated_usb/test_chains*", "tests/e2e/test_chains*"),
    *("tests/e2e/test_boards*", "tests/e2e/test_sticks*", "tests/soak/test_devices*"),
    *("tests/soak/test_sticks*", "tests/umockdev/test_daemon*"),
    "tests/transports/test_usb_broken*",
    *("tests/test_driver_contract*", "tests/test_emulate_verb*", "tests/test_devices_verb*"),
    "tests/test_bench*",
)
"""Tests of emulators that hash for real, megahashes a second: by hashlib they would take hours."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what takes hours without the C extension; never in CI, where it has to be there."""
    if native.kernels()[0] or os.environ.get("CI") == "true":
        return
    reason = "no compiled kernels: sudo apt install gcc python3-dev, then make clean test"
    for item in items:
        path = item.nodeid.partition("::")[0]
        if any(fnmatch(path, pattern) for pattern in NEED_COMPILED_KERNELS):
            item.add_marker(pytest.mark.skip(reason=reason))


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
