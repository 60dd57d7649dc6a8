"""The files of the energy ledger, and the thread that writes them. A disk never holds up mining.

``energy-000001.jsonl`` and so on hold the lines (see `energy_book`), a new file is begun after the
total of a day when the last one is large; nothing is ever thrown away. ``head.json`` names the
newest line. ``open.json`` is the interval that goes on, replaced every few seconds: what a kill -9
leaves, and the next start puts into the ledger.

Lines are forced to the disk, then the head is: so after a power cut the head is never ahead of the
lines by itself. What a disk does not take is held in memory and tried again.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue

from stratum_client.control.energy_book import EnergyBook, NextLine, Signer, checkpoint_of
from stratum_client.control.energy_chain import MAX_LINE, ChainedLine, line_in
from stratum_client.control.energy_records import IntervalRecord, Record, RecordError, interval_in
from stratum_client.control.energy_verify import CheckSignature, Verdict, Verifier
from stratum_client.ledger_files import AppendedFile
from stratum_client.ledger_writer import Report, sync_to_disk
from stratum_client.state_file import write_whole

FOLDER = "energy"
HEAD_NAME, OPEN_NAME = "head.json", "open.json"

LARGEST_FILE = 4 << 20
RETRY = 5.0
CLOSE_WAIT = 1.0
MAX_HELD = 10_000
"""Records that wait for a disk: more than a month."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a start found: the intervals of the day that is not summed up yet, and of what is open.

    ``missing_to`` is the newest line that the head knows, where the files end before it.
    """

    open_intervals: tuple[IntervalRecord, ...] = ()
    recovered: IntervalRecord | None = None
    missing_to: int = 0


def ledger_files(folder: Path) -> list[Path]:
    """Return the files with lines, oldest first."""
    return sorted(folder.glob("energy-[0-9]*.jsonl"), key=lambda path: (len(path.name), path.name))


def good_lines(path: Path) -> Iterator[ChainedLine]:
    """Yield the lines of a file that are as they were written; raise OSError."""
    with path.open("rb") as file:
        for data in file:
            if data.endswith(b"\n") and (line := line_in(data[:-1])):
                yield line


def intervals_in(
    folder: Path, *, damaged: Callable[[str], object] = lambda _place: None
) -> Iterator[IntervalRecord]:
    """Yield all intervals of a ledger, in the order they were written; raise OSError.

    ``damaged`` is told the place of each line that is not as it was written.
    """
    for path in ledger_files(folder):
        with path.open("rb") as file:
            for number, data in enumerate(file, 1):
                line = line_in(data.removesuffix(b"\n"))
                try:
                    if line and line.fields.get("kind") == "interval":
                        yield interval_in(line.fields)
                except RecordError:
                    line = None
                if line is None and data.endswith(b"\n"):
                    damaged(f"{path.name} line {number}")


def intervals_so_far(
    folder: Path, *, damaged: Callable[[str], object] = lambda _place: None
) -> Iterator[IntervalRecord]:
    """Yield as `intervals_in`, and last the interval that goes on, as it was some seconds ago."""
    going_on = open_interval(folder)  # before the lines: a daemon may write it meanwhile
    written = False
    for record in intervals_in(folder, damaged=damaged):
        written |= going_on is not None and _is_same(record, going_on)
        yield record
    if going_on and not written:
        yield going_on


def open_interval(folder: Path) -> IntervalRecord | None:
    """Return the interval that a daemon has put aside, None without one; raise OSError."""
    line = line_in((_read(folder / OPEN_NAME) or b"").removesuffix(b"\n"))
    try:
        return interval_in(line.fields) if line else None
    except RecordError:
        return None


def _is_same(one: IntervalRecord, other: IntervalRecord) -> bool:
    return (one.run, one.number) == (other.run, other.number)


def verify(path: Path, *, check: CheckSignature | None, key: str = "", noted: str = "") -> Verdict:
    """Return what is to be said of a ledger's folder, or of one of its files; raise OSError."""
    whole = path.is_dir()
    head = _read(path / HEAD_NAME) if whole else None  # before the lines: a daemon may go on
    files = ledger_files(path) if whole else [path]
    if whole and not files and head is None:
        raise FileNotFoundError(path)
    verifier = Verifier(is_whole=whole, check=check, key=key, noted=noted)
    for file in files:
        with file.open("rb") as lines:
            for number, data in enumerate(lines, 1):
                place = f"{file.name} line {number}"
                if data.endswith(b"\n"):
                    verifier.line(data[:-1], place)
                else:
                    verifier.torn(place)
    return verifier.finish(head, HEAD_NAME)


