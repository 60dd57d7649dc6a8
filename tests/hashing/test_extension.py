"""The raw entry points of the C extension: whatever they are given, never a crash."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.header import midstate
from tests.hashing import oracle

extension = pytest.importorskip("drivers.hashing._sha256d", reason="the C extension is not built")

NAMES = [name for name, _, missing in extension.kernels() if not missing]
# All hashes are hits, so that a search of any number of nonces is over soon.
GOOD: tuple[Any, ...] = ("portable", [bytes(32)], bytes(12), (1 << 256) - 1, 0, 10, bytearray(1))

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 260)
    | st.floats()
    | st.text(max_size=20)
    | st.binary(max_size=70)
    | st.binary(max_size=3).map(bytearray)
    | st.sampled_from([*NAMES, bytes(32), bytes(12), bytearray(1)]),
    lambda children: st.lists(children, max_size=20) | st.tuples(children, children),
    max_leaves=20,
)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 1 << 32), heads=st.integers(1, 16), zeros=st.integers(0, 9))
def test_the_scan_agrees_with_hashlib(name: str, seed: int, heads: int, zeros: int) -> None:
    chance = random.Random(seed)
    starts, tail = [chance.randbytes(64) for _ in range(heads)], chance.randbytes(12)
    target = chance.getrandbits(256) >> zeros
    start = chance.randrange(1 << 32)
    count = min(chance.randrange(100), (1 << 32) - start)
    midstates = tuple(midstate(head) for head in starts)

    hits, tried = extension.search(name, midstates, tail, target, start, count, bytearray(1))

    assert tried == count
    assert sorted(hits) == oracle.hits(starts, tail, target, start, count)


@settings(max_examples=150, deadline=None)
@given(position=st.integers(0, 6), value=anything)
def test_one_odd_argument_gives_a_result_or_an_error(position: int, value: object) -> None:
    arguments = list(GOOD)
    arguments[position] = value

    try:
        _, tried = extension.search(*arguments)
    except (TypeError, ValueError, OverflowError):
        return
    assert tried <= arguments[5]


@settings(max_examples=80, deadline=None)
@given(arguments=st.lists(anything, max_size=9))
def test_odd_arguments_give_an_error(arguments: list[object]) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        extension.search(*arguments)


@given(value=anything)
def test_a_midstate_is_made_of_64_bytes_and_nothing_else(value: object) -> None:
    if isinstance(value, bytes) and len(value) == 64:
        assert extension.midstate(value) == midstate(value)
    else:
        with pytest.raises((TypeError, ValueError)):
            extension.midstate(value)


class Liar(Sequence[bytes]):
    """A sequence that is not as long as it says, or fails on the way."""

    def __init__(self, length: int, error: type[Exception]) -> None:
        self.length = length
        self.error = error

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        if index > 1:
            raise self.error("no more")
        return bytes(32)

    def __iter__(self) -> Iterator[bytes]:
        raise self.error("not iterable")


@pytest.mark.parametrize("error", [IndexError, KeyError, ValueError])
def test_an_error_of_the_sequence_comes_through(error: type[Exception]) -> None:
    with pytest.raises(error):
        extension.search("portable", Liar(5, error), *GOOD[2:])


@pytest.mark.parametrize("length", [0, 17, 1 << 40])
def test_a_sequence_of_any_length_but_1_to_16_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="1 to 16 midstates"):
        extension.search("portable", Liar(length, IndexError), *GOOD[2:])


@pytest.mark.parametrize("name", ["", "hashlib", "sha-ni\0", "x" * 10_000])
def test_an_unknown_kernel_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"no kernel|null character"):
        extension.search(name, *GOOD[1:])


def test_a_kernel_of_another_cpu_is_refused_with_the_reason() -> None:
    for name, _, missing in extension.kernels():
        if missing:
            with pytest.raises(ValueError, match=missing):
                extension.search(name, *GOOD[1:])


@pytest.mark.parametrize("name", NAMES)
def test_the_stop_flag_may_be_used_again_afterwards(name: str) -> None:
    stop = bytearray(1)

    extension.search(name, *GOOD[1:6], stop)
    stop.append(1)  # BufferError if the search had kept it

    assert stop == b"\0\1"
