"""Every kernel of this machine against hashlib, whole hit sets at a time."""

import random
import threading
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.hashing import kernels
from drivers.hashing.kernels import Hit, Kernel, SearchResult
from drivers.header import midstate, target_of_nbits
from tests.hashing import oracle

LAST = 1 << 32
EASY = (1 << 253) - 1  # one hash in 8
ALL = (1 << 256) - 1

# The block chain's blocks 0 and 125552, without their nonces 2083236893 and 2504433986.
GENESIS = bytes.fromhex(
    "0100000000000000000000000000000000000000000000000000000000000000000000003ba3edfd7a7b12b2"
    "7ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a29ab5f49ffff001d"
)
BLOCK_125552 = bytes.fromhex(
    "0100000081cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000e320b6c2fffc8d75"
    "0423db8b1eb942ae710e951ed797f7affc8892b0f1fc122bc7f5d74df2b9441a"
)

every_kernel = pytest.mark.parametrize("kernel", kernels.available(), ids=lambda k: k.name)


def headers(count: int, seed: int = 0) -> tuple[list[bytes], bytes]:
    chance = random.Random(seed)
    return [chance.randbytes(64) for _ in range(count)], chance.randbytes(12)


def pairs(result: SearchResult) -> list[tuple[int, int]]:
    return [(hit.nonce, hit.head) for hit in result.hits]


def never() -> bytearray:
    return bytearray(1)


@every_kernel
@pytest.mark.parametrize(
    ("header", "nonce"), [(GENESIS, 2083236893), (BLOCK_125552, 2504433986)], ids=["0", "125552"]
)
def test_the_nonces_of_known_blocks_are_found(kernel: Kernel, header: bytes, nonce: int) -> None:
    target = target_of_nbits(int.from_bytes(header[72:], "little"))

    result = kernel.search([header[:64]], header[64:], target, nonce - 700, 1001, never())

    assert result == SearchResult((Hit(0, nonce),), 1001)


@every_kernel
@pytest.mark.parametrize("heads", range(1, 17))
def test_hits_are_hashlibs_for_any_number_of_heads(kernel: Kernel, heads: int) -> None:
    starts, tail = headers(heads, seed=heads)

    result = kernel.search(starts, tail, EASY, 0xFFFF_FFF0 - 101, 101, never())

    assert result.tried == 101
    assert pairs(result) == oracle.hits(starts, tail, EASY, 0xFFFF_FFF0 - 101, 101)


@every_kernel
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 255, 257])
@pytest.mark.parametrize("heads", [1, 5])
def test_the_last_batch_is_cut_at_the_count(kernel: Kernel, heads: int, count: int) -> None:
    starts, tail = headers(heads)

    for start in (0, 254, LAST - count):
        result = kernel.search(starts, tail, ALL, start, count, never())
        assert result.tried == count
        assert pairs(result) == [
            (nonce, head) for nonce in range(start, start + count) for head in range(heads)
        ]


@every_kernel
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 1 << 32),
    heads=st.integers(1, 16),
    start=st.integers(0, LAST - 150) | st.integers(LAST - 150, LAST),
    count=st.integers(0, 150),
    target=st.integers(0, ALL)
    | st.integers(0, 255).map(lambda bit: 1 << bit)
    | st.integers(0, 12).map(lambda zeros: ALL >> zeros),
)
def test_hits_are_hashlibs_for_any_search(
    kernel: Kernel, seed: int, heads: int, start: int, count: int, target: int
) -> None:
    starts, tail = headers(heads, seed)
    count = min(count, LAST - start)

    result = kernel.search(starts, tail, target, start, count, never())

    assert result.tried == count
    assert pairs(result) == oracle.hits(starts, tail, target, start, count)


@every_kernel
def test_a_hash_equal_to_the_target_is_a_hit_and_one_above_is_not(kernel: Kernel) -> None:
    [head], tail = headers(1)

    for nonce in range(40):
        value = oracle.value(head, tail, nonce)
        assert kernel.search([head], tail, value, nonce, 1, never()).hits == (Hit(0, nonce),)
        assert kernel.search([head], tail, value - 1, nonce, 1, never()).hits == ()


