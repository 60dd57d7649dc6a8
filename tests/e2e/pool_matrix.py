"""The network test matrix: several real embedded pools, one of them in trouble, by strategy.

Each cell plays one kind of trouble and holds the client to its settings: the order of events
exactly, times only as far as a loaded machine allows. What became of each share is compared share
by share between both sides, see `pool_records`.
"""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from drivers.api import Solution
from stratum_client.clock import SystemClock
from stratum_client.config import Deadlines, PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.errors import StratumError
from stratum_client.job import Job, PoolWork, Share
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.pool_set import PoolSet
from stratum_client.pool_url import parse_pool_url
from stratum_client.pool_watcher import PoolWatcher
from tests.e2e.pool_records import (
    FoundShares,
    HeardPool,
    fates_of,
    losses,
    password_of,
    wrongs,
)
from tests.e2e.rig import DIFFICULTY

NAMES = ("main", "spare", "third", "fourth")
FAILBACK = 0.6
PATIENCE = 0.3
WAIT = 60.0
"""Seconds for what must come about on a machine that has much else to do."""

SETTINGS = PoolSettings(
    difficulty=DIFFICULTY,
    vardiff="off",
    work_every=0.2,
    chain=ChainSettings(network_difficulty=1.0, branches=3),
)
CALM = Deadlines(
    connect=WAIT,
    tls=WAIT,
    configure=WAIT,
    submit_lost=2 * WAIT,
    retry_first=0.05,
    retry_cap=0.2,
    retry_after_close=0.05,
    authorize_retry=0.1,
    authorize_retry_cap=0.2,
    failover=PATIENCE,
    old_jobs=0.5,
)
"""Only the pools' own trouble ends a session, not a machine that stood still for seconds."""

WATCHFUL = replace(
    CALM,
    configure=0.5,
    subscribe=0.8,
    authorize=0.8,
    first_job=0.8,
    silence=2.0,
    silence_cap=2.0,
    submit=1.5,
    submit_lost=1.5,
    partial_line=1.0,
)
"""For a pool that will say nothing, or not to the end."""

WORK = WorkConfig(
    failback_after=FAILBACK, behind_after=0.4, answers_wait=0.5, rotate_every=0.8, exit_after=0.8
)
WAYS = {
    "warm": WORK,
    "cold": replace(WORK, standby="cold"),
    "quota": replace(WORK, strategy="quota"),
    "rotate": replace(WORK, strategy="rotate"),
}


class LateHasher:
    """A device like a chain of chips: for a while nonces of its last work still come in."""

    BATCH = 16
    PAUSE = 0.004
    LATE = 30
    """Batches in which the last work is still hashed."""

    def __init__(self, seat: Seat, pause: float = PAUSE) -> None:
        self._seat = seat
        self._pause = pause
        self._works: list[tuple[PoolWork, list[int]]] = []
        self._late = 0

    async def run(self) -> None:
        self._seat.listener = self
        try:
            self.job_changed(clean=True)
            while True:
                await asyncio.sleep(self._pause)
                self._hash()
        finally:
            self._seat.listener = None

    def job_changed(self, *, clean: bool) -> None:
        work = self._seat.next_work()
        kept = [] if clean else self._works[-1:]
        self._works = [*kept, (work, [0])] if work else kept
        self._late = self.LATE

    def _hash(self) -> None:
        self._late -= 1
        if self._late < 0:
            self._works = self._works[-1:]
        for work, place in list(self._works):
            hash_some(self._seat, work, place[0], self.BATCH)
            place[0] += self.BATCH


