"""Any bytes are a recording, or no recording for a reason; never anything else."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.cli import main
from stratum_client.recording.reader import RecordingError, runs_in
from stratum_client.replay.outcome import replayed

POOL = {"name": "p", "url": "stratum+tcp://pool.example:3333", "user": "u"}
HEADER = {
    "recording": 1,
    "program": "stratum-client 0.1.0",
    "wall": 1750000000.0,
    "monotonic": 1000.0,
    "config": {"pool": [POOL]},
}
SUBSCRIBED = '{"id":2,"result":[[],"aabbccdd",4],"error":null}\n{"id":3,"result":true}\n'
WORK = {"work": 1, "header": "00" * 76, "mask": "00000000", "target": "f" * 64}
FOUND = {"work": 1, "nonce": "00000000", "version": "20000000", "ntime": "00000000"}
ENTRIES = [
    {"t": 0.1, "rim": "port", "name": "d", "what": "device", "driver": "cpu"},
    {"t": 0.2, "rim": "pool", "name": "p", "what": "dial", "address": "pool.example:3333"},
    {"t": 0.3, "rim": "pool", "name": "p", "what": "open"},
    {"t": 0.3, "rim": "pool", "name": "p", "what": "connected"},
    {"t": 0.4, "rim": "pool", "name": "p", "what": "in", "text": SUBSCRIBED},
    {"t": 0.5, "rim": "miner", "name": "d", "what": "work", **WORK},
    {"t": 0.6, "rim": "miner", "name": "d", "what": "found", **FOUND},
    {"t": 0.7, "rim": "pool", "name": "p", "what": "tick"},
    {"t": 0.7, "rim": "pool", "name": "p", "what": "hashrate", "value": 5.0},
    {"t": 0.8, "rim": "pool", "name": "p", "what": "lost", "reason": ""},
    {"t": 0.8, "rim": "pool", "name": "p", "what": "ended"},
    {"t": 0.9, "rim": "daemon", "what": "shares", "accepted": 0},
]
KEYS = st.sampled_from(sorted({key for entry in ENTRIES for key in entry}))
VALUES = st.one_of(
    *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    *(st.sampled_from(["in", "out", "stop", "opening", "told", "miner", "port", "pool"]),),
    st.lists(st.integers(), max_size=2),
)


def content(*lines: object) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@given(data=st.binary(max_size=400))
def test_any_bytes_behind_a_header_give_runs_or_the_one_error(data: bytes) -> None:
    for file in (data, content(HEADER) + data):
        with suppress(RecordingError):
            assert runs_in(file, name="test")


@given(place=st.integers(0, len(ENTRIES) - 1), key=KEYS, value=VALUES)
def test_a_recording_with_any_one_thing_changed_is_replayed_or_refused(
    place: int, key: str, value: object
) -> None:
    entries = [dict(entry) for entry in ENTRIES]
    entries[place][key] = value
    with suppress(RecordingError):
        [run] = runs_in(content(HEADER, *entries), name="test")
        assert replayed(run).entries == len(entries)


@pytest.mark.parametrize("at", [228_451_865, 1e9 - 1, 33_554_433.1])
def test_a_run_of_years_is_replayed_to_its_end(at: float) -> None:
    """Where floats lie further apart than the clock's resolution a timer for now was never due."""
    entries = [*ENTRIES[:8], *({**entry, "t": at} for entry in ENTRIES[8:])]
    [run] = runs_in(content(HEADER, *entries), name="test")

    assert replayed(run).seconds == at


@given(cut=st.integers(1, 4000))
def test_wherever_a_crash_cuts_the_file_what_is_whole_can_be_read(cut: int) -> None:
    data = content(HEADER, *ENTRIES)
    first = data.index(b"\n") + 1
    end = first + cut % (len(data) - first)

    [run] = runs_in(data[:end], name="test")

    whole = data[first:end].count(b"\n")
    assert len(run.entries) in (whole, whole + 1)
    assert run.is_torn == (len(run.entries) == whole and not data[:end].endswith(b"\n"))


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "is empty"),
        (b"hello\n", ":1: not JSON"),
        (b"[1]\n", ":1: not an object"),
        (content({"t": 1}), ":1: it does not begin with the header of a recording"),
        (content(HEADER | {"recording": 2}), ":1: a recording of format 2, known here is 1"),
        (content(HEADER | {"config": 5}), ':1: "config" is not a table'),
        (content(HEADER, {"t": "x"}, {"t": 1}), ':2: "t" is not a number of seconds'),
        (content(HEADER, *ENTRIES[:2]) + b"gar\xffbage\n" + content(*ENTRIES[2:]), ":4: not JSON"),
    ],
)
def test_what_is_no_recording_is_said_with_its_line(
    data: bytes, problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file.jsonl"
    file.write_bytes(data)

    assert main(["replay", str(file)]) == 2
    assert problem in capsys.readouterr().err


def test_a_missing_file_is_no_recording(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", "/nowhere/at/all"]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err


def test_a_gap_ends_what_is_compared() -> None:
    gap = {"t": 0.45, "rim": "daemon", "what": "gap", "entries": 7}
    [run] = runs_in(content(HEADER, *ENTRIES[:4], gap, *ENTRIES[5:]), name="test")

    outcome = replayed(run)

    assert outcome.ends_early == "7 entries are missing"
