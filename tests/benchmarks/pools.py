"""A change of pool with 64 serial devices: from the decision to the last device's frame.

The real drivers on pseudo-terminals, and two embedded pools on loopback TCP. Warm, the other pool's
job is ready; cold, it is dialled first, in the same run. On loopback a round trip costs nothing, on
the way to a real pool a cold change takes some of them more, with TLS and a name to resolve.
Changes that other programs interrupted do not count, unless all were.
"""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.config_work import Standby, WorkConfig
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_set import PoolSet
from stratum_client.pool_url import parse_pool_url
from stratum_client.pool_watcher import PoolWatcher
from tests.benchmarks.device_fleets import DriverFleet, FarEnds, far_ends
from tests.benchmarks.lines import Line, Section
from tests.stand_ins import RecordingLog

DEVICES = 64
AIM = 5e-3
"""Seconds from the decision to the last frame, in 99 of 100 warm changes."""

_HARD = PoolSettings(difficulty=1e6, vardiff="off")
_TIMES = {"warm": 200, "cold": 10}
_PAUSE = 0.02  # s between two changes
_WITHIN = 30.0
_NAMES = ("main", "spare")


def section() -> Section:
    """Change pools to and fro, warm and cold."""
    with far_ends(DEVICES) as ends:
        times = {standby: asyncio.run(_measured(ends, standby)) for standby in ("warm", "cold")}
    cold = _part(times["cold"], 0.5)
    lines = []
    for standby, name, part in (("warm", "p50", 0.5), ("warm", "p99", 0.99), ("cold", "p50", 0.5)):
        value = _part(times[standby], part)
        has_aim = (standby, name) == ("warm", "p99")
        lines.append(
            Line(
                f"{standby}, {DEVICES} devices: last frame, {name}",
                f"{1e6 * value:,.0f} us",
                f"{value / cold:.3f}",
                f"{1e3 * AIM:g} ms" if has_aim else "",
                value <= AIM if has_aim else None,
            )
        )
    return Section("change of pool", "cold", lines)


class _StampingLog(RecordingLog):
    """Notes when a pool's job has reached the devices; that is logged right after it has."""

    def __init__(self) -> None:
        super().__init__()
        self.job_at: asyncio.Future[float] | None = None

    def info(self, event: str, **fields: object) -> None:
        if event == "job.new" and self.job_at and not self.job_at.done():
            self.job_at.set_result(time.perf_counter())


@asynccontextmanager
async def _pools(standby: Standby, miner: Miner, log: _StampingLog) -> AsyncIterator[PoolSet]:
    """Run two pools, the first of which serves."""
    clock, random = SystemClock(), Random(0)

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

    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(EmulatedPool(_HARD)) for _ in _NAMES]
        configs = [
            PoolConfig(
                name=name, url=parse_pool_url(f"127.0.0.1:{server.port}"), user="account.rig"
            )
            for name, server in zip(_NAMES, servers, strict=True)
        ]
        pools = PoolSet(
            configs,
            WorkConfig(standby=standby),
            miner,
            make_pool,
            clock=clock,
            log=log,
            hashrates=dict,
            give_up=lambda: None,
        )
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pools.run())
            yield pools
            talking.cancel()


async def _measured(ends: FarEnds, standby: Standby) -> list[float]:
    """Return how long each change took, sorted."""
    miner, log = Miner(SystemClock()), _StampingLog()
    async with _pools(standby, miner, log) as pools:
        fleet = DriverFleet(miner, ends.paths)
        await fleet.start()
        wanted = _NAMES if standby == "warm" else _NAMES[:1]
        await _until_jobs_at(miner, wanted)
        change = _warm_change if standby == "warm" else _cold_change
        jobs = ends.find(0.0)
        times = []
        for number in range(_TIMES[standby]):
            switches = _involuntary_switches()
            seconds = await change(pools, log, miner, _NAMES[1 - number % 2])
            times.append((seconds, _involuntary_switches() != switches))
            await asyncio.sleep(_PAUSE)
        assert ends.find(0.0) - jobs >= len(times) * DEVICES, "not every device got every job"
        await fleet.stop()
    clean = [seconds for seconds, interrupted in times if not interrupted]
    return sorted(clean or [seconds for seconds, _ in times])


def _involuntary_switches() -> int:
    """Return how often the system has taken the core away from us for another program."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


async def _warm_change(pools: PoolSet, _log: _StampingLog, miner: Miner, to: str) -> float:
    began = time.perf_counter()
    pools.use(to)
    ended = time.perf_counter()
    assert {seat.pool for seat in miner.seats.values()} == {to}
    return ended - began


async def _cold_change(pools: PoolSet, log: _StampingLog, miner: Miner, to: str) -> float:
    other = next(pool for pool in pools.pools if pool.config.name == to)
    async with asyncio.timeout(_WITHIN):
        while other.shares.connection:  # noqa: ASYNC110 - the last change lets it go gently
            await asyncio.sleep(_PAUSE)
        log.job_at = asyncio.get_running_loop().create_future()
        began = time.perf_counter()
        pools.use(to)
        ended = await log.job_at
    assert {seat.pool for seat in miner.seats.values()} == {to}
    return ended - began


async def _until_jobs_at(miner: Miner, names: tuple[str, ...]) -> None:
    async with asyncio.timeout(_WITHIN):
        while not all(miner.current_job(name) for name in names):  # noqa: ASYNC110 - of all of them
            await asyncio.sleep(_PAUSE)


def _part(times: list[float], part: float) -> float:
    return times[min(int(len(times) * part), len(times) - 1)]
