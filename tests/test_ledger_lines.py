"""Lines that carry their own check: whatever happens to a file, what is whole is read."""

import json
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.ledger_lines import MAX_LINE, LineReader, fields_of, line_of

FIELDS = st.dictionaries(
    st.text(max_size=8),
    st.text(max_size=12) | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    min_size=1,
    max_size=4,
).filter(lambda fields: "crc" not in fields)


def read(data: bytes, step: int = 1 << 20) -> list[object]:
    reader = LineReader()
    chunks = [data[at : at + step] for at in range(0, len(data), step)]
    return [line.fields for chunk in chunks for line in reader.receive_data(chunk)]


def test_a_line_is_json_with_the_crc_of_all_that_stands_before() -> None:
    line = line_of({"kind": "found", "job": "ä\n"})

    body = b'{"kind":"found","job":"\\u00e4\\n"'
    assert line == body + b',"crc":"%08x"}\n' % crc32(body)
    assert json.loads(line)["job"] == "ä\n"


@given(st.lists(FIELDS, max_size=6), st.sampled_from([1, 3, 64]))
def test_what_was_written_is_read_however_the_bytes_come(
    written: list[dict[str, object]], step: int
) -> None:
    assert read(b"".join(line_of(fields) for fields in written), step) == written


@given(st.binary(max_size=300), st.integers(1, 50))
def test_any_bytes_are_lines_or_damaged_lines(data: bytes, step: int) -> None:
    assert set(map(type, read(data, step))) <= {type(None), dict}


@given(st.lists(FIELDS, min_size=3, max_size=3), st.binary(max_size=60), st.integers(0, 200))
def test_lines_around_a_damaged_one_are_read(
    written: list[dict[str, object]], noise: bytes, cut: int
) -> None:
    before, damaged, after = (line_of(fields) for fields in written)
    torn = damaged[: min(cut, len(damaged) - 2)] + noise

    found = read(before + torn + b"\n" + after)

    assert found[0] == written[0]
    assert found[-1] == written[2]
    assert all(fields is None for fields in found[1:-1])


@given(FIELDS, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(fields: dict[str, object], place: int, change: int) -> None:
    line = bytearray(line_of(fields)[:-1])
    line[place % len(line)] ^= change

    assert fields_of(bytes(line)) is None


def test_a_line_without_its_end_is_not_there_yet() -> None:
    reader = LineReader()
    line = line_of({"a": 1})

    assert not reader.receive_data(line[:-1])
    assert reader.unfinished
    [whole] = reader.receive_data(line[-1:])
    assert whole.fields == {"a": 1}
    assert not reader.unfinished


def test_damaged_lines_are_numbered_as_an_editor_does_and_empty_ones_are_none() -> None:
    reader = LineReader()

    lines = reader.receive_data(line_of({"a": 1}) + b"\nnoise\n" + line_of({"b": 2}))

    assert [(line.number, line.fields) for line in lines] == [
        *((1, {"a": 1}), (3, None), (4, {"b": 2}))
    ]


def test_a_file_without_line_ends_costs_no_memory() -> None:
    reader = LineReader()
    for _ in range(3):
        reader.receive_data(bytes(MAX_LINE // 2))

    [bad, good] = reader.receive_data(b"\n" + line_of({"a": 1}))
    assert (bad.number, bad.fields, good.fields) == (1, None, {"a": 1})
    assert len(reader._rest) == 0


@pytest.mark.parametrize("body", [b"{" + b"[" * 100_000, b"[1", b"{" + b'"a":' + b"9" * 5000])
def test_a_check_that_fits_nonsense_is_not_enough(body: bytes) -> None:
    assert fields_of(body + b',"crc":"%08x"}' % crc32(body)) is None
