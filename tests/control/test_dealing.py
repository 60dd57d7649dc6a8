"""Watts spent on devices: never more than there are, and next to nothing better is possible."""

from itertools import product
from math import inf, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import OperatingPoint
from stratum_client.control.dealing import CLOSE, Dealing, most_efficient, usable

Points = tuple[OperatingPoint, ...]


def point(watts: float, hashrate: float, mhz: float = 1.0) -> OperatingPoint:
    return OperatingPoint(mhz=mhz, watts=watts, hashrate=hashrate)


def board(
    fixed: float, watts: float, rate: float, *, volts: float = 0.0, steps: int = 10
) -> Points:
    """Return a board: ``fixed`` watts always, the rest with clock and voltage, which may rise."""
    found = []
    for step in range(1, steps + 1):
        clock = 0.4 + 0.6 * step / steps
        core = (1 - volts + volts * clock) ** 2
        found.append(point(fixed + watts * clock * core, rate * clock, mhz=600 * clock))
    return tuple(found)


def spent(plan: tuple[OperatingPoint | None, ...]) -> float:
    return sum(one.watts for one in plan if one)


def rate(plan: tuple[OperatingPoint | None, ...]) -> float:
    return sum(one.hashrate for one in plan if one)


def plan_for(devices: list[Points], budget: float) -> tuple[OperatingPoint | None, ...]:
    return Dealing([usable(points) for points in devices], budget).plan()


def best_by_trying_all(devices: list[Points], budget: float) -> float:
    plans = product(*[(None, *points) for points in devices])
    return max(rate(plan) for plan in plans if spent(plan) <= budget)


NUMBERS = st.floats(0.5, 100) | st.sampled_from([1.0, 2.0, 5.0, 10.0])
POINTS = st.lists(st.builds(point, NUMBERS, NUMBERS), max_size=5).map(tuple)
BOARDS = st.builds(
    board,
    st.sampled_from([0.0, 1.0, 5.0]),
    st.sampled_from([2.0, 10.0, 20.0, 300.0]),
    st.sampled_from([100.0, 130.0, 1000.0]),
    volts=st.sampled_from([0.0, 0.4]),
    steps=st.integers(1, 5),
)


@settings(max_examples=150)
@given(st.lists(POINTS | BOARDS, max_size=4), st.floats(0, 400))
def test_no_plan_of_a_small_rig_is_better(devices: list[Points], budget: float) -> None:
    plan = plan_for(devices, budget)

    assert len(plan) == len(devices)
    assert all(one is None or one in points for one, points in zip(plan, devices, strict=True))
    assert spent(plan) <= budget * (1 + 1e-8)
    assert rate(plan) >= best_by_trying_all(devices, budget) * (1 - 1.01 * CLOSE)


@settings(max_examples=40)
@given(st.lists(BOARDS, min_size=6, max_size=20), st.floats(0.05, 1.1))
def test_a_larger_rig_comes_near_what_no_plan_exceeds(devices: list[Points], part: float) -> None:
    budget = part * sum(points[-1].watts for points in devices)

    dealing = Dealing([usable(points) for points in devices], budget)
    plan = dealing.plan()

    assert spent(plan) <= budget * (1 + 1e-8)
    # what is left over buys nobody anything, and at most one device's best is missing
    left = budget - spent(plan)
    for one, points in zip(plan, devices, strict=True):
        has, does = (one.watts, one.hashrate) if one else (0.0, 0.0)
        more = [p.hashrate for p in usable(points) if p.watts <= has + left * (1 - 1e-6)]
        assert max(more, default=0.0) <= does * (1 + 1e-8)
    largest = max(points[-1].hashrate for points in devices)
    assert rate(plan) >= dealing.bound - largest


def test_64_boards_with_60_speeds_lose_less_than_a_hundredth() -> None:
    devices = [board(4 + n % 3, 30 + n % 7, 1000 + n, volts=0.3, steps=60) for n in range(64)]
    full = sum(points[-1].watts for points in devices)
    for budget in (0.2 * full, 0.55 * full, 0.93 * full):
        dealing = Dealing([usable(points) for points in devices], budget)

        plan = dealing.plan()

        assert rate(plan) >= 0.99 * dealing.bound
        assert 0.98 * budget <= spent(plan) <= budget


def test_boards_are_slowed_down_where_voltage_falls_with_the_clock_and_rest_where_it_does_not() -> (
    None
):
    """At one voltage the fixed watts weigh more, the slower a board is: few run fast."""
    stiff, supple = board(6, 12, 1000), board(1, 17, 1000, volts=0.6)

    few = plan_for([stiff] * 6, 6 * 18 / 2)
    all_slower = plan_for([supple] * 6, 6 * 18 / 2)

    assert [one is None for one in few].count(True) == 3
    assert [one and one.mhz for one in few].count(600) == 3
    assert None not in all_slower
    assert all(one and one.mhz < 500 for one in all_slower)


def test_the_least_efficient_board_rests_first() -> None:
    good, bad = board(3, 12, 1200), board(3, 12, 900)

    assert plan_for([bad, good, bad, good], 30) == (None, good[-1], None, good[-1])


def test_what_makes_no_sense_is_left_out() -> None:
    odd = [point(nan, 1), point(1, nan), point(-1, 5), point(0, 5), point(inf, 9), point(1, -1)]

    assert usable(odd) == ()
    assert usable([point(2, 5), point(1, 5), point(3, 5), point(4, 6)]) == (
        point(1, 5),
        point(4, 6),
    )
    assert plan_for([tuple(odd)], 100) == (None,)
    assert plan_for([], 100) == ()


@pytest.mark.parametrize("budget", [0.0, 0.5])
def test_too_little_for_anybody_is_rest_for_all(budget: float) -> None:
    assert plan_for([board(1, 2, 10)] * 3, budget) == (None,) * 3


def test_the_most_efficient_speed_is_that_of_the_fewest_watts_for_a_hash() -> None:
    points = board(12, 30, 1000, volts=0.6)

    best = most_efficient(points)

    assert best
    assert best.watts / best.hashrate == min(p.watts / p.hashrate for p in points)
    assert points[0].mhz < best.mhz < points[-1].mhz
    assert most_efficient([point(1, 2), point(2, 4)]) == point(2, 4), "the faster of two alike"
    assert most_efficient([]) is None
