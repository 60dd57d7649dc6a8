"""Many serial devices in one process: a job's way to all of them, and what nonces cost.

The real drivers on pseudo-terminals, with the miner and a pool connection in memory; in turn with a
plain thread for each device, in the same run. The far ends are another process. CPU time is that of
this process, all threads; nonces are such that every one is hashed and none is a share.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from stratum_client.bench_pool import MemoryLoop, MemoryPool
from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url
from tests.benchmarks.device_fleets import (
    DriverFleet,
    FarEnds,
    Fleet,
    ThreadedFleet,
    far_ends,
)
from tests.benchmarks.lines import Line, Section
from tests.stand_ins import RecordingLog

COUNTS = (1, 16, 64)
AIM_DEVICES = 200
USUAL_RATE = 10.0
"""Nonces per second and device."""

THOUSAND = 1000.0
BRANCHES = 12

_PAUSE = 0.02  # s between two jobs
_HARD = b'{"id":null,"method":"mining.set_difficulty","params":[1000000]}\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Seconds from a notify's bytes to the last frame written; CPU shares of one core.

    ``shares`` are by nonces per second and device, while no job comes; ``devices``
    is how many there were.
    """

    devices: int
    last_frame: tuple[float, float]
    shares: dict[float, float]


Making = Callable[[Miner, Sequence[str]], Fleet]
MAKINGS: dict[str, Making] = {"drivers": DriverFleet, "threads": ThreadedFleet}


def section(seconds: float = 3.0) -> Section:
    """Measure each for ``seconds``."""
    measured = {
        (count, name): _measured(making, count, _rates_of(count), seconds)
        for count in (*COUNTS, AIM_DEVICES)
        for name, making in MAKINGS.items()
    }
    lines = []
    for count in COUNTS:
        lines += _job_lines(measured[count, "drivers"], measured[count, "threads"])
    lines += _nonce_lines(measured[COUNTS[-1], "drivers"], measured[COUNTS[-1], "threads"])
    lines += _device_lines(measured[AIM_DEVICES, "drivers"], measured[AIM_DEVICES, "threads"])
    return Section("serial devices (real drivers on ptys)", "threads", lines)


def _rates_of(count: int) -> tuple[float, ...]:
    """Return the nonces per second and device at which the CPU share is wanted."""
    match count:
        case 64:
            return (0.0, THOUSAND / count)
        case 200:
            return (USUAL_RATE,)
        case _:
            return ()


def _job_lines(ours: Figures, threads: Figures) -> list[Line]:
    name = f"{ours.devices} device{'s' * (ours.devices > 1)}: notify to last frame written"
    return [
        Line(f"{name}, {part}", f"{1e6 * mine:,.0f} us", f"{mine / theirs:.2f}")
        for part, mine, theirs in zip(
            ("p50", "p99"), ours.last_frame, threads.last_frame, strict=True
        )
    ]


def _nonce_lines(ours: Figures, threads: Figures) -> list[Line]:
    idle, busy = ours.shares.values()
    idle_threads, busy_threads = threads.shares.values()
    return [
        Line(
            f"core for {ours.devices} devices that find nothing",
            f"{idle:.1%}",
            f"{idle / idle_threads:.2f}",
        ),
        Line(
            "core for 1 000 nonces/s, beyond that",
            f"{busy - idle:.1%}",
            f"{(busy - idle) / (busy_threads - idle_threads):.2f}",
        ),
    ]


def _device_lines(ours: Figures, threads: Figures) -> list[Line]:
    [mine], [theirs] = ours.shares.values(), threads.shares.values()
    devices = ours.devices / mine
    return [
        Line(
            f"devices per core at {USUAL_RATE:g} nonces/s each",
            f"{devices:,.0f}",
            f"{theirs / mine:.2f}",
            f"{AIM_DEVICES}",
            devices >= AIM_DEVICES,
        )
    ]


def _measured(making: Making, count: int, rates: Sequence[float], seconds: float) -> Figures:
    with (
        far_ends(count) as ends,
        asyncio.Runner(loop_factory=lambda: MemoryLoop(BRANCHES)) as runner,
    ):
        return runner.run(_with_fleet(making, ends, rates, seconds))


async def _with_fleet(
    making: Making, ends: FarEnds, rates: Sequence[float], seconds: float
) -> Figures:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MemoryLoop)
    miner = Miner(SystemClock())
    client = Pool(
        PoolConfig(name="pool", url=parse_pool_url(loop.address), user="account.rig"),
        miner,
        clock=SystemClock(),
        random=Random(0),
        log=RecordingLog(),
        hashrate=lambda: 0.0,
    )
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(client.run())
        pool = await loop.connected
        pool.open()
        pool.send(_HARD)
        pool.send(pool.new_block())
        fleet = making(miner, ends.paths)
        await fleet.start()
        figures = await _figures(fleet, pool, ends, rates, seconds)
        await fleet.stop()
        talking.cancel()
    return figures


async def _figures(
    fleet: Fleet, pool: MemoryPool, ends: FarEnds, rates: Sequence[float], seconds: float
) -> Figures:
    ends.find(USUAL_RATE)
    last_frame = await _last_frame(fleet, pool, ends, seconds)
    shares = {}
    for rate in rates:
        ends.find(rate)
        await asyncio.sleep(0.5)
        shares[rate] = await _share(fleet, rate * len(ends.paths), seconds)
    return Figures(devices=len(ends.paths), last_frame=last_frame, shares=shares)


async def _last_frame(
    fleet: Fleet, pool: MemoryPool, ends: FarEnds, seconds: float
) -> tuple[float, float]:
    """Return what a job's way takes at most in half of all cases, and in 99 of 100."""
    times: list[float] = []
    jobs = ends.find(USUAL_RATE)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        line = pool.new_block()
        began = time.perf_counter()
        fleet.send(pool, line)
        times.append(time.perf_counter() - began)
        pool.answer()
        await asyncio.sleep(_PAUSE)
    written = ends.find(USUAL_RATE) - jobs
    assert written >= len(times) * len(ends.paths), "not every device got every job"
    times.sort()
    return times[len(times) // 2], times[len(times) * 99 // 100]


async def _share(fleet: Fleet, rate: float, seconds: float) -> float:
    """Return how much of one core this process uses, while nonces come at ``rate`` in all."""
    nonces, spent, began = fleet.nonces, time.process_time(), time.monotonic()
    await asyncio.sleep(seconds)
    share = (time.process_time() - spent) / (time.monotonic() - began)
    found = (fleet.nonces - nonces) / seconds
    assert 0.9 * rate <= found <= 1.1 * rate, f"{found} nonces a second, not {rate}"
    return share
