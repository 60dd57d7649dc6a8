"""Shares that wait for their pool to come back; bounded in number and age, pure.

A share is bound to the extranonce1 of its session: it is worth sending later only if the pool
resumes that session. Blocks do not wait here but in `block_rescue`.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from stratum_client.job import Share

MAX_SHARES = 1024
SHARE_LIFE = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuedShare:
    """A share; ``sent_before`` when it was sent but the reply was lost with the connection."""

    share: Share
    queued_at: float
    sent_before: bool

    def expired(self, now: float) -> bool:
        """Return whether it is too old to be sent."""
        return now - self.queued_at > SHARE_LIFE


class ShareQueue:
    """The shares of one pool that could not be sent yet, oldest first."""

    def __init__(self) -> None:
        self._entries: list[QueuedShare] = []

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[QueuedShare]:
        return iter(list(self._entries))

    def add(self, share: Share, now: float, *, sent_before: bool = False) -> QueuedShare | None:
        """Keep a share; return the one that had to go for it, of the lowest difficulty."""
        self._entries.append(QueuedShare(share=share, queued_at=now, sent_before=sent_before))
        if len(self._entries) <= MAX_SHARES:
            return None
        victim = max(self._entries, key=lambda entry: entry.share.value)
        self._entries.remove(victim)
        return victim

    def remove(self, entry: QueuedShare) -> None:
        """Take one out."""
        self._entries.remove(entry)

    def take_expired(self, now: float) -> list[QueuedShare]:
        """Take out and return what is too old."""
        expired = [entry for entry in self._entries if entry.expired(now)]
        self._entries = [entry for entry in self._entries if not entry.expired(now)]
        return expired

    def take_all(self) -> list[QueuedShare]:
        """Take out and return everything."""
        entries, self._entries = self._entries, []
        return entries
