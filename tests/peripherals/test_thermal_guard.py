from collections.abc import Callable, Iterator
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals.fan_pid import FanPid, FanSettings
from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.heat_limits import Limits, lowest_of
from drivers.peripherals.sensor_watch import SensorSpec
from drivers.peripherals.thermal_guard import Running, ThermalGuard, ThrottleSettings, Tripped
from tests.peripherals.heat_sink import HeatSink

DIE = SensorSpec(name="die", frozen_after=60.0, powered_only=True)
BOARD = SensorSpec(name="board", limits=Limits.around(75))
FAN = FanSpec(name="fan")


class Bench:
    """Feeds a guard once a second, as a device does."""

    def __init__(self, guard: ThermalGuard) -> None:
        self.guard = guard
        self.now = 0.0
        guard.power_on(0.0)

    def run(
        self,
        seconds: int,
        *,
        duty: float = 50.0,
        rpm: float | None = 4000.0,
        watts: float | None = 17.0,
        fans: tuple[str, ...] = (),
        **readings: float | Callable[[float], float | None] | None,
    ) -> Running | Tripped:
        """Feed the same for some seconds; return the last verdict, or the trip."""
        verdict = self.guard.verdict(self.now)
        for _ in range(seconds):
            self.now += 1.0
            for name, reading in readings.items():
                value = reading(self.now) if callable(reading) else reading
                self.guard.temperature(self.now, name, value)
            for name in fans:
                self.guard.fan(self.now, name, duty=duty, rpm=rpm)
            self.guard.load(self.now, watts=watts, duty=duty)
            verdict = self.guard.verdict(self.now)
            if isinstance(verdict, Tripped):
                break
        return verdict


def flicker(around: float) -> Callable[[float], float]:
    """Return a healthy reading: it moves by one step of the diode."""
    steps: Iterator[int] = count()
    return lambda _: around + 0.125 * (next(steps) % 2)


def tripped(verdict: Running | Tripped) -> Tripped:
    assert isinstance(verdict, Tripped)
    return verdict


def test_a_healthy_board_runs_at_full_speed() -> None:
    bench = Bench(ThermalGuard([DIE, BOARD], [FAN]))

    verdict = bench.run(7200, die=flicker(60), board=flicker(50), fans=("fan",))

    assert verdict == Running()


def test_one_reading_of_ninety_trips_at_once() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(10, die=flicker(60))

    verdict = tripped(bench.run(1, die=90.0))

    assert (verdict.trip.source, verdict.trip.temperature) == ("die", 90.0)
    assert verdict.trip.limit == 90


def test_eighty_trips_only_when_it_lasts() -> None:
    bench = Bench(ThermalGuard([DIE]))

    assert isinstance(bench.run(2, die=81.0), Running)
    assert isinstance(bench.run(1, die=79.0), Running)
    assert isinstance(bench.run(2, die=81.0), Running)
    assert tripped(bench.run(1, die=80.0)).trip.reason == "too hot, 3 times in a row"


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (None, "no reading, 3 times in a row"),
        (float("nan"), "no reading, 3 times in a row"),
        (float("inf"), "no reading, 3 times in a row"),
        (-40.0, "absurd reading of -40.0 degrees, 3 times in a row"),
    ],
)
def test_a_sensor_without_sensible_readings_trips(bad: float | None, reason: str) -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(10, die=flicker(60))

    assert tripped(bench.run(3, die=bad)).trip.reason == reason
    assert bench.now == 13


def test_readings_that_jump_to_and_fro_trip() -> None:
    values = iter([60.0, 20.0, 62.0, 15.0, 61.0, 14.0, 15.0, 12.0] * 4)
    spec = SensorSpec(name="die", fastest=5.0)
    bench = Bench(ThermalGuard([spec]))

    verdict = tripped(bench.run(20, die=lambda _: next(values)))

    assert "jump" in verdict.trip.reason or "no reading" in verdict.trip.reason


def test_readings_that_stop_coming_trip_within_the_deadline() -> None:
    bench = Bench(ThermalGuard([DIE, BOARD]))
    bench.run(10, die=flicker(60), board=flicker(40))

    verdict = tripped(bench.run(20, board=flicker(40)))

    assert verdict.trip.source == "die"
    assert bench.now == 16


def test_a_required_sensor_that_never_answers_trips() -> None:
    assert tripped(Bench(ThermalGuard([DIE])).run(20)).trip.reason.startswith("no reading")


def test_a_sensor_that_the_board_never_had_is_not_a_lost_one() -> None:
    optional = SensorSpec(name="second", optional=True)
    bench = Bench(ThermalGuard([DIE, optional], [FanSpec(name="rear", optional=True)]))

    quiet = bench.run(600, die=flicker(60), second=None, rpm=0.0, fans=("rear",))
    bench.run(1, die=flicker(60), second=45.0)
    lost = bench.run(20, die=flicker(60), second=None)

    assert quiet == Running()
    assert tripped(lost).trip.source == "second"