def hash_some(seat: Seat, work: PoolWork, first: int, count: int) -> int:
    """Hash so many nonces; return how many shares were found."""
    lowest_bit, found = work.version_mask & -work.version_mask, 0
    for nonce in range(first, first + count):
        version = work.version | (lowest_bit if nonce & 1 else 0)
        solution = Solution(work=work, nonce=nonce, version=version, ntime=work.ntime)
        if solution.hash() <= work.target:
            seat.found(solution)
            found += 1
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing that happened at the client, and when."""

    at: float
    what: str
    fields: dict[str, Any]


class Trace:
    """All that is logged and all that pools tell, in one order; implements `Log`.

    A change of pools is noted with the shares that were ``in_flight`` to those that were left.
    """

    def __init__(self, in_flight: Callable[[str], int]) -> None:
        self.notes: list[Note] = []
        self._clock = SystemClock()
        self._in_flight = in_flight

    def note(self, event: str, **fields: Any) -> None:
        if event == "pools.switched":
            left = set(fields["from"].split(", ")) - set(fields["to"].split(", "))
            fields["in_flight"] = sum(map(self._in_flight, left))
        self.notes.append(Note(at=self._clock.monotonic(), what=event, fields=fields))

    debug = info = warning = error = note

    def named(self, what: str, **fields: Any) -> list[Note]:
        return [
            note
            for note in self.notes
            if note.what == what and fields.items() <= note.fields.items()
        ]


@dataclass(slots=True)
class Onlooker:
    """Passes on what pools tell to the pool set, and notes it before."""

    watcher: PoolWatcher
    trace: Trace
    found: FoundShares
    jobs: list[Job]

    def job_arrived(self, pool: str, job: Job) -> None:
        self.jobs.append(job)
        self.trace.note("job", pool=pool)
        self.watcher.job_arrived(pool, job)

    def share_answered(self, pool: str) -> None:
        self.watcher.share_answered(pool)

    def session_ended(self, pool: str, error: StratumError) -> None:
        self.trace.note("lost", pool=pool, error=error)
        if "sent us on" not in str(error):  # then it is we who left
            self.found.session_lost(pool)
        self.watcher.session_ended(pool, error)


@dataclass
class Matrix:
    """A running client and its pools, by name; ``aside`` are further servers of the same pool."""

    servers: dict[str, HeardPool]
    miner: Miner
    work: WorkConfig
    trace: Trace = field(init=False)
    pools: PoolSet = field(init=False)
    found: FoundShares = field(init=False)
    jobs: list[Job] = field(default_factory=list)
    aside: dict[str, list[HeardPool]] = field(default_factory=dict)
    troubled: set[str] = field(default_factory=set)
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self, configs: Iterable[PoolConfig], hashers: Iterable[str]) -> None:
        """Make the pools of the client."""
        clock, names = SystemClock(), list(hashers)
        self.trace = Trace(self.in_flight)
        self.found = FoundShares(self.is_alive, lambda: self.pools.serving)
        self.miner.witness = self.found
        self.pools = PoolSet(
            list(configs),
            self.work,
            self.miner,
            self._make_pool,
            clock=clock,
            log=self.trace,
            hashrates=lambda: dict.fromkeys(names, 1e5),
            give_up=self.gave_up.set,
        )

    def _make_pool(self, config: PoolConfig, watcher: PoolWatcher) -> Pool:
        return Pool(
            config,
            self.miner,
            clock=SystemClock(),
            random=Random(config.name),
            log=self.trace,
            hashrate=lambda: 0.0,
            watcher=Onlooker(watcher, self.trace, self.found, self.jobs),
        )

    def now(self) -> float:
        return SystemClock().monotonic()

    def accepted(self, name: str) -> int:
        """Return how many shares a pool has accepted, by its own count."""
        servers = [self.servers[name], *self.aside.get(name, [])]
        return sum(server.tally().total.accepted for server in servers)

    def pool(self, name: str) -> Pool:
        return next(pool for pool in self.pools.pools if pool.config.name == name)

    def role_note(self, name: str) -> str:
        """Return what is told of a pool's role."""
        return next(pool.role_note for pool in self.pools.snapshot(self.now()) if pool.name == name)

    async def until(self, condition: Callable[[], object], seconds: float = WAIT) -> None:
        """Wait for something that must come about."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110  # several sides to watch, no one event
                    await asyncio.sleep(0.005)
        except TimeoutError:
            last = [note for note in self.trace.notes if not note.what.startswith("share")][-20:]
            lines = "\n".join(f"{n.at:.3f} {n.what} {n.fields}" for n in last)
            raise AssertionError(f"waited {seconds} s in vain:\n{lines}") from None

    async def shares_at(self, *names: str, count: int = 3) -> None:
        """Wait until each of these pools has accepted so many more shares."""
        wanted = {name: self.accepted(name) + count for name in names}
        await self.until(lambda: all(self.accepted(name) >= wanted[name] for name in names))

    async def serves(self, *names: str) -> None:
        """Wait until these pools serve and have accepted some more shares."""
        await self.until(lambda: self.pools.serving == names)
        await self.shares_at(*names)

    async def lost(self, name: str, since: float) -> Note:
        """Wait until a session of this pool has ended; return the first time that one did."""

        def ends() -> list[Note]:
            return [note for note in self.trace.named("lost", pool=name) if note.at >= since]

        await self.until(ends)
        return ends()[0]

    async def stands_by(self, *names: str) -> None:
        """Wait until these pools have given us a job."""
        await self.until(lambda: all(self.miner.current_job(name) for name in names))

    def switches(self) -> list[Note]:
        return self.trace.named("pools.switched")

    def is_alive(self, share: Share) -> bool:
        """Return whether the session of a share's job still is, as far as the client knows."""
        connection = self.pool_connection(share.job.session.pool)
        return bool(
            connection
            and connection.session.id == share.job.session
            and connection.session.authorized
            and not connection.lost.done()
        )

    def pool_connection(self, name: str) -> Any:
        members = {pool.config.name: pool for pool in self.pools.pools}
        return members[name].shares.connection if name in members else None

    def in_flight(self, name: str) -> int:
        """Return how many shares the session with this pool waits for an answer to."""
        connection = self.pool_connection(name)
        return len(connection.session.unanswered()) if connection else 0

    # --- what must be true at the end ---

    def check(self, gone: Iterable[tuple[str, Pool]] = ()) -> None:
        """Compare both sides' records, and see that the log tells one story."""
        pools = {pool.config.name: pool for pool in self.pools.pools} | dict(gone)
        problems = losses(self.found, self.jobs)
        for name, pool in pools.items():
            servers = [self.servers[name], *self.aside.get(name, [])]
            problems += wrongs(name, self.found.of(name), servers, pool.tally)
        problems += [
            f"{note.fields['pool']} lost without trouble: {note.fields['error']}"
            for note in self.trace.named("lost")
            if note.fields["pool"] not in self.troubled
        ]
        problems += self._switch_wrongs()
        told = str([note.fields for note in self.trace.notes])
        problems += ["a password was logged"] if password_of("") in told else []
        assert not problems, "\n".join(problems[:20])

    def _switch_wrongs(self) -> list[str]:
        before, problems = "", []
        for note in self.switches():
            names = note.fields
            if names["from"] != before or names["from"] == names["to"] or not names["reason"]:
                problems.append(f"after {before!r}: {names}")
            before = str(names["to"])
        if before != ", ".join(self.pools.serving):
            problems.append(f"{self.pools.serving} serve, but the log said {before!r}")
        return problems

    def figures(self) -> str:
        """Return what happened, in a line."""
        entries = list(self.found)
        late = sum(entry.late and entry.alive for entry in entries)
        lost = fates_of(entry for entry in entries if entry.lost)
        fates = " ".join(f"{fate}={count}" for fate, count in sorted(fates_of(entries).items()))
        return f"{len(entries)} shares ({fates}), {late} late, open at a loss: {dict(lost)}"


