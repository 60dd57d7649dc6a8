"""A look at a pool without mining: what it grants, what it sets, whom its job pays."""

import asyncio
import itertools
import time
from dataclasses import dataclass, replace

from drivers.header import difficulty_of
from stratum_client.coinbase import Coinbase
from stratum_client.config import PoolConfig
from stratum_client.connection import Connection
from stratum_client.errors import HandshakeTimeoutError, StratumError
from stratum_client.habits import PoolHabits
from stratum_client.job import Job, SessionId
from stratum_client.notify import coinbase_of
from stratum_client.replies import Extensions, Subscription
from stratum_client.route import LinkFacts, Route
from stratum_client.session import Session
from stratum_client.session_events import (
    Authorized,
    Configured,
    Event,
    NewJob,
    PoolMessage,
    Subscribed,
)
from stratum_client.session_options import options_of

SETTLE = 0.5
"""How long to listen on after the first job: ckpool sets the difficulty right after it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What was seen; times in seconds, None where it did not come to that.

    ``round_trip`` is from the opening requests to the pool's first answer, ``link`` how it was
    reached.
    """

    connect_seconds: float
    round_trip: float | None
    extensions: Extensions | None
    subscription: Subscription | None
    authorized: bool
    difficulty: float
    job: Job | None
    coinbase: Coinbase | None
    messages: tuple[str, ...]
    error: StratumError | None
    link: LinkFacts | None = None

    @property
    def network_difficulty(self) -> float | None:
        """Return the difficulty of the chain that the job extends."""
        return difficulty_of(self.job.network_target) if self.job else None


class _Listener:
    """Collects what a session tells, until there is a job and a login."""

    def __init__(self) -> None:
        self.done = asyncio.Event()
        self.first_answer: float | None = None
        self.extensions: Extensions | None = None
        self.subscription: Subscription | None = None
        self.authorized = False
        self.job: Job | None = None
        self.messages: list[str] = []

    def take(self, event: Event) -> None:
        match event:
            case Configured(extensions=extensions):
                self.extensions = extensions
            case Subscribed(subscription=subscription):
                self.subscription = subscription
            case Authorized():
                self.authorized = True
            case NewJob(job=job):
                self.job = job
            case PoolMessage(text=text):
                self.messages.append(text)
            case _:
                return
        self.first_answer = self.first_answer or time.monotonic()
        if self.authorized and self.job:
            self.done.set()


async def probe(config: PoolConfig) -> ProbeReport:
    """Connect, log in and wait for a job; raise ConnectError if the pool cannot be reached.

    A pool that hangs up on configure is tried once more without it, as mining would do.
    """
    report = await _try(config)
    if report.error and config.configure and report.round_trip is None:
        return await _try(replace(config, configure=False))
    return report


async def _try(config: PoolConfig) -> ProbeReport:
    listener, options = _Listener(), options_of(config)
    number = SessionId(pool=config.name, number=1)
    started = time.monotonic()
    session = Session(number, options, PoolHabits(), itertools.count(1), started)
    connection = Connection(
        session, config.url.address, listener.take, time.monotonic, config.deadlines.write
    )
    route = Route(config)
    await route.dial(config.url, connection)
    connected = time.monotonic()
    error = await _listen(config, connection, listener)
    job = session.current_job
    return ProbeReport(
        connect_seconds=connected - started,
        round_trip=listener.first_answer - connected if listener.first_answer else None,
        extensions=listener.extensions,
        subscription=session.subscription,
        authorized=listener.authorized,
        difficulty=session.difficulty,
        job=job,
        coinbase=coinbase_of(job) if job else None,
        messages=tuple(listener.messages),
        error=error,
        link=route.link,
    )


async def _listen(
    config: PoolConfig, connection: Connection, listener: _Listener
) -> StratumError | None:
    """Wait for login and job; return why it did not come to that."""
    patience = config.deadlines.subscribe + config.deadlines.first_job
    connection.lost.add_done_callback(lambda _: listener.done.set())
    try:
        async with asyncio.timeout(patience):
            await listener.done.wait()
        if not connection.lost.done():
            await asyncio.wait([connection.lost], timeout=SETTLE)
        complete = listener.authorized and listener.job
        return connection.lost.result() if connection.lost.done() and not complete else None
    except TimeoutError:
        return HandshakeTimeoutError("login and job", patience)
    finally:
        await connection.finish()
