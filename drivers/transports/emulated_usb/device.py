"""An emulated USB device: a bridge, the chips behind it, and the plug.

It is driven from any thread: by handles (`handle`), which stand for open files of usbfs, and by
the chips, which `write` what they send later than at once. One condition guards it all and wakes
those who wait for data.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from enum import Enum
from threading import Condition
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.claims import Claims
from drivers.transports.emulated_usb.faults import FaultPlan
from drivers.transports.emulated_usb.identities import UsbIdentity, new_bridge
from drivers.transports.emulated_usb.setup_packet import Kind, Setup
from drivers.transports.emulated_usb.standard_requests import StandardDevice
from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError

if TYPE_CHECKING:
    from random import Random

    from drivers.transports.emulated_usb.handle import UsbHandle
    from drivers.transports.emulated_usb.uart_port import SerialChips

_REMEMBERED = 1000


class Controller(Enum):
    """The host controller a device hangs on, which decides how a transfer fails when it is gone.

    Seen under Linux: xHCI says ENODEV, UHCI goes on saying EIO for as long as anyone asked.
    """

    XHCI = Status.NO_DEVICE
    UHCI = Status.IO


class EmulatedUsbDevice:
    """One device; plug it into a bus (`bus.EmulatedBus`) to use it.

    ``chips`` hang on the bridge's ports, in order. ``accessible`` is whether programs may open it,
    ``has_kernel_driver`` whether the kernel has one for it. ``handles`` are the open ones.
    ``controls`` remembers the newest control requests with their data, standard ones excepted.
    """

    def __init__(
        self,
        identity: UsbIdentity,
        *,
        random: "Random",
        chips: "Sequence[SerialChips]" = (),
        faults: FaultPlan | None = None,
        has_kernel_driver: bool = True,
        accessible: bool = True,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity = identity
        self.bridge = new_bridge(identity, random)
        if len(chips) > len(self.bridge.ports):
            raise ValueError(f"{identity.name} has only {len(self.bridge.ports)} ports")
        for port, behind in zip(self.bridge.ports, chips, strict=False):
            port.chips = behind
        for port in self.bridge.ports:
            port.now = now
        self.faults = faults or FaultPlan()
        self.accessible = accessible
        self.now = now
        self.changed = Condition()
        self.standard = StandardDevice(identity, self.bridge)
        self.claims = Claims(self.bridge.drives_together, has_kernel_driver=has_kernel_driver)
        self.controls: deque[tuple[Setup, bytes]] = deque(maxlen=_REMEMBERED)
        self.handles: set[UsbHandle] = set()
        self.plugged = False
        self.plug_count = 0
        self.bus_number = 0
        self.address = 0
        self.port_numbers: tuple[int, ...] = ()
        self.controller = Controller.XHCI
        self.pull_plug: Callable[[], None] = self.plugged_out
        self.driver_changed: Callable[[], None] = _unnoticed
        self._in_reset: bool | None = None

    # -- the plug; the bus calls these

    def plugged_in(self) -> None:
        """Wake up: the bridge as after power came, the chips too unless they had power."""
        with self.changed:
            self.plugged = True
            self.plug_count += 1
            self.claims.restart()
            self._restart()
            if not self.identity.self_powered:
                self._power_chips(on=False)
            self._in_reset = None
            self._power_chips(on=True)
            self.changed.notify_all()

    def plugged_out(self) -> None:
        """Vanish: who waits for data is told, the chips lose their power if it was the bus's."""
        with self.changed:
            self.plugged = False
            self.claims.vanish()
            if not self.identity.self_powered:
                self._power_chips(on=False)
            self.changed.notify_all()

    # -- the chips' side

    def write(self, data: bytes, port: int = 0) -> None:
        """Take what the chips send on a port; lost while unplugged. From any thread."""
        with self.changed:
            if self.plugged:
                self.bridge.ports[port].from_chips(data)
                self.changed.notify_all()

    # -- the host's side; handles and the kernel's tty call these with `changed` held

    def control(self, setup: Setup, data: bytes) -> bytes:
        """Do a control request; return what goes to the host, at most what was asked for."""
        if setup.kind is Kind.STANDARD:
            return self.standard.control(setup)[: setup.length]
        self.controls.append((setup, data))
        answer = self.bridge.control(setup, data, self.now())
        self._look_at_pins()
        self.changed.notify_all()
        return answer[: setup.length]

    def move_in(self, endpoint: int, transfer: bytearray, size: int) -> bool:
        """Move the packets that are ready; return whether the transfer of ``size`` is complete.

        Raises UsbTransferError: a halted endpoint, or a packet that is larger than what is left.
        """
        found, port = self.standard.endpoint(endpoint), self.bridge.port_at(endpoint)
        while True:
            if endpoint in self.standard.halted:
                raise UsbTransferError(Status.PIPE)
            packet = None if port is None else self.bridge.packet(port, self.now())
            if packet is None or found is None:
                return False
            if len(packet) > size - len(transfer):
                raise UsbTransferError(Status.OVERFLOW)
            transfer += packet
            if len(packet) < found.max_packet or len(transfer) == size:
                return True

    def packet_due(self, endpoint: int) -> float | None:
        """Return when there will be a packet though nothing happens; None for never."""
        port = self.bridge.port_at(endpoint)
        return None if port is None else self.bridge.packet_due(port, self.now())

    def move_out(self, endpoint: int, data: bytes) -> bool:
        """Take the host's data; return False if there is no room for it yet."""
        if endpoint in self.standard.halted:
            raise UsbTransferError(Status.PIPE)
        port = self.bridge.port_at(endpoint)
        if port is None:
            return False
        uart = self.bridge.ports[port]
        if not uart.accepts_data:
            return False
        uart.to_chips(data)
        self.changed.notify_all()
        return True

    def usb_reset(self) -> None:
        """Reset the bridge; the chips keep their power, and owners what they have."""
        self._restart()
        self._look_at_pins()
        self.changed.notify_all()

    def _restart(self) -> None:
        self.standard.restart()
        self.bridge.restart(self.now())

    def _power_chips(self, *, on: bool) -> None:
        for port in self.bridge.ports:
            wire = self.identity.reset
            if not (on and wire and port is self.bridge.ports[wire.port]):
                port.chips.hold_reset(low=not on)
        if on:
            self._look_at_pins()

    def _look_at_pins(self) -> None:
        """Let the chips see their reset line."""
        wire = self.identity.reset
        if wire is None:
            return
        port = self.bridge.ports[wire.port]
        low = wire.holds(port.pins)
        if low != self._in_reset:
            self._in_reset = low
            port.chips.hold_reset(low=low)


def _unnoticed() -> None:
    """Take notice of nothing."""
