"""A file that entries are written to by a thread of its own, so that no disk holds up mining.

What the thread cannot get rid of in time is dropped and counted: a gap mark stands in its place.
A full disk, or any other error, ends the recording with one warning; the daemon goes on.
"""

import os
import queue
import threading
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from stratum_client.errors import ConfigError
from stratum_client.recording.entries import Entry, Rim, What, line_of

MAX_WAITING = 20_000
"""Entries that may wait for the disk: seconds of a busy rig."""

CLOSE_WAIT = 0.4
"""Seconds that a clean end may take for this."""
DEFAULT_LIMIT = 512 << 20
_END_MARK = 200

Formed = Callable[[Entry], list[Entry]]
"""What happens to an entry before it is written, in the thread: masking."""


class RecordingWriter:
    """Appends to a file; `write` returns at once, whatever the disk does.

    ``limit`` is the size in bytes at which it ends, with a mark. ``warn`` is called from the thread
    at most once. Raises ConfigError when the file cannot be opened.
    """

    def __init__(
        self,
        file: BinaryIO,
        header: bytes,
        *,
        formed: Formed,
        warn: Callable[[str], object],
        limit: int = DEFAULT_LIMIT,
        most_waiting: int = MAX_WAITING,
    ) -> None:
        self.dropped = 0
        self._file = file
        self._formed = formed
        self._warn = warn
        self._limit = limit
        self._most_waiting = most_waiting
        self._size = file.tell()
        self._is_over = False
        self._waiting: queue.SimpleQueue[Entry | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(header,), name="recording")
        self._thread.daemon = True
        self._thread.start()

    def write(self, entry: Entry) -> None:
        """Queue ``entry``; drop and count it when too much waits already."""
        if self._is_over:
            return
        if self._waiting.qsize() >= self._most_waiting:
            self.dropped += 1
            return
        if self.dropped:
            gap = {"entries": self.dropped}
            self.dropped = 0
            self._waiting.put(Entry(at=entry.at, rim=Rim.DAEMON, what=What.GAP, fields=gap))
        self._waiting.put(entry)

    def close(self, wait: float = CLOSE_WAIT) -> None:
        """Write what waits, for ``wait`` seconds at most."""
        self._waiting.put(None)
        self._thread.join(wait)

    def _run(self, header: bytes) -> None:
        try:
            self._put(header)
            while (entry := self._waiting.get()) is not None:
                for formed in self._formed(entry):
                    if not self._is_over:
                        self._put_entry(formed)
                if self._waiting.empty() and not self._is_over:
                    self._file.flush()
        except OSError as error:
            self._end(f"it cannot be written: {error.strerror or error}")
        finally:
            self._let_go()

    def _put_entry(self, entry: Entry) -> None:
        line = line_of(entry)
        if self._size + len(line) + _END_MARK > self._limit:
            reason = "the recording is as large as it may be"
            end = Entry(at=entry.at, rim=Rim.DAEMON, what=What.END, fields={"reason": reason})
            self._put(line_of(end))
            self._end(f"{reason}, {self._limit / (1 << 20):g} MiB")
            return
        self._put(line)

    def _put(self, line: bytes) -> None:
        self._file.write(line)
        self._size += len(line)

    def _end(self, reason: str) -> None:
        self._is_over = True
        self._warn(reason)

    def _let_go(self) -> None:
        try:
            self._file.close()
        except OSError as error:
            if not self._is_over:
                self._end(f"it cannot be written: {error.strerror or error}")


def opened(path: Path) -> BinaryIO:
    """Return ``path`` opened for appending, readable by its owner alone; raise ConfigError.

    A torn last line, left behind by a crash, is ended.
    """
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        file = os.fdopen(descriptor, "ab", buffering=1 << 16)
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            file.write(b"\n")
    except OSError as error:
        raise ConfigError("--record", f"cannot write {path}: {error.strerror}") from error
    return file