def test_an_optional_fan_is_missed_once_it_was_seen_turning() -> None:
    bench = Bench(ThermalGuard([DIE], [FanSpec(name="rear", optional=True)]))
    bench.run(10, die=flicker(60), fans=("rear",))

    assert tripped(bench.run(20, die=flicker(60), rpm=0.0, fans=("rear",))).trip.source == "rear"


@pytest.mark.parametrize("rpm", [0.0, None])
def test_a_fan_that_does_not_turn_though_driven_trips(rpm: float | None) -> None:
    bench = Bench(ThermalGuard([DIE], [FAN]))
    bench.run(10, die=flicker(60), fans=("fan",))

    verdict = tripped(bench.run(20, die=flicker(60), duty=25, rpm=rpm, fans=("fan",)))

    assert verdict.trip.source == "fan"
    assert bench.now == 16


def test_a_fan_at_rest_may_stand_still() -> None:
    bench = Bench(ThermalGuard([DIE], [FAN]))

    assert bench.run(60, die=flicker(60), duty=10, rpm=0.0, fans=("fan",)) == Running()


def test_the_diode_is_ignored_in_reset_and_until_it_settles() -> None:
    guard = ThermalGuard([DIE])
    guard.temperature(0.0, "die", 127.0)
    guard.power_on(1.0)
    guard.temperature(1.2, "die", 127.0)
    assert guard.verdict(1.2) == Running()

    guard.temperature(1.6, "die", 127.0)
    assert tripped(guard.verdict(1.6)).trip.temperature == 127.0


def test_a_diode_that_ignores_more_fan_or_less_power_is_frozen() -> None:
    for changed in ({"duty": 70.0}, {"watts": 15.0}):
        bench = Bench(ThermalGuard([DIE]))
        bench.run(40, die=45.0, watts=17.0, duty=50.0)

        verdict = tripped(bench.run(120, die=45.0, **changed))  # type: ignore[arg-type]  # by name

        assert verdict.trip.reason == "reading frozen: it ignores more cooling"
        assert bench.now == 101


def test_a_change_before_the_heat_sink_is_at_rest_proves_nothing() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(5, die=45.0, watts=17.0, duty=50.0)

    assert isinstance(bench.run(100, die=45.0, watts=15.0, duty=70.0), Running)


def test_less_cooling_proves_nothing() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(40, die=45.0, watts=17.0, duty=90.0)

    assert isinstance(bench.run(200, die=45.0, watts=20.0, duty=50.0), Running)


def test_a_diode_still_since_before_the_ramp_is_suspect_soon() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(5, die=45.0, watts=4.0)

    verdict = bench.run(31, die=45.0, watts=17.0)

    assert isinstance(verdict, Running)
    assert verdict.least_duty == 75
    assert "die is alive" in verdict.reason


def test_a_diode_that_freezes_at_rest_is_found_by_raising_the_fan() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(60, die=flicker(60))

    still = bench.run(121, die=60.5)
    nudged = bench.run(70, die=60.5, duty=75)

    assert isinstance(still, Running)
    assert still.least_duty == 75
    assert tripped(nudged).trip.source == "die"
    assert bench.now < 60 + 185


def test_a_diode_that_freezes_under_a_full_fan_is_found_by_less_speed() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(60, die=flicker(60), duty=100)

    still = bench.run(121, die=60.5, duty=100)
    slowed = bench.run(70, die=60.5, duty=100, watts=14.0)

    assert isinstance(still, Running)
    assert still.least_duty == 0
    assert still.share == 0.75
    assert tripped(slowed).trip.source == "die"


def test_a_test_by_fan_goes_on_though_the_fan_is_then_nearly_full() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(121, die=60.5, duty=70)

    verdict = bench.run(30, die=60.5, duty=95)

    assert isinstance(verdict, Running)
    assert (verdict.least_duty, verdict.share) == (95, 1)


def test_power_that_is_not_known_for_a_while_proves_nothing() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(40, die=60.5)

    assert isinstance(bench.run(200, die=60.5, watts=None), Running)


def test_a_diode_that_answers_the_test_is_left_alone() -> None:
    bench = Bench(ThermalGuard([DIE]))
    asked = bench.run(121, die=60.0)

    answered = bench.run(100, die=59.5, duty=75)

    assert isinstance(asked, Running)
    assert asked.least_duty == 75
    assert answered == Running()


