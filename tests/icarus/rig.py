"""A whole device on an emulated one, in virtual time: what it mines, says and leaves behind."""

import asyncio
import hashlib
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from random import Random

from drivers.api import Context, DeviceStats, Miner, Solution, Work
from drivers.icarus.device import IcarusDevice
from drivers.icarus.driver import DRIVERS
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_plug import InProcessPort
from drivers.icarus.emulated_port import search_here
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from drivers.transports.ports import PortsByWay
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

SCALE = 2.0**-22
"""At this scale a work is about a thousand hashes."""

HITS = 8
"""So many nonces a work holds on average."""

LONGEST = 3600.0
DIFFICULTY_1 = 0xFFFF << 208


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
    """Hands out numbered works of one job and keeps the solutions with their hashes.

    ``behind`` says how many works had been given since that of a solution when it came.
    """

    def __init__(self) -> None:
        self.job = 1
        self.has_work = True
        self.works: list[Work] = []
        self.given_at: list[float] = []
        self.solutions: list[Solution] = []
        self.hashes: list[int] = []
        self.behind: list[int] = []
        self._changed = asyncio.Event()

    def next_work(self) -> Work | None:
        if not self.has_work:
            return None
        self.works.append(
            Work(
                version=0x20000000,
                version_mask=0x1FFFE000,
                prev_hash=hashlib.sha256(b"job %d" % self.job).digest(),
                merkle_root=hashlib.sha256(b"work %d" % len(self.works)).digest(),
                ntime=1_700_000_000 + self.job,
                nbits=0x1D00FFFF,
                target=(1 << 256) - 1,
            )
        )
        self.given_at.append(asyncio.get_running_loop().time())
        self._changed.set()
        return self.works[-1]

    def found(self, solution: Solution) -> float:
        self.solutions.append(solution)
        self.hashes.append(hash_of(solution))
        self.behind.append(len(self.works) - 1 - self.works.index(solution.work))
        self._changed.set()
        return DIFFICULTY_1 / self.hashes[-1]

    async def solved(self, count: int) -> None:
        """Return when there are ``count`` solutions more than now."""
        wanted = len(self.solutions) + count
        await self.until(lambda: len(self.solutions) >= wanted)

    async def until(self, condition: Callable[[], bool], seconds: float = LONGEST) -> None:
        """Return when ``condition`` holds; looks again when something arrived, and each second."""
        async with asyncio.timeout(seconds):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(1.0):
                        await self._changed.wait()
                except TimeoutError:
                    continue

    def jobs_since(self, count: int) -> set[int]:
        """Return the jobs of the solutions from number ``count`` on."""
        return {solution.ntime - 1_700_000_000 for solution in self.solutions[count:]}


class Rig:
    """A device of the driver called ``driver`` on the emulated device called ``name``."""

    def __init__(
        self,
        driver: str,
        name: str = "",
        *,
        faults: Faults = NO_FAULTS,
        scale: float = SCALE,
        ticket: float = SCALE / HITS,
        ports: PortsByWay | None = None,
        miner: Miner | None = None,
        **settings: object,
    ) -> None:
        self.log = RecordingLog()
        self.miner = RecordingMiner()
        self.emulated = EmulatedIcarus(
            emulated_model(name or driver),
            random=Random(3),
            scale=scale,
            ticket=ticket,
            faults=faults,
        )
        self.port = InProcessPort(self.emulated, searcher=search_here)
        self.context = Context(
            name="rig", miner=miner or self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        self.device: IcarusDevice = DRIVERS[driver].on_ports(
            ports or self.port, {"scale": scale, "ticket": ticket, **settings}, self.context
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        """Run the device; afterwards it must have left no task."""
        before = asyncio.all_tasks()
        task = asyncio.create_task(self.device.run())
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


def gaps(times: Sequence[float]) -> list[float]:
    """Return the seconds between each time and the one before."""
    return [later - earlier for earlier, later in pairwise(times)]
