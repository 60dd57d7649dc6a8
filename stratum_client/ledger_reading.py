"""Reading a share ledger, also while a daemon writes it: shares as they ended, damaged lines named.

Files are read line by line and in one pass; memory is that of the shares without an end.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stratum_client.block_records import BlockEnded, BlockFound, BlockJoiner, block_record_of
from stratum_client.job import Fate
from stratum_client.ledger_files import BLOCKS_NAME, DAY, lines_in, share_files
from stratum_client.ledger_lines import Fields
from stratum_client.ledger_records import Gap, record_of
from stratum_client.share_ledger import LedgerShare, ShareJoiner

KNOWN_KINDS = {"started", "file", "found", "ended", "gap"}
MOST_NAMED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which shares are wanted; ``since`` is seconds since 1970, empty names match all."""

    since: float = 0.0
    pool: str = ""
    device: str = ""

    def takes(self, time: float, pool: str, device: str) -> bool:
        """Return whether a share is among them."""
        return time >= self.since and self.pool in ("", pool) and self.device in ("", device)


@dataclass(slots=True)
class Findings:
    """What was amiss: damaged lines (the first hundred are named) and gaps."""

    damaged: int = 0
    places: list[str] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def add_damaged(self, path: Path, number: int) -> None:
        """Count a line that is not as it was written."""
        self.damaged += 1
        if len(self.places) < MOST_NAMED:
            self.places.append(f"{path} line {number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerBlock:
    """A block and its end, None while that is open."""

    found: BlockFound
    ended: BlockEnded | None


def shares_in(folder: Path, wanted: Selection, findings: Findings) -> Iterator[LedgerShare]:
    """Yield shares in the order they ended, those without an end last; raise OSError."""
    joiner = ShareJoiner()
    for _, path in share_files(folder):
        if _is_older(path, wanted.since):
            continue
        for fields in _good_lines(path, findings):
            record = record_of(fields)
            if isinstance(record, Gap) and record.time >= wanted.since:
                findings.gaps.append(record)
            if record and (share := joiner.add(record)) and _is_wanted(share, wanted):
                yield share
    ends = _block_ends(folder)
    for share in joiner.unresolved():
        if _is_wanted(share, wanted):
            end = ends.get(share.found.id)  # a kill may have come between the lines of its end
            yield (
                replace(share, fate=end.fate, reason=end.reason, ended_at=end.time)
                if end
                else share
            )


def _block_ends(folder: Path) -> dict[str, BlockEnded]:
    records = (block_record_of(found.line.fields or {}) for found in lines_in(folder / BLOCKS_NAME))
    return {record.id: record for record in records if isinstance(record, BlockEnded)}


def blocks_in(folder: Path, wanted: Selection, findings: Findings) -> list[LedgerBlock]:
    """Return the blocks, oldest first; raise OSError."""
    joiner = BlockJoiner()
    for found in lines_in(folder / BLOCKS_NAME):
        record = block_record_of(found.line.fields) if found.line.fields else None
        if record:
            joiner.add(record)
        else:
            findings.add_damaged(found.path, found.line.number)
    return [
        LedgerBlock(found=block, ended=joiner.ends.get(block.id))
        for block in joiner.blocks.values()
        if wanted.takes(block.time, block.pool, block.device)
    ]


def _good_lines(path: Path, findings: Findings) -> Iterator[Fields]:
    for found in lines_in(path):
        fields = found.line.fields
        if fields is None or (fields.get("kind") in KNOWN_KINDS and record_of(fields) is None):
            findings.add_damaged(path, found.line.number)
        else:
            yield fields


def _is_older(path: Path, since: float) -> bool:
    """Return whether a file was last written well before ``since``; clocks are set, too."""
    try:
        return path.stat().st_mtime < since - DAY
    except FileNotFoundError:
        return True


def _is_wanted(share: LedgerShare, wanted: Selection) -> bool:
    return wanted.takes(share.found.time, share.found.pool, share.found.device)


@dataclass(slots=True)
class Sum:
    """Shares summed up; ``difficulty`` is that of the accepted ones, as their jobs asked."""

    fates: dict[Fate | None, int] = field(default_factory=dict)
    difficulty: float = 0.0
    best: float = 0.0
    first: float | None = None
    last: float | None = None

    def add(self, share: LedgerShare) -> None:
        """Count a share."""
        found = share.found
        self.fates[share.fate] = self.fates.get(share.fate, 0) + 1
        if share.fate is Fate.ACCEPTED:
            self.difficulty += found.difficulty
        self.best = max(self.best, found.share_difficulty)
        self.first = found.time if self.first is None else min(self.first, found.time)
        self.last = found.time if self.last is None else max(self.last, found.time)

    @property
    def count(self) -> int:
        """Return how many shares there are."""
        return sum(self.fates.values())

    @property
    def hashrate(self) -> float | None:
        """Return the H/s that the accepted shares prove; None where there is no time between."""
        if self.first is None or self.last is None or self.last <= self.first:
            return None
        return self.difficulty * HASHES / (self.last - self.first)


HASHES = (1 << 256) / ((0xFFFF << 208) + 1)
"""Hashes that a share of difficulty 1 takes on average."""
