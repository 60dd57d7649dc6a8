"""One pool's life: dial, talk, lose the connection, wait, dial again; never give up.

All protocol is in `session`; here are the socket, the clock and the decisions that outlive a
connection: back-off, redirects, shares kept for a session that may be resumed.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from random import Random

from drivers.api import Clock, Log
from drivers.header import difficulty_of, pack_header
from stratum_client.backoff import Backoff
from stratum_client.config import PoolConfig
from stratum_client.connection import Connection, dial
from stratum_client.errors import (
    AuthorizationError,
    ConnectionLostError,
    PoolRefusedError,
    StratumError,
)
from stratum_client.habits import PoolHabits
from stratum_client.job import CoinbasePrefix, Fate, Job, SessionId, Share
from stratum_client.miner import Miner
from stratum_client.pool_url import PoolUrl
from stratum_client.redirect import (
    MAX_PER_HOUR,
    Redirect,
    RedirectRefusedError,
    redirect_of,
)
from stratum_client.session import Session, Submission
from stratum_client.session_events import (
    Authorized,
    Configured,
    DifficultyChanged,
    Event,
    Failed,
    JobRefused,
    NewJob,
    Oddity,
    PoolMessage,
    RedirectAsked,
    ShareAnswered,
    Subscribed,
)
from stratum_client.session_options import SessionOptions, options_of, version_bits_of
from stratum_client.share_queue import QueuedShare, ShareQueue
from stratum_client.stats import PoolState, PoolStats, ShareCounts

TICK = 1.0
"""How often deadlines are looked at; they are seconds long, so nothing finer is needed."""

NTIME_TOLERANCE = 7200.0
"""A job this far from our clock is worth a warning; which of the two is wrong is not known."""

_session_numbers = itertools.count(1)
_job_serials = itertools.count(1)


class Pool:
    """A pool that the daemon keeps a session with; implements `miner.PoolLink`."""

    def __init__(
        self,
        config: PoolConfig,
        miner: Miner,
        *,
        clock: Clock,
        random: Random,
        log: Log,
        hashrate: Callable[[], float],
    ) -> None:
        self.config = config
        self.state = PoolState.DISCONNECTED
        self.problem = ""
        self.tally = miner.add_pool(config.name, self)
        self.difficulty: float | None = None
        self.round_trip: float | None = None
        self._miner = miner
        self._clock = clock
        self._random = random
        self._log = log
        self._hashrate = hashrate
        self._habits = PoolHabits(host=config.url.host, version_bits=version_bits_of(config))
        waits = config.deadlines
        self._backoff = Backoff(random, first=waits.retry_first, longest=waits.retry_cap)
        self._auth_backoff = Backoff(
            random, first=waits.authorize_retry, longest=waits.authorize_retry_cap
        )
        self._queue = ShareQueue()
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._resume_id: str | None = None
        self._redirect: Redirect | None = None
        self._redirects: deque[float] = deque(maxlen=MAX_PER_HOUR)
        self._gone: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Keep a session until cancelled."""
        try:
            while True:
                error = await self._one_session()
                pause = self._pause_after(error)
                self.problem = str(error)
                self._log.warning("pool.lost", error=str(error), retry_in=round(pause, 1))
                self.state = PoolState.DISCONNECTED
                await asyncio.sleep(pause)
        finally:
            if self._gone:
                self._gone.cancel()
            self._give_up_queue()

    def submit(self, share: Share) -> None:
        """Send a share now if the session takes it, else keep it; called on the nonce path."""
        if share.is_block:
            self._announce(share)
        connection = self._connection
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

    async def drain(self, seconds: float) -> None:
        """Wait until the pool has answered the shares in flight, for at most ``seconds``."""
        deadline = self._clock.monotonic() + seconds
        while self._connection and self._connection.session.unanswered():
            if self._clock.monotonic() >= deadline:
                return
            await asyncio.sleep(0.01)

    def snapshot(self, now: float) -> PoolStats:
        """Return what is to be told of the pool."""
        job = self._miner.current_job(self.config.name)
        return PoolStats(
            name=self.config.name,
            url=str(self.config.url),
            state=self.state,
            problem=self.problem,
            user=self.config.user,
            difficulty=self.difficulty,
            height=job.height if job else None,
            network_difficulty=difficulty_of(job.network_target) if job else None,
            round_trip=self.round_trip,
            counts=ShareCounts.of(self.tally, now),
        )

    # --- one connection ---

    async def _one_session(self) -> StratumError:
        """Dial and talk until the session ends; return why it did."""
        url, options = await self._next_target()
        now = self._clock.monotonic()
        number = SessionId(pool=self.config.name, number=next(_session_numbers))
        session = Session(number, options, self._habits, _job_serials, now)
        deadlines = options.deadlines
        connection = Connection(
            session, url.address, self._take_event, self._clock.monotonic, deadlines.write
        )
        self.state = PoolState.CONNECTING
        try:
            await dial(url, connection, deadlines.connect)
        except StratumError as error:
            return error
        self._connection, self._connected_at = connection, self._clock.monotonic()
        try:
            while not connection.lost.done():
                await asyncio.wait([connection.lost], timeout=_tick(options))
                self._tick(connection)
            return connection.lost.result()
        finally:
            self._ended(connection)
            await connection.finish()

    async def _next_target(self) -> tuple[PoolUrl, SessionOptions]:
        """Return where to dial and with what wishes; a redirect holds for one session."""
        redirect, self._redirect = self._redirect, None
        if redirect and redirect.wait:
            await asyncio.sleep(redirect.wait)
        options = options_of(self.config, resume_id=self._resume_id)
        return (redirect.url if redirect else self.config.url), options

    def _tick(self, connection: Connection) -> None:
        now = self._clock.monotonic()
        if connection.lost.done():
            return
        connection.session.suggest(self._hashrate(), now)
        connection.check()
        for entry in self._queue.take_expired(now):
            self._drop_entry(entry, "its session did not come back in time")
        self._flush_queue()
        self._miner.wake_waiting()
        if self._is_healthy(now):
            self._backoff.reset()
            self._auth_backoff.reset()

    def _is_healthy(self, now: float) -> bool:
        waits, age = self.config.deadlines, now - self._connected_at
        accepted = self.tally.last_accepted
        took_share = accepted is not None and accepted >= self._connected_at
        has_job = self._connection is not None and self._connection.session.current_job is not None
        return (took_share and age >= waits.retry_reset) or (
            has_job and age >= waits.retry_reset_jobs
        )

    def _ended(self, connection: Connection) -> None:
        """Keep what the dead session owes: shares without an answer, its id to resume."""
        self._connection = None
        session, now = connection.session, self._clock.monotonic()
        if not session.heard_a_line:
            self._habits.closed_before_a_word(configured=session.configured, now=now)
        if session.subscription:
            self._resume_id = session.subscription.session_id
        elif session.heard_a_line:
            self._resume_id = None  # perhaps it was the id that the pool did not like
        refused = connection.lost.done() and isinstance(connection.lost.result(), PoolRefusedError)
        for share in session.unanswered():
            if refused:  # "duplicate" would no longer mean that it had been accepted
                self._drop(share, Fate.UNANSWERED, "the pool refused what came before")
            else:
                self._keep(share, sent_before=True)
        if self._gone is None:
            loop = asyncio.get_running_loop()
            self._gone = loop.call_later(
                self.config.deadlines.old_jobs, self._miner.pool_gone, self.config.name
            )

    def _pause_after(self, error: StratumError) -> float:
        if isinstance(error, AuthorizationError):
            return self._auth_backoff.next_pause()
        if self._redirect:
            return 0.0
        served = self.tally.last_accepted or 0.0
        if isinstance(error, ConnectionLostError) and served >= self._connected_at > 0:
            # A pool's restart brings all its miners back at once: spread them.
            self._backoff.reset()
            return self._random.uniform(0.0, self.config.deadlines.retry_after_close)
        return self._backoff.next_pause()

    # --- what the session says ---

    def _take_event(self, event: Event) -> None:
        match event:
            case NewJob(job=job):
                self._job_arrived(job)
            case ShareAnswered():
                self._share_answered(event)
            case DifficultyChanged(difficulty=difficulty):
                self.difficulty = difficulty
                self._log.info("pool.difficulty", difficulty=float(f"{difficulty:.6g}"))
            case Authorized():
                if self.state is not PoolState.MINING:  # some pools send the job first
                    self.state = PoolState.WAITING
                self._log.info("pool.authorized", user=self.config.user)
                self._flush_queue()
            case Subscribed(subscription=granted):
                self._log.info(
                    "pool.subscribed",
                    extranonce1=granted.extranonce1.hex(),
                    extranonce2_size=granted.extranonce2_size,
                )
            case Configured(extensions=extensions):
                mask = extensions.version_mask
                rolling = "off" if mask is None else f"{mask:08x}"
                self._log.info("pool.configured", version_rolling=rolling)
            case JobRefused(problem=problem):
                self._log.warning("job.unfit", problem=problem)
            case PoolMessage(text=text):
                self._log.info("pool.message", text=text)
            case Oddity(problem=problem):
                self._log.info("pool.oddity", problem=problem)
            case RedirectAsked(params=params):
                self._redirect_asked(params)
            case Failed():
                pass  # the connection ends by itself, with the error as its reason

    def _job_arrived(self, job: Job) -> None:
        if self._gone:
            self._gone.cancel()
            self._gone = None
        self.state = PoolState.MINING
        self.problem = ""
        self.difficulty = job.difficulty
        self._miner.job_arrived(job)
        self._flush_queue()
        self._log.info(
            "job.new",
            job=job.job_id,
            height=job.height,
            clean=job.clean,
            difficulty=float(f"{job.difficulty:.6g}"),
            branches=len(job.merkle_branch),
        )
        if abs(job.ntime - self._clock.wall()) > NTIME_TOLERANCE:
            self._log.warning("clock.differs", job_time=job.ntime, our_time=int(self._clock.wall()))

    def _share_answered(self, event: ShareAnswered) -> None:
        share, fate = event.share, event.fate
        self.round_trip = event.seconds
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

    def _redirect_asked(self, params: tuple[object, ...]) -> None:
        now = self._clock.monotonic()
        if len(self._redirects) == MAX_PER_HOUR and now - self._redirects[0] < 3600:
            self._log.warning("redirect.ignored", reason=f"more than {MAX_PER_HOUR} in an hour")
            return
        try:
            redirect = redirect_of(self.config.url, params)
        except RedirectRefusedError as error:
            self._log.warning("redirect.refused", reason=str(error))
            return
        self._redirects.append(now)
        self._redirect = redirect
        self._log.info("redirect.followed", to=str(redirect.url), wait=redirect.wait)
        if self._connection:
            reason = ConnectionLostError(redirect.url.address, "the pool sent us on")
            self._connection.close(reason)

    # --- shares that have to wait ---

    def _keep(self, share: Share, *, sent_before: bool = False) -> None:
        now = self._clock.monotonic()
        if dropped := self._queue.add(share, now, sent_before=sent_before):
            self._drop_entry(dropped, "too many shares wait")

    def _flush_queue(self) -> None:
        """Send what waits, as far as the session is the one it belongs to and can take it."""
        connection = self._connection
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

    def _give_up_queue(self) -> None:
        for entry in self._queue.take_all():
            self._drop_entry(entry, "shut down")

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


def _tick(options: SessionOptions) -> float:
    """Return how often to look at the deadlines: tests set short ones."""
    limits = options.deadlines
    shortest = min(limits.configure, limits.subscribe, limits.authorize, limits.silence)
    return min(TICK, shortest / 4)
