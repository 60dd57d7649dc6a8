"""How long a job takes from the pool's bytes to the devices' frames, and a nonce back to the pool.

Everything between the two rims is the real thing: Connection, Session, Pool, Miner. At the rims
are a pool in memory and devices that encode a job frame and note when it was ready. Garbage is
collected as in production, so that its pauses are in the figures.
"""

import asyncio
import math
import resource
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from random import Random
from typing import TypeVar

from drivers.api import Solution, Work
from drivers.bm13xx.jobs import FullHeader, FullHeaderJob
from stratum_client.bench_pool import MemoryLoop, MemoryPool
from stratum_client.config import PoolConfig
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url

BRANCHES = 12
DEVICE_COUNTS = (1, 10, 100)

_WARM_UP = 20
_MOST = 5000  # repetitions
_BATCH = 50  # works, and hashes, between two looks at the clock
_LEAP = 10.0  # s that seem to pass between two blocks: no pool sends them without a pause

_Figures = TypeVar("_Figures")


@dataclass(frozen=True, slots=True, kw_only=True)
class Percentiles:
    """What a duration is at most in half of all cases, and in 99 of 100; in seconds."""

    p50: float
    p99: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PathTimes:
    """The path with so many devices: a new block's notify to the frames, a nonce to its submit.

    Of the ``repetitions``, those do not count that were ``interrupted`` by other programs, unless
    all were.
    """

    devices: int
    repetitions: int
    interrupted: int
    first_frame: Percentiles
    last_frame: Percentiles
    submit: Percentiles


@dataclass(frozen=True, slots=True, kw_only=True)
class PathReport:
    """``work`` and ``sha256d`` in seconds: one work made, and hashlib's double hash of 64 bytes.

    The second is a unit in which runs on different or busy machines compare.
    """

    work: float
    sha256d: float
    times: tuple[PathTimes, ...]


def measure(
    seconds: float, *, device_counts: tuple[int, ...] = DEVICE_COUNTS, at_least: int = 10
) -> PathReport:
    """Return all figures, each measured for ``seconds`` and ``at_least`` so many times."""

    async def time_works(rig: _Rig, pool: MemoryPool) -> tuple[float, float]:
        return _time_works(rig, pool, seconds, at_least)

    async def time_path(rig: _Rig, pool: MemoryPool) -> PathTimes:
        return await _time_path(rig, pool, seconds, at_least)

    work, sha256d = _run(1, time_works)
    times = tuple(_run(devices, time_path) for devices in device_counts)
    return PathReport(work=work, sha256d=sha256d, times=times)


