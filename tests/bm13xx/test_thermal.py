"""Heat on emulated boards, in virtual time: stable, throttled, tripped, cooled, and restarted."""

import asyncio
import re
from typing import Any

import pytest

from drivers.api import DeviceState, Setpoint
from drivers.bm13xx.guarded_board import BoardTrippedError
from drivers.bm13xx.ports import CONTROL, DATA
from drivers.errors import (
    DriverError,
    OverheatError,
    TransportLostError,
    TransportTimeoutError,
)
from drivers.peripherals.emulated_faults import Faults
from tests.bm13xx.device_rig import Rig, number

pytestmark = pytest.mark.virtual_time

MINUTES = 60.0
COARSE = 2.0**-27
"""So few hashes a second that hours take seconds, and enough for a nonce now and then."""


def gamma(faults: Faults | None = None, *, ambient: float | None = None, **settings: float) -> Rig:
    given: dict[str, Any] = dict(settings)
    return Rig("bitaxe-gamma", faults=faults, scale=COARSE, tick=0.5, ambient=ambient, **given)


async def test_the_fan_holds_the_temperature_at_its_target() -> None:
    rig = gamma()

    async with rig.running():
        await asyncio.sleep(5 * MINUTES)
        seen = []
        for _ in range(12):
            await asyncio.sleep(5.0)
            seen.append(rig.heat.die)
        stats = rig.device.stats()

    assert all(58 < temperature < 62 for temperature in seen)
    assert 25 <= number(stats, "fan_percent") < 95
    assert (stats.state, stats.frequency_mhz) == (DeviceState.MINING, 525)
    assert stats.power == pytest.approx(14 + 5, abs=1)
    assert stats.details["power_source"] == "measured"


async def test_in_hot_air_it_throttles_and_stays_below_the_trip() -> None:
    rig = gamma(ambient=46.0)

    async with rig.running():
        await rig.miner.until(lambda: number(rig.device.stats(), "throttle_steps") > 0)
        await asyncio.sleep(4 * MINUTES)
        stats = rig.device.stats()

    assert stats.frequency_mhz is not None
    assert 200 < stats.frequency_mhz < 525
    assert rig.heat.die < 75
    assert stats.details["fan_percent"] == 100
    assert "throttle limit" in stats.reason


async def test_a_users_throttle_slows_the_board_where_its_own_limit_would_not() -> None:
    rig = gamma(ambient=38.0, throttle_temperature=57, target_temperature=60)

    async with rig.running():
        await rig.miner.until(lambda: number(rig.device.stats(), "throttle_steps") > 0)
        stats = rig.device.stats()

    assert "throttle limit" in stats.reason
    assert rig.heat.die < 65


async def test_a_trip_cools_down_with_fans_on_and_then_it_mines_again() -> None:
    rig = gamma(Faults(hot_after=300.0), ambient=38.0)

    error = await rig.failure()
    heat, trip_temperature = rig.heat, rig.heat.die

    assert isinstance(error, BoardTrippedError)
    assert isinstance(error, OverheatError)
    assert trip_temperature > 79
    assert rig.emulated.chain.dead
    assert heat.duty == 1.0
    heat.faults = Faults()
    async with rig.running():
        await asyncio.sleep(5.0)
        cooling = rig.device.stats()
        assert rig.emulated.chain.dead
        await rig.miner.solved(3)
        again = rig.device.stats()
    assert cooling.state is DeviceState.STARTING
    assert re.fullmatch(r"cooling down, \d+ s left: tripped, \w+: .+", cooling.reason)
    assert again.frequency_mhz is not None
    assert again.frequency_mhz < 525, "slower after a trip"


@pytest.mark.parametrize(
    ("fault", "seconds", "source"),
    [
        (Faults(vanish_sensor_after=120), 6.0, "die"),
        (Faults(open_diode_after=120), 6.0, "die"),
        (Faults(absurd_sensor_after=120), 6.0, "die"),
        (Faults(freeze_sensor_after=120), 240.0, "die"),
        (Faults(stall_fan_after=120), 10.0, "fan"),
        (Faults(rail_off_after=120), 3.0, "regulator"),
    ],
)
async def test_what_can_no_longer_be_trusted_trips_within_its_deadline(
    fault: Faults, seconds: float, source: str
) -> None:
    rig = gamma(fault)

    error = await rig.failure(120 + seconds)

    assert isinstance(error, BoardTrippedError)
    assert error.source == source
    assert asyncio.get_running_loop().time() > 120
    assert rig.emulated.chain.dead
    [told] = rig.log.named("board.tripped")
    assert told["error"] == str(error)


async def test_a_sensor_that_reads_too_hot_trips_at_once() -> None:
    rig = gamma(Faults(stuck_temperature=91.0))

    error = await rig.failure(20.0)

    assert isinstance(error, BoardTrippedError)
    assert "too hot, at 91.0 degrees" in str(error)


