"""The emulated board's heat: it settles where power and cooling say, as fast as the time allows."""

import math
from random import Random

import pytest

from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec

SPEC = HeatSpec(watts=20.0, volts=1.2, still=4.5, blown=1.5, time_constant=10.0, ambient=25.0)


def running(faults: Faults | None = None, *, duty: float = 1.0, volts: float = 1.2) -> BoardHeat:
    heat = BoardHeat(SPEC, random=Random(1), faults=faults or Faults())
    heat.rail = lambda: volts
    heat.advance(0.0)
    heat.release_reset(released=True)
    heat.activity = 1.0
    heat.duty = duty
    return heat


def test_it_settles_at_ambient_plus_watts_times_resistance() -> None:
    heat = running()

    heat.advance(1000.0)

    assert heat.die == pytest.approx(25 + 20 * 1.5)


def test_after_one_time_constant_63_percent_of_the_way_is_done() -> None:
    heat = running()

    heat.advance(10.0)

    assert heat.die == pytest.approx(25 + 30 * (1 - math.exp(-1)))


def test_many_small_steps_end_where_one_large_step_does() -> None:
    small, large = running(duty=0.3), running(duty=0.3)

    for step in range(1, 501):
        small.advance(step / 25)
    large.advance(20.0)

    assert small.die == pytest.approx(large.die)


def test_without_a_fan_it_gets_three_times_as_warm() -> None:
    heat = running(duty=0.0)

    heat.advance(1e5)

    assert heat.die == pytest.approx(25 + 20 * 4.5)


def test_power_grows_with_frequency_and_with_the_square_of_the_voltage() -> None:
    heat = running(volts=0.6)
    heat.activity = 2.0

    assert heat.core_watts == pytest.approx(2 * 20 / 4)
    assert heat.rail_amps == pytest.approx(heat.core_watts / 0.6)


def test_it_cools_to_the_air_when_the_rail_is_off() -> None:
    heat = running()
    heat.advance(100.0)

    heat.rail = lambda: 0.0
    heat.advance(1000.0)

    assert heat.core_watts == 0.0
    assert heat.die == pytest.approx(25.0)


def test_chips_in_reset_only_leak() -> None:
    heat = running()
    heat.release_reset(released=False)

    assert heat.core_watts == pytest.approx(1.0)


def test_a_diode_reads_nonsense_until_half_a_second_after_reset() -> None:
    heat = running()

    heat.advance(0.4)
    early = {heat.sensed(40.0, diode=True) for _ in range(5)}
    board = heat.sensed(40.0, diode=False)
    heat.advance(0.6)

    assert len(early) == 5
    assert board == 40.0
    assert heat.sensed(40.0, diode=True) == 40.0


def test_a_stuck_sensor_always_reads_the_same() -> None:
    assert running(Faults(stuck_temperature=41.0)).sensed(90.0, diode=True) == 41.0


def test_a_sensor_freezes_at_what_it_read_then() -> None:
    heat = running(Faults(freeze_sensor_after=5.0))
    heat.advance(4.0)
    before = heat.sensed(heat.die, diode=True)
    heat.advance(5.0)
    frozen = heat.sensed(heat.die, diode=True)
    heat.advance(50.0)

    assert frozen > before
    assert heat.sensed(heat.die, diode=True) == frozen < heat.die


def test_an_absurd_sensor_reads_what_no_chip_can_be() -> None:
    heat = running(Faults(absurd_sensor_after=1.0))
    heat.advance(0.9)
    sane = heat.sensed(50.0, diode=False)
    heat.advance(1.0)

    read = [heat.sensed(50.0, diode=False) for _ in range(20)]

    assert sane == 50.0
    assert all(value < -50 or value > 120 for value in read)


def test_a_stalled_fan_turns_no_more_and_cools_no_more() -> None:
    heat = running(Faults(stall_fan_after=10.0))
    heat.advance(9.0)
    turning = heat.rpm
    heat.advance(1e5)
    heat.advance(2e5)

    assert (turning, heat.rpm) == (6000.0, 0.0)
    assert heat.die == pytest.approx(115.0)


def test_a_loose_heat_sink_makes_three_times_the_rise() -> None:
    heat = running(Faults(hot_after=0.0))

    heat.advance(1e5)

    assert heat.die == pytest.approx(25 + 3 * 30)


def test_a_clock_that_steps_back_changes_nothing() -> None:
    heat = running()
    heat.advance(5.0)
    die = heat.die

    heat.advance(4.0)

    assert heat.die == die