def test_a_still_reading_means_nothing_without_heat_or_for_a_coarse_sensor() -> None:
    coarse = SensorSpec(name="board")
    bench = Bench(ThermalGuard([DIE, coarse]))

    assert bench.run(1000, die=25.0, board=25.0, watts=1.0, duty=20) == Running()
    assert bench.run(1000, die=flicker(25), board=25.0, watts=17.0, duty=90) == Running()


def test_a_fault_reported_from_elsewhere_trips() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.guard.fault(3.0, "regulator", "output overcurrent")

    verdict = tripped(bench.guard.verdict(3.0))

    assert (verdict.trip.source, verdict.trip.reason) == ("regulator", "output overcurrent")


def test_the_first_reason_stays_the_reason() -> None:
    bench = Bench(ThermalGuard([DIE, BOARD]))
    bench.run(5, die=flicker(60), board=flicker(40))
    bench.guard.temperature(6.0, "die", 95.0)
    bench.guard.temperature(6.0, "board", 99.0)
    bench.guard.fault(6.0, "regulator", "output off")

    assert tripped(bench.guard.verdict(6.0)).trip.source == "die"


def test_a_hot_board_is_throttled_step_by_step_and_released_slowly() -> None:
    bench = Bench(ThermalGuard([DIE], throttle=ThrottleSettings(pause=10, recovery=60)))

    hot = bench.run(25, die=flicker(72))
    between = bench.run(120, die=flicker(68))
    cool = bench.run(61, die=flicker(60))
    free = bench.run(300, die=flicker(60))

    assert isinstance(hot, Running)
    assert hot.steps == 3
    assert hot.share == pytest.approx(0.85)
    assert "die" in hot.reason
    assert isinstance(between, Running)
    assert between.steps == 3
    assert isinstance(cool, Running)
    assert cool.steps in (1, 2)
    assert free == Running()


def test_throttling_stops_at_its_last_step() -> None:
    bench = Bench(ThermalGuard([DIE], throttle=ThrottleSettings(most=5)))

    verdict = bench.run(600, die=flicker(75))

    assert isinstance(verdict, Running)
    assert verdict.steps == 5


def test_a_trip_cools_down_before_the_board_may_restart_slower() -> None:
    bench = Bench(ThermalGuard([DIE, BOARD], cool_down=30))
    bench.run(10, die=flicker(60), board=flicker(50))
    bench.run(1, die=95.0, board=70.0)

    def waiting(now: float, board: float | None) -> str:
        bench.guard.temperature(now, "board", board)
        return tripped(bench.guard.verdict(now)).waiting_for

    assert waiting(20.0, 60.0) == "21 s left"
    with pytest.raises(ValueError, match="too early"):
        bench.guard.restart(20.0)
    assert waiting(41.5, 60.0) == "board at 60.0 °C, until 55.0"
    assert waiting(50.0, None) == "board cannot be read"
    assert waiting(51.0, 50.0) == ""

    bench.guard.restart(51.0)
    bench.guard.power_on(51.0)
    bench.guard.temperature(52.0, "die", 50.0)
    bench.guard.temperature(52.0, "board", 50.0)
    verdict = bench.guard.verdict(52.0)
    assert isinstance(verdict, Running)
    assert verdict.share == pytest.approx(0.8)
    assert "restarted after a trip" in verdict.reason


def test_a_tripped_board_cannot_be_powered_on() -> None:
    bench = Bench(ThermalGuard([DIE]))
    bench.run(1, die=95.0)

    with pytest.raises(ValueError, match="still tripped"):
        bench.guard.power_on(1000.0)


def test_nothing_is_judged_while_the_board_is_off() -> None:
    bench = Bench(ThermalGuard([DIE, BOARD], [FAN]))
    bench.run(5, die=flicker(60), board=flicker(40), fans=("fan",))
    bench.guard.power_off()

    assert bench.run(100, die=None, board=None, rpm=0.0, fans=("fan",)) == Running()


class MinedBoard:
    """A heat sink held by the fan's controller under the guard's eyes, one poll a second."""

    def __init__(self, watts: float, capacity: float) -> None:
        self.guard, self.pid = ThermalGuard([DIE]), FanPid(FanSettings(target=60))
        self.sink = HeatSink(watts=watts, capacity=capacity)
        self._watts = watts
        self.frozen: float | None = None
        self.now, self._duty = 0.0, 100.0
        self.guard.power_on(0.0)

    def run(self, seconds: int) -> Running | Tripped:
        """Return the verdict after so many seconds, or the trip that came before."""
        verdict = self.guard.verdict(self.now)
        for _ in range(seconds):
            self.now += 1
            self.sink.pass_time(1, self._duty)
            reading = self.sink.reading() if self.frozen is None else self.frozen
            self.guard.temperature(self.now, "die", reading)
            self.guard.load(self.now, watts=self.sink.watts, duty=self._duty)
            verdict = self.guard.verdict(self.now)
            if isinstance(verdict, Tripped):
                break
            self._duty = max(self.pid.update(self.now, reading), verdict.least_duty)
            self.sink.watts = self._watts * (0.2 + 0.8 * verdict.share)
        return verdict


