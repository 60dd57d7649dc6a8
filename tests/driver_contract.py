"""What every driver owes the daemon, as tests that any driver can run: ours, and third parties'.

Inherit from `DriverContract` in a class called Test..., give it a `plug`, and pytest does the rest.
Nothing here knows what kind of device it is: only `drivers.api`.
"""

import asyncio
import hashlib
import itertools
import json
import struct
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from drivers.api import (
    Device,
    DeviceState,
    DeviceStats,
    Modelled,
    OperatingPoint,
    PortInfo,
    Setpoint,
    Solution,
    Work,
)
from drivers.errors import DriverError

PATIENCE = 120.0
"""Seconds, virtual for some drivers, that anything may take."""

END_WITHIN = 3.0
"""Seconds in which a cancelled device must have ended."""


def difficulty_1_over(value: int) -> float:
    return (0xFFFF << 208) / value


def hash_of(solution: Solution) -> int:
    """Return the hash, computed without the code under test."""
    work = solution.work
    header = (
        struct.pack("<I", solution.version)
        + work.prev_hash
        + work.merkle_root
        + struct.pack("<III", solution.ntime, work.nbits, solution.nonce)
    )
    return int.from_bytes(hashlib.sha256(hashlib.sha256(header).digest()).digest(), "little")


class ContractMiner:
    """Gives out numbered works of one job as long as it has some; keeps all solutions."""

    VERSION = 0x20000000
    MASK = 0x1FFFE000

    def __init__(self, target: int) -> None:
        self.target = target
        self.job = 1
        self.has_work = True
        self.works: list[Work] = []
        self.solutions: list[Solution] = []
        self.ended: Callable[[], bool] = lambda: False
        self._changed = asyncio.Event()

    def next_work(self) -> Work | None:
        if not self.has_work:
            return None
        self.works.append(
            Work(
                version=self.VERSION,
                version_mask=self.MASK,
                prev_hash=hashlib.sha256(b"job %d" % self.job).digest(),
                merkle_root=hashlib.sha256(b"work %d" % len(self.works)).digest(),
                ntime=1_700_000_000 + self.job,
                nbits=0x1D00FFFF,
                target=self.target,
            )
        )
        self._changed.set()
        return self.works[-1]

    def found(self, solution: Solution) -> float:
        self.solutions.append(solution)
        self._changed.set()
        return difficulty_1_over(hash_of(solution))

    def jobs_solved(self) -> list[int]:
        return [solution.work.ntime - 1_700_000_000 for solution in self.solutions]

    async def solved(self, count: int) -> None:
        """Return when there are ``count`` solutions more than now."""
        wanted = len(self.solutions) + count
        await self.until(lambda: len(self.solutions) >= wanted)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds; looks again when something arrives, and often."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                assert not self.ended(), "the device has ended"
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()
                except TimeoutError:
                    continue


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugged:
    """A device that is not yet run, and how to pull its plug and put it back."""

    device: Device
    miner: ContractMiner
    unplug: Callable[[], None]
    replug: Callable[[], None]


@asynccontextmanager
async def running(plugged: Plugged) -> AsyncIterator["asyncio.Task[None]"]:
    """Run the device; whatever it does, it must end in time and leave nothing behind."""
    tasks, threads, files = asyncio.all_tasks(), threads_now(), files_now()
    task = asyncio.create_task(plugged.device.run())
    plugged.miner.ended = task.done
    try:
        yield task
    finally:
        task.cancel()
        _, late = await asyncio.wait([task], timeout=END_WITHIN)
        plugged.miner.ended = lambda: False
    assert not late, "it has not ended in time"
    assert asyncio.all_tasks() == tasks, "it left a task"
    assert files_now() <= files, "it left a descriptor"
    assert threads_now() <= threads, "it left a thread"


def files_now() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def threads_now() -> set[str]:
    """Return the threads, those of a pool that is kept for ever left out."""
    kept = ("asyncio_", "ThreadPoolExecutor", "emulated-search")
    return {each.name for each in threading.enumerate() if not each.name.startswith(kept)}


def looked_at(device: Device) -> DeviceStats:
    """Return the snapshot, which must be one that can be shown to anybody."""
    stats = device.stats()
    assert isinstance(stats, DeviceStats)
    json.dumps(dict(stats.details))
    assert stats.claimed_hashrate >= 0
    assert stats.hardware_errors >= 0
    assert stats.error_ratio is None or 0 <= stats.error_ratio <= 1
    assert all(watts is None or watts >= 0 for watts in (stats.power, stats.modelled_power))
    return stats


def points_of(device: Device) -> tuple[OperatingPoint, ...]:
    """Return what the device can be held at, which must make sense; none of one without a model."""
    points = tuple(device.operating_points()) if isinstance(device, Modelled) else ()
    assert all(min(point.mhz, point.watts, point.hashrate) > 0 for point in points)
    for slower, faster in itertools.pairwise(points):
        assert slower.mhz < faster.mhz
        assert slower.watts <= faster.watts
        assert slower.hashrate <= faster.hashrate
        assert (slower.volts or 0.0) <= (faster.volts or 0.0)
    return points


def poked(device: Device) -> None:
    """Call everything that may be called at any time."""
    device.job_changed(clean=False)
    device.job_changed(clean=True)
    looked_at(device)
    points_of(device)


