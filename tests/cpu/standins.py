"""What the software hasher talks to in tests: a miner that records, a clock, a silent log."""

import asyncio
import hashlib
import random
import struct
import time
from collections.abc import Callable
from pathlib import Path

from drivers.api import Context, Solution, Work
from drivers.header import DIFFICULTY_1

TIMEOUT = 30.0
EVERY_4096TH = (1 << 244) - 1
"""A target that one hash in 4096 meets."""


def header_bytes(solution: Solution) -> bytes:
    """Return the 80 bytes, put together without the code under test."""
    work = solution.work
    return (
        struct.pack("<I", solution.version)
        + work.prev_hash
        + work.merkle_root
        + struct.pack("<III", solution.ntime, work.nbits, solution.nonce)
    )


def hash_of(header: bytes) -> int:
    return int.from_bytes(hashlib.sha256(hashlib.sha256(header).digest()).digest(), "little")


class RecordingMiner:
    """Hands out numbered works of one job and keeps the solutions."""

    def __init__(self, *, target: int = EVERY_4096TH, version_mask: int = 0) -> None:
        self.target = target
        self.version_mask = version_mask
        self.job = 1
        self.has_work = True
        self.works: list[Work] = []
        self.solutions: list[Solution] = []
        self.logged: list[tuple[str, dict[str, object]]] = []
        self._changed = asyncio.Event()

    def next_work(self) -> Work | None:
        if not self.has_work:
            return None
        self.works.append(self.work(self.job, len(self.works)))
        self.look()
        return self.works[-1]

    def found(self, solution: Solution) -> float:
        self.solutions.append(solution)
        self.look()
        return DIFFICULTY_1 / hash_of(header_bytes(solution))

    def work(self, job: int, number: int) -> Work:
        return Work(
            version=0x20000000,
            version_mask=self.version_mask,
            prev_hash=hashlib.sha256(b"job %d" % job).digest(),
            merkle_root=hashlib.sha256(b"work %d" % number).digest(),
            ntime=1_700_000_000 + job,
            nbits=0x1D00FFFF,
            target=self.target,
        )

    def jobs_solved(self) -> list[int]:
        """Return the job of each solution, in the order of arrival."""
        return [solution.ntime - 1_700_000_000 for solution in self.solutions]

    def look(self) -> None:
        """Make `until` check its condition."""
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Return when ``condition`` holds; looks again whenever something arrived."""
        async with asyncio.timeout(TIMEOUT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


class SystemClock:
    def wall(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class WatchedLog:
    """A log whose every event is kept at the miner, and makes it look again."""

    def __init__(self, miner: RecordingMiner) -> None:
        self._miner = miner

    def debug(self, event: str, **fields: object) -> None:
        self._miner.logged.append((event, fields))
        self._miner.look()

    info = warning = error = debug


def context(miner: RecordingMiner) -> Context:
    return Context(
        name="cpu", miner=miner, clock=SystemClock(), random=random.Random(1), log=WatchedLog(miner)
    )


def worker_pids(parent: int) -> list[int]:
    """Return the process ids of the workers, zombies included, that ``parent`` has."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = status.read_text().rpartition(")")[2].split()
            name = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue  # gone meanwhile
        zombie = after_name[0] == "Z"
        if int(after_name[1]) == parent and (zombie or b"drivers.cpu.worker" in name):
            found.append(int(status.parent.name))
    return sorted(found)
