"""The real client at several real embedded pools over loopback TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_set import PoolSet
from stratum_client.pool_watcher import PoolWatcher
from stratum_client.stats import PoolStats
from tests.e2e.rig import DIFFICULTY, SHORT, LoopHasher, config_for
from tests.stand_ins import RecordingLog

NAMES = ("main", "spare", "third", "fourth")
SETTINGS = PoolSettings(
    difficulty=DIFFICULTY,
    vardiff="off",
    chain=ChainSettings(network_difficulty=1.0, branches=3),
)
BRISK = WorkConfig(failback_after=1.0, behind_after=0.5, answers_wait=0.5)
SOON = replace(
    SHORT,
    subscribe=5.0,
    authorize=5.0,
    first_job=10.0,
    silence=30.0,
    partial_line=10.0,
    write=5.0,
    submit=10.0,
    submit_lost=20.0,
    failover=0.5,
    old_jobs=0.5,
)
"""What only faults run into, however slow the machine; standbys are silent without any."""


@dataclass
class PoolBench:
    """A running client and its pools, by name."""

    servers: dict[str, EmulatedPool]
    pools: PoolSet
    miner: Miner
    log: RecordingLog
    gave_up: asyncio.Event = field(default_factory=asyncio.Event)

    def accepted(self, name: str) -> int:
        """Return how many shares a pool has accepted, by its own count."""
        return self.servers[name].tally().total.accepted

    def stats(self, name: str) -> PoolStats:
        """Return what is told of a pool."""
        now = SystemClock().monotonic()
        return next(pool for pool in self.pools.snapshot(now) if pool.name == name)

    async def until(self, condition: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait for something that must come about."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():  # noqa: ASYNC110  # several sides to watch, no one event
                    await asyncio.sleep(0.005)
        except TimeoutError:
            last = [event for event in self.log.events if event[0] != "debug"][-12:]
            raise AssertionError(f"waited {seconds} s in vain; {last}") from None

    async def serves(self, *names: str) -> None:
        """Wait until these pools serve and each has accepted some more shares."""
        await self.until(lambda: self.pools.serving == names)
        wanted = {name: self.accepted(name) + 3 for name in names}
        await self.until(lambda: all(self.accepted(name) >= wanted[name] for name in names))

    def switches(self) -> list[tuple[object, object]]:
        """Return the changes of pool so far, each from whom to whom."""
        return [(fields["from"], fields["to"]) for fields in self.log.named("pools.switched")]

    def assert_nothing_went_astray(self) -> None:
        """See that each pool got its own shares only, and none was refused for our fault."""
        for server in self.servers.values():
            total = server.tally().total
            assert total.refused == total.stale, total
        assert self.miner.tally.fates[Fate.REJECTED] == 0


def config_of(server: EmulatedPool, name: str, **changes: Any) -> PoolConfig:
    """Return what one configures for a pool; each has a user of its own."""
    given = {"name": name, "user": f"{name}.rig", "deadlines": SOON, **changes}
    return config_for(server, **given)


@contextlib.asynccontextmanager
async def mining_at(
    count: int = 2,
    work: WorkConfig = BRISK,
    *,
    hashers: Sequence[str] = ("hasher",),
    options: dict[str, dict[str, Any]] | None = None,
) -> AsyncIterator[PoolBench]:
    """Run so many pools, and a client that knows them all, in this order."""
    clock, random, log = SystemClock(), Random(7), RecordingLog()
    async with contextlib.AsyncExitStack() as stack:
        servers = {}
        for name in NAMES[:count]:
            server = EmulatedPool(SETTINGS, clock=clock, random=Random(name))
            servers[name] = await stack.enter_async_context(server)
        miner, gave_up = Miner(clock), asyncio.Event()

        def make_pool(config: PoolConfig, watcher: PoolWatcher) -> Pool:
            return Pool(
                config,
                miner,
                clock=clock,
                random=random,
                log=log,
                hashrate=lambda: 0.0,
                watcher=watcher,
            )

        configs = [
            config_of(server, name, **(options or {}).get(name, {}))
            for name, server in servers.items()
        ]
        pools = PoolSet(
            configs,
            work,
            miner,
            make_pool,
            clock=clock,
            log=log,
            hashrates=lambda: dict.fromkeys(hashers, 1e5),
            give_up=gave_up.set,
        )
        bench = PoolBench(servers, pools, miner, log, gave_up)
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pools.run())
            hashing = [group.create_task(LoopHasher(miner.seat(name)).run()) for name in hashers]
            try:
                yield bench
            finally:
                for task in hashing:
                    task.cancel()
                await asyncio.wait(hashing)
                await pools.drain(1.0)
                talking.cancel()
                await asyncio.wait([talking])
