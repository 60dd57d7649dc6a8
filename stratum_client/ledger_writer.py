"""The threads that write the share ledger, so that no disk can hold up mining.

Whoever must know that a record is with the kernel waits, for `MAX_WAIT` at most; a disk that is
slower than that is not waited for until it has caught up. What cannot be written is held, within
bounds, and tried again; what had to be dropped is told by a `Gap`. A second thread does the fsyncs,
since the next share must not wait for one. See docs/decisions/006-share-ledger.md.
"""

import contextlib
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Protocol

from drivers.api import Clock
from stratum_client.ledger_files import LedgerFiles, PartlyWrittenError
from stratum_client.ledger_records import Gap, line_of_record

MAX_WAIT = 0.25
"""Seconds that a share waits to be with the kernel: a thousand times what it takes."""

MAX_HELD = 10_000
"""Records that wait for a disk: some megabytes, hours of shares."""

RETRY = 5.0
CLOSE_WAIT = 2.0
MAX_BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line for the ledger; ``opens`` or ``closes`` is the id of the share that it tells of.

    ``block`` marks the lines that are never dropped and are synced to the disk; ``to_blocks`` the
    file they go to. ``ticket`` numbers those that somebody waits for.
    """

    line: bytes
    opens: str = ""
    closes: str = ""
    block: bool = False
    to_blocks: bool = False
    ticket: int = 0


class Report(Protocol):
    """Who hears of trouble; called on any thread."""

    def __call__(self, level: str, event: str, **fields: object) -> None:
        """Take note."""
        ...


def sync_to_disk(path: Path) -> None:
    """Return when what was written to ``path`` survives a power failure; raise OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class LedgerWriter:
    """Writes entries in order; only `write` with ``wait`` waits, and not for long."""

    def __init__(
        self,
        files: LedgerFiles,
        *,
        report: Report,
        clock: Clock,
        max_wait: float = MAX_WAIT,
        retry: float = RETRY,
        sync: Callable[[Path], None] = sync_to_disk,
    ) -> None:
        self.failing = False
        self._files = files
        self._report = report
        self._wall = clock.wall
        self._monotonic = time.monotonic  # of the thread: a test's clock may stand still
        self._max_wait = max_wait
        self._retry = retry
        self._sync = sync
        self._todo: SimpleQueue[Entry | None] = SimpleQueue()
        self._acks: SimpleQueue[int] = SimpleQueue()
        self._syncs: SimpleQueue[tuple[Path, ...]] = SimpleQueue()  # none: the end
        self._tickets = 0
        self._behind = 0
        self._dropped = 0
        self._held: deque[Entry] = deque()
        self._open: dict[str, int] = {}
        self._trouble: tuple[float, str] | None = None
        self._lost = 0
        self._next_try = 0.0
        self._threads = [
            threading.Thread(target=self._run, name="ledger", daemon=True),
            threading.Thread(target=self._run_syncs, name="ledger sync", daemon=True),
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def write(self, entry: Entry, *, wait: bool = False) -> bool:
        """Queue an entry; with ``wait`` return whether it is known to be with the kernel."""
        if self._todo.qsize() > MAX_HELD and not entry.block:
            self._dropped += 1
            return False
        if not wait or self.failing or not self._has_caught_up():
            self._todo.put(entry)
            return False
        self._tickets += 1
        self._todo.put(replace(entry, ticket=self._tickets))
        return self._written(self._tickets) and not self.failing

    def close(self) -> None:
        """Write what waits, for two seconds at most."""
        self._todo.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(CLOSE_WAIT)

    # --- waiting, on the caller's thread ---

    def _written(self, ticket: int) -> bool:
        """Wait for a ticket; a disk that takes too long is not waited for again until it is up."""
        deadline = self._monotonic() + self._max_wait
        try:
            while self._acks.get(timeout=max(deadline - self._monotonic(), 0.0)) < ticket:
                pass
        except Empty:
            self._behind = ticket
            self._report("warning", "ledger.slow", waited=self._max_wait)
            return False
        return True

    def _has_caught_up(self) -> bool:
        if self._behind:
            with contextlib.suppress(Empty):
                while self._acks.get_nowait() < self._behind:
                    pass
                self._behind = 0
        return not self._behind

    # --- the writer's thread ---

    def _run(self) -> None:
        going_on = True
        while going_on:
            batch, going_on = self._next_batch()
            self._hold(batch)
            if not self.failing or self._monotonic() >= self._next_try or not going_on:
                self._write_held()
            if ticket := max((entry.ticket for entry in batch), default=0):
                self._acks.put(ticket)
        self._files.close()
        self._syncs.put(())

    def _next_batch(self) -> tuple[list[Entry], bool]:
        """Return what waits, as soon as there is something; or nothing when a retry is due."""
        batch: list[Entry] = []
        pause = max(self._next_try - self._monotonic(), 0.0) if self.failing else None
        with contextlib.suppress(Empty):
            entry = self._todo.get(timeout=pause)
            while entry:
                batch.append(entry)
                if len(batch) == MAX_BATCH:
                    return batch, True
                entry = self._todo.get_nowait()
            return batch, False
        return batch, True

    def _hold(self, batch: list[Entry]) -> None:
        self._held.extend(batch)
        while len(self._held) > MAX_HELD and not all(entry.block for entry in self._held):
            self._held.remove(next(entry for entry in self._held if not entry.block))
            self._lost += 1

    def _write_held(self) -> None:
        try:
            synced = any(entry.block for entry in self._held)
            self._write_to(blocks=True)
            self._write_to(blocks=False)
            if self._trouble or self._lost or self._dropped:
                self._tell_gap()
            self._files.rotate_if_due(self._first_open)
            if synced:
                self._syncs.put((*self._files.paths, self._files.folder))
        except OSError as error:
            self._fail(error)

    def _write_to(self, *, blocks: bool) -> None:
        chosen = [entry for entry in self._held if entry.to_blocks is blocks]
        if not chosen:
            return
        whole = 0
        try:
            self._files.append([entry.line for entry in chosen], blocks=blocks)
            whole = len(chosen)
        except PartlyWrittenError as error:
            whole = error.whole
            raise
        finally:
            written = {id(entry) for entry in chosen[:whole]}
            self._held = deque(entry for entry in self._held if id(entry) not in written)
            self._note_open(chosen[:whole])

    def _note_open(self, written: list[Entry]) -> None:
        for entry in written:
            if entry.opens:
                self._open[entry.opens] = self._files.number
            if entry.closes:
                self._open.pop(entry.closes, None)

    def _first_open(self, none: int) -> int:
        return min(self._open.values(), default=none)

    def _fail(self, error: OSError) -> None:
        self._next_try = self._monotonic() + self._retry
        if not self.failing:
            reason = error.strerror or str(error)
            self._trouble = self._trouble or (self._wall(), reason)
            self.failing = True
            text = f"shares are not recorded: {reason}; mining goes on"
            self._report("warning", "ledger.failing", problem=text)

    def _tell_gap(self) -> None:
        """Write that something was amiss, and that it is over."""
        dropped, lost = self._dropped, self._lost
        since, reason = self._trouble or (self._wall(), "the disk is too slow")
        gap = Gap(
            time=round(self._wall(), 6), since=round(since, 6), lost=lost + dropped, reason=reason
        )
        self._files.append([line_of_record(gap)])
        self._dropped -= dropped
        self._lost -= lost
        self._trouble = None
        self.failing = False
        self._report("warning", "ledger.recovered", lost=gap.lost)

    # --- the thread that syncs ---

    def _run_syncs(self) -> None:
        reported = False
        while paths := self._syncs.get():
            for path in paths:
                try:
                    self._sync(path)
                except OSError as error:
                    if not reported:
                        problem = f"{path.name} is not safe from a power failure: {error}"
                        self._report("warning", "ledger.unsynced", problem=problem)
                    reported = True
