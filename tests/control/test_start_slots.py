"""Slots: every rig in its own, and never more rigs in any minute than the site may take."""

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from stratum_client.control.start_slots import (
    CHANCE,
    TOLERANCE,
    Slots,
    SlotsError,
    excess_chance,
    slot_by_name,
    slot_length,
)

NOW = 1_750_000_000.0

SHA256_OF_NAME = "bb4d3ccff766541e57907c2a1d896681c3b45443be658faa3d5c827a923d80f2"


def most_in_a_minute(starts: list[float]) -> int:
    """Return how many starts at most lie in any 60 s, the end counted, the beginning not."""
    starts = sorted(starts)
    most = first = 0
    for last, at in enumerate(starts):
        while starts[first] <= at - 60.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def test_a_slot_begins_at_its_place_in_the_cycle() -> None:
    slots = Slots(count=600, length=1.0, own=17)
    midnight = 1_749_945_600.0  # 2025-06-15 00:00 UTC, a multiple of 600 s

    assert slots.next_start(midnight) == midnight + 17
    assert slots.next_start(midnight + 17) == midnight + 17
    assert slots.next_start(midnight + 17.4) == midnight + 17  # late, but within its slot
    assert slots.next_start(midnight + 19) == midnight + 617
    assert slots.cycle == 600


def test_without_slots_a_rig_starts_at_once() -> None:
    assert Slots().next_start(NOW + 0.3) == NOW + 0.3


@given(
    count=st.integers(2, 2000),
    length=st.floats(0.01, 300),
    own=st.integers(0, 1999),
    at=st.floats(1.7e9, 1.8e9),
)
def test_the_next_start_is_within_one_cycle_and_in_the_own_slot(
    count: int, length: float, own: int, at: float
) -> None:
    slots = Slots(count=count, length=length, own=own % count)

    start = slots.next_start(at)

    assert at - TOLERANCE - 1e-5 <= start < at + slots.cycle + 1e-5
    place = (Fraction(start) - Fraction(own % count) * Fraction(length)) / (
        count * Fraction(length)
    )
    assert abs(place - round(place)) * slots.cycle < 1e-4


def test_a_slot_by_name_is_the_same_on_every_machine() -> None:
    # sha256("c04-r17") begins with these 8 bytes, by coreutils' sha256sum.
    assert slot_by_name("c04-r17", 2**64) == int(SHA256_OF_NAME[:16], 16)
    assert slot_by_name("c04-r17", 600) == int(SHA256_OF_NAME[:16], 16) % 600


@given(
    at_once=st.integers(1, 700),
    rigs=st.integers(1, 1200),
    ramp=st.sampled_from([0.0, 30.0, 240.0]),
    seed=st.integers(0, 999),
)
def test_indexed_rigs_never_exceed_the_limit_whenever_each_is_released(
    at_once: int, rigs: int, ramp: float, seed: int
) -> None:
    random = Random(seed)
    length = slot_length(
        limit=at_once * 3400, rig=3400, rigs=rigs, count=rigs, is_indexed=True, ramp=ramp
    )
    starts = []
    for index in range(rigs):
        slots = Slots(count=rigs, length=length, own=index)
        released = NOW + random.choice([0.0, 0.0, random.uniform(0, 600)])
        late = random.uniform(0, TOLERANCE / 2)  # clock and timer
        starts.append(max(slots.next_start(released), released) + late * (released > NOW))

    assert most_in_a_minute(starts) <= at_once


@given(shared=st.integers(2, 5), at_once=st.integers(1, 50), count=st.integers(2, 100))
def test_rigs_that_share_slots_get_longer_ones(shared: int, at_once: int, count: int) -> None:
    rigs = shared * count
    needs = {"limit": at_once * 100.0, "rig": 100.0, "rigs": rigs, "count": count}
    if at_once < shared:
        with pytest.raises(SlotsError, match="share each slot"):
            slot_length(**needs, is_indexed=True)  # type: ignore[arg-type]  # ints are meant
        return
    length = slot_length(**needs, is_indexed=True)  # type: ignore[arg-type]  # ints are meant

    starts = [Slots(count=count, length=length, own=i % count).next_start(NOW) for i in range(rigs)]

    assert most_in_a_minute([max(start, NOW) for start in starts]) <= at_once


def test_a_rig_that_rises_too_fast_by_itself_needs_a_ramp() -> None:
    with pytest.raises(SlotsError, match="a ramp of 102 s"):
        slot_length(limit=2000, rig=3400, rigs=10, count=10, is_indexed=True)

    length = slot_length(limit=2000, rig=3400, rigs=10, count=10, is_indexed=True, ramp=102)

    assert length >= 102 + 60  # no two of them rise in the same minute


@given(
    rigs=st.integers(2, 300), count=st.integers(1, 300), slots=st.integers(1, 60), seed=st.data()
)
def test_the_stated_chance_is_above_the_true_one(
    rigs: int, count: int, slots: int, seed: st.DataObject
) -> None:
    assume(slots <= count)
    at_once = seed.draw(st.integers(0, rigs - 1))
    p = Fraction(slots, count)
    tail = sum(
        (math.comb(rigs, k) * p**k * (1 - p) ** (rigs - k) for k in range(at_once + 1, rigs + 1)),
        Fraction(0),
    )

    bound = excess_chance(at_once=at_once, rigs=rigs, count=count, slots=slots)

    assert min(1.0, float(tail) * count) <= bound * (1 + 1e-9)


def test_named_rigs_exceed_the_limit_in_none_of_many_starts() -> None:
    rigs, at_once = 1000, 588
    length = slot_length(limit=2e6, rig=3400, rigs=rigs, count=rigs, is_indexed=False)
    random = Random(1)

    most = 0
    for _ in range(60):
        names = (f"{random.getrandbits(64):x}" for _ in range(rigs))
        starts = [
            Slots(count=rigs, length=length, own=slot_by_name(name, rigs)).next_start(NOW)
            for name in names
        ]
        most = max(most, most_in_a_minute([max(start, NOW) for start in starts]))

    slots = round(61 / length)
    assert excess_chance(at_once=at_once, rigs=rigs, count=rigs, slots=slots) <= CHANCE
    assert excess_chance(at_once=at_once, rigs=rigs, count=rigs, slots=slots + 1) > CHANCE
    assert 487 < most <= at_once  # the mean is exceeded, the limit is not


def test_names_that_could_fill_a_slot_alone_are_refused() -> None:
    with pytest.raises(SlotsError, match="give each rig an index"):
        slot_length(limit=34_000, rig=3400, rigs=100, count=100, is_indexed=False)


def test_a_site_that_may_start_all_at_once_starts_within_a_minute() -> None:
    for is_indexed in (True, False):
        length = slot_length(limit=1e6, rig=1000, rigs=100, count=100, is_indexed=is_indexed)
        assert length * 100 < 60
