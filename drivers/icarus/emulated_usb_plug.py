"""An emulated device plugged into this process: an emulated USB bridge, and the real transport."""

import asyncio
from collections.abc import Mapping
from random import Random

from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_plug import emulated_device
from drivers.icarus.emulated_port import EmulatedPort, Searcher, search_aside
from drivers.transports.base import OnData, OnLost
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.loop_chips import LoopChips
from drivers.transports.emulated_usb.plug_socket import EmulatedSocket, stick_on_usb
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
        self._socket = EmulatedSocket(device.name, self._made, controller=controller, bus=bus)
        self._port = self._socket.port
        self._serial = serial
        self._random = random
        self._searcher = searcher
        self._emulator: EmulatedPort | None = None

    @property
    def bus(self) -> EmulatedBus:
        """Return the bus."""
        return self._socket.bus

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return self._port.way

    @property
    def usb(self) -> EmulatedUsbDevice:
        """Return the device as the bus sees it; there must be a running event loop."""
        return self._socket.device

    def path(self, place: int) -> str:
        """Return what to call the port."""
        return self._port.path(place)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open the port."""
        port = self._socket.live_port
        return await port.open(place, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

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
        self._socket.unplug()

    def replug(self) -> None:
        """Put it back."""
        self._socket.replug()

    def _made(self) -> EmulatedUsbDevice:
        """Return the device with its chips joined to the bridge."""
        chips = LoopChips(
            on_data=self._sent, on_baud_rate=self._rate_changed, on_reset=self._power_moved
        )
        usb = stick_on_usb(
            self.device.name, serial=self._serial, random=self._random, chips=(chips,)
        )
        self._emulator = EmulatedPort(
            self.device,
            write_data=usb.write,
            on_plug=self._socket.plug_moved,
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


def stick_in(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[EmulatedUsbPort, Mapping[str, object]]:
    """Return the emulated device called ``name``, plugged in, and the settings left for a driver.

    Raises SettingError; see `emulated_plug.emulated_device`.
    """
    device, left = emulated_device(name, settings, random)
    return EmulatedUsbPort(device, random=random), left
