"""Any one byte of a start is lost on its way: the device mines all the same, and soon.

Whole devices in virtual time, run anew when they fail as the daemon does it; each place of a start
with --soak, some places without.
"""

import asyncio
from dataclasses import dataclass

import pytest

from drivers.api import DeviceStats
from drivers.bm13xx.chips.table import CHIPS
from drivers.errors import DriverError
from tests.bm13xx.device_rig import Rig

pytestmark = pytest.mark.virtual_time

WITHIN = 90.0
"""Seconds from the start until every chip must have found something, and nothing be wrong."""

RETRY = 1.0
"""Seconds after which the daemon runs a device again that has failed for the first time."""

MHZ = 112.5
AFTERWARDS = 20
PLACES = 4


@dataclass
class Leak:
    """Loses the byte at ``place`` of all that passes, counted from 0; none at -1."""

    place: int
    passed: int = 0

    def __call__(self, data: bytes) -> bytes:
        at = self.place - self.passed
        self.passed += len(data)
        return data[:at] + data[at + 1 :] if 0 <= at < len(data) else data


class LeakyRig(Rig):
    """A chain to which, or from which, one byte gets lost."""

    def __init__(self, model: str, chips: int, *, to_chips: int = -1, from_chips: int = -1) -> None:
        super().__init__(model, chips=chips, frequency=MHZ)
        self.chips = chips
        self.to_chips, self.from_chips = Leak(to_chips), Leak(from_chips)
        self._receive = self.emulated.receive_data
        self.emulated.receive_data = self._received  # type: ignore[method-assign]  # the leak

    def _received(self, data: bytes, now: float) -> bytes:
        return self.from_chips(self._receive(self.to_chips(data), now))

    async def supervised(self) -> None:
        """Run the device again and again, as the daemon does."""
        while True:
            try:
                await self.device.run()
            except DriverError:
                await asyncio.sleep(RETRY)


def chips_heard(stats: DeviceStats) -> int:
    reports = stats.details.get("per_chip", [])
    assert isinstance(reports, list)
    return sum(report["nonces"] > 0 for report in reports)


async def mined(rig: LeakyRig) -> str:
    """Mine without an error until well after the start; return what was wrong, empty if nothing."""
    running = asyncio.create_task(rig.supervised())
    try:
        await rig.miner.until(lambda: chips_heard(rig.device.stats()) == rig.chips, WITHIN)
        errors = rig.device.stats().hardware_errors
        await rig.miner.solved(AFTERWARDS)
    except TimeoutError:
        return f"not heard of all chips: {rig.device.stats()}"
    else:
        more = rig.device.stats().hardware_errors - errors
        return f"{more} errors more" if more else ""
    finally:
        running.cancel()
        await asyncio.wait([running])


async def start_of(model: str, chips: int) -> LeakyRig:
    """Return a rig that was started and has counted the bytes of its start."""
    rig = LeakyRig(model, chips)
    async with rig.running():
        await rig.miner.until(lambda: bool(rig.miner.works))
    return rig


def some(count: int, *, soaking: bool) -> range:
    return range(0, count, 1 if soaking else max(1, count // PLACES))


@pytest.mark.soak
@pytest.mark.parametrize("chips", [1, 3])
@pytest.mark.parametrize("model", CHIPS)
async def test_any_byte_of_a_start_may_be_lost_on_its_way_to_the_chips(
    soaking: bool, model: str, chips: int
) -> None:
    count = (await start_of(model, chips)).to_chips.passed

    wrong = {
        place: words
        for place in some(count, soaking=soaking)
        if (words := await mined(LeakyRig(model, chips, to_chips=place)))
    }

    assert count
    assert wrong == {}


@pytest.mark.soak
@pytest.mark.parametrize("chips", [1, 3])
@pytest.mark.parametrize("model", CHIPS)
async def test_any_byte_of_the_answers_to_a_start_may_be_lost(
    soaking: bool, model: str, chips: int
) -> None:
    count = (await start_of(model, chips)).from_chips.passed

    wrong = {
        place: words
        for place in some(count, soaking=soaking)
        if (words := await mined(LeakyRig(model, chips, from_chips=place)))
    }

    assert count
    assert wrong == {}
