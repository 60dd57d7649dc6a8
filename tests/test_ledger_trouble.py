"""Disks that are full, slow, broken or not there: mining goes on, and what was lost is said."""

import errno
import os
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from stratum_client.job import Fate, Share
from stratum_client.ledger import ShareLedger, Way
from stratum_client.ledger_files import LedgerFiles, share_files
from tests.ledgers import PATIENCE, Book, block, captured_job, share_of_job


class Disk:
    """Writes for real, or as it is told."""

    def __init__(self) -> None:
        self.error: int | None = None
        self.room: int | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.tried = threading.Semaphore(0)

    def write(self, descriptor: int, data: bytes) -> int:
        self.tried.release()
        self.gate.wait(PATIENCE)
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        if self.room is not None:
            data, self.room = data[: self.room], self.room - len(data[: self.room])
            if not data:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return os.write(descriptor, data)


class Case:
    """A ledger on a disk of ours."""

    def __init__(self, folder: Path) -> None:
        self.book = Book(folder / "shares")
        self.disk = Disk()
        self.heard = threading.Semaphore(0)

    def report(self, level: str, event: str, **fields: object) -> None:
        self.book.reports(level, event, **fields)
        self.heard.release()

    def ledger(self, *, retry: float = 0.01, max_wait: float = PATIENCE) -> ShareLedger:
        ledger = ShareLedger(
            self.book.folder,
            self.book.config,
            clock=self.book.clock,
            random=Random(),
            way_to=lambda pool: Way(host=pool, session_id=None),
            report=self.report,
            write=self.disk.write,
            retry=retry,
            max_wait=max_wait,
        )
        ledger.open()
        return ledger

    def hears(self, event: str) -> dict[str, object]:
        """Wait until something is reported."""
        while event not in self.book.reports.events():
            assert self.heard.acquire(timeout=PATIENCE), self.book.reports.events()
        return next(fields for _, name, fields in self.book.reports.heard if name == event)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def a_share(nonce: int = 1) -> Share:
    return share_of_job(captured_job(), nonce)


@pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EROFS, errno.EDQUOT])
def test_a_disk_that_takes_nothing_is_told_of_once_and_loses_nothing(
    case: Case, error: int
) -> None:
    ledger = case.ledger()
    shares = [a_share(nonce) for nonce in range(20)]
    ledger.found(shares[0])
    case.disk.error = error
    for share in shares[1:]:
        ledger.found(share)
        ledger.ended(share, Fate.ACCEPTED, "")
    problem = case.hears("ledger.failing")["problem"]
    case.disk.error = None
    recovered = case.hears("ledger.recovered")
    ledger.close()

    assert os.strerror(error) in str(problem)
    assert case.book.reports.events() == ["ledger.failing", "ledger.recovered"]
    assert recovered == {"lost": 0}
    fates = list(case.book.fates().values())
    assert fates == [["found"], *[["found", "accepted"]] * 19]
    [gap] = [line for line in case.book.lines() if line["kind"] == "gap"]
    assert (gap["lost"], gap["reason"]) == (0, os.strerror(error))


@pytest.mark.parametrize("room", [0, 1, 100, 500, 1000, 1300])
def test_a_line_that_only_half_fits_is_cut_and_written_whole_later(case: Case, room: int) -> None:
    ledger = case.ledger()
    case.disk.room = room
    shares = [a_share(nonce) for nonce in range(8)]
    for share in shares:
        ledger.found(share)
    case.hears("ledger.failing")
    case.disk.room = None
    case.hears("ledger.recovered")
    ledger.close()

    assert list(case.book.fates().values()) == [["found"]] * 8


def test_a_torn_line_that_cannot_be_cut_is_closed_and_nothing_is_doubled(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "no")

    ledger = case.ledger()
    monkeypatch.setattr(os, "ftruncate", refuses)
    case.disk.room = 1000
    shares = [a_share(nonce) for nonce in range(8)]
    for share in shares:
        ledger.found(share)
    case.hears("ledger.failing")
    case.disk.room = None
    case.hears("ledger.recovered")
    ledger.close()

    [path] = case.book.files()
    whole = [line for line in path.read_bytes().splitlines() if line.endswith(b'"}')]
    assert len([line for line in whole if b'"kind":"found"' in line]) == 8
    assert len(path.read_bytes().splitlines()) == len(whole) + 1