class DriverContract(ABC):
    """The tests; ``target`` must be one that all the device reports will meet."""

    target: int

    @abstractmethod
    def plug(self, miner: ContractMiner) -> Plugged:
        """Return a device that will find some solutions a second."""

    def plugged(self) -> Plugged:
        return self.plug(ContractMiner(self.target))

    async def test_every_solution_is_real_and_carries_the_work_that_was_given(self) -> None:
        plugged = self.plugged()
        miner = plugged.miner

        async with running(plugged):
            await miner.solved(40)
            await miner.until(lambda: looked_at(plugged.device).claimed_hashrate > 0)
            stats = looked_at(plugged.device)

        given = {id(work) for work in miner.works}
        assert all(id(solution.work) in given for solution in miner.solutions)
        assert all(hash_of(solution) <= self.target for solution in miner.solutions)
        assert all(s.version & ~miner.MASK == miner.VERSION for s in miner.solutions)
        assert all(s.ntime >= s.work.ntime for s in miner.solutions)
        assert len({hash_of(solution) for solution in miner.solutions}) == len(miner.solutions)
        assert stats.state is DeviceState.MINING
        assert stats.hardware_errors == 0

    async def test_a_clean_job_puts_an_end_to_the_one_before(self) -> None:
        plugged = self.plugged()
        miner = plugged.miner

        async with running(plugged):
            await miner.solved(10)
            miner.job = 2
            given = len(miner.works)
            plugged.device.job_changed(clean=True)
            assert len(miner.works) > given, "work is asked for in the same call"
            await miner.until(lambda: miner.jobs_solved().count(2) >= 20)
            await miner.solved(20)

        assert set(miner.jobs_solved()[-20:]) == {2}

    async def test_without_work_it_waits_until_there_is_some(self) -> None:
        plugged = self.plugged()
        plugged.miner.has_work = False

        async with running(plugged):
            await plugged.miner.until(
                lambda: looked_at(plugged.device).state is DeviceState.WAITING
            )
            plugged.miner.has_work = True
            plugged.device.job_changed(clean=False)
            await plugged.miner.solved(5)

    async def test_what_it_is_told_before_it_runs_is_remembered(self) -> None:
        plugged = self.plugged()
        plugged.device.apply(Setpoint(run=False, reason="outside of its hours"))

        async with running(plugged):
            await plugged.miner.until(lambda: looked_at(plugged.device).state is DeviceState.IDLE)
            assert looked_at(plugged.device).reason == "outside of its hours"
            assert plugged.miner.solutions == []
            plugged.device.apply(Setpoint(run=True))
            await plugged.miner.solved(5)

    async def test_told_to_rest_it_asks_for_no_more_work(self) -> None:
        plugged = self.plugged()

        async with running(plugged):
            await plugged.miner.solved(5)
            plugged.device.apply(Setpoint(run=False, reason="order"))
            given = len(plugged.miner.works)
            plugged.device.job_changed(clean=True)
            await plugged.miner.until(lambda: looked_at(plugged.device).state is DeviceState.IDLE)
            assert len(plugged.miner.works) == given
            plugged.device.apply(Setpoint(run=True))
            await plugged.miner.solved(5)

    async def test_a_modelled_device_keeps_a_limit_in_watts_or_rests(self) -> None:
        plugged = self.plugged()
        device, miner = plugged.device, plugged.miner
        points = points_of(device)
        if not points:
            return

        wanted = points[len(points) // 2]
        device.apply(Setpoint(run=True, watts=wanted.watts * 1.0001, reason="cap"))
        async with running(plugged):
            await miner.solved(5)
            await miner.until(lambda: looked_at(device).frequency_mhz is not None)
            stats = looked_at(device)
            device.apply(Setpoint(run=True, watts=points[0].watts / 2, reason="cap"))
            await miner.until(lambda: looked_at(device).state is DeviceState.IDLE)
            resting = looked_at(device)

        assert stats.frequency_mhz == pytest.approx(wanted.mhz, rel=0.02)
        assert stats.modelled_power == pytest.approx(wanted.watts, rel=0.05)
        assert resting.modelled_power is not None
        assert resting.modelled_power < wanted.watts

    async def test_it_may_be_called_at_any_time(self) -> None:
        plugged = self.plugged()

        poked(plugged.device)
        async with running(plugged):
            for _ in range(20):
                await asyncio.sleep(0.01)
                poked(plugged.device)
            await plugged.miner.solved(5)
            poked(plugged.device)
        poked(plugged.device)

    @pytest.mark.parametrize("seconds", [0.0, 0.001, 0.05, 0.6, 1.5])
    async def test_it_can_be_cancelled_at_any_moment_and_run_again(self, seconds: float) -> None:
        plugged = self.plugged()

        async with running(plugged) as task:
            await asyncio.sleep(seconds)
        assert task.cancelled()
        async with running(plugged):
            await plugged.miner.solved(3)

    async def test_an_unplugged_device_fails_and_nobody_else_suffers(self) -> None:
        plugged = self.plugged()

        async with running(plugged) as task:
            await plugged.miner.solved(5)
            plugged.unplug()
            poked(plugged.device)
            await asyncio.wait([task], timeout=PATIENCE)
        assert isinstance(task.exception(), DriverError)
        poked(plugged.device)
        stats = looked_at(plugged.device)
        assert stats.state is DeviceState.FAILED
        assert stats.reason == str(task.exception())

    async def test_a_device_that_is_plugged_in_again_can_be_run_again(self) -> None:
        plugged = self.plugged()

        async with running(plugged) as task:
            await plugged.miner.solved(5)
            plugged.unplug()
            await asyncio.wait([task], timeout=PATIENCE)
        plugged.replug()
        async with running(plugged):
            await plugged.miner.solved(5)
            assert looked_at(plugged.device).state is DeviceState.MINING


def strange_port() -> PortInfo:
    """Return a port that no driver can know."""
    return PortInfo(
        paths=("/dev/ttyUSB9",), vid=0xFFFF, pid=0xFFFF, manufacturer="Nobody", product="Nothing"
    )
