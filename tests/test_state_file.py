"""A state file holds the old or the new content, whole, whatever happens; nobody waits for ever."""

import asyncio
import os
import stat
import threading
from pathlib import Path

import pytest

from stratum_client import state_file
from stratum_client.state_file import StateFile, append


async def test_what_was_written_is_read_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "claims.json")
    assert file.read() is None

    await file.write(b"one")
    await file.write(b"two")

    assert StateFile(file.path).read() == b"two"
    assert not file.path.with_suffix(".new").exists()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


async def test_it_is_on_the_disk_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = StateFile(tmp_path / "claims.json")
    await file.write(b"old")
    seen: list[tuple[bytes | None, bool]] = []
    fsync = os.fsync

    def watched(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        seen.append((file.read(), is_folder))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    await file.write(b"new")

    assert seen == [(b"old", False), (b"new", True)]


async def test_a_full_disk_is_an_error_and_the_old_content_stays(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "claims.json")
    await file.write(b"old")
    file.path.with_suffix(".new").symlink_to("/dev/full")

    with pytest.raises(OSError, match="No space left on device"):
        await file.write(b"new")

    assert file.read() == b"old"
    await file.write(b"new")  # the next attempt finds the way free
    assert file.read() == b"new"


async def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await StateFile(tmp_path / "nowhere" / "claims.json").write(b"x")


async def test_a_disk_that_does_not_answer_is_given_up_and_never_overtaken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "WRITE_WAIT", 0.1)
    answers = threading.Event()
    fsync = os.fsync

    def hanging(descriptor: int) -> None:
        answers.wait()
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", hanging)
    file = StateFile(tmp_path / "claims.json")

    for content in (b"one", b"two"):
        with pytest.raises(OSError, match=r"did not answer within 0.1 s"):
            await file.write(content)
    answers.set()
    monkeypatch.setattr(state_file, "WRITE_WAIT", 30.0)
    await file.write(b"three")

    assert file.read() == b"three"


async def test_writes_at_the_same_time_end_with_the_last_one_ordered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state_file, "WRITE_WAIT", 30.0)
    file = StateFile(tmp_path / "claims.json")

    await asyncio.gather(*(file.write(b"%d" % number) for number in range(6)))

    assert file.read() == b"5"


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "claims.json")
    file.path.write_bytes(b"nonsense")

    assert file.put_aside() == tmp_path / "claims.damaged"
    assert (tmp_path / "claims.damaged").read_bytes() == b"nonsense"
    assert file.read() is None


def test_what_is_far_too_large_is_not_read(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "claims.json")
    file.path.write_bytes(b"x" * (1 << 21))

    with pytest.raises(OSError, match="too large"):
        file.read()


async def test_a_line_that_a_full_disk_cuts_is_taken_back_and_one_cut_by_a_kill_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, write = tmp_path / "trail", os.write
    path.write_bytes(b"one\ntw")

    with monkeypatch.context() as full:
        full.setattr(os, "write", lambda descriptor, data: write(descriptor, data[:2]))
        with pytest.raises(OSError, match="No space left"):
            await append(path, b"three\n")
    assert path.read_bytes() == b"one\ntw"
    await append(path, b"three\n")

    assert path.read_bytes() == b"one\ntw\nthree\n"


async def test_what_is_appended_stands_behind_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "trail"
    await append(path, b"one\n")
    await append(path, b"two\n")

    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(OSError, match="No such file"):
        await append(tmp_path / "gone" / "trail", b"")
