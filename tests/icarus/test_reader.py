"""Answers found again after noise, however the bytes are cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.icarus.reader import PAUSE, AnswerReader

RIGHT = (b"\x11\x22\x33\x44", b"\x55\x66\x77\x88", b"\x99\xaa\xbb\xcc")


def parse(frame: bytes) -> str | None:
    return frame.hex() if frame in RIGHT else None


def read(data: bytes, step: int) -> list[str | bytes]:
    reader = AnswerReader[str](4, parse)
    found: list[str | bytes] = []
    for start in range(0, len(data), step):
        found += reader.feed(data[start : start + step], 1.0)
    return found + reader.look(1.0 + PAUSE)


@pytest.mark.parametrize("step", [1, 3, 64])
def test_answers_are_read_whatever_the_cuts(step: int) -> None:
    assert read(b"".join(RIGHT), step) == [frame.hex() for frame in RIGHT]


@pytest.mark.parametrize("step", [1, 3, 64])
@pytest.mark.parametrize("noise", [b"\x00", b"\x11\x22", b"\x11\x22\x33"])
def test_a_right_answer_is_found_behind_a_piece_of_another(noise: bytes, step: int) -> None:
    assert read(noise + b"".join(RIGHT), step) == [frame.hex() for frame in RIGHT]


@pytest.mark.parametrize("step", [1, 3, 64])
def test_a_lost_byte_costs_one_answer(step: int) -> None:
    found = read(RIGHT[0] + RIGHT[1][:-1] + RIGHT[2] + RIGHT[0], step)

    assert found == [RIGHT[0].hex(), RIGHT[2].hex(), RIGHT[0].hex()]


def test_a_wrong_answer_is_told_after_a_pause() -> None:
    reader = AnswerReader[str](4, parse)

    assert reader.feed(b"\x00\x00\x00\x00", 1.0) == []
    assert reader.look(1.0) == []
    assert reader.look(1.0 + PAUSE) == [b"\x00\x00\x00\x00"]
    assert reader.deadline is None
    assert reader.dropped == 0


def test_what_a_pause_leaves_incomplete_is_dropped() -> None:
    reader = AnswerReader[str](4, parse)

    reader.feed(b"\x11\x22\x33", 1.0)

    assert reader.feed(RIGHT[1], 1.0 + PAUSE) == [RIGHT[1].hex()]
    assert reader.dropped == 3


def test_a_piece_within_the_pause_is_gone_on_with() -> None:
    reader = AnswerReader[str](4, parse)

    reader.feed(RIGHT[0][:3], 1.0)

    assert reader.feed(RIGHT[0][3:], 1.04) == [RIGHT[0].hex()]


@given(data=st.binary(max_size=200), steps=st.lists(st.integers(1, 9), min_size=1, max_size=9))
def test_any_bytes_are_the_same_answers_however_cut(data: bytes, steps: list[int]) -> None:
    reader = AnswerReader[str](4, parse)
    found: list[str | bytes] = []
    rest = data
    for number in range(len(data)):
        step = steps[number % len(steps)]
        if rest:
            found += reader.feed(rest[:step], 1.0)
        rest = rest[step:]
    found += reader.look(1.0 + PAUSE)

    assert found == read(data, 200)
    assert sum(4 for _ in found) + reader.dropped == len(data)


@given(
    pieces=st.lists(st.sampled_from([*RIGHT, b"\x00", b"\x00\x01", b"\x0f\x0e\x0d"]), max_size=20)
)
def test_no_right_answer_among_noise_is_torn(pieces: list[bytes]) -> None:
    found = read(b"".join(pieces), 1)

    right = [piece.hex() for piece in pieces if piece in RIGHT]
    told = [one for one in found if isinstance(one, str)]
    assert len(told) <= len(right)
    if all(piece in RIGHT for piece in pieces):
        assert told == right
