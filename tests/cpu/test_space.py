import random
from itertools import combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.cpu.frames import Assignment
from drivers.cpu.space import SearchSpace, rolled_bits, version_index

BASE = 0x20000000
PREFIX = BASE.to_bytes(4, "little") + bytes(range(72))
MASKS = st.integers(0, 2**32 - 1)


def assignment(
    *, mask: int = 0, first_version: int = 0, first_nonce: int = 0, nonces: int = 1 << 32
) -> Assignment:
    return Assignment(
        sequence=1,
        prefix=PREFIX,
        version_mask=mask,
        target=0,
        first_version=first_version,
        first_nonce=first_nonce,
        nonces=nonces,
    )


@pytest.mark.parametrize(
    ("index", "bits"),
    [(0, 0), (1, 0x2000), (2, 0x4000), (3, 0x6000), (0x8000, 0x10000000), (0xFFFF, 0x1FFFE000)],
)
def test_an_index_counts_through_the_bits_of_the_mask_lowest_first(index: int, bits: int) -> None:
    assert rolled_bits(index, 0x1FFFE000) == bits


def test_a_mask_with_gaps_is_counted_through_as_well() -> None:
    assert [rolled_bits(index, 0b101001) for index in range(8)] == [
        *(0b000000, 0b000001, 0b001000, 0b001001),
        *(0b100000, 0b100001, 0b101000, 0b101001),
    ]


@given(MASKS, st.data())
def test_each_index_has_bits_of_its_own_within_the_mask(mask: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, 2 ** mask.bit_count() - 1))

    bits = rolled_bits(index, mask)

    assert bits & ~mask == 0
    assert version_index(bits, mask) == index
    assert version_index(bits | ~mask & 0xFFFFFFFF, mask) == index


def test_heads_and_tail_are_the_header_with_the_version_put_in() -> None:
    space = SearchSpace(assignment(mask=0x6000), heads=3)

    batch = space.batch(300)

    assert batch.versions == (0x20000000, 0x20002000, 0x20004000)
    assert [head[:4].hex() for head in batch.heads] == ["00000020", "00200020", "00400020"]
    assert {head[4:] + batch.tail for head in batch.heads} == {bytes(range(72))}
    assert [len(head) for head in batch.heads] == [64, 64, 64]
    assert (batch.start, batch.count) == (0, 100)


def test_a_batch_has_at_least_one_nonce() -> None:
    batch = SearchSpace(assignment(mask=0x1FFFE000), heads=8).batch(0)

    assert len(batch.heads) == 8
    assert batch.count == 1


def test_a_search_that_begins_in_the_middle_wraps_around() -> None:
    space = SearchSpace(assignment(first_nonce=0xFFFFFFF0), heads=1)

    first = space.batch(1000)
    space.advance(first.count)
    second = space.batch(1000)

    assert (first.start, first.count) == (0xFFFFFFF0, 16)
    assert (second.start, second.count) == (0, 1000)


def test_all_of_the_nonce_space_is_searched_before_the_next_versions() -> None:
    space = SearchSpace(assignment(mask=0x6000, first_nonce=5), heads=2)

    spans = []
    while not space.exhausted:
        batch = space.batch(1 << 40)
        spans.append((batch.versions, batch.start, batch.count))
        space.advance(batch.count)

    low, high = (0x20000000, 0x20002000), (0x20004000, 0x20006000)
    assert spans == [
        (low, 5, 2**32 - 5),
        (low, 0, 5),
        (high, 5, 2**32 - 5),
        (high, 0, 5),
    ]


@given(
    mask=st.sampled_from([0, 0x2000, 0x6000, 0x1C000000, 0x80000001, 0x0001E000]),
    heads=st.integers(1, 9),
    first_nonce=st.sampled_from([0, 1, 2**31, 2**32 - 3, 2**32 - 1]),
    nonces=st.integers(1, 40),
    seed=st.integers(0, 2**32),
)
def test_every_pair_of_version_and_nonce_comes_exactly_once(
    mask: int, heads: int, first_nonce: int, nonces: int, seed: int
) -> None:
    chance = random.Random(seed)
    work = assignment(
        mask=mask,
        first_version=chance.randrange(2 ** mask.bit_count()),
        first_nonce=first_nonce,
        nonces=nonces,
    )
    space = SearchSpace(work, heads)

    tried: list[tuple[int, int]] = []
    while not space.exhausted:
        batch = space.batch(chance.randint(0, 60))
        done = chance.randint(0, batch.count)  # stopped early, as it happens
        tried += product(batch.versions, range(batch.start, batch.start + done))
        space.advance(done)

    bits = [1 << n for n in range(32) if mask >> n & 1]
    versions = [BASE | sum(some) for size in range(9) for some in combinations(bits, size)]
    wanted = product(versions, [(first_nonce + n) % 2**32 for n in range(nonces)])
    assert sorted(tried) == sorted(wanted)
