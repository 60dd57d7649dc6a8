"""An emulated stick plugged into this process: an emulated USB bridge, and the real transport."""

from collections.abc import Mapping
from dataclasses import fields
from functools import partial
from random import Random

from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_plug import number_setting, whole_setting
from drivers.bm13xx.emulated_port import TICK, EmulatedPorts, Searcher, search_aside
from drivers.bm13xx.emulated_sticks import emulated_stick, micro_of
from drivers.peripherals.emulated_faults import Faults, parse_faults
from drivers.transports.base import OnData, OnLost
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.loop_chips import LoopChips
from drivers.transports.emulated_usb.plug_socket import EmulatedSocket, stick_on_usb
from drivers.transports.side_tasks import beside
from drivers.transports.uart import Uart

_FAULTS = {item.name for item in fields(Faults)}
_OWN = _FAULTS | {"ambient", "time_constant"}
_MICRO_BAUD_RATE = 115_200.0


class EmulatedStickPort:
    """A `BridgePort` with an emulated stick at its end, on a bus of its own unless one is given.

    The stick outlives the driver's runs. Its time passes only while `serve` or `run_chips` runs; it
    may be plugged and unplugged at any time. ``serial`` is its number if not the usual one.
    """

    def __init__(
        self,
        device: EmulatedDevice,
        *,
        random: Random,
        searcher: Searcher = search_aside,
        tick: float = TICK,
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
        self._tick = tick
        self._emulator: EmulatedPorts | None = None

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
        """Return the stick as the bus sees it; there must be a running event loop."""
        return self._socket.device

    def path(self, place: int) -> str:
        """Return what to call a port."""
        return self._port.path(place)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open a port."""
        port = self._socket.live_port
        return await port.open(place, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Hash and answer until cancelled; return when the device is given back."""
        async with beside(f"{self.device.name} chips", self.run_chips()):
            await self._port.serve()

    async def run_chips(self) -> None:
        """Hash and answer whoever has the stick, until cancelled."""
        assert self.usb
        assert self._emulator
        await self._emulator.run()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, TransportLostError."""
        await self._socket.live_port.set_pins(mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before the port closes; never wait, never raise."""
        self._port.set_pins_soon(mask=mask, levels=levels)

    async def read_pins(self) -> int:
        """Return the level of each free pin; raise LineControlError, TransportLostError."""
        return await self._socket.live_port.read_pins()

    async def finish(self) -> None:
        """Return when the port, which was closed or lost, no longer holds the device."""
        await self._port.finish()

    def unplug(self) -> None:
        """Pull the stick."""
        self._socket.unplug()

    def replug(self) -> None:
        """Put it back."""
        self._socket.replug()

    def _made(self) -> EmulatedUsbDevice:
        """Return the stick with its chips joined to the bridge."""
        chips = LoopChips(
            on_data=self._sent, on_baud_rate=self._rate_changed, on_reset=self._reset_moved
        )
        micro = LoopChips(
            on_data=self._control_sent,
            on_reset=self._micro_power_moved,
            baud_rate=lambda: _MICRO_BAUD_RATE,
        )
        behind = (chips, micro) if self.device.has_control else (chips,)
        usb = stick_on_usb(self.device.name, serial=self._serial, random=self._random, chips=behind)
        self._emulator = EmulatedPorts(
            self.device,
            write_data=usb.write,
            write_control=partial(usb.write, port=1),
            on_plug=self._socket.plug_moved,
            searcher=self._searcher,
            tick=self._tick,
        )
        return usb

    def _sent(self, data: bytes) -> None:
        if self._emulator:
            self._emulator.data_received(data)

    def _rate_changed(self, baud_rate: int) -> None:
        if self._emulator:
            self._emulator.baud_rate_changed(baud_rate)

    def _control_sent(self, data: bytes) -> None:
        if self._emulator:
            self._emulator.control_received(data)

    def _reset_moved(self, low: bool) -> None:
        if micro := micro_of(self.device):
            micro.drive_lines(low=not low)
            self.device.lines_moved()
        else:
            self.device.chain.hold_reset(low=low)

    def _micro_power_moved(self, off: bool) -> None:
        if (micro := micro_of(self.device)) and off:
            micro.lose_power()
            self.device.lines_moved()


def stick_in(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[EmulatedStickPort, Mapping[str, object]]:
    """Return the emulated stick called ``name``, plugged in, and the settings left for a driver.

    Settings of the emulator itself (faults, ambient, time_constant) are taken out; its scale is put
    in. Raises SettingError.
    """
    device = emulated_stick(
        name,
        random=random,
        chips=whole_setting(settings, "chips"),
        scale=number_setting(settings, "scale"),
        faults=parse_faults({key: str(settings[key]) for key in settings if key in _FAULTS}),
        ambient=number_setting(settings, "ambient"),
        time_constant=number_setting(settings, "time_constant"),
    )
    left = {key: value for key, value in settings.items() if key not in _OWN}
    return EmulatedStickPort(device, random=random), {**left, "scale": device.chain.scale}
