"""A whole device on an emulated one, in virtual time: what it mines, says and leaves behind."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from drivers.api import Context, Device, DeviceStats, Miner, Solution, Work
from drivers.bm13xx.driver import DRIVERS, StickDriver
from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import search_here
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

SLOW = 2.0**-26
"""A scale at which a chip does some thousand hashes in a second."""

DIFFICULTY_1 = 0xFFFF << 208
HARD = DIFFICULTY_1 >> 32
"""So hard a share that the chips' speed alone decides how often they report."""

LONGEST = 3600.0


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


class RecordingMiner:
    """Hands out numbered works of one job and keeps the solutions with their difficulties."""

    def __init__(self, *, target: int = HARD, version_mask: int = 0x1FFFE000) -> None:
        self.target = target
        self.version_mask = version_mask
        self.job = 1
        self.has_work = True
        self.works: list[Work] = []
        self.solutions: list[Solution] = []
        self.difficulties: list[float] = []
        self.ended: Callable[[], bool] = lambda: False
        self._changed = asyncio.Event()

    def next_work(self) -> Work | None:
        if not self.has_work:
            return None
        number = len(self.works)
        self.works.append(
            Work(
                version=0x20000000,
                version_mask=self.version_mask,
                prev_hash=hashlib.sha256(b"job %d" % self.job).digest(),
                merkle_root=hashlib.sha256(b"work %d" % number).digest(),
                ntime=1_700_000_000 + self.job,
                nbits=0x1D00FFFF,
                target=self.target,
            )
        )
        self._changed.set()
        return self.works[-1]

    def found(self, solution: Solution) -> float:
        self.solutions.append(solution)
        self.difficulties.append(DIFFICULTY_1 / hash_of(solution))
        self._changed.set()
        return self.difficulties[-1]

    def of_job(self, job: int) -> list[Solution]:
        return [solution for solution in self.solutions if solution.ntime - 1_700_000_000 == job]

    async def solved(self, count: int) -> None:
        """Return when there are ``count`` solutions more than now."""
        wanted = len(self.solutions) + count
        await self.until(lambda: len(self.solutions) >= wanted)

    async def until(self, condition: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Return when ``condition`` holds; looks again when something arrived, and each second."""
        async with asyncio.timeout(seconds):
            while not condition():
                assert not self.ended(), "the device has ended"
                self._changed.clear()
                try:
                    async with asyncio.timeout(1.0):
                        await self._changed.wait()
                except TimeoutError:
                    continue


class Rig:
    """A device of the driver called ``driver`` on the emulated device called ``name``."""

    def __init__(
        self,
        driver: str,
        name: str = "",
        *,
        faults: Faults | None = None,
        miner: Miner | None = None,
        chips: int | None = None,
        scale: float = SLOW,
        tick: float = 0.05,
        ambient: float | None = None,
        time_constant: float | None = None,
        **settings: object,
    ) -> None:
        self.log = RecordingLog()
        self.miner = miner if isinstance(miner, RecordingMiner) else RecordingMiner()
        self.emulated = emulated_device(
            name or driver,
            random=Random(3),
            chips=chips,
            scale=scale,
            faults=faults or Faults(),
            ambient=ambient,
            time_constant=time_constant,
        )
        self.ports = InProcessPorts(self.emulated, searcher=search_here, tick=tick)
        self.context = Context(
            name="rig", miner=miner or self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        expected = {"chips": chips} if chips else {}
        maker = DRIVERS[driver]
        assert not isinstance(maker, StickDriver | GuardedStickDriver), "they have their own rigs"
        self.device: Device = maker.on_ports(
            self.ports, {**expected, "scale": scale, **settings}, self.context
        )

    @property
    def heat(self) -> BoardHeat:
        """Return the physical side of the emulated board."""
        assert self.emulated.board
        return self.emulated.board.heat

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the device; afterwards it must have left no task."""
        before = asyncio.all_tasks()
        task = asyncio.create_task(self.device.run())
        self.miner.ended = task.done
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert asyncio.all_tasks() <= before

    async def failure(self, seconds: float = LONGEST) -> BaseException:
        """Run the device until it fails; return the error."""
        async with self.running() as task, asyncio.timeout(seconds):
            await asyncio.wait([task])
        error = task.exception()
        assert error
        return error


def number(stats: DeviceStats, name: str) -> float:
    """Return a detail that is a number."""
    value = stats.details[name]
    assert isinstance(value, (int, float))
    return value
