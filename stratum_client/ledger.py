"""The share ledger of a running daemon: told of every share, it has it written before it is sent.

What is open when a process ends, however it ends, is settled at the next start: ordinary shares are
unanswered, blocks are handed out again.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.api import Clock
from stratum_client.block_records import (
    BlockEnded,
    BlockFound,
    BlockJoiner,
    block_found,
    block_record_of,
    line_of_block,
    share_of,
    shown_block,
)
from stratum_client.config_ledger import LedgerConfig
from stratum_client.job import Fate, Share
from stratum_client.ledger_files import BLOCKS_NAME, LedgerFiles, lines_in, share_files
from stratum_client.ledger_records import (
    Ended,
    FileBegun,
    Found,
    Record,
    Started,
    line_of_record,
    record_of,
)
from stratum_client.ledger_writer import MAX_WAIT, RETRY, Entry, LedgerWriter, Report
from stratum_client.share_ledger import ShareJoiner, resolutions

FOLDER = "shares"
"""Where in the state directory it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How to reach a pool again: its host, and what it may resume a session by."""

    host: str
    session_id: str | None


class ShareLedger:
    """Implements `miner.ShareWitness`; `open` before, `close` after.

    ``way_to`` tells of a pool by its name. ``report`` hears of trouble, on any thread. ``write`` is
    what writes to files, ``max_wait`` the seconds that it is waited for, ``retry`` those between
    attempts where it cannot.
    """

    def __init__(
        self,
        folder: Path,
        config: LedgerConfig,
        *,
        clock: Clock,
        random: Random,
        way_to: Callable[[str], Way],
        report: Report,
        write: Callable[[int, bytes], int] = os.write,
        max_wait: float = MAX_WAIT,
        retry: float = RETRY,
    ) -> None:
        self.unresolved: list[BlockFound] = []
        self._folder = folder
        self._clock = clock
        self._way_to = way_to
        self._report = report
        self._run = f"{random.getrandbits(48):012x}"
        self._count = 0
        self._ids: dict[Share, str] = {}
        self._files = LedgerFiles(
            folder,
            max_size=config.max_size,
            keep=config.keep,
            wall=clock.wall,
            monotonic=clock.monotonic,
            write=write,
        )
        self._writer = LedgerWriter(
            self._files, report=report, clock=clock, max_wait=max_wait, retry=retry
        )

    def open(self) -> None:
        """Settle what the process before left open, and start to write; may block for a moment.

        A ledger that cannot be read or written is reported, and tried again while mining goes on.
        """
        entries: list[Entry] = []
        try:
            self._files.open()
        except OSError:
            pass  # the writer meets the same, reports it and tries again
        else:
            self._files.close()
        try:
            entries = self._settle()
        except OSError as error:
            self._report("warning", "ledger.unread", problem=str(error))
        self._writer.start()
        started = Started(time=round(self._clock.wall(), 6), run=self._run)
        for entry in (*entries, Entry(line=line_of_record(started))):
            self._writer.write(entry)

    def close(self) -> None:
        """Have all that waits written, for a few seconds at most."""
        self._writer.close()

    def found(self, share: Share) -> None:
        """Record a share; when this returns a kill cannot lose it, if the disk is in order."""
        self._count += 1
        share_id = self._ids[share] = f"{self._run}-{self._count}"
        now = self._clock.wall()
        if share.is_block:
            self._block_found(share, share_id, now)
        line = line_of_record(Found.of(share, share_id, now))
        opens = "" if share.is_block else share_id  # an open block has a file of its own
        self._writer.write(Entry(line=line, opens=opens, block=share.is_block), wait=True)

    def ended(self, share: Share, fate: Fate, reason: str) -> None:
        """Record a share's fate, without waiting."""
        if share_id := self._ids.pop(share, None):
            self._end(share_id, fate, reason, block=share.is_block)

    def take_back(self, block: BlockFound, pool: str) -> Share:
        """Return a block of an earlier process as a share of ``pool``, under its old id."""
        share = share_of(block, pool=pool, now=self._clock.monotonic())
        self._ids[share] = block.id
        return share

    def give_up(self, block: BlockFound, fate: Fate, reason: str) -> None:
        """Record the end of a block of an earlier process that is not tried again."""
        self._end(block.id, fate, reason, block=True)

    # --- inside ---

    def _block_found(self, share: Share, share_id: str, now: float) -> None:
        way = self._way_to(share.job.session.pool)
        record = block_found(
            share, share_id=share_id, time=now, host=way.host, session_id=way.session_id
        )
        line = line_of_block(record)
        if not self._writer.write(Entry(line=line, block=True, to_blocks=True), wait=True):
            text = "write this down: the block is not in the ledger yet"
            self._report("error", "BLOCK.UNRECORDED", problem=text, **shown_block(record))

    def _end(self, share_id: str, fate: Fate, reason: str, *, block: bool) -> None:
        now = round(self._clock.wall(), 6)
        if block:
            ended = BlockEnded(id=share_id, time=now, fate=fate, reason=reason)
            self._writer.write(Entry(line=line_of_block(ended), block=True, to_blocks=True))
        line = line_of_record(Ended(id=share_id, time=now, fate=fate, reason=reason))
        self._writer.write(Entry(line=line, closes=share_id, block=block))

    def _settle(self) -> list[Entry]:
        """Return what has to be written of the shares that were left open; raise OSError."""
        blocks = BlockJoiner()
        for found in lines_in(self._folder / BLOCKS_NAME):
            if found.line.fields and (record := block_record_of(found.line.fields)):
                blocks.add(record)
        self.unresolved = blocks.unresolved()
        shares = self._newest_shares()
        ended = resolutions(shares.unresolved(), self._clock.wall())
        known = {share.found.id for share in shares.unresolved()}
        ended += [
            Ended(id=end.id, time=end.time, fate=end.fate, reason=end.reason)
            for end in blocks.ends.values()
            if end.id in known
        ]
        missing = [block for block in self.unresolved if shares.is_newer(block.id)]
        return [
            *(Entry(line=line_of_record(_found_again(block)), block=True) for block in missing),
            *(Entry(line=line_of_record(end), closes=end.id) for end in ended),
        ]

    def _newest_shares(self) -> ShareJoiner:
        """Return what the newest files say: those that may have a share without an end."""
        joiner = ShareJoiner()
        files = share_files(self._folder)
        first = _first_of(_records(files[-1][1])) if files else 0
        for path in (path for number, path in files if number >= first):
            for record in _records(path):
                joiner.add(record)
        return joiner


def _records(path: Path) -> list[Record]:
    fields = (found.line.fields for found in lines_in(path))
    return [record for each in fields if each and (record := record_of(each))]


def _first_of(records: list[Record]) -> int:
    """Return where to begin to read; a file whose first line is damaged says: at the beginning."""
    first = records[0] if records else None
    return first.first if isinstance(first, FileBegun) else 0


def _found_again(block: BlockFound) -> Found:
    """Return the record of a block that only the file of blocks has: a kill came in between."""
    share = share_of(block, pool=block.pool, now=0.0)
    return Found.of(share, block.id, block.time)
