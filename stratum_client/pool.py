"""One pool's life: dial, talk, lose the connection, wait, dial again; never give up.

All protocol is in `session`; here are the socket, the clock and the decisions that outlive a
connection: back-off, redirects; its shares are in `pool_shares`.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from random import Random

from drivers.api import Clock, Log
from drivers.header import difficulty_of
from stratum_client.backoff import RetryPauses
from stratum_client.block_rescue import BlockRescue
from stratum_client.config import PoolConfig
from stratum_client.connection import Connection
from stratum_client.errors import (
    ConnectionLostError,
    PoolRefusedError,
    StratumError,
)
from stratum_client.failure_telling import FailureTelling, HeldLog
from stratum_client.habits import PoolHabits
from stratum_client.job import Job, SessionId
from stratum_client.miner import Miner
from stratum_client.pool_shares import PoolShares
from stratum_client.pool_url import PoolUrl
from stratum_client.pool_watcher import NobodyWatches, PoolWatcher
from stratum_client.redirect import (
    MAX_PER_HOUR,
    Redirect,
    RedirectRefusedError,
    redirect_of,
)
from stratum_client.rims import PlainPoolRim, PoolRim
from stratum_client.route import Route
from stratum_client.session import Session
from stratum_client.session_events import (
    Authorized,
    Configured,
    DifficultyChanged,
    Event,
    JobRefused,
    NewJob,
    Oddity,
    PayoutChecked,
    PoolMessage,
    RedirectAsked,
    ShareAnswered,
    Subscribed,
)
from stratum_client.session_options import SessionOptions, options_of, version_bits_of
from stratum_client.stats import PoolState, PoolStats, ShareCounts

TICK = 1.0
"""How often deadlines are looked at; they are seconds long, so nothing finer is needed."""

LAST_ANSWERS = 5.0
"""Seconds that a pool which sends us on has to answer the shares in flight."""

NTIME_TOLERANCE = 7200.0
"""A job this far from our clock is worth a warning; which of the two is wrong is not known."""

EXPIRY_LOOK = 5.0
"""How often to look, while there is no session, for shares that have waited too long for one."""

_session_numbers = itertools.count(1)
_job_serials = itertools.count(1)


class Pool:
    """A pool that the daemon keeps a session with."""

    def __init__(
        self,
        config: PoolConfig,
        miner: Miner,
        *,
        clock: Clock,
        random: Random,
        log: Log,
        hashrate: Callable[[], float],
        rim: PoolRim | None = None,
        watcher: PoolWatcher | None = None,
        blocks: BlockRescue | None = None,
    ) -> None:
        self.config = config
        self.state = PoolState.DISCONNECTED
        self.problem = ""
        self.payout_problem = ""
        self.shares = PoolShares(
            miner, name=config.name, host=config.url.host, clock=clock, log=log, blocks=blocks
        )
        self.tally = miner.add_pool(config.name, self.shares, submit_stale=config.submit_stale)
        self.difficulty: float | None = None
        self.round_trip: float | None = None
        self.begins_to_serve = False  # set by who gives it work: the next tick looks at that
        self.tended_at = clock.monotonic()  # the last dial or tick
        self._miner = miner
        self._clock = clock
        self._log = HeldLog(log)
        self._failures = FailureTelling()
        self._has_lived = False  # the session that is, or was last, has brought a job
        self._hashrate = hashrate
        self._rim = rim or PlainPoolRim()
        self._watcher = watcher or NobodyWatches()
        self._route = Route(config)
        self._habits = PoolHabits(host=config.url.host, version_bits=version_bits_of(config))
        self._pauses = RetryPauses(config.deadlines, random)
        self._connection: Connection | None = None
        self._connected_at = 0.0
        self._redirect: Redirect | None = None
        self._redirects: deque[float] = deque(maxlen=MAX_PER_HOUR)
        self._leave_by = 0.0
        self._gone: asyncio.TimerHandle | None = None
        self._expiring: asyncio.TimerHandle | None = None
        self._clock_differs = False

    async def run(self) -> None:
        """Keep a session until cancelled."""
        try:
            while True:
                error = await self._one_session()
                self._watcher.session_ended(self.config.name, error)
                pause = self._pause_after(error)
                self.problem = str(error)
                self._tell_failure(str(error), retry_in=round(pause, 1))
                self.state = PoolState.DISCONNECTED
                await self._rim.pause(pause)
        finally:
            for timer in (self._gone, self._expiring):
                if timer:
                    timer.cancel()
            self._expiring = None
            self.shares.give_up()

    def adjust(self, config: PoolConfig) -> None:
        """Go by settings that need no new session; deadlines hold from the next one on."""
        self.config = config
        self._route.adjust(config.deadlines)
        self._pauses.adjust(config.deadlines)

    async def drain(self, seconds: float) -> None:
        """Wait until the pool has answered the shares in flight, for at most ``seconds``."""
        deadline = self._clock.monotonic() + seconds
        while self.shares.in_flight():
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
            problem=self.problem or self.payout_problem,
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
        now = self.tended_at = self._clock.monotonic()
        number = SessionId(pool=self.config.name, number=next(_session_numbers))
        session = Session(number, options, self._habits, _job_serials, now)
        write = options.deadlines.write
        connection = Connection(
            session, url.address, self._take_event, self._clock.monotonic, write
        )
        self.state = PoolState.CONNECTING
        try:
            await self._rim.dial(
                url.address, connection, lambda protocol: self._route.dial(url, protocol)
            )
        except StratumError as error:
            return error
        self._connection = self.shares.connection = connection
        self._connected_at = self._clock.monotonic()
        self._route.report(self._log)
        try:
            while not connection.lost.done():
                await self._rim.tick(connection.lost, _tick(options))
                self._tick(connection)
            return connection.lost.result()
        finally:
            self._ended(connection)
            await connection.finish()

    def _tell_failure(self, error: str, *, retry_in: float) -> None:
        """Log why a session ended; of those that brought no job, each reason once an hour."""
        lived, self._has_lived = self._has_lived, False
        if lived:
            self._failures.forget()
            self._log.warning("pool.lost", error=error, retry_in=retry_in)
            return
        times = self._failures.times(error, self._clock.monotonic())
        if times is None:
            self._log.drop()
        else:
            self._log.release()
            count = {"repeated": times} if times > 1 else {}
            self._log.warning("pool.lost", error=error, retry_in=retry_in, **count)
        self._log.hold()  # nobody needs to read how the next attempt fails in the same way

    async def _next_target(self) -> tuple[PoolUrl, SessionOptions]:
        """Return where to dial and with what wishes; a redirect holds for one session."""
        redirect, self._redirect = self._redirect, None
        if redirect and redirect.wait:
            await self._rim.pause(redirect.wait)
        options = options_of(self.config, resume_id=self.shares.resume_id)
        return (redirect.url if redirect else self.config.url), options

    def _tick(self, connection: Connection) -> None:
        now = self.tended_at = self._clock.monotonic()
        if connection.lost.done():
            return
        connection.session.suggest(self._hashrate(), now, again=self.begins_to_serve)
        self.begins_to_serve = False
        self.shares.try_elsewhere()
        self.shares.tell_accepted()
        connection.check()
        self.shares.drop_expired()
        self.shares.flush()
        self._move_on()
        self._miner.wake_waiting()
        self._pauses.session_lasts(
            now - self._connected_at,
            took_share=self._took_share(),
            has_job=connection.session.current_job is not None,
        )

    def _took_share(self) -> bool:
        """Return whether the pool has accepted a share since it was last connected."""
        accepted = self.tally.last_accepted
        return accepted is not None and accepted >= self._connected_at

    def _ended(self, connection: Connection) -> None:
        """Keep what the dead session owes: shares without an answer, its id to resume."""
        self._connection = self.shares.connection = None
        session, now = connection.session, self._clock.monotonic()
        error = connection.lost.result() if connection.lost.done() else None
        if not session.heard_a_line:
            self._route.disappointed()
            if isinstance(error, ConnectionLostError):
                self._habits.closed_before_a_word(configured=session.configured, now=now)
        if session.subscription:
            self.shares.resume_id = session.subscription.session_id
        elif session.heard_a_line:
            self.shares.resume_id = None  # perhaps it was the id that the pool did not like
        self.shares.session_ended(session, refused=isinstance(error, PoolRefusedError))
        if self._gone is None:
            loop = asyncio.get_running_loop()
            self._gone = loop.call_later(
                self.config.deadlines.old_jobs, self._miner.pool_gone, self.config.name
            )
        if self._expiring is None:
            self._drop_expired()

    def _drop_expired(self) -> None:
        """Give up what waits too long for a session, again and again until there is one."""
        self.shares.drop_expired()
        loop, is_needed = asyncio.get_running_loop(), self._connection is None
        self._expiring = loop.call_later(EXPIRY_LOOK, self._drop_expired) if is_needed else None

    def _pause_after(self, error: StratumError) -> float:
        return 0.0 if self._redirect else self._pauses.after(error, took_share=self._took_share())

    # --- what the session says ---

    def _take_event(self, event: Event) -> None:
        """Act on what the session tells; after `Failed` the connection ends by itself."""
        match event:
            case NewJob(job=job):
                self._job_arrived(job)
            case ShareAnswered(seconds=seconds):
                self.round_trip = seconds
                self.shares.answered(event)
                self._watcher.share_answered(self.config.name)
                self._move_on()
            case DifficultyChanged(difficulty=difficulty):
                self.difficulty = difficulty
                self._log.info("pool.difficulty", difficulty=float(f"{difficulty:.6g}"))
            case Authorized():
                if self.state is not PoolState.MINING:  # some pools send the job first
                    self.state = PoolState.WAITING
                self._log.info("pool.authorized", user=self.config.user)
                self.shares.flush()
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
            case PayoutChecked(problem=problem):
                self._payout_checked(problem)
            case PoolMessage(text=text):
                self._log.info("pool.message", text=text)
            case Oddity(problem=problem):
                self._log.info("pool.oddity", problem=problem)
            case RedirectAsked(params=params):
                self._redirect_asked(params)

    def _job_arrived(self, job: Job) -> None:
        if self._gone:
            self._gone.cancel()
            self._gone = None
        self._has_lived = True
        self._log.release()
        self.state = PoolState.MINING
        self.problem = ""
        self.difficulty = job.difficulty
        self._miner.job_arrived(job)
        self._watcher.job_arrived(self.config.name, job)
        self.shares.job_arrived(job)
        self._log.info(
            "job.new",
            job=job.job_id,
            height=job.height,
            clean=job.clean,
            difficulty=float(f"{job.difficulty:.6g}"),
            branches=len(job.merkle_branch),
        )
        differs = abs(job.ntime - self._clock.wall()) > NTIME_TOLERANCE
        if differs and not self._clock_differs:
            self._log.warning("clock.differs", job_time=job.ntime, our_time=int(self._clock.wall()))
        self._clock_differs = differs

    def _payout_checked(self, problem: str) -> None:
        """Note whether jobs pay as they should; warn when that changes, not at each session."""
        before, self.payout_problem = self.payout_problem, problem
        if problem and not before:
            self._log.warning("payout.wrong", problem=problem)
        elif before and not problem:
            self._log.info("payout.right")

    def _redirect_asked(self, params: tuple[object, ...]) -> None:
        if self._redirect:
            return  # it is followed already
        now = self._clock.monotonic()
        if len(self._redirects) == MAX_PER_HOUR and now - self._redirects[0] < 3600:
            self._log.warning("redirect.ignored", reason=f"more than {MAX_PER_HOUR} in an hour")
            return
        try:
            redirect = redirect_of(self.config.url, params, self.config.reconnect.allow)
        except RedirectRefusedError as error:
            self._log.warning("redirect.refused", reason=str(error))
            return
        self._redirects.append(now)
        self._redirect, self._leave_by = redirect, now + LAST_ANSWERS
        self._log.info("redirect.followed", to=str(redirect.url), wait=redirect.wait)
        self._move_on()

    def _move_on(self) -> None:
        """Leave for where the pool sent us, when it has answered what is in flight."""
        if not self._redirect or not self._connection:
            return
        if not self.shares.in_flight() or self._clock.monotonic() >= self._leave_by:
            reason = ConnectionLostError(self._connection.address, "the pool sent us on")
            self._connection.close(reason)


def _tick(options: SessionOptions) -> float:
    """Return how often to look at the deadlines: tests set short ones."""
    limits = options.deadlines
    shortest = min(limits.configure, limits.subscribe, limits.authorize, limits.silence)
    return min(TICK, shortest / 4)
