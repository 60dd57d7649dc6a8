"""The real client at the real embedded pool over loopback TCP, with a hasher fit for a test.

Deadlines are short and difficulties tiny, so that a share takes milliseconds; nothing else differs
from a real run.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from drivers.api import Device, DeviceState, DeviceStats, Setpoint, Solution, Work
from stratum_client.clock import SystemClock
from stratum_client.config import Deadlines, PoolConfig
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Counts
from stratum_client.job import Fate
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url
from stratum_client.tally import Tally
from tests.stand_ins import RecordingLog

DIFFICULTY = 128 / 2**32
"""About one hash in 128 is a share."""

SHORT = Deadlines(
    connect=2.0,
    configure=0.4,
    subscribe=0.6,
    authorize=0.6,
    first_job=1.0,
    silence=0.6,
    submit=0.3,
    submit_lost=0.5,
    partial_line=0.4,
    write=0.5,
    retry_first=0.05,
    retry_cap=0.2,
    retry_after_close=0.05,
    authorize_retry=0.1,
    authorize_retry_cap=0.2,
    old_jobs=20.0,
)


class LoopHasher:
    """A device that hashes a little at a time on the event loop, rolling nonce and version."""

    BATCH = 64
    PAUSE = 0.001

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._work: Work | None = None
        self._nonce = 0

    async def run(self) -> None:
        self._seat.listener = self
        try:
            self.job_changed(clean=True)
            while True:
                await asyncio.sleep(self.PAUSE)
                self._hash()
        finally:
            self._seat.listener = None

    def job_changed(self, *, clean: bool) -> None:
        self._work, self._nonce = self._seat.next_work(), 0

    def apply(self, setpoint: Setpoint) -> None:
        raise AssertionError("nobody tells a test's hasher to rest")

    def stats(self) -> DeviceStats:
        return DeviceStats(state=DeviceState.MINING)

    def _hash(self) -> None:
        work = self._work
        if work is None:
            return
        lowest_bit = work.version_mask & -work.version_mask
        for nonce in range(self._nonce, self._nonce + self.BATCH):
            version = work.version | (lowest_bit if nonce & 1 else 0)
            solution = Solution(work=work, nonce=nonce, version=version, ntime=work.ntime)
            if solution.hash() <= work.target:
                self._seat.found(solution)
        self._nonce += self.BATCH


@dataclass
class Bench:
    """A running client and its pool."""

    server: EmulatedPool
    pool: Pool
    miner: Miner
    log: RecordingLog

    @property
    def ours(self) -> Tally:
        return self.miner.tally

    @property
    def theirs(self) -> Counts:
        return self.server.tally().total

    def accepted(self) -> int:
        return self.ours.fates[Fate.ACCEPTED]

    def unanswered(self) -> int:
        """Return how many shares are in flight."""
        connection = self.pool._connection
        return len(connection.session.unanswered()) if connection else 0

    async def until(self, condition: Callable[[], bool], seconds: float = 15.0) -> None:
        """Wait for something that must come about."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110  # two sides to watch, no one event
                    await asyncio.sleep(0.005)
        except TimeoutError:
            last = [event for event in self.log.events if event[0] != "debug"][-12:]
            raise AssertionError(f"waited {seconds} s in vain; {self.theirs}; {last}") from None

    async def mine_shares(self, count: int) -> None:
        """Wait for so many more accepted shares."""
        wanted = self.accepted() + count
        await self.until(lambda: self.accepted() >= wanted)

    def assert_tallies_agree(self) -> None:
        """Compare what the pool and the client counted, fate by fate.

        What the client calls unanswered may have become anything at the pool, nothing else may
        differ. A share sent again after its reply was lost is a duplicate there, accepted here.
        """
        ours, theirs = self.ours.fates, self.theirs
        unknown = ours[Fate.UNANSWERED]
        assert 0 <= theirs.accepted - ours[Fate.ACCEPTED] <= unknown
        assert 0 <= theirs.stale - ours[Fate.STALE] <= unknown
        refused = theirs.low_difficulty + theirs.invalid + theirs.unauthorized
        assert 0 <= refused - ours[Fate.REJECTED] <= unknown
        assert self.ours.solutions == sum(ours.values()) - self.ours.reasons.get("duplicate", 0)


def config_for(server: EmulatedPool, **changes: Any) -> PoolConfig:
    config = PoolConfig(
        name="pool",
        url=parse_pool_url(f"127.0.0.1:{server.port}"),
        user="account.rig",
        suggest_difficulty="off",
        deadlines=SHORT,
    )
    return replace(config, **changes)


@contextlib.asynccontextmanager
async def mining(settings: PoolSettings | None = None, **changes: Any) -> AsyncIterator[Bench]:
    """Run a pool and a client that mines there; at the end compare nothing, but lose nothing."""
    chain = ChainSettings(network_difficulty=1.0, branches=3)
    base = PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain)
    clock, random = SystemClock(), Random(7)
    async with EmulatedPool(settings or base, clock=clock, random=random) as server:
        miner, log = Miner(clock), RecordingLog()
        pool = Pool(
            config_for(server, **changes),
            miner,
            clock=clock,
            random=random,
            log=log,
            hashrate=lambda: 0.0,
        )
        bench = Bench(server=server, pool=pool, miner=miner, log=log)
        hasher: Device = LoopHasher(miner.seat("hasher"))
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pool.run())
            hashing = group.create_task(hasher.run())
            try:
                yield bench
            finally:
                hashing.cancel()
                await asyncio.wait([hashing])
                await pool.drain(1.0)
                talking.cancel()
                await asyncio.wait([talking])
