"""Recovery step by step: the watchdog alone, then whole devices that fall silent."""

import asyncio
from collections.abc import Callable

import pytest

from drivers.api import DeviceState
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.frames import ReadRegister, SetAddress
from drivers.bm13xx.recovery import (
    LEAST_SECONDS,
    UNPROVEN_SECONDS,
    WELL_AFTER,
    ChainSilentError,
    Stage,
    Watchdog,
)
from drivers.peripherals.emulated_faults import Faults
from tests.bm13xx.device_rig import Rig, number

MUTE = Faults(mute=(0,))


def silent_for(watchdog: Watchdog, start: float, seconds: int) -> list[Stage]:
    """Return the steps taken while a nonce a second is due and none comes."""
    taken = []
    for second in range(seconds + 1):
        watchdog.expect(start + second, 1.0)
        if stage := watchdog.due():
            taken.append(stage)
    return taken


def test_the_steps_come_in_order_each_after_as_long_a_silence() -> None:
    watchdog = Watchdog()

    assert silent_for(watchdog, 0.0, 19) == []
    assert silent_for(watchdog, 19.0, 1) == [Stage.JOB]
    assert silent_for(watchdog, 20.0, 80) == [
        Stage.RAMP,
        Stage.RESET,
        Stage.REOPEN,
        Stage.GIVE_UP,
    ]
    assert watchdog.tried == dict.fromkeys(Stage, 1)


def test_a_valid_nonce_ends_the_silence() -> None:
    watchdog = Watchdog()
    silent_for(watchdog, 0.0, 19)

    watchdog.found()

    assert silent_for(watchdog, 19.0, 19) == []


def test_one_nonce_does_not_make_it_well_but_a_number_of_them_does() -> None:
    watchdog = Watchdog()
    assert silent_for(watchdog, 0.0, 20) == [Stage.JOB]

    watchdog.found()
    assert silent_for(watchdog, 20.0, 20) == [Stage.RAMP]
    for _ in range(WELL_AFTER):
        watchdog.found()
    assert silent_for(watchdog, 40.0, 20) == [Stage.JOB]


def test_without_work_nothing_is_due() -> None:
    watchdog = Watchdog()
    watchdog.expect(0.0, 1.0)
    watchdog.expect(5.0, 0.0)
    watchdog.expect(1000.0, 1.0)

    assert watchdog.overdue == pytest.approx(5.0)
    assert watchdog.due() is None


def test_fast_chips_are_given_some_seconds_too() -> None:
    watchdog = Watchdog()
    watchdog.expect(0.0, 1000.0)
    watchdog.expect(LEAST_SECONDS - 0.1, 1000.0)
    assert watchdog.due() is None

    watchdog.expect(LEAST_SECONDS + 0.1, 1000.0)
    assert watchdog.due() is Stage.JOB


def test_chips_that_found_nothing_since_their_bring_up_are_brought_up_again_early() -> None:
    watchdog = Watchdog()
    watchdog.brought_up()

    assert silent_for(watchdog, 0.0, 11) == []
    assert silent_for(watchdog, 11.0, 1) == [Stage.RESET]
    watchdog.brought_up()
    assert silent_for(watchdog, 12.0, 12) == [Stage.REOPEN]
    watchdog.brought_up()
    assert silent_for(watchdog, 24.0, 12) == [Stage.GIVE_UP]


def test_fast_chips_get_some_seconds_for_their_first_nonce() -> None:
    watchdog = Watchdog()
    watchdog.brought_up()
    watchdog.expect(0.0, 1000.0)
    watchdog.expect(UNPROVEN_SECONDS - 0.1, 1000.0)
    assert watchdog.due() is None

    watchdog.expect(UNPROVEN_SECONDS + 0.1, 1000.0)
    assert watchdog.due() is Stage.RESET


def test_after_the_first_nonce_the_usual_steps_come_in_their_time() -> None:
    watchdog = Watchdog()
    watchdog.brought_up()
    silent_for(watchdog, 0.0, 11)

    watchdog.found()

    assert silent_for(watchdog, 11.0, 19) == []
    assert silent_for(watchdog, 30.0, 1) == [Stage.JOB]


