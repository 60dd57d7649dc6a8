"""Bare chains against emulated ones, hashing for real, in virtual time."""

import asyncio
import re

import pytest

from drivers.api import DeviceState, DeviceStats, Setpoint
from drivers.bm13xx.chips.table import CHIPS
from drivers.errors import ChipCountError, TransportLostError
from drivers.header import target_of
from drivers.peripherals.emulated_faults import Faults
from drivers.transports.errors import BaudRateError
from drivers.transports.loopback import LoopbackUart
from tests.bm13xx.device_rig import SLOW, RecordingMiner, Rig, number

pytestmark = pytest.mark.virtual_time

LARGE = [("bm1370", 126), ("bm1366", 12), ("bm1362", 77), ("bm1368", 65), ("bm1397", 48)]
MODELS = tuple(CHIPS)
OPENING_CORES = re.compile("a job before it has a PLL frequency")
"""The oldest chips get jobs of nothing before their frequency: those wake the cores."""


def heard(stats: DeviceStats) -> int:
    """Return how many chips have found something."""
    reports = stats.details["per_chip"]
    assert isinstance(reports, list)
    return sum(report["nonces"] > 0 for report in reports)


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("chips", [1, 4])
async def test_every_chip_model_mines_without_errors(model: str, chips: int) -> None:
    rig = Rig(model, chips=chips, frequency=100)

    async with rig.running():
        await rig.miner.solved(60)
        stats = rig.device.stats()
        emulated = rig.emulated.chain.hashrate

    assert stats.state is DeviceState.MINING
    assert (stats.hardware_errors, stats.details["chips"]) == (0, chips)
    assert stats.frequency_mhz == pytest.approx(100, rel=0.01)
    assert stats.claimed_hashrate == pytest.approx(emulated, rel=0.01)
    assert [why for why in rig.emulated.chain.refusals if not OPENING_CORES.search(why)] == []
    ticket = number(stats, "ticket_difficulty")
    assert all(found >= ticket * 65535 / 65536 for found in rig.miner.difficulties)
    assert all(solution.work in rig.miner.works for solution in rig.miner.solutions)


