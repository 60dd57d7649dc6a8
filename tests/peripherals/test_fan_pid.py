import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals.fan_pid import FanPid, FanSettings
from tests.peripherals.heat_sink import HeatSink


def follow(pid: FanPid, sink: HeatSink, *, start: float, until: float, poll: float) -> list[float]:
    """Return the temperatures seen while the controller holds the sink."""
    seen, now, duty = [], start, 100.0
    while now < until:
        sink.pass_time(poll, duty)
        now += poll
        duty = pid.update(now, sink.reading())
        seen.append(sink.temperature)
    return seen


@pytest.mark.parametrize("poll", [0.1, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("capacity", [8.0, 30.0, 60.0, 150.0])
def test_the_fan_settles_at_the_target(capacity: float, poll: float) -> None:
    sink = HeatSink(watts=17, capacity=capacity)

    seen = follow(FanPid(FanSettings(target=60)), sink, start=0, until=1500, poll=poll)

    assert max(seen) < 66
    assert seen[-round(200 / poll) :] == pytest.approx([60.0] * round(200 / poll), abs=1)


def test_a_rise_in_power_is_met_without_overheating() -> None:
    sink, pid = HeatSink(watts=14, capacity=60), FanPid(FanSettings(target=60))
    follow(pid, sink, start=0, until=1200, poll=1)
    sink.watts = 20

    seen = follow(pid, sink, start=1200, until=2400, poll=1)

    assert max(seen) < 66
    assert seen[-1] == pytest.approx(60, abs=1)


def test_a_cool_board_gets_the_floor_and_a_hopeless_one_everything() -> None:
    for watts, expected in ((5, 30.0), (60, 100.0)):
        pid, sink = FanPid(FanSettings(target=60, floor=30)), HeatSink(watts=watts, capacity=30)
        follow(pid, sink, start=0, until=600, poll=1)

        assert pid.update(601, sink.temperature) == expected


def test_after_hours_at_an_end_the_fan_comes_back_at_once() -> None:
    pid, sink = FanPid(FanSettings(target=60)), HeatSink(watts=60, capacity=30)
    follow(pid, sink, start=0, until=4 * 3600, poll=5)
    sink.watts = 5
    seen = follow(pid, sink, start=4 * 3600, until=4 * 3600 + 600, poll=1)

    assert seen[-1] < 60
    assert pid.update(20_000, seen[-1]) == 25

    sink.watts = 20
    seen = follow(pid, sink, start=20_000, until=21_500, poll=1)
    assert max(seen) < 66


@pytest.mark.parametrize("reading", [None, float("nan"), float("inf"), -273.0, 1e308])
def test_a_lost_sensor_means_full(reading: float | None) -> None:
    pid = FanPid(FanSettings(target=60))
    for now in range(100):
        pid.update(now, 40.0)
    assert pid.update(100, 40.0) == 25

    assert pid.update(101, reading) == 100
    assert pid.update(101, reading) == 100


def test_a_sensor_that_comes_back_is_followed_again() -> None:
    pid, sink = FanPid(FanSettings(target=60)), HeatSink(watts=17, capacity=60)
    follow(pid, sink, start=0, until=600, poll=1)
    for now in range(600, 620):
        sink.pass_time(1, pid.update(now, None))

    seen = follow(pid, sink, start=620, until=1500, poll=1)

    assert max(seen) < 66
    assert seen[-1] == pytest.approx(60, abs=1)


def test_the_first_duty_is_full_until_a_reading_comes() -> None:
    assert FanPid(FanSettings()).update(0, None) == 100


def test_a_clock_that_stands_still_or_jumps_does_no_harm() -> None:
    pid = FanPid(FanSettings(target=60))
    first = pid.update(0, 62.0)

    assert pid.update(0, 99.0) == first
    assert 25 <= pid.update(1e9, 62.0) <= 100


READINGS = st.one_of(st.none(), st.floats(), st.floats(-40, 130))


@given(st.floats(0, 100), st.lists(st.tuples(st.floats(0, 1000), READINGS), max_size=60))
def test_any_readings_give_a_duty_between_floor_and_full(
    floor: float, readings: list[tuple[float, float | None]]
) -> None:
    pid, now = FanPid(FanSettings(target=60, floor=floor)), 0.0

    for step, reading in readings:
        now += step
        assert floor <= pid.update(now, reading) <= 100


def test_an_impossible_floor_is_refused() -> None:
    with pytest.raises(ValueError, match="0 to 100 percent"):
        FanSettings(floor=101)
