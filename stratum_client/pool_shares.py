"""The shares of one pool: sent, kept for a session that may come back, and what became of them.

Blocks that their session does not take go to `block_rescue`. Knows no socket but the `Connection`
it is lent.
"""

from drivers.api import Clock, Log
from stratum_client.accepted_telling import AcceptedTelling
from stratum_client.block_rescue import BlockRescue, log_accepted, shown_hash
from stratum_client.connection import Connection
from stratum_client.job import Fate, Job, SessionId, Share
from stratum_client.miner import Miner
from stratum_client.session import Session
from stratum_client.session_events import ShareAnswered
from stratum_client.session_shares import Submission
from stratum_client.share_queue import QueuedShare, ShareQueue

BLOCK_PATIENCE = 3.0
"""Seconds that a pool has to answer a block before it is tried on other ways, too."""


class PoolShares:
    """Where a pool's shares go; implements `miner.PoolLink`.

    ``connection`` is the one that they are sent on, None while there is none. ``name`` and
    ``host`` are the pool's, ``resume_id`` is what it may resume the last session by. ``blocks`` may
    be shared with other pools, so that they help each other out; its owner ends it then.
    """

    def __init__(
        self,
        miner: Miner,
        *,
        name: str,
        host: str,
        clock: Clock,
        log: Log,
        blocks: BlockRescue | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self.resume_id: str | None = None
        self._owns_blocks = blocks is None
        self.blocks = BlockRescue(miner, clock=clock, log=log) if blocks is None else blocks
        self.blocks.join(self)
        self.connection: Connection | None = None
        self._miner = miner
        self._clock = clock
        self._log = log
        self._queue = ShareQueue()
        self._accepted = AcceptedTelling()
        self._job_session: SessionId | None = None
        self._blocks_sent: dict[Share, float] = {}  # since when they wait for their first answer

    def submit(self, share: Share) -> None:
        """Send a share now if the session takes it, else keep it; called on the nonce path."""
        if share.is_block:
            self._log.warning("BLOCK.FOUND", height=share.job.height, hash=shown_hash(share))
        connection = self.connection
        outcome = Submission.WAIT
        if connection:
            if not connection.session.allows(share) and not share.is_block:
                self._miner.share_ended(share, Fate.DISCARDED, "below the pool's new difficulty")
                return
            outcome = connection.session.submit(share, self._clock.monotonic())
            connection.flush()
        if outcome is Submission.SENT and share.is_block:
            self._blocks_sent[share] = self._clock.monotonic()
        elif outcome is Submission.WAIT:
            self._keep(share)
        elif outcome is Submission.FOREIGN and share.is_block:
            self.blocks.add(share, self.host, sent=False, again=False)
        elif outcome is Submission.FOREIGN:
            self._drop(share, Fate.DISCARDED, "of another session")

    def in_flight(self) -> int:
        """Return how many shares wait for the pool's answer."""
        return len(self.connection.session.unanswered()) if self.connection else 0

    def answered(self, event: ShareAnswered) -> None:
        """Count and log what the pool said of a share."""
        share, fate = event.share, event.fate
        self._blocks_sent.pop(share, None)
        if self.connection and self.blocks.answered(event, self.connection.session.id):
            return
        reason = str(event.refusal or "")
        self._miner.share_ended(share, fate, reason)
        fields = {
            "device": share.device,
            "difficulty": round(share.difficulty, 6),
            "seconds": round(event.seconds, 4),
        }
        if fate is Fate.ACCEPTED:
            self.tell_accepted()
            is_told = self._accepted.is_told(share.difficulty, self._clock.monotonic())
            tell = self._log.info if is_told else self._log.debug
            tell("share.accepted", **fields)
            if share.is_block:
                log_accepted(self._log, share)
        else:
            self._log.warning(f"share.{fate}", reason=reason, reply=str(event.failure), **fields)
            if share.is_block:
                self.blocks.refused(share, f"refused: {event.failure}")

    def tell_accepted(self, *, at_once: bool = False) -> None:
        """Log how many shares were accepted without a line of their own, every few seconds."""
        if untold := self._accepted.over(self._clock.monotonic(), at_once=at_once):
            self._log.info(
                "shares.accepted",
                more=untold.count,
                seconds=round(untold.seconds, 1),
                best=round(untold.best_difficulty, 6),
            )

    # --- shares that have to wait ---

    def session_ended(self, session: Session, *, refused: bool) -> None:
        """Take over the shares without an answer; ``refused`` when the pool had had enough."""
        self.tell_accepted(at_once=True)
        self._blocks_sent.clear()
        self.blocks.session_ended(session)
        for share in session.unanswered():
            if share.is_block:
                self.blocks.add(share, self.host, sent=True, again=not refused)
            elif refused:  # "duplicate" would no longer mean that it had been accepted
                self._drop(share, Fate.UNANSWERED, "the pool refused what came before")
            else:
                self._keep(share, sent_before=True)

    def job_arrived(self, job: Job) -> None:
        """Drop what a clean job calls off; the first of a session that is resumed does not."""
        is_first, self._job_session = job.session != self._job_session, job.session
        if job.clean and not is_first:
            for entry in self._queue.take_all():
                self._drop_entry(entry, "stale")
        self.flush()

    def try_elsewhere(self) -> None:
        """Let blocks that the pool does not answer be tried on other ways, too."""
        if not self._blocks_sent or not self.connection:
            return
        now, session = self._clock.monotonic(), self.connection.session.id
        for share, since in list(self._blocks_sent.items()):
            if now - since >= BLOCK_PATIENCE:
                del self._blocks_sent[share]
                self.blocks.add(share, self.host, sent=True, again=True, first=session)

    def flush(self) -> None:
        """Send what waits, as far as the session is the one it belongs to and can take it."""
        connection = self.connection
        if not connection or not connection.session.authorized:
            return
        self.blocks.offer(self)
        if not len(self._queue):
            return
        session, now = connection.session, self._clock.monotonic()
        job = session.current_job
        if job is None:
            return
        for entry in self._queue:
            share = entry.share
            if share.job.prev_hash != job.prev_hash:
                self._queue.remove(entry)
                self._drop_entry(entry, "stale")
                continue
            outcome = session.submit(share, now, again=entry.sent_before)
            if outcome is Submission.WAIT:
                break
            self._queue.remove(entry)
            if outcome is Submission.FOREIGN:
                self._drop_entry(entry, "the pool did not resume the session")
        connection.flush()

    def drop_expired(self) -> None:
        """Give up what has waited too long."""
        self.blocks.drop_expired()
        for entry in self._queue.take_expired(self._clock.monotonic()):
            self._drop_entry(entry, "its session did not come back in time")

    def give_up(self) -> None:
        """Give up everything that waits: there will be no further session."""
        self.tell_accepted(at_once=True)
        for entry in self._queue.take_all():
            self._drop_entry(entry, "shut down")
        if self._owns_blocks:
            self.blocks.give_up()

    def _keep(self, share: Share, *, sent_before: bool = False) -> None:
        if share.is_block:
            self.blocks.add(share, self.host, sent=sent_before, again=sent_before)
            return
        now = self._clock.monotonic()
        if dropped := self._queue.add(share, now, sent_before=sent_before):
            self._drop_entry(dropped, "too many shares wait")

    def _drop_entry(self, entry: QueuedShare, reason: str) -> None:
        fate = Fate.UNANSWERED if entry.sent_before else Fate.DISCARDED
        self._drop(entry.share, fate, reason)

    def _drop(self, share: Share, fate: Fate, reason: str) -> None:
        self._miner.share_ended(share, fate, reason)
        self._log.warning(f"share.{fate}", reason=reason, device=share.device)
