"""What every emulated bridge is to the USB device around it."""

from collections.abc import Iterable
from typing import Protocol

from drivers.transports.emulated_usb.descriptors import Interface
from drivers.transports.emulated_usb.setup_packet import Setup
from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError
from drivers.transports.emulated_usb.uart_port import UartPort


class Bridge(Protocol):
    """A USB to UART chip, sans-IO and not thread-safe.

    ``now`` is in seconds and never decreases. Endpoints are given by address. The kernel's driver
    takes and leaves the interfaces of a tuple in ``drives_together`` as one. ``short_packet`` is
    what a transfer that fails half-way brings.
    """

    name: str
    release: int
    device_class: int
    high_speed: bool
    kernel_driver: str
    drives_together: tuple[tuple[int, ...], ...]
    short_packet: bytes
    interfaces: tuple[Interface, ...]
    ports: tuple[UartPort, ...]

    def control(self, setup: Setup, data: bytes, now: float) -> bytes:
        """Do a vendor or class request with its ``data``; return what it answers.

        Raises UsbTransferError (a stall) for a request that the chip does not know.
        """
        ...

    def port_at(self, endpoint: int) -> int | None:
        """Return the index of the port that a bulk endpoint belongs to."""
        ...

    def packet(self, port: int, now: float) -> bytes | None:
        """Return the next packet for the host, perhaps empty; None if there is none yet."""
        ...

    def packet_due(self, port: int, now: float) -> float | None:
        """Return when there will be a packet though nothing happens; None for never."""
        ...

    def set_rate(self, port: int, baud_rate: int) -> None:
        """Set the rate as the kernel's driver for this chip would."""
        ...

    def restart(self, now: float) -> None:
        """Be as after power came, or a USB reset."""
        ...


def stall() -> UsbTransferError:
    """Return the error of a request that is not understood."""
    return UsbTransferError(Status.PIPE)


def ports_by_endpoint(interfaces: Iterable[Interface]) -> dict[int, int]:
    """Return the port of each bulk endpoint: interfaces with bulk endpoints, counted from 0."""
    table: dict[int, int] = {}
    port = 0
    for interface in interfaces:
        bulk = [endpoint.address for endpoint in interface.endpoints if endpoint.kind == 2]
        table.update(dict.fromkeys(bulk, port))
        port += bool(bulk)
    return table


class StreamPackets:
    """Packets of a bridge without status bytes: what has come, as soon as it has come.

    A burst that ends with a full packet is closed by an empty one, so that the transfer ends.
    """

    def __init__(self, port: UartPort, max_packet: int) -> None:
        self._port = port
        self._max_packet = max_packet
        self._open_burst = False

    def take(self) -> bytes | None:
        """Return the next packet, None if there is none."""
        if not self._port.waiting and not self._open_burst:
            return None
        packet = self._port.take(self._max_packet)
        self._open_burst = len(packet) == self._max_packet
        return packet