@every_kernel
@pytest.mark.parametrize("heads", [1, 3, 16])
def test_uneven_pieces_try_each_nonce_once(kernel: Kernel, heads: int) -> None:
    starts, tail = headers(heads, seed=99)
    first, total = 0xFFFF_FFFF - 2999, 3000
    chance = random.Random(heads)

    found, tried = [], 0
    while tried < total:
        piece = min(chance.randrange(1, 700), total - tried)
        result = kernel.search(starts, tail, EASY, first + tried, piece, never())
        found += pairs(result)
        tried += result.tried

    assert found == oracle.hits(starts, tail, EASY, first, total)


@every_kernel
@pytest.mark.parametrize("heads", [1, 7])
def test_a_flood_of_hits_ends_the_search_early_and_loses_none(kernel: Kernel, heads: int) -> None:
    starts, tail = headers(heads)
    total = 20_000 // heads

    found: list[tuple[int, int]] = []
    tried = 0
    while tried < total:
        result = kernel.search(starts, tail, ALL, tried, total - tried, never())
        assert len(result.hits) == result.tried * heads > 0
        found += pairs(result)
        tried += result.tried

    assert found == [(nonce, head) for nonce in range(total) for head in range(heads)]


@every_kernel
def test_a_set_stop_flag_ends_the_search_before_it_begins(kernel: Kernel) -> None:
    starts, tail = headers(2)

    result = kernel.search(starts, tail, ALL, 0, 1000, bytearray(b"\x01"))

    assert result == SearchResult((), 0)


@every_kernel
@pytest.mark.parametrize("heads", [1, 16])
def test_another_thread_works_on_and_stops_the_search(kernel: Kernel, heads: int) -> None:
    starts, tail = headers(heads)
    target, stop = ALL >> 14, bytearray(1)
    results: list[SearchResult] = []

    def search() -> None:
        results.append(kernel.search(starts, tail, target, 0, LAST, stop))

    thread = threading.Thread(target=search)
    thread.start()
    for _ in range(1000):
        assert thread.is_alive(), "all nonces cannot have been tried so soon"
    stop[0] = 1
    thread.join()

    [stopped] = results
    assert stopped.tried < LAST
    assert kernel.search(starts, tail, target, 0, stopped.tried, never()) == stopped


@every_kernel
def test_midstates_do_for_heads(kernel: Kernel) -> None:
    starts, tail = headers(3)

    result = kernel.search_midstates([midstate(s) for s in starts], tail, EASY, 9, 33, never())

    assert result.tried == 33
    assert pairs(result) == oracle.hits(starts, tail, EASY, 9, 33)


def test_midstates_are_searched_without_choosing_a_kernel() -> None:
    starts, tail = headers(2)
    midstates = [kernels.midstate(start) for start in starts]

    result = kernels.search_midstates(midstates, tail, EASY, 0, 50, never())

    assert midstates == [midstate(start) for start in starts]
    assert pairs(result) == oracle.hits(starts, tail, EASY, 0, 50)


@every_kernel
@pytest.mark.parametrize(
    ("error", "change"),
    [
        (ValueError, {"heads": []}),
        (ValueError, {"heads": [bytes(64)] * 17}),
        (ValueError, {"heads": [bytes(64), bytes(63)]}),
        (TypeError, {"heads": [bytearray(64)]}),
        (TypeError, {"heads": bytes(64)}),
        (ValueError, {"tail": bytes(11)}),
        (TypeError, {"tail": "x" * 12}),
        (ValueError, {"target": -1}),
        (ValueError, {"target": 1 << 256}),
        (TypeError, {"target": None}),
        (TypeError, {"target": 1.0}),
        (ValueError, {"start": -1}),
        (ValueError, {"start": LAST, "count": 1}),
        (ValueError, {"count": -1}),
        (ValueError, {"count": LAST + 1}),
        (TypeError, {"count": 1.5}),
        (TypeError, {"stop": b"\0"}),
        (ValueError, {"stop": bytearray(0)}),
        (ValueError, {"stop": bytearray(2)}),
    ],
    ids=str,
)
def test_a_wrong_argument_is_refused(
    kernel: Kernel, error: type[Exception], change: dict[str, object]
) -> None:
    arguments: dict[str, object] = {
        "heads": [bytes(64)],
        "tail": bytes(12),
        "target": 0,
        "start": 0,
        "count": 10,
        "stop": never(),
    }
    search: Callable[..., SearchResult] = kernel.search

    with pytest.raises(error):
        search(**(arguments | change))
