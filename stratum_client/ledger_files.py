"""The files of the share ledger: appended to, rotated, thrown away when old. Every call may block.

``shares-000001.jsonl`` and so on hold the shares, the highest number being written;
``blocks.jsonl`` holds block solutions, for ever. Used by one thread at a time (the ledger's
writer); readers in other processes need no lock, since lines are only added, and a line without
an end is not there yet.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from stratum_client.ledger_lines import LineReader, ReadLine
from stratum_client.ledger_records import FileBegun, line_of_record

BLOCKS_NAME = "blocks.jsonl"
FILES_KEPT = 16
"""Among so many files at least the allowed size is divided: the oldest goes as a whole."""

SMALLEST_FILE = 1 << 16
LARGEST_FILE = 1 << 22
"""Bytes; the last file is read at each start, which takes a tenth of a second then."""

DAY = 86_400.0
READ_SIZE = 1 << 18

_NAME = re.compile(r"shares-([0-9]{6,12})\.jsonl")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundLine:
    """A line of a file, with where it stands."""

    path: Path
    line: ReadLine


def share_files(folder: Path) -> list[tuple[int, Path]]:
    """Return the files of shares with their numbers, oldest first; raise OSError."""
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(name[1]), path) for name, path in found if name)


def lines_in(path: Path) -> Iterator[FoundLine]:
    """Yield a file's complete lines; a file that is gone has none. Raises OSError."""
    reader = LineReader()
    try:
        with path.open("rb", buffering=0) as file:
            while data := file.read(READ_SIZE):
                for line in reader.receive_data(data):
                    yield FoundLine(path=path, line=line)
    except FileNotFoundError:
        return


class AppendedFile:
    """One file that lines are added to; the only writer is us."""

    def __init__(self, path: Path, write: Callable[[int, bytes], int]) -> None:
        self.path = path
        self._write = write
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._descriptor = os.open(path, flags, 0o600)
        try:
            self.size = self._cut_torn_end()
        except OSError:
            os.close(self._descriptor)
            raise
        self._torn = False

    def append(self, lines: Sequence[bytes]) -> int:
        """Write ``lines``; return how many were written when that went wrong, else all of them.

        What stands behind the last whole line then is cut off, or, where even that is refused,
        closed by a line end before the next line is written.
        """
        data = memoryview((b"\n" if self._torn else b"") + b"".join(lines))
        done, failure = 0, None
        while done < len(data) and not failure:
            try:
                done += self._write(self._descriptor, bytes(data[done:]))
            except OSError as error:
                failure = error
        self.size += done
        if failure:
            raise PartlyWrittenError(failure, self._repair(bytes(data[:done]))) from failure
        self._torn = False
        return len(lines)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)

    def _repair(self, written: bytes) -> int:
        """Cut off a torn line; return how many whole lines were written."""
        whole = written.count(b"\n") - (1 if self._torn and written else 0)
        torn = len(written) - (written.rfind(b"\n") + 1)
        if torn:
            try:
                os.ftruncate(self._descriptor, self.size - torn)
                self.size -= torn
                self._torn = False
            except OSError:
                self._torn = True
        elif written:
            self._torn = False
        return whole

    def _cut_torn_end(self) -> int:
        """Cut what a process that was killed, or a power failure, left half written."""
        size = os.fstat(self._descriptor).st_size
        end = size
        while end > 0:
            start = max(0, end - READ_SIZE)
            found = os.pread(self._descriptor, end - start, start).rfind(b"\n")
            if found >= 0:
                end = start + found + 1
                break
            end = start
        if end < size:
            os.ftruncate(self._descriptor, end)
        return end


class PartlyWrittenError(OSError):
    """The disk took only the first ``whole`` lines."""

    def __init__(self, reason: OSError, whole: int) -> None:
        super().__init__(reason.errno, reason.strerror or str(reason))
        self.whole = whole


class LedgerFiles:
    """The files of one ledger.

    ``max_size`` bytes are what all files of shares may take together, ``keep`` the seconds that a
    full one is kept. ``wall`` and ``monotonic`` are the clock's; ``write`` is `os.write`.
    """

    def __init__(
        self,
        folder: Path,
        *,
        max_size: int,
        keep: float,
        wall: Callable[[], float],
        monotonic: Callable[[], float],
        write: Callable[[int, bytes], int] = os.write,
    ) -> None:
        self.folder = folder
        self._limit = min(LARGEST_FILE, max(SMALLEST_FILE, max_size // FILES_KEPT))
        self._max_size = max_size
        self._keep = keep
        self._wall = wall
        self._monotonic = monotonic
        self._write = write
        self._shares: AppendedFile | None = None
        self._blocks: AppendedFile | None = None
        self._opened_at = 0.0
        self._first = 1
        self.number = 0

    @property
    def paths(self) -> list[Path]:
        """Return the files being written."""
        return [file.path for file in (self._blocks, self._shares) if file]

    def open(self) -> None:
        """Open the newest files, their torn ends cut off, or begin the first; raise OSError."""
        if self._shares and self._blocks:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not self._blocks:
            self._blocks = AppendedFile(self.folder / BLOCKS_NAME, self._write)
        if not self._shares:
            self._open_shares(max((number for number, _ in share_files(self.folder)), default=1))

    def append(self, lines: Sequence[bytes], *, blocks: bool = False) -> None:
        """Write lines to the shares or the blocks; raise PartlyWrittenError, or another OSError."""
        self.open()
        file = self._blocks if blocks else self._shares
        assert file
        if not blocks and not file.size:
            file.append([line_of_record(FileBegun(time=self._wall(), first=self._first))])
        file.append(lines)

    def rotate_if_due(self, first_open: Callable[[int], int]) -> bool:
        """Begin a new file when the old one is full or a day old; raise OSError.

        ``first_open`` gives the number of the oldest file with a share that has no end, where its
        argument stands for none.
        """
        self.open()
        assert self._shares
        old = self._monotonic() - self._opened_at > DAY
        if self._shares.size < self._limit and not old:
            return False
        before, self._shares = self._shares, None
        before.close()
        self._open_shares(self.number + 1)
        self._first = first_open(self.number)
        self._discard_old()
        return True

    def close(self) -> None:
        """Close all; `open` opens again."""
        for file in (self._shares, self._blocks):
            if file:
                file.close()
        self._shares = self._blocks = None

    def _open_shares(self, number: int) -> None:
        path = self.folder / f"shares-{number:06d}.jsonl"
        self._shares = AppendedFile(path, self._write)
        self.number, self._opened_at = number, self._monotonic()

    def _discard_old(self) -> None:
        """Throw away the oldest files beyond the size, and one at most that is only old.

        One: a clock that jumped ahead makes everything look old.
        """
        files = [(path, path.stat()) for _, path in share_files(self.folder)[:-1]]
        size = sum(status.st_size for _, status in files) + self._limit
        for count, (path, status) in enumerate(files):
            is_old = count == 0 and self._wall() - status.st_mtime > self._keep
            if size <= self._max_size and not is_old:
                break
            path.unlink()
            size -= status.st_size
