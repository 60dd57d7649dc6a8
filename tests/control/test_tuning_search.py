"""Searching a ladder of speeds, and judging what was seen at one of them."""

import math
from dataclasses import replace
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.tuning_evidence import (
    Estimate,
    Evidence,
    Goal,
    Look,
    consistent,
    merged,
)
from stratum_client.control.tuning_profile import LONGEST_BAR, TuningSettings, with_bar
from stratum_client.control.tuning_search import Search, is_better, next_speed, thinned
from stratum_client.control.tuning_watch import is_judged, seconds_to_judge

LADDER = tuple(400.0 + 6.25 * n for n in range(40))


def estimate(mhz: float, hashrate: float, *, is_excessive: bool = False) -> Estimate:
    return Estimate(
        mhz=mhz,
        hashrate=hashrate,
        watts=1.0,
        error_ratio=0.001,
        nonces=1000,
        uncertainty=0.001,
        is_excessive=is_excessive,
    )


def searched(
    truth: dict[float, Estimate], search: Search, *, ladder: tuple[float, ...] = LADDER
) -> tuple[float, list[float]]:
    """Return the speed that a search ends at, and those it looked at."""
    known: dict[float, Estimate] = {}
    looked: list[float] = []
    while True:
        search, mhz = next_speed(search, ladder, known, lambda _: True, Goal.EFFICIENCY)
        if mhz is None:
            return search.centre, looked
        assert mhz not in known
        looked.append(mhz)
        known[mhz] = truth[mhz]


@given(
    top=st.integers(0, 39),
    start=st.integers(0, 39),
    up=st.floats(0.005, 1),
    down=st.floats(0.005, 1),
)
def test_the_top_of_a_smooth_hill_is_found_in_few_looks(
    top: int, start: int, up: float, down: float
) -> None:
    truth = {
        mhz: estimate(mhz, math.exp(-(up if n < top else down) * abs(n - top)))
        for n, mhz in enumerate(LADDER)
    }

    found, looked = searched(truth, Search(centre=LADDER[start], stride=4))

    assert found == LADDER[top]
    assert len(looked) <= abs(top - start) / 4 + 10


@settings(max_examples=40)
@given(
    merits=st.lists(st.tuples(st.floats(0.5, 1.5), st.booleans()), min_size=40, max_size=40),
    start=st.integers(0, 39),
    stride=st.sampled_from([1, 2, 4, 8]),
)
def test_a_search_ends_whatever_was_seen(
    merits: list[tuple[float, bool]], start: int, stride: int
) -> None:
    truth = {
        mhz: estimate(mhz, merit, is_excessive=bad)
        for mhz, (merit, bad) in zip(LADDER, merits, strict=True)
    }

    found, looked = searched(truth, Search(centre=LADDER[start], stride=stride))

    best = max(looked, key=lambda mhz: (not truth[mhz].is_excessive, truth[mhz].hashrate))
    assert truth[found].is_excessive == truth[best].is_excessive
    assert len(looked) <= len(LADDER)


def test_speeds_with_too_many_errors_are_left_in_growing_strides() -> None:
    truth = {m: estimate(m, 1.0, is_excessive=m > 425) for m in LADDER}

    _, looked = searched(truth, Search(centre=LADDER[-1], stride=1))

    assert looked[:4] == [LADDER[-1], LADDER[-2], LADDER[-4], LADDER[-8]]


def test_a_speed_that_may_not_be_tried_is_passed_over() -> None:
    known = {LADDER[5]: estimate(LADDER[5], 1.0), LADDER[4]: estimate(LADDER[4], 0.9)}
    search = Search(centre=LADDER[5], stride=1)

    _, mhz = next_speed(search, LADDER, known, lambda m: m < LADDER[6], Goal.EFFICIENCY)

    assert mhz is None


def test_a_difference_within_its_doubt_moves_nobody() -> None:
    search = Search(centre=400.0, stride=1, margin=0.005, doubt=2.0)
    old, new = estimate(400.0, 1.0), estimate(406.25, 1.007)

    assert not is_better(new, old, search, Goal.EFFICIENCY)
    assert is_better(estimate(406.25, 1.01), old, search, Goal.EFFICIENCY)


