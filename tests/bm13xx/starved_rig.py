"""A plain stick in virtual time, plugged into a socket that may be too weak for it.

As in a rig, each plug makes a new device, and only what `Context` holds outlives them.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from drivers.api import Context, PortInfo
from drivers.bm13xx.device import Bm13xxDevice
from drivers.bm13xx.driver import DRIVERS, StickDriver
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import search_here
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.errors import TransportLostError
from drivers.peripherals.emulated_faults import Faults
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import PortOpenError
from drivers.transports.port_paths import power_place
from drivers.transports.uart import Uart
from tests.bm13xx.device_rig import RecordingMiner
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

SCALE = 2.0**-26
SOCKET = PortInfo(paths=("usb:1-1",), serial="10032")


class ResettableLoopback:
    """A `BridgePort` without a bridge, whose second pin is the chips' reset."""

    way = "memory"

    def __init__(self, ports: InProcessPorts) -> None:
        self._ports = ports

    def path(self, place: int) -> str:
        return self._ports.path(place)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        return await self._ports.open(place, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Do nothing: the stick's time passes whether it is used or not."""

    async def set_pins(self, *, mask: int, levels: int) -> None:
        self.set_pins_soon(mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        self._ports.device.chain.hold_reset(low=not levels & mask & 2)

    async def read_pins(self) -> int:
        return 2

    async def finish(self) -> None:
        """Do nothing."""


class StarvedRig:
    """The stick called ``name``; ``limit`` is how many MHz its socket has power for."""

    def __init__(self, name: str, *, limit: float | None = None, **settings: object) -> None:
        self.log = RecordingLog()
        self.miner = RecordingMiner()
        self.emulated = emulated_stick(
            name, random=Random(3), scale=SCALE, faults=Faults(browns_out_above=limit)
        )
        self.ports = InProcessPorts(self.emulated, searcher=search_here, tick=0.1)
        self.context = Context(
            name="rig", miner=self.miner, clock=LoopClock(), random=Random(1), log=self.log
        )
        self.settings = {"scale": SCALE, "nonces_per_second": 4, **settings}
        self.device = self._made()
        self.failures: list[str] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run a device whenever the stick is there."""
        async with asyncio.TaskGroup() as group:
            chips = group.create_task(self.ports.serve())
            await asyncio.sleep(0)
            mining = group.create_task(self._mine())
            self.miner.ended = mining.done
            yield
            mining.cancel()
            await asyncio.wait([mining])
            chips.cancel()

    async def replug(self, away: float) -> None:
        """Pull the stick and put it back."""
        self.ports.unplug()
        self.emulated.plugged_in()
        await asyncio.sleep(away)
        self.ports.replug()
        await asyncio.sleep(0)

    async def steady(self, seconds: float) -> None:
        """Let so much time pass in which the stick does not vanish."""
        while True:
            before = len(self.failures)
            await asyncio.sleep(seconds)
            if len(self.failures) == before:
                return

    def _made(self) -> Bm13xxDevice:
        driver = DRIVERS[self.emulated.name]
        assert isinstance(driver, StickDriver)
        port, supply = ResettableLoopback(self.ports), self.context.supplies.of(power_place(SOCKET))
        return driver.on_port(port, self.settings, self.context, supply)

    async def _mine(self) -> None:
        while True:
            try:
                await self.device.run()
            except TransportLostError as error:
                self.failures.append(str(error))
            except PortOpenError:  # not there
                await asyncio.sleep(0.05)
            self.device = self._made()
