"""Devices that hash a handful of nonces a minute, and a driver that makes them."""

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Protocol

from drivers.api import Context, Device, DeviceState, DeviceStats, PortInfo, Setpoint, Solution
from drivers.errors import DriverError
from stratum_client.job import PoolWork

DRIVER_NAME = "simulated"
BRING_UP = 5.0
LATE_NONCE_AFTER = 0.3
REFRESH = 3600.0


class DeviceWatch(Protocol):
    """Who looks on at the devices."""

    def device_changed(self) -> None:
        """Take note that a device runs, rests, or has work of somebody else."""
        ...

    def solved(self, device: str, solution: Solution, work: PoolWork) -> None:
        """Take note of a solution before it is claimed."""
        ...


class LostError(DriverError):
    """The device is gone."""


class SimulatedDevice:
    """One device: a share every ``interval`` seconds or so, nonces that no other one has."""

    def __init__(self, context: Context, interval: float, world: "SimulatedDriver") -> None:
        self.name = context.name
        self.work: PoolWork | None = None
        self.up = False
        self.setpoint = Setpoint(run=True)
        self._miner = context.miner
        self._interval = interval
        self._world = world
        self._random = Random(f"{world.seed} {context.name}")
        self._failed: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def hashes(self) -> bool:
        """Return whether it could hash if it had work."""
        return self.up and self.setpoint.run

    async def run(self) -> None:
        """Mine until cancelled or lost."""
        if self.name in self._world.absent:
            raise LostError("the device is not there")
        loop = asyncio.get_running_loop()
        self._world.present[self.name] = self
        self._failed = loop.create_future()
        try:
            await asyncio.wait([self._failed], timeout=BRING_UP)
            if not self._failed.done():
                self.up = True
                self._fetch()
                self._set_timer()
            while not self._failed.done():
                await asyncio.wait([self._failed], timeout=REFRESH)
            self._failed.result()
        finally:
            self.up, self.work = False, None
            if self._timer:
                self._timer.cancel()
                self._timer = None
            self._world.present.pop(self.name, None)
            self._world.watch.device_changed()

    def lose(self) -> None:
        """Be unplugged."""
        if self._failed and not self._failed.done():
            self._failed.set_exception(LostError("the device is gone"))

    def job_changed(self, *, clean: bool) -> None:
        """Fetch new work; now and then one more nonce of the old work comes late."""
        if not self.up:
            return
        old = self.work
        self._fetch()
        if old and not clean and self.setpoint.run and self._random.random() < 0.02:
            loop = asyncio.get_running_loop()
            loop.call_later(self._random.uniform(0, LATE_NONCE_AFTER), self._late, old)

    def apply(self, setpoint: Setpoint) -> None:
        """Run or rest at once."""
        self.setpoint = setpoint
        if self.up:
            self._fetch()
        self._world.watch.device_changed()

    def stats(self) -> DeviceStats:
        """Return a snapshot."""
        hashrate = 1e12 / self._interval
        if not self.setpoint.run:
            return DeviceStats(state=DeviceState.IDLE)
        if not self.up:
            return DeviceStats(state=DeviceState.STARTING)
        state = DeviceState.MINING if self.work else DeviceState.WAITING
        return DeviceStats(state=state, claimed_hashrate=hashrate)

    # --- inside ---

    def _fetch(self) -> None:
        before = self.work and self.work.job.session
        work = self._miner.next_work() if self.setpoint.run else None
        assert work is None or isinstance(work, PoolWork)
        self.work = work
        if (work and work.job.session) != before:
            self._world.watch.device_changed()

    def _set_timer(self) -> None:
        pause = self._interval * self._random.uniform(0.5, 1.5) / self._world.haste
        self._timer = asyncio.get_running_loop().call_later(pause, self._found)

    def _found(self) -> None:
        self._set_timer()
        if self.work and self.setpoint.run:
            self._solve(self.work)

    def _late(self, work: PoolWork) -> None:
        if self.up:
            self._solve(work)

    def _solve(self, work: PoolWork) -> None:
        """Claim the first nonce that is good enough; difficulties here take few hashes."""
        bits = self._random.getrandbits(32) & work.version_mask
        while True:
            solution = Solution(
                work=work,
                nonce=self._world.next_nonce(),
                version=work.version | bits,
                ntime=work.ntime,
            )
            if solution.hash() <= work.target:
                break
        self._world.watch.solved(self.name, solution, work)
        self._miner.found(solution)


class SimulatedDriver:
    """Makes the devices of one simulated rig; ``present`` are those that run, ``absent``
    those that nobody can run now.
    """

    name = DRIVER_NAME

    def __init__(self, watch: DeviceWatch, seed: int, nonces: Callable[[], int]) -> None:
        self.watch = watch
        self.seed = seed
        self.present: dict[str, SimulatedDevice] = {}
        self.absent: set[str] = set()
        self.haste = 1.0
        self.next_nonce = nonces

    def match(self, port: PortInfo) -> int:
        """Return 0: these are plugged in nowhere."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device."""
        return SimulatedDevice(context, float(str(settings["interval"])), self)
