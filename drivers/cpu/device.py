"""The software hasher as a device: it keeps its worker processes in work.

Workers are separate processes, for hashing must not hold up the event loop; they run at the lowest
priority, for the machine has other work. Each pulls work of its own when it is ready, when the
job changes, and when it has searched all of it. An easy target cannot flood us: see `pace`.
"""

import asyncio
from collections.abc import Mapping

from drivers.api import (
    Context,
    Device,
    DeviceState,
    DeviceStats,
    PortInfo,
    Product,
    Setpoint,
    Solution,
)
from drivers.cpu.frames import Exhausted, Progress, Ready
from drivers.cpu.link import SOLUTIONS_PER_SECOND, Event
from drivers.cpu.process import WorkerProcess
from drivers.cpu.settings import DRIVER_NAME, CpuSettings, parsed
from drivers.errors import DriverError, SettingError, TransportTimeoutError
from drivers.header import difficulty_of

READY_TIMEOUT = 30.0
"""Seconds for all workers to start and to test their kernels; a small board takes a few."""


class CpuDevice:
    """The worker processes of one ``cpu`` device; there are none outside of `run`."""

    def __init__(self, settings: CpuSettings, context: Context) -> None:
        self._settings = settings
        self._name = context.name
        self._miner = context.miner
        self._clock = context.clock
        self._log = context.log
        self._setpoint = Setpoint(run=True)
        self._hardware_errors = 0
        self._problem = ""
        self._workers: list[WorkerProcess] = []
        self._failed: asyncio.Future[None] | None = None  # both made by `run`
        self._ready: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Start the workers and mine until cancelled; all are gone when this ends.

        Raises BringUpError, TransportTimeoutError (not ready in time) or TransportLostError.
        """
        loop = asyncio.get_running_loop()
        self._failed, self._ready = loop.create_future(), loop.create_future()
        self._problem = ""
        try:
            await self._start_workers()
            await self._workers_ready(self._failed, self._ready)
            await self._failed
        except DriverError as error:
            self._problem = str(error)
            raise
        finally:
            await self._end_workers()
            if not self._failed.cancel():
                self._failed.exception()  # seen, even if we were cancelled in that very moment

    def job_changed(self, *, clean: bool) -> None:  # noqa: ARG002 - any new job is taken up at once
        """Give every worker new work, in this call; when there is none they stop."""
        for worker in self._workers:
            self._assign(worker)

    def apply(self, setpoint: Setpoint) -> None:
        """Run or rest; a CPU has no use for watts and MHz."""
        before, self._setpoint = self._setpoint, setpoint
        if setpoint.run == before.run:
            return
        if setpoint.run:
            self._log.info("cpu.resumed", after=before.reason)
        else:
            self._log.info("cpu.idle", reason=setpoint.reason)
        self.job_changed(clean=False)

    def stats(self) -> DeviceStats:
        """Return a snapshot; the hash rate is what the workers counted, over about 10 s."""
        now = self._clock.monotonic()
        state = self._state()
        kernels = sorted({worker.kernel for worker in self._workers if worker.kernel})
        return DeviceStats(
            state=state,
            reason=self._reason(state),
            claimed_hashrate=sum(worker.rate.hashrate(now) for worker in self._workers),
            hardware_errors=self._hardware_errors,
            details={
                "kernel": ", ".join(kernels) or self._settings.kernel,
                "threads": self._settings.threads,
                "duty": self._settings.duty,
            },
        )

    async def _start_workers(self) -> None:
        for number in range(1, self._settings.threads + 1):
            worker = WorkerProcess(
                f"{self._name} worker {number}",
                self._settings,
                now=self._clock.monotonic(),
                on_event=self._handle,
                on_lost=self._lost,
            )
            self._workers.append(worker)
            await asyncio.sleep(0)  # starting one takes a millisecond; let others run in between

    async def _workers_ready(
        self, failed: asyncio.Future[None], ready: asyncio.Future[None]
    ) -> None:
        """Return when all workers are ready or one has failed."""
        done, _ = await asyncio.wait(
            [failed, ready], timeout=READY_TIMEOUT, return_when=asyncio.FIRST_COMPLETED
        )
        if not done:
            silent = sum(not worker.kernel for worker in self._workers)
            raise TransportTimeoutError(
                self._name,
                waited_for=f"word from {silent} of {len(self._workers)} workers",
                seconds=READY_TIMEOUT,
            )

    async def _end_workers(self) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.close()  # at once, before anything can interrupt us
        await asyncio.gather(*(worker.ended() for worker in workers))

    def _handle(self, worker: WorkerProcess, event: Event) -> None:
        match event:
            case Solution():
                self._found(event)
            case Progress():
                worker.rate.add(event.hashes, self._clock.monotonic())
            case Exhausted():
                self._assign(worker)
            case Ready():
                self._worker_ready(worker)

    def _worker_ready(self, worker: WorkerProcess) -> None:
        self._assign(worker)
        ready = sum(bool(worker.kernel) for worker in self._workers)
        if ready == self._settings.threads and self._ready and not self._ready.done():
            self._ready.set_result(None)
            self._log.info("cpu.ready", threads=ready, kernel=worker.kernel)

    def _assign(self, worker: WorkerProcess) -> None:
        if worker.kernel:
            work = self._miner.next_work() if self._setpoint.run else None
            worker.search(work, self._clock.monotonic())

    def _found(self, solution: Solution) -> None:
        target = solution.work.target
        difficulty = self._miner.found(solution)
        if difficulty <= difficulty_of(target) and solution.hash() > target:  # exact only as ints
            self._hardware_errors += 1
            self._log.warning("solution.wrong", nonce=f"{solution.nonce:08x}")

    def _lost(self, error: DriverError) -> None:
        if self._failed and not self._failed.done():
            self._failed.set_exception(error)

    def _state(self) -> DeviceState:
        if not self._workers:
            return DeviceState.FAILED if self._problem else DeviceState.STARTING
        if not self._setpoint.run:
            return DeviceState.IDLE
        if any(worker.busy for worker in self._workers):
            return DeviceState.MINING
        started = self._ready and self._ready.done()
        return DeviceState.WAITING if started else DeviceState.STARTING

    def _reason(self, state: DeviceState) -> str:
        if state is DeviceState.FAILED:
            return self._problem
        if state is DeviceState.IDLE:
            return self._setpoint.reason
        if any(worker.held_back for worker in self._workers):
            return f"target so easy that solutions are held to {SOLUTIONS_PER_SECOND} a second"
        return ""


class CpuDriver:
    """Makes `CpuDevice`s, when they are asked for by name."""

    name = DRIVER_NAME
    product = Product(kind="software", family=DRIVER_NAME)

    def match(self, port: PortInfo) -> int:  # noqa: ARG002 - no port is ever ours
        """Return 0: a CPU is not plugged in."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        if port.paths:
            raise SettingError(DRIVER_NAME, "port", f"there is none, not {port.name!r}")
        return CpuDevice(parsed(settings), context)


DRIVER = CpuDriver()