@pytest.mark.virtual_time
@pytest.mark.parametrize(("model", "chips"), [("bm1384", 2), ("bm1387", 3), ("bm1370", 4)])
async def test_a_chip_that_missed_its_address_is_noticed_before_there_is_work(
    model: str, chips: int
) -> None:
    rig = Rig(model, chips=chips, frequency=100)
    lost = [CHIPS[model].commands.encode(SetAddress(address=256 // chips))]
    receive = rig.emulated.receive_data

    def received(data: bytes, now: float) -> bytes:
        if data not in lost:
            return receive(data, now)
        lost.remove(data)
        return b""

    rig.emulated.receive_data = received  # type: ignore[method-assign]  # loses it once
    async with rig.running():
        await rig.miner.solved(1)
        stats = rig.device.stats()

    assert lost == []
    assert rig.log.named("chain.unverified") == [{"chip": 1}]
    assert (stats.details["starts"], stats.details["chips"]) == (2, chips)


@pytest.mark.virtual_time
@pytest.mark.parametrize("model", ["bm1384", "bm1370"])
async def test_chips_behind_one_that_has_lost_its_address_are_counted_all_the_same(
    model: str,
) -> None:
    rig = Rig(model, chips=3, frequency=100)
    for chip in rig.emulated.chain.chips:
        chip.deactivate()

    async with rig.running():
        await rig.miner.solved(3)
        stats = rig.device.stats()

    assert (stats.details["starts"], stats.details["chips_missing"]) == (1, 0)


@pytest.mark.virtual_time
async def test_chips_that_never_answer_at_their_addresses_mine_after_a_second_start() -> None:
    rig = Rig("bm1370", chips=2, frequency=100)
    question = CHIPS["bm1370"].commands.encode(ReadRegister(register=0, address=128))
    receive = rig.emulated.receive_data

    def received(data: bytes, now: float) -> bytes:
        return receive(b"" if data == question else data, now)

    rig.emulated.receive_data = received  # type: ignore[method-assign]  # chips of that kind
    async with rig.running():
        await rig.miner.solved(20)
        stats = rig.device.stats()

    assert stats.details["starts"] == 2
    assert stats.hardware_errors == 0


@pytest.mark.virtual_time
async def test_for_one_silent_chip_of_several_the_chain_is_reset_once() -> None:
    rig = Rig("bm1370", chips=4, frequency=100)

    async with rig.running():
        await rig.miner.solved(3)
        rig.emulated.chain.chips[2].reset()
        rig.emulated.chain.chips[2].assign(128)
        await rig.miner.until(lambda: number(rig.device.stats(), "starts") == 2)
        await rig.miner.solved(200)
        stats = rig.device.stats()

    assert stats.details["chips_silent"] == []
    assert stats.details["starts"] == 2


def steps(rig: Rig) -> list[object]:
    return [fields["step"] for fields in rig.log.named("chain.silent")]


async def fall_silent(rig: Rig, *, heal_at: Callable[[], bool]) -> None:
    """Mute all chips until ``heal_at``, then wait until it mines again."""
    await rig.miner.solved(3)
    rig.emulated.chain.faults = MUTE
    await rig.miner.until(heal_at)
    rig.emulated.chain.faults = Faults()
    await rig.miner.solved(WELL_AFTER + 5)


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (1, ["new job"]),
        (2, ["new job", "new frequency ramp"]),
        (3, ["new job", "new frequency ramp", "chain reset"]),
    ],
)
async def test_a_chain_that_comes_back_after_a_step_mines_on(
    taken: int, expected: list[str]
) -> None:
    rig = Rig("bm1370", frequency=100)

    async with rig.running():
        await fall_silent(rig, heal_at=lambda: len(steps(rig)) == taken)
        stats = rig.device.stats()

    assert steps(rig) == expected
    assert stats.details["recovery"] == dict.fromkeys(expected, 1)
    assert stats.state is DeviceState.MINING
    assert stats.frequency_mhz == 100


@pytest.mark.virtual_time
async def test_after_the_port_was_opened_anew_too_it_gives_up_with_a_reason() -> None:
    rig = Rig("bm1370", frequency=100)

    async with rig.running() as task:
        await rig.miner.solved(3)
        rig.emulated.chain.faults = Faults(wrong_nonce=1.0)
        async with asyncio.timeout(600):
            await asyncio.wait([task])
        error = task.exception()

    assert isinstance(error, ChainSilentError)
    assert steps(rig) == [stage.value for stage in Stage]
    assert rig.device.stats().state is DeviceState.FAILED
    assert "no valid nonce" in rig.device.stats().reason


@pytest.mark.virtual_time
@pytest.mark.parametrize("driver", ["bm1370", "bm1397", "bm1362"])
async def test_chips_that_lost_their_settings_in_a_brown_out_are_brought_up_again(
    driver: str,
) -> None:
    rig = Rig(driver, chips=4, frequency=100)

    async with rig.running():
        await rig.miner.solved(3)
        rig.emulated.chain.hold_reset(low=True)
        rig.emulated.chain.hold_reset(low=False)
        await rig.miner.until(lambda: "chain reset" in steps(rig))
        await rig.miner.solved(20)
        stats = rig.device.stats()

    assert stats.state is DeviceState.MINING
    assert stats.details["chips"] == 4


@pytest.mark.virtual_time
async def test_a_silent_board_has_its_reset_line_pulsed() -> None:
    rig = Rig("bitaxe-gamma", frequency=100, tick=0.2)

    async with rig.running():
        await rig.miner.solved(3)
        for chip in rig.emulated.chain.chips:
            chip.reset()  # as by a spike on the line
        await rig.miner.until(lambda: "chain reset" in steps(rig))
        await rig.miner.solved(20)
        stats = rig.device.stats()

    assert stats.state is DeviceState.MINING
    assert stats.details["starts"] == 2
