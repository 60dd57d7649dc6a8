"""The shares of one pool: sent, kept for a session that may come back, and what became of them.

Also what is said of blocks, above all of those that could not be handed in. Knows no socket but
the `Connection` it is lent.
"""

from drivers.api import Clock, Log
from drivers.header import pack_header
from stratum_client.connection import Connection
from stratum_client.job import CoinbasePrefix, Fate, Share
from stratum_client.miner import Miner
from stratum_client.session import Session, Submission
from stratum_client.session_events import ShareAnswered
from stratum_client.share_queue import QueuedShare, ShareQueue


class PoolShares:
    """Where a pool's shares go; implements `miner.PoolLink`.

    ``connection`` is the one that they are sent on, None while there is none.
    """

    def __init__(self, miner: Miner, *, clock: Clock, log: Log) -> None:
        self.connection: Connection | None = None
        self._miner = miner
        self._clock = clock
        self._log = log
        self._queue = ShareQueue()

    def submit(self, share: Share) -> None:
        """Send a share now if the session takes it, else keep it; called on the nonce path."""
        if share.is_block:
            self._announce(share)
        connection = self.connection
        outcome = Submission.WAIT
        if connection:
            if not connection.session.allows(share) and not share.is_block:
                self._miner.share_ended(share, Fate.DISCARDED, "below the pool's new difficulty")
                return
            outcome = connection.session.submit(share, self._clock.monotonic())
            connection.flush()
        if outcome is Submission.WAIT:
            self._keep(share)
        elif outcome is Submission.FOREIGN:
            self._drop(share, Fate.DISCARDED, "of another session")

    def in_flight(self) -> int:
        """Return how many shares wait for the pool's answer."""
        return len(self.connection.session.unanswered()) if self.connection else 0

    def answered(self, event: ShareAnswered) -> None:
        """Count and log what the pool said of a share."""
        share, fate = event.share, event.fate
        reason = str(event.refusal or "")
        self._miner.share_ended(share, fate, reason)
        fields = {
            "device": share.device,
            "difficulty": round(share.difficulty, 6),
            "seconds": round(event.seconds, 4),
        }
        if fate is Fate.ACCEPTED:
            self._log.info("share.accepted", **fields)
            if share.is_block:
                self._log.warning("BLOCK.ACCEPTED", height=share.job.height, hash=_shown(share))
        else:
            self._log.warning(f"share.{fate}", reason=reason, reply=str(event.failure), **fields)
            if share.is_block:
                self._rescue(share, f"refused: {event.failure}")

    # --- shares that have to wait ---

    def session_ended(self, session: Session, *, refused: bool) -> None:
        """Take over the shares without an answer; ``refused`` when the pool had had enough."""
        for share in session.unanswered():
            if refused:  # "duplicate" would no longer mean that it had been accepted
                self._drop(share, Fate.UNANSWERED, "the pool refused what came before")
            else:
                self._keep(share, sent_before=True)

    def flush(self) -> None:
        """Send what waits, as far as the session is the one it belongs to and can take it."""
        connection = self.connection
        if not connection or not connection.session.authorized or not len(self._queue):
            return
        session, now = connection.session, self._clock.monotonic()
        job = session.current_job
        if job is None:
            return
        for entry in self._queue:
            share = entry.share
            if share.job.prev_hash != job.prev_hash and not share.is_block:
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
        for entry in self._queue.take_expired(self._clock.monotonic()):
            self._drop_entry(entry, "its session did not come back in time")

    def give_up(self) -> None:
        """Give up everything that waits: there will be no further session."""
        for entry in self._queue.take_all():
            self._drop_entry(entry, "shut down")

    def _keep(self, share: Share, *, sent_before: bool = False) -> None:
        now = self._clock.monotonic()
        if dropped := self._queue.add(share, now, sent_before=sent_before):
            self._drop_entry(dropped, "too many shares wait")

    def _drop_entry(self, entry: QueuedShare, reason: str) -> None:
        fate = Fate.UNANSWERED if entry.sent_before else Fate.DISCARDED
        self._drop(entry.share, fate, reason)

    def _drop(self, share: Share, fate: Fate, reason: str) -> None:
        self._miner.share_ended(share, fate, reason)
        self._log.warning(f"share.{fate}", reason=reason, device=share.device)
        if share.is_block:
            self._rescue(share, reason)

    # --- blocks ---

    def _announce(self, share: Share) -> None:
        self._log.warning("BLOCK.FOUND", height=share.job.height, hash=_shown(share))

    def _rescue(self, share: Share, reason: str) -> None:
        """Print all that is known of a block that could not be handed in: a human may still."""
        job = share.job
        self._log.error(
            "BLOCK.NOT_TAKEN",
            reason=reason,
            hash=_shown(share),
            header=_header(share).hex(),
            coinbase=job.coinbase(share.extranonce2).hex(),
            job=job.job_id,
        )


def _header(share: Share) -> bytes:
    job = share.job
    root = CoinbasePrefix(job).merkle_root(share.extranonce2)
    return pack_header(share.version, job.prev_hash, root, share.ntime, job.nbits, share.nonce)


def _shown(share: Share) -> str:
    return f"{share.value:064x}"
