"""What became of the shares in a ledger: found and ended joined again; pure.

Memory is that of the shares whose end has not been read yet, however long the ledger is.
"""

from dataclasses import dataclass

from stratum_client.job import Fate
from stratum_client.ledger_records import Ended, Found, Record, Started

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
        self._newest = ("", 0)

    def add(self, record: Record) -> LedgerShare | None:
        """Return the share that ``record`` completes; a second end, or one of no share, is none."""
        if isinstance(record, Found):
            self._open[record.id] = record
            self._newest = _run_and_count(record.id)
        elif isinstance(record, Started):
            self._newest = (record.run, 0)
        elif isinstance(record, Ended) and (found := self._open.pop(record.id, None)):
            return LedgerShare(
                found=found, fate=record.fate, reason=record.reason, ended_at=record.time
            )
        return None

    def is_newer(self, share_id: str) -> bool:
        """Return whether a share was found after the last one here, by the same process."""
        run, number = _run_and_count(share_id)
        return run == self._newest[0] and number > self._newest[1]

    def unresolved(self) -> list[LedgerShare]:
        """Return the shares that were found and have no end, oldest first."""
        return [LedgerShare(found=found) for found in self._open.values()]


def _run_and_count(share_id: str) -> tuple[str, int]:
    run, _, number = share_id.partition("-")
    return run, int(number) if number.isascii() and number.isdigit() else 0


def resolutions(unresolved: list[LedgerShare], now: float) -> list[Ended]:
    """Return the ends of ordinary shares that a process left open; blocks are tried again."""
    return [
        Ended(id=share.found.id, time=round(now, 6), fate=Fate.UNANSWERED, reason=RESTARTED)
        for share in unresolved
        if not share.found.block
    ]
