"""An emulated stick plugged into this process: an emulated USB bridge, and the real transport."""

from collections.abc import Mapping
from dataclasses import fields
from random import Random

from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_plug import number_setting, whole_setting
from drivers.bm13xx.emulated_port import TICK, EmulatedPorts, Searcher, search_aside
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.peripherals.emulated_faults import Faults, parse_faults
from drivers.transports.base import OnData, OnLost
from drivers.transports.bridge_ports import DirectPort
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.emulated_usb.loop_chips import LoopChips
from drivers.transports.side_tasks import beside
from drivers.transports.uart import Uart

_FAULTS = {item.name for item in fields(Faults)}


class EmulatedStickPort:
    """A `BridgePort` with an emulated stick at its end, on a bus of its own.

    The stick outlives the driver's runs. Its time passes only while `serve` runs; it may be
    plugged and unplugged at any time.
    """

    def __init__(
        self,
        device: EmulatedDevice,
        *,
        random: Random,
        searcher: Searcher = search_aside,
        tick: float = TICK,
        controller: Controller = Controller.XHCI,
    ) -> None:
        self.device = device
        self.bus = EmulatedBus(controller=controller)
        self._random = random
        self._searcher = searcher
        self._tick = tick
        self._port = DirectPort(
            "usb:1-1", name=f"emulated:{device.name}", backend=EmulatedBackend(self.bus)
        )
        self._usb: EmulatedUsbDevice | None = None
        self._emulator: EmulatedPorts | None = None

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return self._port.way

    @property
    def usb(self) -> EmulatedUsbDevice:
        """Return the stick as the bus sees it; there must be a running event loop."""
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
        assert self.usb
        assert self._emulator
        async with beside(f"{self.device.name} chips", self._emulator.run()):
            await self._port.serve()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, TransportLostError."""
        await self._port.set_pins(mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before the port closes; never wait, never raise."""
        self._port.set_pins_soon(mask=mask, levels=levels)

    async def finish(self) -> None:
        """Return when the port, which was closed or lost, no longer holds the device."""
        await self._port.finish()

    def unplug(self) -> None:
        """Pull the stick."""
        self.bus.unplug(self.usb)

    def replug(self) -> None:
        """Put it back."""
        self.bus.replug(self.usb)

    def _made(self) -> EmulatedUsbDevice:
        """Return the stick with its chips joined to the bridge."""
        chips = LoopChips(
            on_data=self._sent, on_baud_rate=self._rate_changed, on_reset=self._reset_moved
        )
        identity = STICKS[self.device.name]
        usb = EmulatedUsbDevice(identity, random=self._random, chips=(chips,))
        self._emulator = EmulatedPorts(
            self.device,
            write_data=usb.write,
            on_plug=self._plug_moved,
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

    def _reset_moved(self, low: bool) -> None:
        self.device.chain.hold_reset(low=low)

    def _plug_moved(self, plugged: bool) -> None:
        if plugged:
            self.replug()
        else:
            self.unplug()


def stick_in(
    name: str, settings: Mapping[str, object], random: Random
) -> tuple[EmulatedStickPort, Mapping[str, object]]:
    """Return the emulated stick called ``name``, plugged in, and the settings left for a driver.

    Faults are settings of the emulator itself and are taken out; its scale is put in. Raises
    SettingError.
    """
    device = emulated_stick(
        name,
        random=random,
        chips=whole_setting(settings, "chips"),
        scale=number_setting(settings, "scale"),
        faults=parse_faults({key: str(settings[key]) for key in settings if key in _FAULTS}),
    )
    left = {key: value for key, value in settings.items() if key not in _FAULTS}
    return EmulatedStickPort(device, random=random), {**left, "scale": device.chain.scale}
