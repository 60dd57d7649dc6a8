"""An emulated device in a socket of an emulated bus, and the real transport that leads there."""

from collections.abc import Callable, Sequence
from random import Random

from drivers.transports.bridge_ports import DirectPort
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.ftdi import FtdiBridge
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.emulated_usb.loop_chips import LoopChips


class EmulatedSocket:
    """Holds what ``make`` returns, which is plugged in when it is asked for first.

    That needs a running event loop. The bus is one of its own unless one is given; ``port`` is how
    a driver gets there.
    """

    def __init__(
        self,
        name: str,
        make: Callable[[], EmulatedUsbDevice],
        *,
        controller: Controller = Controller.XHCI,
        bus: EmulatedBus | None = None,
    ) -> None:
        self.bus = bus or EmulatedBus(controller=controller)
        self.port = DirectPort(
            "usb:1-1", name=f"emulated:{name}", backend=EmulatedBackend(self.bus)
        )
        self._make = make
        self._device: EmulatedUsbDevice | None = None

    @property
    def device(self) -> EmulatedUsbDevice:
        """Return the device as the bus sees it."""
        if self._device is None:
            self._device = self._make()
            self.bus.plug(self._device)
        return self._device

    @property
    def live_port(self) -> DirectPort:
        """Return ``port`` with the device behind it."""
        _ = self.device  # plugged in by now
        return self.port

    def unplug(self) -> None:
        """Pull the plug."""
        self.bus.unplug(self.device)

    def replug(self) -> None:
        """Put it back."""
        self.bus.replug(self.device)

    def plug_moved(self, plugged: bool) -> None:
        """Follow a fault that moves the plug."""
        if plugged:
            self.replug()
        else:
            self.unplug()


def stick_on_usb(
    name: str, *, serial: str, random: Random, chips: Sequence[LoopChips]
) -> EmulatedUsbDevice:
    """Return the bridge of the stick called ``name`` with ``chips`` behind its ports.

    An empty ``serial`` leaves the usual number. An FTDI bridge cuts bursts, as real ones do.
    """
    usual = STICKS[name]
    identity = usual.with_serial(serial) if serial else usual
    device = EmulatedUsbDevice(identity, random=random, chips=tuple(chips))
    if isinstance(device.bridge, FtdiBridge):
        device.bridge.cuts_bursts = True
    return device