@given(
    speeds=st.sets(st.integers(50, 900).map(float), min_size=1, max_size=60), step=st.floats(1, 80)
)
def test_a_ladder_keeps_its_top_and_its_distances(speeds: set[float], step: float) -> None:
    ladder = thinned(sorted(speeds), step)

    assert ladder[-1] == max(speeds)
    assert set(ladder) <= speeds
    assert all(b - a >= step - 1e-6 for a, b in pairwise(ladder))
    assert ladder[0] - min(speeds) < step


# --- what is known of several speeds ---


def erring(mhz: float, share: float, nonces: int) -> Estimate:
    known = estimate(mhz, 2e9 * mhz * (1 - share))
    return replace(known, error_ratio=share, nonces=nonces)


def test_two_speeds_that_contradict_each_other_share_their_errors() -> None:
    low, middle, high = erring(400, 0.01, 300), erring(450, 0.03, 600), erring(500, 0.02, 200)
    found = consistent({500.0: high, 400.0: low, 450.0: middle})

    assert found[400.0] is low
    assert found[450.0].error_ratio == found[500.0].error_ratio == pytest.approx(0.0275)
    assert found[450.0].hashrate == pytest.approx(2e9 * 450 * 0.9725)
    assert found[500.0].hashrate == pytest.approx(2e9 * 500 * 0.9725)


@given(
    shares=st.lists(
        st.tuples(st.floats(0, 1), st.integers(0, 5000), st.booleans()), min_size=1, max_size=12
    )
)
def test_errors_that_are_consistent_never_fall(shares: list[tuple[float, int, bool]]) -> None:
    known = {
        float(n): replace(erring(n, share, nonces), is_excessive=excessive)
        for n, (share, nonces, excessive) in enumerate(shares, 1)
    }
    found = list(consistent(known).values())

    assert [(one.mhz, one.is_excessive) for one in found] == [
        (one.mhz, one.is_excessive) for one in known.values()
    ]
    for slower, faster in pairwise(found):
        if slower.error_ratio < 1:
            assert slower.error_ratio <= faster.error_ratio + 1e-9
    if all(a.error_ratio <= b.error_ratio for a, b in pairwise(known.values())):
        assert found == list(known.values())


# --- evidence ---


def seen(
    *, good: int, bad: int, seconds: float = 600.0, pace: float = 1.0, watts: float = 20.0
) -> Evidence:
    """Return evidence of two looks, so long apart."""
    evidence = Evidence()
    for now, share in ((0.0, 0), (seconds, 1)):
        look = Look(
            now=now,
            mhz=500.0,
            hashrate=1e12,
            pace=pace,
            good=7 + good * share,
            bad=3 + bad * share,
            watts=watts,
        )
        evidence.add(look)
    return evidence


def test_errors_cost_the_hash_rate_that_they_are_a_share_of() -> None:
    found = seen(good=970, bad=30, seconds=1000).estimate(500.0, 0.02)
    assert found

    assert found.hashrate == pytest.approx(0.97e12, rel=0.001)
    assert found.joules_per_terahash == pytest.approx(20 / 0.97, rel=0.001)
    assert found.is_excessive


def test_a_count_that_disproves_the_clock_is_believed() -> None:
    found = seen(good=600, bad=0, seconds=1000).estimate(500.0, 0.02)
    assert found

    assert found.hashrate == pytest.approx(0.6e12)
    assert found.uncertainty == pytest.approx(1 / math.sqrt(600), rel=0.1)


def test_a_count_that_chance_explains_is_not() -> None:
    found = seen(good=950, bad=0, seconds=1000).estimate(500.0, 0.02)
    assert found

    assert found.hashrate == pytest.approx(1e12, rel=0.002)


def test_counters_that_began_anew_are_no_nonces() -> None:
    evidence = seen(good=100, bad=1)
    evidence.add(Look(now=700.0, mhz=500, hashrate=1e12, pace=1.0, good=2, bad=0))
    evidence.add(Look(now=800.0, mhz=500, hashrate=1e12, pace=1.0, good=102, bad=0))

    assert (evidence.good, evidence.bad, evidence.seconds) == (200, 1, 700.0)