def config_of(server: HeardPool, name: str, **changes: Any) -> PoolConfig:
    """Return what one configures for a pool; nothing of it is another pool's too."""
    scheme, host = (
        ("stratum+ssl", "localhost") if "tls" in changes else ("stratum+tcp", "127.0.0.1")
    )
    config = PoolConfig(
        name=name,
        url=parse_pool_url(f"{scheme}://{host}:{server.port}"),
        user=server.user,
        password=password_of(server.user),
        suggest_difficulty="off",
        deadlines=CALM,
    )
    return replace(config, **changes)


@contextlib.asynccontextmanager
async def mining_at(
    count: int,
    work: WorkConfig = WORK,
    *,
    hashers: int = 1,
    options: dict[str, dict[str, Any]] | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Matrix]:
    """Run so many pools and a client that knows them all; the first one may be served by TLS."""
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            name: HeardPool(SETTINGS, user=f"{name}.rig", number=n, tls=None if n else tls)
            for n, name in enumerate(NAMES[:count])
        }
        for server in servers.values():
            await stack.enter_async_context(server)
        matrix = Matrix(servers, Miner(SystemClock()), work)
        configs = [
            config_of(server, name, **(options or {}).get(name, {}))
            for name, server in servers.items()
        ]
        matrix.begin(configs, [f"hasher {n}" for n in range(hashers)])
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(matrix.pools.run())
            seats = [matrix.miner.seat(f"hasher {n}") for n in range(hashers)]
            hashing = [
                group.create_task(LateHasher(seat, hashers * LateHasher.PAUSE).run())
                for seat in seats
            ]
            try:
                yield matrix
            finally:
                for task in hashing:
                    task.cancel()
                await asyncio.gather(*hashing, return_exceptions=True)
                await matrix.pools.drain(WAIT)
                talking.cancel()
                await asyncio.wait([talking])