async def test_a_control_port_that_answers_no_more_ends_in_attempts_and_a_loud_error() -> None:
    rig = gamma(Faults(dead_control_after=120))

    error = await rig.failure(120 + 15)

    assert isinstance(error, DriverError)
    [unsafe] = rig.log.named("board.unsafe")
    assert "reset low: " in str(unsafe["error"])
    assert "unplug" in str(unsafe["remedy"])


async def test_a_control_port_that_is_pulled_ends_in_attempts_and_a_loud_error() -> None:
    rig = gamma()

    async with rig.running() as task:
        await rig.miner.solved(3)
        rig.ports.unplug(CONTROL)
        await asyncio.wait([task], timeout=5.0)
        error = task.exception()

    assert isinstance(error, TransportLostError)
    [unsafe] = rig.log.named("board.unsafe")
    assert "control port opened anew: " in str(unsafe["error"])


async def test_a_control_port_that_comes_back_at_once_is_used_to_switch_off() -> None:
    rig = gamma()

    async with rig.running() as task:
        await rig.miner.solved(3)
        rig.ports.unplug(CONTROL)
        rig.ports.replug()
        await asyncio.wait([task], timeout=5.0)

    assert rig.emulated.chain.dead
    assert rig.log.named("board.safe")


async def test_when_the_data_port_is_pulled_the_control_port_switches_off() -> None:
    rig = gamma()

    async with rig.running() as task:
        await rig.miner.solved(3)
        rig.ports.unplug(DATA)
        await asyncio.wait([task], timeout=5.0)
        error = task.exception()

    assert isinstance(error, TransportLostError)
    assert rig.emulated.chain.dead
    assert rig.heat.core_volts == 0
    assert rig.log.named("board.safe")


async def test_resting_means_reset_and_no_voltage_while_the_fan_goes_on() -> None:
    rig = gamma()

    async with rig.running():
        await rig.miner.solved(3)
        rig.device.apply(Setpoint(run=False, reason="order"))
        await asyncio.sleep(3.0)
        resting = rig.device.stats()
        assert rig.emulated.chain.dead
        assert rig.heat.core_volts == 0
        assert rig.heat.duty > 0.2
        await asyncio.sleep(10 * MINUTES)
        rig.device.apply(Setpoint(run=True))
        await rig.miner.solved(3)

    assert (resting.state, resting.reason) == (DeviceState.IDLE, "order")
    assert not rig.log.named("board.tripped")


async def test_a_limit_in_watts_is_kept_as_measured() -> None:
    rig = gamma()

    async with rig.running():
        await asyncio.sleep(2 * MINUTES)
        rig.device.apply(Setpoint(run=True, watts=12.0, reason="solar"))
        await asyncio.sleep(2 * MINUTES)
        limited = rig.device.stats()
        core = rig.heat.core_watts

    assert limited.power is not None
    assert 10.5 < limited.power <= 12.0
    assert core + 5 == pytest.approx(limited.power, abs=0.3)
    assert limited.reason == "solar"


async def test_a_users_limit_lowers_the_boards_and_never_raises_it() -> None:
    cool = gamma(max_temperature=55, ambient=46.0)

    error = await cool.failure(10 * MINUTES)

    assert isinstance(error, BoardTrippedError)
    assert cool.heat.die < 60


@pytest.mark.parametrize("slow", [0.05, 0.1, 0.2])
async def test_a_slow_control_port_is_borne(slow: float) -> None:
    faults = Faults(slow_control=slow)
    rig = Rig("bitaxe-gamma", faults=faults, scale=COARSE, tick=0.02, frequency=200)

    async with rig.running():
        await asyncio.sleep(MINUTES)
        stats = rig.device.stats()

    assert (stats.state, stats.reason) == (DeviceState.MINING, "")
    assert rig.emulated.chain.dead
    assert rig.heat.core_volts == 0


async def test_a_controller_that_never_answers_is_an_error_and_told_loudly() -> None:
    rig = gamma(Faults(dead_control_after=0))

    error = await rig.failure(30.0)

    assert isinstance(error, TransportTimeoutError)
    assert rig.log.named("board.unsafe")


async def test_a_fan_that_was_set_by_hand_stays_so() -> None:
    rig = gamma(fan=80)

    async with rig.running():
        await asyncio.sleep(1 * MINUTES)
        by_hand = rig.device.stats().details["fan_percent"]
        rig.device.adjust({"fan": "auto"})  # type: ignore[attr-defined]  # optional
        await asyncio.sleep(4 * MINUTES)
        automatic = rig.device.stats()

    assert by_hand == 80
    assert automatic.temperature == pytest.approx(60, abs=2)
