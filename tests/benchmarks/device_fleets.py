"""Two ways to run many serial devices: the real drivers, and a thread for each to compare with.

Both mine with BM1370s behind pseudo-terminals, whose far ends are another process (`far_end`), and
share chain codec, miner and pool connection: only who reads, and how they keep apart, differs.
"""

import asyncio
import os
import subprocess
import sys
import threading
import time
import tty
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from random import Random
from typing import Protocol

from drivers.api import Context, PortInfo
from drivers.bm13xx.bring_up import AwaitSilence, Send
from drivers.bm13xx.chain import Chain, ChipSolution
from drivers.bm13xx.chips.bm1370 import BM1370
from drivers.bm13xx.driver import DRIVERS
from drivers.hashing.kernels import midstate
from stratum_client.bench_pool import MemoryPool
from stratum_client.clock import SystemClock
from stratum_client.miner import Miner, Seat
from tests.stand_ins import RecordingLog

SCALE = 1e-12
"""So easy a ticket that any nonce passes: the far ends do not hash."""

MHZ = 50.0
_REFRESH = 2.0  # s, as the drivers
_UP_WITHIN = 60.0


class FarEnds:
    """The process with the other ends."""

    def __init__(self, process: "subprocess.Popen[str]", count: int) -> None:
        assert process.stdout
        self._process = process
        self.paths = [process.stdout.readline().strip() for _ in range(count)]

    def find(self, rate: float) -> int:
        """Let each device find so many nonces a second; return how many jobs came so far."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{rate}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def far_ends(count: int) -> Iterator[FarEnds]:
    """Run the far ends of so many devices."""
    words = (sys.executable, "-m", "tests.benchmarks.far_end", str(count))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield FarEnds(process, count)
        finally:
            process.kill()


class Fleet(Protocol):
    """Devices that mine for a miner."""

    async def start(self) -> None:
        """Return when every device has work."""
        ...

    def send(self, pool: MemoryPool, line: bytes) -> None:
        """Hand the pool's line to the client; return when each device has its frame."""
        ...

    @property
    def nonces(self) -> int:
        """Return how many nonces were checked."""
        ...

    async def stop(self) -> None:
        """End everything."""
        ...


class DriverFleet:
    """The real drivers, on one event loop."""

    def __init__(self, miner: Miner, paths: Sequence[str]) -> None:
        self._tasks: list[asyncio.Task[None]] = []
        self._devices = []
        for path in paths:
            seat = miner.seat(path)
            context = Context(
                name=path, miner=seat, clock=SystemClock(), random=Random(1), log=RecordingLog()
            )
            settings = {"frequency": MHZ, "scale": SCALE}
            device = DRIVERS["bm1370"].open(PortInfo(paths=(path,)), settings, context)
            seat.listener = device
            self._devices.append(device)

    async def start(self) -> None:
        """Bring all devices up."""
        self._tasks = [asyncio.create_task(device.run()) for device in self._devices]
        async with asyncio.timeout(_UP_WITHIN):
            while not all(device.stats().claimed_hashrate for device in self._devices):  # noqa: ASYNC110 - all of them
                await asyncio.sleep(0.1)

    def send(self, pool: MemoryPool, line: bytes) -> None:
        """Hand on the line: all happens within this call."""
        pool.send(line)

    @property
    def nonces(self) -> int:
        """Return how many nonces were checked, good or not."""
        return sum(_number(device.stats().details["nonces"]) for device in self._devices)

    async def stop(self) -> None:
        """End all devices."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)


class ThreadedDevice:
    """A serial port that a thread reads by blocking, and hands on through a queue."""

    def __init__(
        self, path: str, seat: Seat, lock: threading.Lock, queue: "SimpleQueue[_Read | None]"
    ) -> None:
        self._seat = seat
        self._lock = lock
        self._queue = queue
        self._chain = Chain(BM1370, chips=1, scale=SCALE, midstate_of=midstate)
        self.descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(self.descriptor)
        self._bring_up()
        self.thread = threading.Thread(target=self._read, name=path, daemon=True)

    def job_changed(self, *, clean: bool) -> None:
        """Write new work; called with the lock held."""
        if clean:
            self._chain.forget_work()
        if work := self._seat.next_work():
            os.write(self.descriptor, self._chain.assign(work, time.monotonic()))

    def take(self, data: bytes) -> None:
        """Check what was read; called with the lock held."""
        for answer in self._chain.receive_data(data):
            if isinstance(answer, ChipSolution):
                difficulty = self._seat.found(answer.solution)
                self._chain.record(answer, difficulty, time.monotonic())

    @property
    def nonces(self) -> int:
        """Return how many nonces were checked."""
        return self._chain.nonces

    def _bring_up(self) -> None:
        for action in self._chain.bring_up(MHZ):
            match action:
                case Send(data=data):
                    os.write(self.descriptor, data)
                case AwaitSilence():
                    self._chain.receive_data(os.read(self.descriptor, 65536))

    def _read(self) -> None:
        with suppress(OSError):  # the far end is gone
            while data := os.read(self.descriptor, 65536):
                self._queue.put((self, data))
        os.close(self.descriptor)


_Read = tuple[ThreadedDevice, bytes]


class ThreadedFleet:
    """The baseline: a reading thread for each device, a lock, a queue, a thread that checks."""

    def __init__(self, miner: Miner, paths: Sequence[str]) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Read | None] = SimpleQueue()
        self._ended = threading.Event()
        self._checker = threading.Thread(target=self._check, daemon=True)
        self._refresher = threading.Thread(target=self._refresh, daemon=True)
        self._devices = []
        for path in paths:
            seat = miner.seat(path)
            device = ThreadedDevice(path, seat, self._lock, self._queue)
            seat.listener = device
            self._devices.append(device)

    async def start(self) -> None:
        """Start the threads and give every device its first work."""
        for device in self._devices:
            device.thread.start()
            device.job_changed(clean=True)
        self._checker.start()
        self._refresher.start()

    def send(self, pool: MemoryPool, line: bytes) -> None:
        """Hand on the line when nobody else touches the miner."""
        with self._lock:
            pool.send(line)

    @property
    def nonces(self) -> int:
        """Return how many nonces were checked."""
        return sum(device.nonces for device in self._devices)

    async def stop(self) -> None:
        """End the threads; the readers end when their far ends go."""
        self._ended.set()
        self._queue.put(None)
        self._checker.join()
        self._refresher.join()

    def _check(self) -> None:
        while item := self._queue.get():
            device, data = item
            with self._lock:
                device.take(data)

    def _refresh(self) -> None:
        while not self._ended.wait(_REFRESH):
            for device in self._devices:
                with self._lock:
                    device.job_changed(clean=False)


def _number(value: object) -> int:
    assert isinstance(value, int)
    return value