@pytest.mark.parametrize(
    ("good", "bad", "exceeds"),
    [(1000, 20, False), (1000, 40, False), (940, 60, True), (4, 1, False), (10, 9, True)],
)
def test_errors_exceed_a_limit_when_chance_is_out_of_the_question(
    good: int, bad: int, *, exceeds: bool
) -> None:
    assert seen(good=good, bad=bad).exceeds(0.02) is exceeds


@pytest.mark.parametrize("share", [0.0, 0.004, 0.015])
def test_errors_below_the_limit_do_not_exceed_it_by_chance(share: float) -> None:
    random, raised = Random(5), 0
    for _ in range(300):
        evidence = Evidence()
        good = bad = 0
        for number in range(40):
            evidence.add(Look(now=number * 15.0, mhz=1, hashrate=1, pace=1, good=good, bad=bad))
            for _ in range(15):
                is_bad = random.random() < share
                good, bad = good + (not is_bad), bad + is_bad
            raised += evidence.exceeds(0.02)

    assert raised == 0


WANTED = TuningSettings(goal=Goal.EFFICIENCY, error_limit=0.02)


@pytest.mark.parametrize(
    ("good", "bad", "is_enough"),
    [(1480, 20, True), (1471, 29, False), (3920, 80, True), (1420, 80, True)],
    ids=["well within", "at the limit", "all that there will be", "far beyond"],
)
def test_more_is_looked_at_where_errors_are_about_at_their_limit(
    good: int, bad: int, *, is_enough: bool
) -> None:
    evidence = seen(good=good, bad=bad, seconds=good + bad)
    now = evidence.estimate(500.0, WANTED.error_limit)
    assert now

    assert is_judged(evidence, now, None, WANTED) is is_enough
    if not is_enough:
        wait = seconds_to_judge(evidence, WANTED.error_limit)
        assert wait == pytest.approx(4000 - good - bad)


def test_errors_at_their_limit_do_not_matter_to_a_speed_that_is_not_the_best() -> None:
    evidence = seen(good=1471, bad=29, seconds=1500)
    now = evidence.estimate(500.0, WANTED.error_limit)
    assert now
    assert now.watts

    rival = replace(now, mhz=450.0, is_excessive=False)
    better, worse = replace(rival, watts=0.999 * now.watts), replace(rival, watts=1.005 * now.watts)

    assert is_judged(evidence, now, better, WANTED)
    assert not is_judged(evidence, now, worse, WANTED)


def test_the_wait_is_for_the_nonces_that_are_missing() -> None:
    few = seen(good=98, bad=2, seconds=50.0, pace=2.0)
    wait = few.wait_for(0.004, least=300, most=4000)
    share = few.error_ratio

    needed = share / (1 - share) / (0.004**2 - 0.0)
    assert wait == pytest.approx((needed - 100) / 2, rel=0.1)
    assert seen(good=5000, bad=1).wait_for(0.004, least=300, most=4000) == 0.0


def test_what_is_known_for_long_weighs_more_but_not_for_ever() -> None:
    old = estimate(500.0, 1.0)
    new = estimate(500.0, 2.0)

    assert merged(old, new).hashrate == pytest.approx(1.5)
    for _ in range(100):
        old = merged(old, new)
    assert old.hashrate == pytest.approx(2.0, abs=0.01)
    assert old.uncertainty < 0.001


# --- bars ---


def test_a_bar_lasts_twice_as_long_each_time_it_is_hit() -> None:
    bars = with_bar((), 600.0, "it failed", wall=0.0, seconds=3600)
    again = with_bar(bars, 606.25, "it failed", wall=7200.0, seconds=3600)

    assert bars[0].until == 3600
    assert [bar.until for bar in again] == [7200 + 7200]
    assert again[0].holds(650.0, 8000.0)
    assert not again[0].holds(600.0, 8000.0)
    for number in range(30):
        again = with_bar(again, 606.25, "it failed", wall=20_000.0 + number, seconds=3600)
    assert again[0].until <= 20_030 + LONGEST_BAR
