"""What became of the shares in a ledger: found and ended joined again; pure.

Memory is that of the shares whose end has not been read yet, however long the ledger is.
"""

from dataclasses import dataclass

from stratum_client.job import Fate
from stratum_client.ledger_records import Ended, Found, Record

RESTARTED = "the process ended before the reply"
"""Why a share is unanswered whose end was never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerShare:
    """A share and its fate; ``fate`` and ``ended_at`` are None while that is open."""

    found: Found
    fate: Fate | None = None
    reason: str = ""
    ended_at: float | None = None


class ShareJoiner:
    """Reads records in the order they were written, and gives out shares as they end."""

    def __init__(self) -> None:
        self._open: dict[str, Found] = {}

    def add(self, record: Record) -> LedgerShare | None:
        """Return the share that ``record`` completes; a second end, or one of no share, is none."""
        if isinstance(record, Found):
            self._open[record.id] = record
        elif isinstance(record, Ended) and (found := self._open.pop(record.id, None)):
            return LedgerShare(
                found=found, fate=record.fate, reason=record.reason, ended_at=record.time
            )
        return None

    def unresolved(self) -> list[LedgerShare]:
        """Return the shares that were found and have no end, oldest first."""
        return [LedgerShare(found=found) for found in self._open.values()]


def resolutions(unresolved: list[LedgerShare], now: float) -> list[Ended]:
    """Return the ends of ordinary shares that a process left open; blocks are tried again."""
    return [
        Ended(id=share.found.id, time=round(now, 6), fate=Fate.UNANSWERED, reason=RESTARTED)
        for share in unresolved
        if not share.found.block
    ]
