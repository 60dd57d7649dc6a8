"""A stick with telemetry in virtual time: two loopbacks for UARTs, a variable for pins."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from drivers.api import Context, Miner
from drivers.bm13xx.driver import DRIVERS
from drivers.bm13xx.emulated_micro import EmulatedMicro
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import search_here
from drivers.bm13xx.emulated_sticks import emulated_stick, micro_of
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import PortOpenError
from drivers.transports.uart import Uart
from tests.bm13xx.device_rig import LONGEST, RecordingMiner
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

COARSE = 2.0**-29
ENABLES = 0x7


class Eavesdropper:
    """A micro's port that keeps a list of what it was told, in words of the wire."""

    def __init__(self, micro: EmulatedMicro, told: list[str]) -> None:
        self._micro = micro
        self._told = told

    def receive_data(self, data: bytes, now: float) -> bytes:
        self._told.append(data.hex())
        return self._micro.receive_data(data, now)

    def due(self, now: float) -> bytes:
        return self._micro.due(now)


class PinnedLoopbacks:
    """A `BridgePort` without a bridge; it can be pulled."""

    way = "memory"

    def __init__(self, ports: InProcessPorts, micro: EmulatedMicro, told: list[str]) -> None:
        self._ports = ports
        self._micro = micro
        self._told = told
        self._levels = ENABLES
        self._is_plugged = True

    def path(self, place: int) -> str:
        return self._ports.path(place)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        return await self._ports.open(place, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        await self._ports.serve()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        if not self._is_plugged:
            raise PortOpenError(self.path(0), "no such USB device; is it plugged in?")
        self._told.append(f"lines {levels & mask}")
        self._levels = levels & mask
        self._micro.drive_lines(low=not self._levels & ENABLES)
        self._ports.device.lines_moved()

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        if self._is_plugged:
            self._told.append(f"lines {levels & mask} soon")
            self._levels = levels & mask
            self._micro.drive_lines(low=not self._levels & ENABLES)
            self._ports.device.lines_moved()

    async def read_pins(self) -> int:
        if not self._is_plugged:
            raise PortOpenError(self.path(0), "no such USB device; is it plugged in?")
        return self._levels

    async def finish(self) -> None:
        """Do nothing."""

    def unplug(self) -> None:
        self._is_plugged, self._levels = False, ENABLES
        self._micro.lose_power()
        self._ports.device.lines_moved()
        self._ports.unplug()

    def replug(self) -> None:
        self._is_plugged = True
        self._ports.replug()


class GuardedRig:
    """A device of the driver called ``name`` on the emulated stick of that name."""

    def __init__(
        self,
        name: str = "compac-a2",
        *,
        faults: Faults | None = None,
        miner: Miner | None = None,
        scale: float = COARSE,
        tick: float = 0.5,
        ambient: float | None = None,
        sleeps: bool = True,
        model: str | None = None,
        **settings: object,
    ) -> None:
        self.log = RecordingLog()
        self.miner = miner if isinstance(miner, RecordingMiner) else RecordingMiner()
        self.emulated = emulated_stick(
            name,
            random=Random(3),
            scale=scale,
            faults=faults or Faults(),
            ambient=ambient,
            sleeps=sleeps,
            model=model,
        )
        micro = micro_of(self.emulated)
        assert micro
        assert self.emulated.board
        self.micro = micro
        self.told: list[str] = []
        self.emulated.board.control = Eavesdropper(micro, self.told)
        self.ports = PinnedLoopbacks(
            InProcessPorts(self.emulated, searcher=search_here, tick=tick), micro, self.told
        )
        self.context = Context(
            name="rig", miner=miner or self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        driver = DRIVERS[name]
        assert isinstance(driver, GuardedStickDriver)
        self.driver = driver
        self.device = driver.on_port(self.ports, {"scale": scale, **settings}, self.context)

    @property
    def heat(self) -> BoardHeat:
        """Return the physical side of the emulated stick."""
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
