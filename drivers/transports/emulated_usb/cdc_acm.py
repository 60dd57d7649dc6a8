"""Microcontrollers that are a serial port by themselves: the CDC-ACM class, one port or more.

Each port has an interface for control and one for data. Many firmwares send nothing and hear
nothing while DTR is off, and so does this one unless told otherwise.

Source: USB CDC specification 1.2 and its PSTN subclass.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.bridge import StreamPackets, ports_by_endpoint, stall
from drivers.transports.emulated_usb.descriptors import Endpoint, EndpointKind, Interface
from drivers.transports.emulated_usb.line_coding import asked_rate, coding_of, line_of
from drivers.transports.emulated_usb.setup_packet import Kind, Recipient, Setup
from drivers.transports.emulated_usb.uart_port import UartPort

if TYPE_CHECKING:
    from random import Random

_PACKET = 64
_FIFO = 1024


class CdcAcmBridge:
    """``ports`` serial ports; a firmware that ``needs_dtr`` is deaf and mute without it."""

    name = "CDC-ACM"
    release = 0x0100
    device_class = 0xEF
    high_speed = False
    kernel_driver = "cdc_acm"
    short_packet = b""

    def __init__(self, *, random: "Random", ports: int = 1, needs_dtr: bool = True) -> None:
        self.drives_together: tuple[tuple[int, ...], ...] = tuple(
            (2 * port, 2 * port + 1) for port in range(ports)
        )
        self.interfaces = tuple(
            interface for port in range(ports) for interface in _interfaces(port)
        )
        self.ports = tuple(UartPort(random=random, fifo=_FIFO) for _ in range(ports))
        self._needs_dtr = needs_dtr
        self._ports_at = ports_by_endpoint(self.interfaces)
        self._streams = self._new_streams()

    def control(self, setup: Setup, data: bytes, now: float) -> bytes:
        """Do a class request to a control interface."""
        del now
        number, odd = divmod(setup.index & 0xFF, 2)
        if setup.kind is not Kind.CLASS or setup.recipient != Recipient.INTERFACE:
            raise stall()
        if odd or number >= len(self.ports):
            raise stall()
        port = self.ports[number]
        match setup.request, setup.is_in:
            case 0x20, False:
                port.set_line(line_of(data, asked_rate(data)))
            case 0x21, True:
                return coding_of(port.line)
            case 0x22, False:
                port.dtr, port.rts = bool(setup.value & 1), bool(setup.value & 2)
                port.enabled = port.dtr or not self._needs_dtr
            case 0x23, False:
                pass  # a break, which no chip here minds
            case _:
                raise stall()
        return b""

    def port_at(self, endpoint: int) -> int | None:
        """Return the port of an endpoint."""
        return self._ports_at.get(endpoint)

    def packet(self, port: int, now: float) -> bytes | None:
        """Return what has come."""
        del now
        return self._streams[port].take()

    def packet_due(self, port: int, now: float) -> float | None:
        """Return None: without data there is never a packet."""
        del port, now
        return None

    def set_rate(self, port: int, baud_rate: int) -> None:
        """Set the rate, and DTR as the kernel does when a program opens the tty."""
        uart = self.ports[port]
        uart.enabled = uart.dtr = uart.rts = True
        uart.set_line(replace(uart.line, baud_rate=float(baud_rate)))

    def restart(self, now: float) -> None:
        """Be as after power came."""
        del now
        self._streams = self._new_streams()
        for port in self.ports:
            port.restart(enabled=not self._needs_dtr, pins=0xFF)

    def _new_streams(self) -> tuple[StreamPackets, ...]:
        return tuple(StreamPackets(port, _PACKET) for port in self.ports)


def _interfaces(port: int) -> tuple[Interface, Interface]:
    """Return the two interfaces of a port, with endpoints of their own."""
    control, data = 2 * port, 2 * port + 1
    notify, bulk = 2 * port + 1, 2 * port + 2
    functions = bytes.fromhex("0524001001") + bytes.fromhex("04240206")
    functions += bytes([5, 0x24, 0x06, control, data]) + bytes([5, 0x24, 0x01, 0, data])
    notification = Endpoint(
        address=0x80 | notify, kind=EndpointKind.INTERRUPT, max_packet=8, interval=255
    )
    return (
        Interface(
            number=control,
            class_code=0x02,
            subclass=0x02,
            protocol=0x01,
            extra=functions,
            endpoints=(notification,),
        ),
        Interface(
            number=data,
            class_code=0x0A,
            endpoints=(
                Endpoint(address=0x80 | bulk, max_packet=_PACKET),
                Endpoint(address=bulk, max_packet=_PACKET),
            ),
        ),
    )
