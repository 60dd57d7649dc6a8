"""Prolific PL2303, type HX: line settings as CDC-ACM has them, registers by vendor requests.

The rate is either one of a list, written as a number, or a divisor with the top bit set; a number
that is not in the list makes it run at 9600.

Source: torvalds/linux drivers/usb/serial/pl2303.c; kanoi/cgminer (driver-icarus.c, usbutils.h).
What the registers mean is not documented: they hold what is written to them.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.bridge import StreamPackets, ports_by_endpoint, stall
from drivers.transports.emulated_usb.descriptors import Endpoint, EndpointKind, Interface
from drivers.transports.emulated_usb.line_coding import SIZE, asked_rate, coding_of, line_of
from drivers.transports.emulated_usb.setup_packet import Kind, Recipient, Setup
from drivers.transports.emulated_usb.uart_port import UartPort

if TYPE_CHECKING:
    from random import Random

_PACKET = 64
_FIFO = 256
_DIRECT_RATES = {
    *(75, 150, 300, 600, 1200, 1800, 2400, 3600, 4800, 7200, 9600, 14400, 19200, 28800),
    *(38400, 57600, 115200, 230400, 460800, 614400, 921600, 1228800, 2457600),
    *(3000000, 6000000),
}


class Pl2303Bridge:
    """A PL2303HX."""

    name = "PL2303"
    release = 0x0300
    device_class = 0
    high_speed = False
    kernel_driver = "pl2303"
    drives_together: tuple[tuple[int, ...], ...] = ((0,),)
    short_packet = b""

    def __init__(self, *, random: "Random") -> None:
        self.interfaces: tuple[Interface, ...] = (
            Interface(
                number=0,
                endpoints=(
                    Endpoint(address=0x81, kind=EndpointKind.INTERRUPT, max_packet=10, interval=1),
                    Endpoint(address=0x02, max_packet=_PACKET),
                    Endpoint(address=0x83, max_packet=_PACKET),
                ),
            ),
        )
        self.ports: tuple[UartPort, ...] = (UartPort(random=random, fifo=_FIFO),)
        self._registers: dict[int, int] = {}
        self._ports_at = ports_by_endpoint(self.interfaces)
        self._stream = StreamPackets(self.ports[0], _PACKET)

    def control(self, setup: Setup, data: bytes, now: float) -> bytes:
        """Do a class request to the interface, or a vendor request to the device."""
        del now
        if setup.kind is Kind.VENDOR and setup.recipient == Recipient.DEVICE:
            return self._register(setup)
        if setup.kind is not Kind.CLASS or setup.recipient != Recipient.INTERFACE:
            raise stall()
        port = self.ports[0]
        match setup.request, setup.is_in:
            case 0x20, False if len(data) == SIZE:
                port.set_line(line_of(data, _rate(asked_rate(data))))
            case 0x21, True:
                return coding_of(port.line)
            case 0x22, False:
                port.dtr, port.rts = bool(setup.value & 1), bool(setup.value & 2)
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
        del port, now
        return self._stream.take()

    def packet_due(self, port: int, now: float) -> float | None:
        """Return None: without data there is never a packet."""
        del port, now
        return None

    def set_rate(self, port: int, baud_rate: int) -> None:
        """Set the rate; the kernel's driver finds a divisor for any."""
        uart = self.ports[port]
        uart.set_line(replace(uart.line, baud_rate=float(baud_rate)))

    def restart(self, now: float) -> None:
        """Be as after power came."""
        del now
        self._registers.clear()
        self._stream = StreamPackets(self.ports[0], _PACKET)
        self.ports[0].restart(enabled=True, pins=0xFF)

    def _register(self, setup: Setup) -> bytes:
        if setup.request != 0x01:
            raise stall()
        if setup.is_in:
            return bytes([self._registers.get(setup.value & 0xFF, 0)])
        self._registers[setup.value & 0xFF] = setup.index & 0xFF
        return b""


def _rate(asked: int) -> float:
    if asked & 0x80000000:
        mantissa, exponent = asked & 0x1FF, asked >> 9 & 7
        return 12_000_000 * 32 / (mantissa << 2 * exponent) if mantissa else 0.0
    return float(asked) if asked in _DIRECT_RATES else 9600.0