class _LeapingClock:
    """The system's time, which can be made to leap ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def wall(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


class _SilentLog:
    """Drops all events: logs are written when the frames and shares are on their way."""

    def _drop(self, event: str, **fields: object) -> None:
        pass

    debug = info = warning = error = _drop


class _FramingDevice:
    """Turns new work into the bytes a chip takes, as a real device does, and keeps the time."""

    def __init__(self, seat: Seat) -> None:
        self.framed_at = 0
        self.frame = b""
        self._work: Work | None = None
        self._seat = seat
        self._codec = FullHeaderJob()
        seat.listener = self

    def job_changed(self, *, clean: bool) -> None:  # noqa: ARG002 - every job is taken up at once
        """Fetch work and encode it."""
        self._work = work = self._seat.next_work()
        if work:
            header = FullHeader(
                slot=8,
                version=work.version,
                prev_hash=work.prev_hash,
                merkle_root=work.merkle_root,
                ntime=work.ntime,
                nbits=work.nbits,
            )
            self.frame = self._codec.encode_header(header)
            self.framed_at = time.perf_counter_ns()

    def solve(self, nonce: int) -> None:
        """Claim that ``nonce`` solves the work."""
        assert self._work
        work = self._work
        solution = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
        self._seat.found(solution)


class _Rig:
    """The real client, with so many devices."""

    def __init__(self, address: str, devices: int) -> None:
        self.clock = _LeapingClock()
        self.miner = Miner(self.clock)
        self.pool = Pool(
            PoolConfig(name="pool", url=parse_pool_url(address), user="account.rig"),
            self.miner,
            clock=self.clock,
            random=Random(0),
            log=_SilentLog(),
            hashrate=lambda: 0.0,
        )
        self.devices = [_FramingDevice(self.miner.seat(f"device {n}")) for n in range(devices)]


def _run(devices: int, measure: "Callable[[_Rig, MemoryPool], Awaitable[_Figures]]") -> _Figures:
    """Return what ``measure`` finds with a client that mines at a pool in memory."""
    with asyncio.Runner(loop_factory=lambda: MemoryLoop(BRANCHES)) as runner:
        return runner.run(_with_rig(devices, measure))


async def _with_rig(
    devices: int, measure: Callable[[_Rig, MemoryPool], Awaitable[_Figures]]
) -> _Figures:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MemoryLoop)
    rig = _Rig(loop.address, devices)
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(rig.pool.run(), name="pool")
        pool = await loop.connected
        pool.open()
        figures = await measure(rig, pool)
        talking.cancel()
    return figures


def _time_works(rig: _Rig, pool: MemoryPool, seconds: float, at_least: int) -> tuple[float, float]:
    """Return the time of one work and of one double hash; batches of both take turns."""
    pool.send(pool.new_block())
    data = bytes(64)
    works, hashes = [], []
    for _ in _repetitions(seconds, at_least):
        works.append(_seconds_of(rig.miner.next_work))
        hashes.append(_seconds_of(lambda: sha256(sha256(data).digest()).digest()))
    return statistics.median(works), statistics.median(hashes)


def _seconds_of(call: Callable[[], object]) -> float:
    began = time.perf_counter_ns()
    for _ in range(_BATCH):
        call()
    return (time.perf_counter_ns() - began) / _BATCH / 1e9


async def _time_path(rig: _Rig, pool: MemoryPool, seconds: float, at_least: int) -> PathTimes:
    """Let blocks be found, and have one device solve each of them."""
    samples: list[_Sample] = []
    for number in _repetitions(seconds, _WARM_UP + at_least):
        sample = _sample(rig, pool, number)
        pool.answer()
        await asyncio.sleep(0)
        if number >= _WARM_UP:
            samples.append(sample)
    clean = [sample for sample in samples if not sample.interrupted] or samples
    return PathTimes(
        devices=len(rig.devices),
        repetitions=len(samples),
        interrupted=sum(sample.interrupted for sample in samples),
        first_frame=_percentiles([sample.first_frame for sample in clean]),
        last_frame=_percentiles([sample.last_frame for sample in clean]),
        submit=_percentiles([sample.submit for sample in clean]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """One block and one share; times in nanoseconds."""

    first_frame: int
    last_frame: int
    submit: int
    interrupted: bool


def _sample(rig: _Rig, pool: MemoryPool, number: int) -> _Sample:
    rig.clock.ahead += _LEAP
    line, solver = pool.new_block(), rig.devices[number % len(rig.devices)]
    switches = _involuntary_switches()
    received = time.perf_counter_ns()
    pool.send(line)
    nonce = number
    while True:
        solved = time.perf_counter_ns()
        solver.solve(nonce)
        if pool.written_at > solved:
            break
        nonce += 1 << 16  # one hash in 65536 is no share all the same
    return _Sample(
        first_frame=rig.devices[0].framed_at - received,
        last_frame=rig.devices[-1].framed_at - received,
        submit=pool.written_at - solved,
        interrupted=_involuntary_switches() != switches,
    )


def _involuntary_switches() -> int:
    """Return how often the system has taken the core away from us for another program."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _repetitions(seconds: float, at_least: int) -> Iterator[int]:
    """Count up until the time is over, but ``at_least`` so often."""
    end = time.perf_counter() + seconds
    for number in range(max(_MOST, at_least)):
        if number >= at_least and time.perf_counter() >= end:
            return
        yield number


def _percentiles(nanoseconds: list[int]) -> Percentiles:
    ordered = sorted(nanoseconds)
    return Percentiles(p50=_share_of(ordered, 0.5), p99=_share_of(ordered, 0.99))


def _share_of(ordered: list[int], share: float) -> float:
    """Return the value, in seconds, that ``share`` of all do not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] / 1e9
