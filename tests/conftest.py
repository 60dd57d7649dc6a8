"""What the whole suite needs: virtual time where a test is marked so, and the long soak runs."""

import asyncio
import os
from collections.abc import Callable, Mapping
from fnmatch import fnmatch

import pytest
from hypothesis import settings

from drivers.hashing import native
from tests.virtual_time import VirtualTimeLoop

IN_CI = os.environ.get("CI") == "true"

# A slow machine must fail no test: properties are bounded by examples, not by time. What CI says
# of a change depends on the change alone: new examples are sought everywhere else.
settings.register_profile("bounded by examples", deadline=None, derandomize=IN_CI)
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
    *("tests/soak/test_sticks*", "tests/soak/test_power_cap*", "tests/umockdev/test_daemon*"),
    "tests/transports/test_usb_broken*",
    *("tests/test_driver_contract*", "tests/test_emulate_verb*", "tests/test_devices_verb*"),
    "tests/test_bench*",
)
"""Tests of emulators that hash for real, megahashes a second: by hashlib they would take hours."""


AGAINST_THE_CLOCK = ("tests/e2e/*", "tests/soak/*", "tests/umockdev/*")
"""Tests of real processes, whose deadlines hold only on a machine that gives them their share."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests against the clock a second try in CI, and elsewhere skip what would take hours.

    A try that failed is counted in the closing line as a rerun.
    """
    if IN_CI:
        for item in items:
            if any(fnmatch(item.nodeid, pattern) for pattern in AGAINST_THE_CLOCK):
                item.add_marker(pytest.mark.flaky(reruns=1))
    else:
        _skip_what_needs_kernels(items)


def _skip_what_needs_kernels(items: list[pytest.Item]) -> None:
    if native.kernels()[0]:
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
