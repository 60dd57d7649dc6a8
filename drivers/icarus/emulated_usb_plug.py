"""An emulated device plugged into this process: an emulated USB bridge, and the real transport."""

import asyncio
from collections.abc import Mapping
from random import Random

from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_plug import emulated_device
from drivers.icarus.emulated_port import EmulatedPort, Searcher, search_aside
from drivers.transports.base import OnData, OnLost
from drivers.transports.bridge_ports import DirectPort
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.ftdi import FtdiBridge
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.emulated_usb.loop_chips import LoopChips
from drivers.transports.uart import Uart


class EmulatedUsbPort:
    """`Ports` with an emulated device behind an emulated bridge, on a bus of its own by default.

    The device outlives the driver's runs. Its time passes only while `serve` or `run_chips` runs;
    it may be plugged and unplugged at any time. ``serial`` is its number if not the usual one.
    """

    def __init__(
        self,
        device: EmulatedIcarus,
        *,
        random: Random,
        searcher: Searcher = search_aside,
        controller: Controller = Controller.XHCI,
        bus: EmulatedBus | None = None,
        serial: str = "",
    ) -> None:
        self.device = device
        self.bus = bus or EmulatedBus(controller=controller)
        self._serial = serial
        self._random = random
        self._searcher = searcher
        self._port = DirectPort(
            "usb:1-1", name=f"emulated:{device.name}", backend=EmulatedBackend(self.bus)
        )
        self._usb: EmulatedUsbDevice | None = None
        self._emulator: EmulatedPort | None = None

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return self._port.way

    @property
    def usb(self) -> EmulatedUsbDevice:
        """Return the device as the bus sees it; there must be a running event loop."""
        if self._usb is None:
            self._usb = self._made()
            self.bus.plug(self._usb)
        return self._usb

    def path(self, place: int) -> str:
        """Return what to call the port."""
        return self._port.path(place)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open the port."""
        assert self.usb
        return await self._port.open(place, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Hash and answer until cancelled; return when the device is given back."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.run_chips(), name=f"{self.device.name} chips")
            await self._port.serve()

    async def run_chips(self) -> None:
        """Hash and answer whoever has the device, until cancelled."""
        assert self.usb
        assert self._emulator
        await self._emulator.run()

    def unplug(self) -> None:
        """Pull the plug."""
        self.bus.unplug(self.usb)

    def replug(self) -> None:
        """Put it back."""
        self.bus.replug(self.usb)

    def _made(self) -> EmulatedUsbDevice:
        """Return the device with its chips joined to the bridge."""
        chips = LoopChips(
            on_data=self._sent, on_baud_rate=self._rate_changed, on_reset=self._power_moved
        )
        usual = STICKS[self.device.name]
        identity = usual.with_serial(self._serial) if self._serial else usual
        usb = EmulatedUsbDevice(identity, random=self._random, chips=(chips,))
        if isinstance(usb.bridge, FtdiBridge):
            usb.bridge.cuts_bursts = True
        self._emulator = EmulatedPort(
            self.device,
            write_data=usb.write,
            on_plug=self._plug_moved,
            searcher=self._searcher,
        )
        return usb

    def _sent(self, data: bytes) -> None:
        if self._emulator:
            self._emulator.data_received(data)

    def _rate_changed(self, baud_rate: int) -> None:
        if self._emulator:
            self._emulator.baud_rate_changed(baud_rate)

    def _power_moved(self, off: bool) -> None:
        if self._emulator and not off:
            self._emulator.reset()

    def _plug_moved(self, plugged: bool) -> None:
        if plugged:
            self.replug()
        else:
            self.unplug()


def stick_in(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[EmulatedUsbPort, Mapping[str, object]]:
    """Return the emulated device called ``name``, plugged in, and the settings left for a driver.

    Raises SettingError; see `emulated_plug.emulated_device`.
    """
    device, left = emulated_device(name, settings, random)
    return EmulatedUsbPort(device, random=random), left
