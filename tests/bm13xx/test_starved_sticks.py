"""Sticks whose socket has too little power, and those that are only pulled, in virtual time."""

import asyncio
from dataclasses import replace

import pytest

from drivers.api import DeviceState, PortInfo
from drivers.bm13xx.device import Bm13xxDevice
from drivers.bm13xx.driver import DRIVERS
from drivers.bm13xx.either_chip import EitherChipDevice
from drivers.low_yield import Step
from drivers.peripherals.emulated_faults import Faults
from tests.bm13xx.device_rig import Rig
from tests.bm13xx.starved_rig import StarvedRig

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(("name", "limit"), [("compac", 130.0), ("newpac", 170.0)])
async def test_a_starved_stick_settles_below_what_its_socket_gives_and_mines(
    name: str, limit: float
) -> None:
    rig = StarvedRig(name, limit=limit, frequency=200)

    async with rig.running():
        await rig.steady(60.0)
        await rig.miner.solved(5)
        stats = rig.device.stats()

    assert stats.state is DeviceState.MINING
    assert stats.frequency_mhz is not None
    assert limit - 25.0 <= stats.frequency_mhz <= limit
    assert stats.reason.startswith(f"came back at {stats.frequency_mhz:g} MHz: it vanished")
    assert "a powered hub or another port may help" in stats.reason
    told = [fields["mhz"] for fields in rig.log.named("device.brown_out")]
    assert told == [200.0 - 25.0 * (number + 1) for number in range(len(told))]
    assert len(rig.failures) == 3 * len(told)


async def test_a_rise_that_somebody_orders_is_taken_back_if_it_starves_the_stick() -> None:
    rig = StarvedRig("compac", limit=155.0, frequency=150)

    async with rig.running():
        await rig.miner.solved(3)
        rig.device.adjust({"frequency": 175})
        rig.settings["frequency"] = 175
        await rig.miner.until(lambda: len(rig.failures) == 1)
        await rig.steady(60.0)
        assert rig.device.stats().frequency_mhz == 150.0

        rig.device.adjust({"frequency": 140})
        rig.settings["frequency"] = 140
        await asyncio.sleep(15.0)
        assert rig.device.stats().reason == ""


@pytest.mark.parametrize("away", [0.5, 5.0])
async def test_twenty_unplugs_mid_job_are_not_taken_for_brown_outs(away: float) -> None:
    rig = StarvedRig("compac", frequency=112.5)

    async with rig.running():
        for _ in range(20):
            await rig.miner.solved(1)
            await rig.replug(away)
        await rig.miner.solved(1)
        assert rig.device.stats().frequency_mhz == 112.5

    assert len(rig.failures) == 20
    assert not rig.log.named("device.brown_out")


async def test_unplugs_all_over_the_ramp_are_not_taken_for_brown_outs() -> None:
    rig = StarvedRig("compac", frequency=200)

    async with rig.running():
        for cycle in range(20):
            await rig.miner.until(lambda: rig.device.stats().state is DeviceState.STARTING)
            await asyncio.sleep(2.0 + cycle * 7 % 16)
            await rig.replug(0.5)
        await rig.miner.solved(1)
        assert rig.device.stats().frequency_mhz == 200.0

    assert not rig.log.named("device.brown_out")


async def test_the_higher_frequency_is_tried_again_after_a_quiet_time() -> None:
    rig = StarvedRig("compac", limit=130.0, frequency=150, brown_out_retry=150)

    async with rig.running():
        await rig.steady(60.0)
        assert rig.device.stats().frequency_mhz == 125.0
        before = len(rig.failures)
        await asyncio.sleep(100.0)
        assert len(rig.failures) == before + 1, "tried once"
        await asyncio.sleep(200.0)
        assert len(rig.failures) == before + 1, "the next try is twice as far"
        rig.emulated.chain.faults = Faults()
        await asyncio.sleep(120.0)
        assert rig.device.stats().frequency_mhz == 150.0
        assert rig.device.stats().reason == ""


@pytest.mark.parametrize("name", ["compac-f", "compac-a1"])
async def test_devices_for_one_stick_in_one_socket_share_what_is_remembered(name: str) -> None:
    rig, driver = StarvedRig("compac"), DRIVERS[name]
    here = PortInfo(paths=("/dev/ttyUSB0", "usb:1-1"), serial="10032")
    if name == "compac-a1":
        here = replace(here, paths=("/dev/ttyUSB0", "/dev/ttyUSB1", "usb:1-1"))
    again = replace(here, paths=("usb:1-1",))
    clock = rig.context.clock

    driver.open(here, {}, rig.context)
    memory = rig.context.supplies.of(("10032", "usb:1-1"))
    for _ in range(3):
        memory.rises(200.0, clock.monotonic(), nonces=0)
        memory.lost(clock.monotonic(), nonces=0)
        await asyncio.sleep(0.5)
        memory.back(clock.monotonic())
    elsewhere = replace(again, paths=("usb:1-2",))

    assert _ceiling(driver.open(again, {}, rig.context)) == 175.0
    assert _ceiling(driver.open(elsewhere, {}, rig.context)) is None


def _ceiling(device: object) -> float | None:
    current = device.current if isinstance(device, EitherChipDevice) else device
    assert isinstance(current, Bm13xxDevice)
    ceiling = current._supply.ceiling
    return ceiling.mhz if ceiling else None


async def test_detection_can_be_switched_off() -> None:
    rig = StarvedRig("compac", limit=130.0, frequency=150, brown_out="off")

    async with rig.running():
        await rig.miner.until(lambda: len(rig.failures) == 8)

    assert not rig.log.named("device.brown_out")


async def test_a_chain_that_finds_too_little_is_reset_then_run_lower_then_left_alone() -> None:
    rig = Rig("bm1370", frequency=200, low_yield="on", low_yield_window=60, nonces_per_second=4)

    async with rig.running():
        await rig.miner.solved(3)
        rig.emulated.chain.faults = Faults(bad_crc=0.7)
        await rig.miner.until(lambda: len(rig.log.named("device.low_yield")) == 4)
        stats = rig.device.stats()

    told = rig.log.named("device.low_yield")
    assert [fields["step"] for fields in told] == [step.value for step in Step]
    assert all(0.2 < float(str(fields["share"])) < 0.4 for fields in told)
    assert "chain reset" not in str(stats.details["recovery"])
    assert stats.details["starts"] == 4
    assert stats.frequency_mhz == 150.0
    assert stats.reason.startswith("limited to 150 MHz: it found")


async def test_a_chain_that_a_reset_helps_is_not_run_lower() -> None:
    rig = Rig("bm1370", frequency=200, low_yield="on", low_yield_window=60, nonces_per_second=4)

    async with rig.running():
        await rig.miner.solved(3)
        rig.emulated.chain.faults = Faults(bad_crc=0.9)
        await rig.miner.until(lambda: bool(rig.log.named("device.low_yield")))
        rig.emulated.chain.faults = Faults()
        await asyncio.sleep(200.0)
        stats = rig.device.stats()

    assert len(rig.log.named("device.low_yield")) == 1
    assert stats.frequency_mhz == 200.0
    assert stats.reason == ""


async def test_emulated_chips_are_not_judged_by_their_yield_unless_asked_for() -> None:
    rig = Rig("bm1370", frequency=100, low_yield_window=10)

    async with rig.running():
        await rig.miner.solved(3)
        rig.emulated.chain.faults = Faults(bad_crc=0.9)
        await asyncio.sleep(120.0)

    assert not rig.log.named("device.low_yield")
