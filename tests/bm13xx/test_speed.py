"""Frequency, core voltage and power of whole boards in virtual time, held against the truth."""

import asyncio
import itertools
from random import Random

import pytest

from drivers.api import DeviceState, Modelled, Setpoint
from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.device import Bm13xxDevice
from drivers.peripherals.emulated_faults import Faults
from tests.bm13xx.device_rig import Rig, number
from tests.emulated_rack import EmulatedRack

pytestmark = pytest.mark.virtual_time

COARSE = 2.0**-31
MINUTE = 60.0


OFF = (0.0, 0.0)


class Watched:
    """A rig, and every pair of fastest chip and core volts that was there, each 10 ms."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.seen: list[tuple[float, float]] = []

    async def look(self) -> None:
        chain = self.rig.emulated.chain
        while True:
            mhz = max(chip.clock_mhz for chip in chain.chips)
            now = OFF if chain.dead else (mhz, self.rig.heat.core_volts)
            if not self.seen or self.seen[-1] != now:
                self.seen.append(now)
            await asyncio.sleep(0.01)


def device_of(rig: Rig) -> Bm13xxDevice:
    assert isinstance(rig.device, Bm13xxDevice)
    return rig.device


def gamma(**settings: object) -> Rig:
    return Rig("bitaxe-gamma", scale=COARSE, tick=0.5, **settings)  # type: ignore[arg-type]  # settings last


@pytest.mark.parametrize("seed", range(2))
async def test_chips_are_never_faster_than_their_voltage_allows(seed: int) -> None:
    rig, random = gamma(), Random(seed)
    watched = Watched(rig)
    table = BOARDS["bitaxe-gamma"].table
    assert table

    async with rig.running():
        looking = asyncio.create_task(watched.look())
        for _ in range(18):
            rig.device.apply(setpoint_of(random))
            await asyncio.sleep(random.choice((0.01, 0.3, 2.0, 9.0)))
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    assert len(watched.seen) > 50
    running = [pair for pair in watched.seen if pair != OFF]
    assert min(volts for _, volts in running) < 1.01
    assert max(volts for _, volts in running) > 1.1
    # the regulator is set in steps of 2 mV, the PLL within a megahertz
    assert all(core >= table.volts_at(mhz - 1.0) - 0.002 for mhz, core in running)
    assert all(
        abs(before[1] - after[1]) < 0.03
        for before, after in itertools.pairwise(watched.seen)
        if OFF not in {before, after}
    )
    assert not rig.log.named("board.tripped")


def setpoint_of(random: Random) -> Setpoint:
    match random.randrange(4):
        case 0:
            return Setpoint(run=False, reason="order")
        case 1:
            return Setpoint(run=True, watts=random.uniform(8.0, 25.0))
        case 2:
            return Setpoint(run=True, mhz=random.uniform(100.0, 525.0))
    return Setpoint(run=True)


@pytest.mark.parametrize("name", ["bitaxe-gamma", "bitaxe-ultra", "qaxe", "emberone-00", "bm1370"])
async def test_a_limit_in_watts_holds_by_the_model_and_lowers_voltage_with_frequency(
    name: str,
) -> None:
    rig = Rig(name, scale=COARSE, tick=0.5)
    assert isinstance(rig.device, Modelled)
    points = rig.device.operating_points()
    wanted = points[len(points) * 2 // 3]

    async with rig.running():
        rig.device.apply(Setpoint(run=True, watts=wanted.watts, reason="cap"))
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.MINING)
        stats = rig.device.stats()

    assert stats.frequency_mhz == pytest.approx(wanted.mhz, abs=1.0)
    assert stats.modelled_power == pytest.approx(wanted.watts, rel=0.01)
    if wanted.volts is not None:
        assert number(stats, "voltage") == wanted.volts < BOARDS[name].default_voltage


async def test_a_measured_board_keeps_its_limit_as_measured_whatever_its_chips_are() -> None:
    rack = EmulatedRack(boards=4, seed=5)

    async with rack.running():
        await rack.all_mining()
        await asyncio.sleep(20.0)
        rack.apply(Setpoint(run=True, watts=25.0, reason="cap"))
        await asyncio.sleep(20.0)
        stats = [device.stats() for device in rack.devices.values()]
        true = [board.watts for board in rack.boards]

    assert len({one.frequency_mhz for one in stats}) > 1, "no two boards are alike"
    for one, watts in zip(stats, true, strict=True):
        assert one.power == pytest.approx(25.0, abs=0.6)
        assert one.modelled_power == pytest.approx(one.power, rel=0.02)
        assert watts == pytest.approx(25.0, rel=0.05)


async def test_power_falls_within_a_second_of_a_limit_and_never_rises_above_one() -> None:
    rack = EmulatedRack(boards=2)
    after_a_second, later = [], []

    async with rack.running():
        await rack.all_mining()
        await asyncio.sleep(20.0)
        full = rack.watts()
        rack.apply(Setpoint(run=True, watts=25.0, reason="cap"))
        await asyncio.sleep(1.0)
        for _ in range(100):
            await asyncio.sleep(0.1)
            after_a_second.append(rack.watts())
        rack.apply(Setpoint(run=True, watts=35.0, reason="cap"))
        for _ in range(150):
            await asyncio.sleep(0.1)
            later.append(rack.watts())

    assert full > 80.0
    assert max(after_a_second) < 2 * 25.0 * 1.03
    assert max(later) < 2 * 35.0 * 1.03
    assert later[-1] > 2 * 35.0 * 0.95


async def test_when_even_the_slowest_point_takes_too_much_it_rests() -> None:
    rig = gamma()

    async with rig.running():
        rig.device.apply(Setpoint(run=True, watts=5.5, reason="cap"))
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.IDLE)
        stats = rig.device.stats()

    assert stats.reason == "cap: less than the device can do"
    assert stats.modelled_power == 5.0
    assert rig.heat.core_volts == 0


async def test_a_voltage_and_a_table_can_be_set_while_it_mines() -> None:
    rig = gamma()
    device = device_of(rig)

    async def settled(mhz: float, volts: float) -> None:
        await asyncio.sleep(8.0)
        assert device.stats().frequency_mhz == mhz
        assert rig.heat.core_volts == pytest.approx(volts, abs=0.002)

    async with rig.running():
        await rig.miner.until(lambda: device.stats().state is DeviceState.MINING)
        device.adjust({"voltage": 1.1})
        await settled(525.0, 1.1)
        device.adjust({"voltage": "auto", "points": "400:1.0,500:1.2"})
        await settled(500.0, 1.2)
        device.apply(Setpoint(run=True, mhz=450.0))
        await settled(450.0, 1.1)

    assert device.operating_points()[-1].volts == 1.2


async def test_a_regulator_that_does_not_obey_for_a_while_is_asked_again() -> None:
    rig = gamma()
    watched = Watched(rig)
    table = BOARDS["bitaxe-gamma"].table
    assert table

    async with rig.running():
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.MINING)
        looking = asyncio.create_task(watched.look())
        for mhz in (400.0, 525.0, 420.0):
            rig.heat.faults = Faults(nack=1.0)
            rig.device.apply(Setpoint(run=True, mhz=mhz))
            await asyncio.sleep(1.2)
            rig.heat.faults = Faults()
            await asyncio.sleep(10.0)
            assert rig.device.stats().frequency_mhz == pytest.approx(mhz, abs=1.0)
            assert rig.heat.core_volts == pytest.approx(table.volts_at(mhz), abs=0.002)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)

    assert len(rig.log.named("voltage.failed")) >= 3
    assert all(core >= table.volts_at(mhz - 1.0) - 0.002 for mhz, core in watched.seen)


async def test_a_slow_start_rises_as_slowly_as_told_and_falls_at_once() -> None:
    rig = gamma(ramp=20.0)
    device, seen = device_of(rig), []

    async with rig.running():
        device.apply(Setpoint(run=True, ramp=100.0))
        await rig.miner.until(lambda: device.stats().state is DeviceState.MINING)
        for _ in range(40):
            await asyncio.sleep(1.0)
            seen.append(device.stats().frequency_mhz or 0.0)
        reason = device.stats().reason
        device.apply(Setpoint(run=True, mhz=100.0))
        await asyncio.sleep(1.0)
        slow = device.stats().frequency_mhz
        device.apply(Setpoint(run=True, ramp=0.0))
        await asyncio.sleep(30.0)

    assert reason == "rising slowly: 100 s from rest to full speed"
    assert seen[:2] == [50.0, 50.0]
    for second, mhz in enumerate(seen, 1):
        assert mhz <= max(50.0, 5.25 * (second + 1) + 1.0)
    assert seen[-1] > 5.25 * 40 - 20.0
    assert slow == pytest.approx(100.0, abs=1.0)
    assert device.stats().frequency_mhz is None


BOARDS_AND_MOMENTS = [
    (name, seconds)
    for name in ("bitaxe-gamma", "bitaxe-ultra", "emberone-00", "qaxe")
    for seconds in (0.2, 1.0, 5.0, 12.0)
]


@pytest.mark.parametrize(("name", "seconds"), BOARDS_AND_MOMENTS)
async def test_told_to_rest_at_any_moment_no_chip_has_work_and_soon_none_has_power(
    name: str, seconds: float
) -> None:
    rig = Rig(name, scale=COARSE, tick=0.1, faults=Faults(slow_control=0.02))

    async with rig.running():
        await asyncio.sleep(seconds)
        rig.device.apply(Setpoint(run=False, reason="order"))
        given = len(rig.miner.works)
        await asyncio.sleep(2.0)
        assert rig.emulated.chain.dead
        await asyncio.sleep(5.0)
        assert rig.emulated.chain.dead
        assert len(rig.miner.works) == given


@pytest.mark.parametrize("name", ["bitaxe-gamma", "bitaxe-ultra", "qaxe", "bm1370"])
async def test_at_rest_it_tells_what_is_measured_and_what_is_only_known_by_the_model(
    name: str,
) -> None:
    rig = Rig(name, scale=COARSE, tick=0.5)
    rig.device.apply(Setpoint(run=False, reason="order"))

    async with rig.running():
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.IDLE)
        await asyncio.sleep(5.0)
        stats = rig.device.stats()
        true = rig.emulated.board.heat.input_watts if rig.emulated.board else 0.0

    match name:
        case "bitaxe-gamma":  # the core's watts are measured, those of the board assumed
            assert (stats.power, stats.modelled_power) == (5.0, 5.0)
        case "bitaxe-ultra":  # all of it is measured
            assert stats.power == pytest.approx(true, abs=0.02)
        case "qaxe":
            assert (stats.power, stats.modelled_power) == (None, 5.0)
        case _:  # nobody can switch a bare chain off: it takes what its lowest speed takes
            assert stats.power is None
            assert stats.modelled_power == pytest.approx(14.0 * 50 / 525)


async def test_the_error_ratio_tells_chips_that_are_too_fast_from_those_that_are_not() -> None:
    rig = Rig("bitaxe-gamma", scale=COARSE, tick=0.2, frequency=525, nonces_per_second=8)
    device = device_of(rig)

    async with rig.running():
        assert device.stats().error_ratio is None
        await asyncio.sleep(MINUTE)
        good = device.stats()
        device.adjust({"voltage": 1.05})
        await asyncio.sleep(MINUTE)
        bad = device.stats()
        truth = rig.heat.silicon.error_ratio(525.0, 1.05, rig.heat.die) if rig.heat.silicon else 0.0

    assert good.error_ratio == 0.0
    assert 0.05 < truth < 0.5
    assert bad.error_ratio == pytest.approx(truth, abs=0.08)
    assert bad.hardware_errors > 20
