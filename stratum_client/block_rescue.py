"""Blocks that their own session does not take: tried on every other way to their pool.

A block whose session is gone goes to every other live connection to the same host at once, and to
each session that comes later: as its own where the pool has resumed the session, else as an attempt
that may cost a refusal, once per session and a few times in all. So does a block that its session
leaves without an answer for seconds; an answer of that session still counts, unless another has
taken the block first. What cannot be handed in is logged with all that a human needs, and
stays in the ledger as not taken.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Protocol

from drivers.api import Clock, Log
from stratum_client.block_records import block_found, shown_block
from stratum_client.connection import Connection
from stratum_client.job import Fate, SessionId, Share
from stratum_client.miner import Miner
from stratum_client.session import Session
from stratum_client.session_events import ShareAnswered
from stratum_client.session_shares import Submission

BLOCK_LIFE = 3600.0
"""Seconds that a block waits for a session: longer, and the chain has gone on without it."""

MAX_ATTEMPTS = 8
"""Sessions that are offered a block of another one; pools drop clients for rows of refusals."""


MAX_SETTLED = 64
"""Blocks that are over, and of which another session may still say something."""


class Path(Protocol):
    """A way to a pool.

    ``name`` is the pool's, ``host`` is dialled, ``connection`` is there while it is connected,
    ``resume_id`` is what the pool may resume the last session by.
    """

    name: str
    host: str
    connection: Connection | None
    resume_id: str | None


@dataclass(slots=True, eq=False)
class _Waiting:
    """A block on its way; ``sent`` when some pool may have taken it.

    ``first`` is the session it was found in, while that may still answer.
    """

    share: Share
    host: str
    since: float
    sent: bool
    again: bool
    first: SessionId | None = None
    tried: set[SessionId] = field(default_factory=set)
    at_home: set[SessionId] = field(default_factory=set)
    attempts: int = 0


class BlockRescue:
    """The blocks of all pools that wait for a session."""

    def __init__(self, miner: Miner, *, clock: Clock, log: Log) -> None:
        self._miner = miner
        self._clock = clock
        self._log = log
        self.paths: list[Path] = []
        self._waiting: dict[Share, _Waiting] = {}
        self._settled: deque[tuple[Share, Fate]] = deque(maxlen=MAX_SETTLED)

    def join(self, path: Path) -> None:
        """Count ``path`` among the ways to its host, in place of an older one of that pool."""
        self.paths = [other for other in self.paths if other.name != path.name] + [path]

    def give_up(self) -> None:
        """Let go of what waits: there will be no further session.

        With a ledger it stays open there, and is tried again at the next start.
        """
        waiting, self._waiting = list(self._waiting.values()), {}
        for entry in waiting:
            if self._miner.witness is None:
                self._miner.share_ended(entry.share, _fate(entry), "shut down")
            self._log_lost(entry.share, "shut down before the pool was back")

    def add(
        self, share: Share, host: str, *, sent: bool, again: bool, first: SessionId | None = None
    ) -> None:
        """Take over a block that its session did not take, or has not answered.

        ``again``: a "duplicate" will mean that the pool has it. ``first``: the session that has
        been sent it and may still answer.
        """
        if entry := self._waiting.get(share):
            entry.again = entry.again and again
            return
        if self._settled_fate(share):
            return  # on another way, while its own session was silent
        now = self._clock.monotonic()
        entry = _Waiting(share=share, host=host, since=now, sent=sent, again=again, first=first)
        entry.tried.update([first] if first else [])
        self._waiting[share] = entry
        self._log.error("BLOCK.WAITING", host=host, **_essence(share))
        for path in self.paths:
            self._offer(entry, path)

    def offer(self, path: Path) -> None:
        """Send what waits on a session that has been authorized."""
        for entry in list(self._waiting.values()):
            self._offer(entry, path)

    def answered(self, event: ShareAnswered, session: SessionId) -> bool:
        """Take what a session said of a block of ours; return whether it is one."""
        entry = self._waiting.get(event.share)
        if entry is None:
            return self._answered_late(event)
        reason = str(event.failure or "")
        if event.fate is Fate.ACCEPTED:
            self._end(entry, Fate.ACCEPTED, "")
            log_accepted(self._log, event.share)
        elif entry.first not in (None, session):  # which is yet to say the last word
            self._log_refused_elsewhere(event.share, reason)
        elif session in entry.at_home and entry.sent:
            # The pool may well have it: its own block makes any job stale.
            self._end(entry, Fate.UNANSWERED, f"its answer was lost; sent again: {event.refusal}")
            self._log_lost(event.share, f"its answer was lost; sent again, it is refused: {reason}")
        elif session == entry.first or session in entry.at_home:
            self._end(entry, event.fate, str(event.refusal or ""))
            self._log_lost(event.share, f"refused: {reason}")
        else:
            self._log_refused_elsewhere(event.share, reason)
        return True

    def refused(self, share: Share, reason: str) -> None:
        """Tell of a block that its own session refused: no other will take it."""
        self._log_lost(share, reason)

    def session_ended(self, session: Session) -> None:
        """Note that what a session was sent may be in its pool's hands, and that it is over."""
        for share in session.unanswered():
            if entry := self._waiting.get(share):
                entry.sent = entry.sent or session.id in entry.at_home
                entry.first = None if entry.first == session.id else entry.first

    def drop_expired(self) -> None:
        """Give up what has waited too long."""
        now = self._clock.monotonic()
        for entry in list(self._waiting.values()):
            if now - entry.since > BLOCK_LIFE:
                reason = "its session did not come back in time"
                self._end(entry, _fate(entry), reason)
                self._log_lost(entry.share, reason)

    # --- inside ---

    def _offer(self, entry: _Waiting, path: Path) -> None:
        connection = path.connection
        if connection is None or path.host != entry.host:
            return
        session, now = connection.session, self._clock.monotonic()
        if session.id in entry.tried or not session.authorized:
            return
        outcome = session.submit(entry.share, now, again=entry.again)
        if outcome is Submission.SENT:
            entry.at_home.add(session.id)
        elif entry.attempts < MAX_ATTEMPTS:
            entry.attempts += 1
            outcome = session.submit(entry.share, now, foreign=True)
        if outcome is Submission.SENT:
            entry.tried.add(session.id)
            connection.flush()

    def _answered_late(self, event: ShareAnswered) -> bool:
        """Return whether a share is a block that is over; tell of it if it is taken after all."""
        fate = self._settled_fate(event.share)
        if fate and event.fate is Fate.ACCEPTED and fate is not Fate.ACCEPTED:
            log_accepted(self._log, event.share)
        return fate is not None

    def _settled_fate(self, share: Share) -> Fate | None:
        return next((fate for settled, fate in self._settled if settled == share), None)

    def _end(self, entry: _Waiting, fate: Fate, reason: str) -> None:
        del self._waiting[entry.share]
        self._settled.append((entry.share, fate))
        self._miner.share_ended(entry.share, fate, reason)

    def _log_refused_elsewhere(self, share: Share, reply: str) -> None:
        self._log.warning("BLOCK.REFUSED_ELSEWHERE", reply=reply, hash=shown_hash(share))

    def _log_lost(self, share: Share, reason: str) -> None:
        """Print all that is known of a block that could not be handed in: a human may still."""
        self._log.error("BLOCK.NOT_TAKEN", reason=reason, **_essence(share))


def log_accepted(log: Log, share: Share) -> None:
    """Tell that a pool has taken a block."""
    log.warning("BLOCK.ACCEPTED", height=share.job.height, hash=shown_hash(share))


def shown_hash(share: Share) -> str:
    """Return the hash as explorers show it."""
    return f"{share.value:064x}"


def _fate(entry: _Waiting) -> Fate:
    return Fate.UNANSWERED if entry.sent else Fate.DISCARDED


def _essence(share: Share) -> dict[str, object]:
    return shown_block(block_found(share, share_id="", time=0.0, host="", session_id=None))