@pytest.mark.parametrize("capacity", [1.0, 8.0, 60.0, 300.0])
@pytest.mark.parametrize("watts", [4.0, 9.0, 17.0, 24.0, 30.0])
def test_a_noiseless_diode_at_rest_never_trips(watts: float, capacity: float) -> None:
    board = MinedBoard(watts, capacity)

    assert isinstance(board.run(2 * 3600), Running)


@pytest.mark.parametrize("after", [1, 30, 1800])
@pytest.mark.parametrize("watts", [9.0, 17.0, 27.0])
def test_a_diode_that_freezes_in_use_trips_before_the_die_is_hot(watts: float, after: int) -> None:
    board = MinedBoard(watts, capacity=60)
    board.run(after)
    board.frozen = board.sink.reading()

    verdict = tripped(board.run(185))

    assert "frozen" in verdict.trip.reason
    assert board.sink.temperature < 75


def test_of_several_limits_the_lowest_holds() -> None:
    board, chip, user = Limits.around(85), Limits(trip_at_once=84), Limits.around(72)

    assert lowest_of(board, chip) == Limits(resume=60, throttle=70, trip=80, trip_at_once=84)
    assert lowest_of(board, chip, user) == Limits(resume=52, throttle=62, trip=72, trip_at_once=82)


def test_limits_that_do_not_rise_are_refused() -> None:
    with pytest.raises(ValueError, match="must rise"):
        Limits(throttle=81)


LIMITS = st.lists(st.floats(0, 150), min_size=4, max_size=4).map(
    lambda v: Limits(
        **dict(zip(("resume", "throttle", "trip", "trip_at_once"), sorted(v), strict=True))
    )
)


@given(st.lists(LIMITS, min_size=1, max_size=5))
def test_the_lowest_of_any_limits_is_within_each_of_them(several: list[Limits]) -> None:
    lowest = lowest_of(*several)

    for one in several:
        assert lowest.trip <= one.trip
        assert lowest.trip_at_once <= one.trip_at_once
        assert lowest.throttle <= one.throttle
        assert lowest.resume <= one.resume


READINGS = st.one_of(st.none(), st.floats(), st.floats(20, 89), st.floats(60, 100))


@given(st.lists(READINGS, max_size=40), st.floats(90, 1e9))
def test_no_history_hides_a_reading_over_the_upper_limit(
    history: list[float | None], hot: float
) -> None:
    guard = ThermalGuard([DIE])
    guard.power_on(0.0)
    for second, reading in enumerate(history, start=1):
        guard.temperature(float(second), "die", reading)
        guard.verdict(float(second))
    guard.temperature(len(history) + 1.0, "die", hot)

    assert isinstance(guard.verdict(len(history) + 1.0), Tripped)


@given(st.lists(READINGS, max_size=40))
def test_no_history_lets_a_silent_sensor_pass(history: list[float | None]) -> None:
    guard = ThermalGuard([DIE])
    guard.power_on(0.0)
    for second, reading in enumerate(history, start=1):
        guard.temperature(float(second), "die", reading)

    assert isinstance(guard.verdict(len(history) + 7.0), Tripped)


@given(
    st.lists(st.one_of(st.floats(20, 79.9), st.none()), max_size=60).filter(
        lambda values: all(
            any(v is not None for v in values[i : i + 3]) for i in range(len(values) - 2)
        )
    )
)
def test_two_missing_readings_in_a_row_are_forgiven(values: list[float | None]) -> None:
    guard = ThermalGuard([SensorSpec(name="die", fastest=1000.0)])
    guard.power_on(0.0, settle=0.0)
    for second, reading in enumerate(values, start=1):
        guard.temperature(float(second), "die", reading)

        assert isinstance(guard.verdict(float(second)), Running)


@given(
    st.lists(st.tuples(st.floats(0, 60), READINGS, READINGS), max_size=60),
    st.floats(1, 100),
)
def test_a_trip_lasts_through_any_readings_until_cool_down(
    readings: list[tuple[float, float | None, float | None]], cool_down: float
) -> None:
    guard = ThermalGuard([DIE, BOARD], cool_down=cool_down)
    guard.power_on(0.0)
    guard.temperature(1.0, "die", 91.0)
    now = 1.0
    for step, die, board in readings:
        now += step
        guard.temperature(now, "die", die)
        guard.temperature(now, "board", board)
        verdict = tripped(guard.verdict(now))

        assert verdict.trip.temperature == 91.0
        if verdict.may_restart:
            assert now >= 1.0 + cool_down
            assert board is not None
            assert board <= BOARD.limits.resume