class EnergyLedger:
    """Writes records in order; call `open` first, `close` last. ``write`` is `os.write`.

    ``stamp`` says what the time is, in words. ``report`` hears of trouble, on any thread.
    """

    def __init__(
        self,
        folder: Path,
        *,
        signer: Signer | None,
        stamp: Callable[[], str],
        report: Report,
        write: Callable[[int, bytes], int] = os.write,
        retry: float = RETRY,
        largest_file: int = LARGEST_FILE,
    ) -> None:
        self.book = EnergyBook(signer)
        self.failing = False
        self._folder = folder
        self._stamp = stamp
        self._report = report
        self._write = write
        self._retry = retry
        self._largest_file = largest_file
        self._file: AppendedFile | None = None
        self._number = 1
        self._held: deque[Record] = deque()
        self._lost = 0
        self._todo: SimpleQueue[Record | bytes | None] = SimpleQueue()
        self._checkpoint: bytes | None = None
        self._is_restored = False
        self._next_try = 0.0
        self._thread = threading.Thread(target=self._run, name="energy ledger", daemon=True)

    def open(self) -> Restored:
        """Read where the ledger ends and start to write; may block for a moment.

        A disk that cannot be read is reported, and written to as soon as it can be.
        """
        restored = Restored()
        try:
            restored = self._restore()
        except OSError as error:
            self._report("warning", "energy.unread", problem=error.strerror or str(error))
        self._thread.start()
        return restored

    def add(self, record: Record) -> None:
        """Have a record written, without waiting."""
        self._todo.put(record)

    def checkpoint(self, record: IntervalRecord) -> None:
        """Keep an interval that goes on for the case that this process is killed."""
        self._todo.put(checkpoint_of(record))

    def close(self) -> None:
        """Have all written that waits, for a second at most."""
        self._todo.put(None)
        self._thread.join(CLOSE_WAIT)

    # --- at a start ---

    def _restore(self) -> Restored:
        files = ledger_files(self._folder)
        lines = [line for path in files[-2:] for line in good_lines(path)]  # the last may be empty
        if files:
            self._number = int(files[-1].stem.partition("-")[2])
        self.book.restore(lines)
        self._is_restored = True
        head = line_in((_read(self._folder / HEAD_NAME) or b"").removesuffix(b"\n"))
        missing = head.seq if head and head.seq > self.book.seq else 0
        if missing:
            self.book.skip_to(missing)
            self._report("error", "energy.lines_missing", last_known=missing)
        return Restored(
            open_intervals=self.book.open_intervals,
            recovered=self._recovered(),
            missing_to=missing,
        )

    def _recovered(self) -> IntervalRecord | None:
        """Return the interval that was open when the last daemon was killed."""
        record = open_interval(self._folder)
        if record and record.number <= self.book.last_number.get(record.run, 0):
            return None  # it was written before the kill
        return record

    # --- the thread that writes ---

    def _run(self) -> None:
        going_on = True
        while going_on:
            pause = self._next_try - time.monotonic() if self.failing else None
            with contextlib.suppress(Empty):
                item = self._todo.get(timeout=None if pause is None else max(pause, 0.0))
                while item is not None:
                    self._hold(item)
                    item = self._todo.get_nowait()
                going_on = False
            is_due = not self.failing or not going_on or time.monotonic() >= self._next_try
            if self._held and is_due:
                self._save()
            self._save_checkpoint()
        if self._file:
            self._file.close()

    def _hold(self, item: Record | bytes) -> None:
        if isinstance(item, bytes):
            self._checkpoint = item
            return
        self._held.append(item)
        if len(self._held) > MAX_HELD:
            self._held.popleft()
            self._lost += 1

    def _save(self) -> None:
        try:
            if not self._is_restored:
                self._restore()
            while self._held:
                self._append(self.book.next_line(self._held[0]))
            while seal := self.book.seal_due():
                self._append(seal)
            self._sync()
        except OSError as error:
            self._fail(error)
            return
        if self.failing:
            self.failing = False
            self._report("warning", "energy.recovered", lost=self._lost)

    def _save_checkpoint(self) -> None:
        """Write down what is open, if the disk lets us; a full one is told of by the lines."""
        if self._checkpoint:
            with contextlib.suppress(OSError):
                write_whole(self._folder / OPEN_NAME, self._checkpoint, sync=False)
            self._checkpoint = None

    def _append(self, line: NextLine) -> None:
        file = self._opened()
        file.append([line.data])
        self.book.took(line.line)
        if line.record:
            self._held.popleft()

    def _opened(self) -> AppendedFile:
        """Return the file to write to; a new one after a day's total if the last one is large."""
        file = self._file
        if file and file.size >= self._largest_file and self.book.day_closed:
            self._sync()
            file.close()
            file, self._file, self._number = None, None, self._number + 1
        if not file:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self._folder / f"energy-{self._number:06d}.jsonl"
            file = self._file = AppendedFile(path, self._write)
        return file

    def _sync(self) -> None:
        """Force the lines to the disk, then the head."""
        if self._file:
            sync_to_disk(self._file.path)
            write_whole(self._folder / HEAD_NAME, self.book.head(self._stamp()))

    def _fail(self, error: OSError) -> None:
        self._next_try = time.monotonic() + self._retry
        if not self.failing:
            self.failing = True
            reason = error.strerror or str(error)
            problem = f"energy is not recorded: {reason}; mining goes on"
            self._report("warning", "energy.failing", problem=problem)


def _read(path: Path) -> bytes | None:
    """Return what a small file holds, None if there is none; raise OSError."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_LINE + 1)
    except FileNotFoundError:
        return None
