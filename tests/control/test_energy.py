"""Watts become watt-hours: no interval is lost, none counted twice, nothing invented."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from itertools import accumulate
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.energy import (
    MAX_GAP,
    Amount,
    Ended,
    EnergyMeter,
    Interval,
    Look,
    Proven,
)
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.control.tariff import GRID, Tariff

START = datetime(2026, 11, 23, 12, tzinfo=UTC).timestamp()
UTC_TARIFF = Tariff(rules=(), zone=UTC)


def power(at: float, watts: float, source: Source = Source.PLUG, **devices: Reading) -> RigPower:
    total = Reading(watts=watts, source=source, at=at)
    return RigPower(wall=START + at, at=at, total=total, devices=devices)


def look(at: float, watts: float | None, *, wall: float | None = None, **more: float) -> Look:
    return Look(
        wall=START + at if wall is None else wall,
        at=at,
        power=None if watts is None else power(at, watts),
        proven={name: Proven(hashes=hashes, shares=1) for name, hashes in more.items()},
    )


def metered(looks: Iterable[Look], tariff: Tariff = UTC_TARIFF) -> list[Interval]:
    meter = EnergyMeter(tariff.period_at)
    return [done for one in looks for done in meter.look(one)] + meter.close()


def total(intervals: Iterable[Interval]) -> Amount:
    amount = Amount()
    for interval in intervals:
        amount.add(interval.rig)
    return amount


# Loads whose integral from 0 to t is known by hand, in watt-seconds.
LOADS: dict[str, tuple[Callable[[float], float], Callable[[float], float]]] = {
    "constant": (lambda t: 800.0, lambda t: 800 * t),
    "ramp": (lambda t: t / 10, lambda t: t * t / 20),
    "sine of a minute": (
        lambda t: 500 + 400 * math.sin(2 * math.pi * t / 60),
        lambda t: 500 * t + 400 * 60 / (2 * math.pi) * (1 - math.cos(2 * math.pi * t / 60)),
    ),
    "decay": (lambda t: 1000 * math.exp(-t / 300), lambda t: 300_000 * (1 - math.exp(-t / 300))),
}


@pytest.mark.parametrize("name", LOADS)
def test_the_integral_of_a_known_load_is_right_within_a_thousandth(name: str) -> None:
    watts, joules = LOADS[name]
    seconds = 3600

    found = total(metered(look(t, watts(t)) for t in range(seconds + 1)))

    assert found.total == pytest.approx(joules(seconds) / 3600, rel=1e-3)
    assert (found.metered, found.unmetered) == (seconds, 0)


STEPS = st.lists(st.floats(0.05, 3.0), min_size=100, max_size=250)


@settings(max_examples=25)
@given(steps=STEPS, name=st.sampled_from(sorted(LOADS)))
def test_random_times_of_looks_change_nothing_about_that(steps: list[float], name: str) -> None:
    watts, joules = LOADS[name]
    times = [0.0, *accumulate(steps)]

    found = total(metered(look(t, watts(t)) for t in times))

    assert found.total == pytest.approx(joules(times[-1]) / 3600, rel=1e-3)


JUMPS = st.lists(
    st.tuples(
        st.floats(0.05, 14.0), st.sampled_from([0.0, 0.2, -0.2, 7200, -7200, 90_000, -90_000])
    ),
    min_size=2,
    max_size=80,
)


@settings(max_examples=60)
@given(jumps=JUMPS, watts=st.lists(st.floats(0, 5000), min_size=81, max_size=81))
def test_a_wall_clock_that_is_set_loses_nothing_and_counts_nothing_twice(
    jumps: list[tuple[float, float]], watts: list[float]
) -> None:
    at, ahead, looks = 0.0, 0.0, [look(0.0, watts[0], a=0.0)]
    for number, (step, jump) in enumerate(jumps, 1):
        at, ahead = at + step, ahead + jump
        looks.append(look(at, watts[number], wall=START + at + ahead, a=1e12 * number))

    intervals = metered(looks)

    found = total(intervals)
    by_hand = sum((watts[n] + watts[n + 1]) / 2 * step for n, (step, _) in enumerate(jumps))
    assert found.total == pytest.approx(by_hand / 3600, rel=1e-9, abs=1e-12)
    assert found.metered == pytest.approx(at)
    assert found.hashes == pytest.approx(1e12 * len(jumps))
    for interval in intervals:
        assert interval.period.start - 0.5 <= interval.start <= interval.end
        assert interval.end <= interval.period.end + 0.5
        assert interval.devices["a"].unmetered_hashes == interval.rig.hashes


def test_a_clock_set_by_hours_ends_the_interval_at_the_old_time() -> None:
    at_noon = [look(0, 100), look(10, 100)]
    after = [look(20, 100, wall=START + 7220), look(30, 100, wall=START + 7230)]

    first, second = metered([*at_noon, *after])

    assert (first.start - START, first.end - START, first.ended) == (0, 20, Ended.CLOCK)
    assert (second.start - START, second.end - START) == (7220, 7230)
    assert [round(one.rig.total * 3600) for one in (first, second)] == [2000, 1000]


@settings(max_examples=60)
@given(steps=st.lists(st.floats(0.05, 14.9) | st.floats(15.1, 60), min_size=1, max_size=40))
def test_a_gap_is_counted_and_not_filled(steps: list[float]) -> None:
    times = [0.0, *accumulate(steps)]

    found = total(metered(look(t, 100) for t in times))

    known = sum(step for step in steps if step <= MAX_GAP)
    gaps = sum(step for step in steps if step > MAX_GAP)
    assert found.metered == pytest.approx(known, abs=1e-6)
    assert found.unmetered == pytest.approx(gaps, abs=1e-6)
    assert found.total * 3600 == pytest.approx(100 * known, abs=1e-6)


def test_a_look_that_knows_no_watts_is_unmetered_and_its_hashes_stand_apart() -> None:
    looks = [look(0, 60, a=0.0), look(10, None, a=1e12), look(20, 60, a=2e12), look(30, 60, a=4e12)]

    found = total(metered(looks))

    assert (found.metered, found.unmetered) == (10, 20)
    assert (found.hashes, found.unmetered_hashes, found.shares) == (2e12, 2e12, 0)
    assert found.joules_per_terahash == pytest.approx(300)


def test_measured_and_modelled_watts_are_kept_apart() -> None:
    looks = [
        Look(wall=START + at, at=at, power=power(at, watts, source))
        for at, watts, source in (
            (0, 100, Source.PLUG),
            (10, 100, Source.PLUG),
            (20, 50, Source.MODEL),
        )
    ]

    found = total(metered(looks))

    joules = {source: energy * 3600 for source, energy in found.watt_hours.items()}
    assert joules == {Source.PLUG: pytest.approx(1500), Source.MODEL: pytest.approx(250)}


def test_a_mixed_sum_is_parted_as_the_devices_are() -> None:
    def both(at: float) -> RigPower:
        return power(
            at,
            40,
            Source.MIXED,
            known=Reading(watts=30, source=Source.DRIVER, at=at),
            guessed=Reading(watts=10, source=Source.MODEL, at=at),
        )

    [interval] = metered(Look(wall=START + at, at=at, power=both(at)) for at in (0.0, 10.0))

    joules = {source: energy * 3600 for source, energy in interval.rig.watt_hours.items()}
    assert joules == {Source.DRIVER: pytest.approx(300), Source.MODEL: pytest.approx(100)}
    assert interval.devices["known"].total * 3600 == pytest.approx(300)


def test_a_border_between_two_looks_parts_what_lies_between() -> None:
    """From 100 W to 400 W within 10 s; the mark comes after 4 s: 160 W there."""
    mark = START + GRID
    looks = [Look(wall=mark - 4 + t, at=t, power=power(t, w)) for t, w in ((0, 100), (10, 400))]

    before, after = metered(looks)

    assert before.end == after.start == mark
    assert before.rig.total * 3600 == pytest.approx((100 + 220) / 2 * 4)
    assert after.rig.total * 3600 == pytest.approx((220 + 400) / 2 * 6)


def test_each_local_day_has_its_own_intervals() -> None:
    almaty = Tariff(rules=(), zone=ZoneInfo("Asia/Almaty"))
    midnight = datetime(2026, 11, 23, 19, tzinfo=UTC).timestamp()  # +05:00
    looks = [
        Look(wall=midnight - 5 + t, at=float(t), power=power(t, 360)) for t in range(0, 11, 10)
    ]

    before, after = metered(looks, almaty)

    assert [str(one.period.day) for one in (before, after)] == ["2026-11-23", "2026-11-24"]
    assert [one.rig.total for one in (before, after)] == [pytest.approx(0.5), pytest.approx(0.5)]


def test_a_device_that_comes_counts_its_first_hashes_and_one_that_is_reset_none_back() -> None:
    looks = [look(0, 50), look(1, 50, new=5e12), look(2, 50, new=1e12), look(3, 50, new=2e12)]

    [interval] = metered(looks)

    assert interval.rig.hashes == 6e12, "a plug sees all of them"
    assert interval.devices["new"].unmetered == 3, "its own watts are not known"


def test_work_of_a_device_whose_watts_nobody_knows_is_kept_apart_in_a_sum() -> None:
    def one_known(at: float) -> Look:
        known = Reading(watts=36, source=Source.DRIVER, at=at)
        both = {name: Proven(hashes=1e12 * at, shares=1) for name in ("known", "cpu")}
        watts = power(at, 36, Source.DRIVER, known=known)
        return Look(wall=START + at, at=at, power=watts, proven=both)

    [interval] = metered(one_known(at) for at in (0.0, 10.0))

    assert (interval.rig.hashes, interval.rig.unmetered_hashes) == (1e13, 1e13)
    assert interval.rig.joules_per_terahash == pytest.approx(36)
    assert (interval.devices["cpu"].unmetered, interval.devices["known"].metered) == (10, 10)
