"""When a device finds too little: by how much, how surely, and what is done, step by step."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.low_yield import Finding, Step, YieldSettings, YieldWatch, probability_of_at_most

USUAL = YieldSettings(is_on=True, floor=50.0)


def watched(watch: YieldWatch, *, windows: int, share: float, mhz: float = 200.0) -> list[Finding]:
    """Let windows pass in which a nonce a second is due and ``share`` of them is found."""
    findings, start, seconds = [], _clock.get(id(watch), 0.0), int(USUAL.window * windows)
    for second in range(1, seconds + 1):
        watch.expect(start + second, 1.0, int((start + second) * share))
        if found := watch.due(mhz if watch.ceiling is None else watch.ceiling.mhz):
            findings.append(found)
    _clock[id(watch)] = start + seconds
    return findings


_clock: dict[int, float] = {}


@pytest.fixture(autouse=True)
def _new_clocks() -> None:
    _clock.clear()


def begun(settings: YieldSettings = USUAL) -> YieldWatch:
    watch = YieldWatch(settings)
    watch.expect(0.0, 1.0, 0)
    return watch


def test_a_device_that_does_its_share_is_left_alone() -> None:
    assert watched(begun(), windows=20, share=1.0) == []
    assert watched(begun(), windows=20, share=0.5) == []


def test_a_device_far_below_is_reset_then_lowered_twice_then_left() -> None:
    watch = begun()

    findings = watched(watch, windows=9, share=0.2)

    assert [found.step for found in findings] == list(Step)
    assert findings[0].share == pytest.approx(0.2, abs=0.01)
    assert watch.ceiling
    assert watch.ceiling.mhz == 150.0
    assert watch.ceiling.reason == "limited to 150 MHz: it found 20% of what is due at 175 MHz"


def test_at_the_floor_it_is_left_as_it_is() -> None:
    watch = begun()

    findings = watched(watch, windows=5, share=0.2, mhz=50.0)

    assert [found.step for found in findings] == [Step.RESET, Step.LEAVE]
    assert watch.ceiling is None


def test_after_a_good_hour_it_begins_with_a_reset_again() -> None:
    watch = begun()
    assert [found.step for found in watched(watch, windows=1, share=0.2)] == [Step.RESET]
    watch.start_over()

    for second in range(301, 4500):
        watch.expect(second, 1.0, second)
        assert watch.due(200.0) is None
    findings = []
    for second in range(4500, 5100):
        watch.expect(second, 1.0, 4500)
        findings.append(watch.due(200.0))

    assert [found.step for found in findings if found] == [Step.RESET]


def test_a_few_missing_nonces_of_a_slow_device_prove_nothing() -> None:
    watch = YieldWatch(USUAL)
    watch.expect(0.0, 0.05, 0)

    for second in range(1, 541):  # 27 were due, and none came
        watch.expect(second, 0.05, 0)
        assert watch.due(200.0) is None
    watch.expect(600, 0.05, 0)
    assert watch.due(200.0)


def test_without_work_nothing_is_due() -> None:
    watch = YieldWatch(USUAL)
    watch.expect(0.0, 1.0, 0)
    watch.expect(100.0, 0.0, 0)
    watch.expect(10_000.0, 1.0, 0)
    watch.expect(10_100.0, 1.0, 0)

    assert watch.due(200.0) is None


def test_it_does_nothing_unless_it_is_on() -> None:
    assert watched(begun(YieldSettings()), windows=9, share=0.0) == []


def test_a_frequency_set_anew_lifts_the_limit_and_begins_again() -> None:
    watch = begun()
    before = watched(watch, windows=3, share=0.2)
    assert [found.step for found in before][1:] == [Step.LOWER, Step.LOWER_AGAIN]

    watch.forget()

    assert watch.ceiling is None
    watch.expect(_clock[id(watch)], 1.0, 180)
    assert watched(watch, windows=1, share=0.2)[0].step is Step.RESET


@given(st.integers(0, 60), st.floats(0.01, 60.0))
def test_the_probability_is_that_of_the_sum(count: int, mean: float) -> None:
    total = sum(math.exp(-mean) * mean**n / math.factorial(n) for n in range(count + 1))

    assert probability_of_at_most(count, mean) == pytest.approx(min(total, 1.0), rel=1e-9)


def test_the_probability_of_many_is_no_overflow() -> None:
    assert probability_of_at_most(9000, 10_000.0) < 1e-20
    assert probability_of_at_most(10_000, 10_000.0) == pytest.approx(0.5, abs=0.01)
    assert probability_of_at_most(0, 0.0) == 1.0


def test_chance_alone_never_condemns_a_device_that_does_three_quarters() -> None:
    random, watch = Random(11), begun()
    nonces = 0

    for second in range(1, 60_001):
        nonces += random.random() < 0.75
        watch.expect(float(second), 1.0, nonces)
        assert watch.due(200.0) is None
