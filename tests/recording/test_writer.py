"""A disk that is full, slow or has enough costs the recording, never mining."""

import asyncio
import json
import threading
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest

from stratum_client.errors import ConfigError
from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import read_recording
from stratum_client.recording.writer import RecordingWriter, opened
from tests.recording.rig import recorded

HEADER = b'{"recording":1,"program":"p","wall":1.0,"monotonic":2.0,"config":{}}\n'


def tick(at: float) -> Entry:
    return Entry(at=at, rim=Rim.POOL, what=What.TICK, name="pool")


class SlowDisk(BytesIO):
    """Takes nothing before it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go_on = threading.Event()
        self.is_asked = threading.Event()
        self.kept = b""
        self.changed = threading.Condition()

    def write(self, data: object) -> int:
        self.is_asked.set()
        assert self.may_go_on.wait(20.0)
        assert isinstance(data, bytes)
        with self.changed:
            self.kept += data
            self.changed.notify_all()
        return len(data)

    def until(self, condition: Callable[[bytes], bool]) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: condition(self.kept), 20.0)


def test_what_a_slow_disk_does_not_take_is_counted_where_it_is_missing() -> None:
    told: list[str] = []
    disk = SlowDisk()
    writer = RecordingWriter(
        disk, HEADER, formed=lambda entry: [entry], warn=told.append, most_waiting=3
    )
    assert disk.is_asked.wait(20.0)

    for at in range(10):
        writer.write(tick(at))
    disk.may_go_on.set()
    assert disk.until(lambda kept: kept.count(b"\n") == 4)
    writer.write(tick(11.0))
    writer.close(20.0)

    lines = [json.loads(line) for line in disk.kept.splitlines()[1:]]
    assert [line["what"] for line in lines] == ["tick"] * 3 + ["gap", "tick"]
    assert lines[3]["entries"] == 7
    assert not told


def test_a_recording_ends_with_a_mark_when_it_is_as_large_as_it_may_be(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "run.jsonl"
    writer = RecordingWriter(
        opened(file), HEADER, formed=lambda entry: [entry], warn=told.append, limit=1 << 14
    )

    for at in range(500):
        writer.write(tick(at))
    writer.close(20.0)

    [run] = read_recording(file)
    assert file.stat().st_size <= 1 << 14
    assert run.ends_early == "the recording is as large as it may be"
    assert told == ["the recording is as large as it may be, 0.015625 MiB"]


async def test_mining_goes_on_when_the_disk_is_full_and_it_is_said_once() -> None:
    async with recorded(Path("/dev/full")) as bench:
        await bench.mine_shares(10)
        await bench.until(lambda: bool(bench.log.named("recording.ended")))
        await bench.mine_shares(10)

    [warning] = bench.log.named("recording.ended")
    assert warning == {"reason": "it cannot be written: No space left on device"}


def test_a_file_that_cannot_be_opened_is_a_wrong_argument(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--record: cannot write .*: No such file"):
        opened(tmp_path / "nowhere" / "run.jsonl")


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    with opened(tmp_path / "run.jsonl"):
        assert (tmp_path / "run.jsonl").stat().st_mode & 0o777 == 0o600


async def test_the_loop_is_not_held_up_by_a_disk_that_hangs() -> None:
    disk = SlowDisk()
    writer = RecordingWriter(disk, HEADER, formed=lambda entry: [entry], warn=lambda _: None)

    async with asyncio.timeout(20.0):
        for at in range(1000):
            writer.write(tick(at))
            await asyncio.sleep(0)

    assert not disk.kept
    disk.may_go_on.set()
    writer.close()