@pytest.mark.parametrize(("model", "usual"), [("bm1397", 3_125_000), ("bm1370", 1_000_000)])
async def test_a_port_that_is_too_slow_is_worked_with_at_a_lower_rate(
    model: str, usual: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_baud_rate = LoopbackUart.set_baud_rate

    def set_low_rates_only(uart: LoopbackUart, baud_rate: int) -> None:
        if baud_rate >= usual:
            set_baud_rate(uart, 9600)
            raise BaudRateError("the port", asked=baud_rate, got=9600)
        set_baud_rate(uart, baud_rate)

    monkeypatch.setattr(LoopbackUart, "set_baud_rate", set_low_rates_only)
    rig = Rig(model, frequency=100)

    async with rig.running():
        await rig.miner.solved(20)
        stats = rig.device.stats()

    assert stats.hardware_errors == 0
    assert number(stats, "baud_rate") < usual
    assert {fields["wanted"] for fields in rig.log.named("port.slow")} == {usual}


@pytest.mark.parametrize(("model", "chips"), [*LARGE, ("bm1387", 12), ("bm1384", 12)])
async def test_in_a_long_chain_every_chip_is_heard_and_none_errs(model: str, chips: int) -> None:
    rig = Rig(model, chips=chips, frequency=100, scale=SLOW / (1 if model == "bm1397" else 8))

    async with rig.running():
        await rig.miner.until(lambda: heard(rig.device.stats()) == chips)
        stats = rig.device.stats()

    assert stats.hardware_errors == 0
    assert stats.details["chips_missing"] == 0
    assert stats.reason == ""


@pytest.mark.parametrize("model", MODELS)
async def test_without_a_mask_no_version_bit_is_rolled(model: str) -> None:
    rig = Rig(model, frequency=100, miner=RecordingMiner(version_mask=0))

    async with rig.running():
        await rig.miner.solved(20)
        rig.miner.version_mask = 0x00006000
        rig.device.job_changed(clean=False)
        await rig.miner.solved(60)

    before = [s for s in rig.miner.solutions if s.work.version_mask == 0]
    assert {solution.version for solution in before} == {0x20000000}
    after = [s for s in rig.miner.solutions if s.work.version_mask]
    assert all(s.version & ~0x6000 == 0x20000000 for s in after)
    assert rig.device.stats().hardware_errors == 0


async def test_a_clean_job_replaces_all_work_in_the_same_call() -> None:
    rig = Rig("bm1370", chips=4, frequency=100)

    async with rig.running():
        await rig.miner.solved(20)
        rig.miner.job = 2
        given = len(rig.miner.works)
        rig.device.job_changed(clean=True)
        assert len(rig.miner.works) == given + 1
        seen = len(rig.miner.solutions)
        await rig.miner.solved(40)

    assert {s.ntime for s in rig.miner.solutions[seen:]} == {1_700_000_002}


async def test_the_ticket_follows_the_pools_difficulty_down() -> None:
    rig = Rig("bm1370", frequency=400)

    async with rig.running():
        await rig.miner.solved(10)
        usual = number(rig.device.stats(), "ticket_difficulty")
        rig.miner.target = target_of(20 * SLOW)
        rig.device.job_changed(clean=False)
        await rig.miner.solved(100)
        stats = rig.device.stats()

    assert usual == 128 * SLOW
    assert stats.details["ticket_difficulty"] == 16 * SLOW
    assert stats.hardware_errors == 0
    assert sum(found < usual for found in rig.miner.difficulties) > 50


async def test_told_to_rest_it_gives_no_work_and_goes_down_then_ramps_up_again() -> None:
    rig = Rig("bm1370", frequency=400)

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.apply(Setpoint(run=False, reason="outside of its hours"))
        given = len(rig.miner.works)
        rig.device.job_changed(clean=True)
        await asyncio.sleep(3.0)
        resting = rig.device.stats()
        slow = rig.emulated.chain.chips[0].mhz
        assert len(rig.miner.works) == given
        rig.device.apply(Setpoint(run=False, reason="paused by ann"))
        await asyncio.sleep(3.0)
        rig.device.apply(Setpoint(run=True))
        await rig.miner.solved(5)
        running = rig.device.stats()

    assert (resting.state, resting.reason) == (DeviceState.IDLE, "outside of its hours")
    assert rig.log.named("device.idle") == [{"reason": "outside of its hours"}]
    assert rig.log.named("device.resumed") == [{"after": "paused by ann"}]
    assert resting.claimed_hashrate == 0
    assert slow == pytest.approx(50)
    assert (running.state, running.frequency_mhz) == (DeviceState.MINING, 400)


@pytest.mark.parametrize("model", MODELS)
async def test_every_model_is_at_its_lowest_frequency_within_three_seconds(model: str) -> None:
    rig = Rig(model, chips=2, frequency=CHIPS[model].frequency.highest)

    async with rig.running():
        await rig.miner.solved(3)
        fast = rig.emulated.chain.chips[1].mhz
        rig.device.apply(Setpoint(run=False))
        await asyncio.sleep(3.0)
        slow = rig.emulated.chain.chips[1].mhz

    assert fast == pytest.approx(CHIPS[model].frequency.highest, rel=0.02)
    assert slow == pytest.approx(CHIPS[model].frequency.lowest, rel=0.02)


async def test_a_new_frequency_is_reached_while_it_mines() -> None:
    rig = Rig("bm1368", frequency=200)

    async with rig.running():
        await rig.miner.solved(3)
        rig.device.adjust({"frequency": 300})  # type: ignore[attr-defined]  # optional
        await rig.miner.until(lambda: rig.device.stats().frequency_mhz == 300)
        await rig.miner.solved(3)

    assert rig.device.stats().details["starts"] == 1


async def test_an_order_to_rest_that_is_taken_back_at_once_stops_nothing() -> None:
    rig = Rig("bm1370", frequency=400)

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.apply(Setpoint(run=False))
        rig.device.apply(Setpoint(run=True))
        await rig.miner.solved(5)
        stats = rig.device.stats()

    assert (stats.state, stats.details["starts"]) == (DeviceState.MINING, 1)


async def test_a_limit_in_mhz_is_kept_while_mining_goes_on() -> None:
    rig = Rig("bm1366", frequency=300)

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.apply(Setpoint(run=True, mhz=150, reason="quiet night"))
        await rig.miner.until(lambda: rig.device.stats().frequency_mhz == 150)
        limited = rig.device.stats()
        await rig.miner.solved(5)
        rig.device.apply(Setpoint(run=True))
        await rig.miner.until(lambda: rig.device.stats().frequency_mhz == 300)

    assert (limited.state, limited.reason) == (DeviceState.MINING, "quiet night")
    assert rig.device.stats().hardware_errors == 0


async def test_a_limit_below_what_the_chips_can_do_makes_them_rest() -> None:
    rig = Rig("bm1366", frequency=300)
    rig.device.apply(Setpoint(run=True, mhz=10, reason="order"))

    async with rig.running():
        await asyncio.sleep(5.0)
        stats = rig.device.stats()

    assert (stats.state, rig.miner.works) == (DeviceState.IDLE, [])
    assert stats.reason == "order: less than the device can do"


async def test_it_slows_the_chips_down_when_it_ends() -> None:
    rig = Rig("bm1397", chips=2, frequency=400)

    async with rig.running():
        await rig.miner.solved(5)
        fast = rig.emulated.chain.chips[1].mhz

    assert fast == pytest.approx(400)
    assert [chip.mhz for chip in rig.emulated.chain.chips] == pytest.approx([50, 50], rel=0.01)


async def test_a_mute_chip_is_reported_and_the_others_mine() -> None:
    rig = Rig("bm1370", chips=4, frequency=100, faults=Faults(mute=(2,)))

    async with rig.running():
        await rig.miner.solved(60)
        stats = rig.device.stats()

    assert stats.state is DeviceState.MINING
    assert stats.reason.startswith("degraded: 1 of 4 chips did not answer")
    assert (stats.details["chips"], stats.details["chips_missing"]) == (3, 1)
    assert rig.log.named("device.degraded")


async def test_a_chip_that_falls_silent_while_mining_is_named() -> None:
    rig = Rig("bm1370", chips=4, frequency=100)

    async with rig.running():
        await rig.miner.solved(40)
        rig.emulated.chain.faults = Faults(mute=(1,))
        await rig.miner.until(lambda: rig.device.stats().details["chips_silent"] == [1])
        stats = rig.device.stats()

    assert stats.reason == "degraded: chip 1 of 4 silent"
    assert stats.state is DeviceState.MINING


async def test_no_chip_at_all_is_an_error() -> None:
    rig = Rig("bm1370", faults=Faults(mute=(0,)))

    error = await rig.failure()

    assert isinstance(error, ChipCountError)
    assert rig.device.stats().state is DeviceState.FAILED


async def test_wrong_nonces_are_counted_and_never_taken_for_work() -> None:
    rig = Rig("bm1370", frequency=100, faults=Faults(wrong_nonce=0.25))

    async with rig.running():
        await rig.miner.solved(100)
        stats = rig.device.stats()

    ticket = number(stats, "ticket_difficulty")
    wrong = sum(found < ticket * 0.99 for found in rig.miner.difficulties)
    assert stats.hardware_errors == wrong
    assert 10 <= wrong <= 45


async def test_a_noisy_line_is_survived_and_counted() -> None:
    noise = Faults(drop=0.002, flip=0.002, insert=0.002)
    rig = Rig("bm1370", chips=4, frequency=100)

    async with rig.running():
        await rig.miner.solved(20)
        rig.emulated.chain.faults = noise
        await rig.miner.solved(200)
        stats = rig.device.stats()

    assert number(stats, "line_errors") > 0


async def test_an_unplugged_port_is_an_error_and_the_device_can_run_again() -> None:
    rig = Rig("bm1370", frequency=100)

    async with rig.running() as task:
        await rig.miner.solved(5)
        rig.ports.unplug()
        rig.device.job_changed(clean=True)
        await asyncio.wait([task], timeout=5.0)
        error = task.exception()
    rig.device.job_changed(clean=True)
    failed = rig.device.stats()
    again = await rig.failure()
    rig.ports.replug()
    async with rig.running():
        await rig.miner.solved(5)

    assert isinstance(error, TransportLostError)
    assert failed.state is DeviceState.FAILED
    assert "no such port" in str(again)