def test_too_much_held_is_dropped_and_counted_but_never_a_block(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stratum_client.ledger_writer.MAX_HELD", 10)
    ledger = case.ledger(retry=0.2)
    ledger.found(a_share(999))
    case.disk.error = errno.ENOSPC
    solution = block()
    ledger.found(solution)
    case.hears("ledger.failing")
    for nonce in range(200):
        ledger.found(a_share(nonce))
    ledger.ended(solution, Fate.ACCEPTED, "")
    case.disk.error = None
    lost = case.hears("ledger.recovered")["lost"]
    ledger.close()

    assert lost == 202 - len(case.book.fates()) > 0
    assert [line["kind"] for line in case.book.blocks()] == ["block", "block_ended"]
    assert ["found", "accepted"] in case.book.fates().values()
    unrecorded = case.hears("BLOCK.UNRECORDED")
    assert {"hash", "header", "coinbase", "params"} <= set(unrecorded)


def test_a_slow_disk_is_waited_for_once_and_not_again_until_it_has_caught_up(case: Case) -> None:
    case.disk.gate.clear()
    ledger = case.ledger(max_wait=0.2)
    for nonce in range(100):
        ledger.found(a_share(nonce))
    case.disk.gate.set()
    ledger.ended(a_share(), Fate.ACCEPTED, "")
    ledger.close()

    assert case.book.reports.events() == ["ledger.slow"]
    assert len(case.book.fates()) == 100


def test_a_directory_that_cannot_be_made_is_made_when_it_can_be(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("in the way")
    case = Case(tmp_path / "state")
    ledger = case.ledger()
    ledger.found(a_share())
    case.hears("ledger.failing")
    (tmp_path / "state").unlink()
    case.hears("ledger.recovered")
    ledger.close()

    assert list(case.book.fates().values()) == [["found"]]


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Let the kernel refuse files over ``size``; Python ignores the signal that goes with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_limit_of_the_kernel_is_met_in_the_middle_of_a_line_and_survived(case: Case) -> None:
    ledger = case.ledger()
    shares = [a_share(nonce) for nonce in range(40)]
    with file_limit(4321):
        for share in shares:
            ledger.found(share)
        case.hears("ledger.failing")
        assert case.book.files()[0].stat().st_size <= 4321
    case.hears("ledger.recovered")
    ledger.close()

    assert list(case.book.fates().values()) == [["found"]] * 40


def test_a_sync_that_fails_is_told_of_once(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(descriptor: int) -> None:
        raise OSError(errno.EIO, "no")

    monkeypatch.setattr(os, "fsync", fails)
    ledger = case.ledger()
    for _ in range(3):
        ledger.found(block())
    ledger.close()

    assert case.book.reports.events() == ["ledger.unsynced"]


def test_a_block_is_synced_to_the_disk_and_ordinary_shares_are_not(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def sync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)

    monkeypatch.setattr(os, "fsync", sync)
    ledger = case.ledger()
    ledger.found(a_share())
    ledger.close()
    assert not synced

    ledger = case.ledger()
    ledger.found(block())
    ledger.close()
    assert {"blocks.jsonl", "shares-000001.jsonl", "shares"} <= set(synced)


@pytest.mark.parametrize(("jump", "gone"), [(-1e9, 0), (0.0, 0), (1e9, 1)])
def test_a_clock_that_jumps_costs_at_most_one_old_file(
    tmp_path: Path, jump: float, gone: int
) -> None:
    wall = time.time()
    files = LedgerFiles(
        tmp_path, max_size=16 << 20, keep=3600.0, wall=lambda: wall, monotonic=lambda: 0.0
    )
    line = b"x" * 9999 + b"\n"

    def rotate() -> None:
        files.append([line])
        while not files.rotate_if_due(lambda none: none):
            files.append([line] * 50)

    for _ in range(4):
        rotate()
    before = len(share_files(tmp_path))
    wall += jump
    rotate()
    files.close()

    assert before == 5
    assert len(share_files(tmp_path)) == before + 1 - gone


def test_a_file_is_a_day_at_most_however_small(tmp_path: Path) -> None:
    now = 0.0
    files = LedgerFiles(
        tmp_path, max_size=16 << 20, keep=3600.0, wall=time.time, monotonic=lambda: now
    )
    files.append([b"{}\n"])
    assert not files.rotate_if_due(lambda none: none)

    now = 86_401.0
    assert files.rotate_if_due(lambda none: none)
    files.close()
