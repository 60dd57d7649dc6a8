"""Silicon Labs bridges: CP2102, CP2102N and CP2105 with its two ports.

A port is dead until it is enabled. The CP2105 and the CP2102N have pins that a latch drives; they
wake high. Packets to the host are plain data.

Source: torvalds/linux drivers/usb/serial/cp210x.c; kanoi/cgminer (usbutils.h, driver-gekko.c);
buffer sizes from Silicon Labs' data sheets. The limits of the CP2105's ports are assumed.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.bridge import StreamPackets, ports_by_endpoint, stall
from drivers.transports.emulated_usb.cp210x_baud import divided, stepped
from drivers.transports.emulated_usb.descriptors import Endpoint, Interface
from drivers.transports.emulated_usb.line import Line, Parity, StopBits
from drivers.transports.emulated_usb.setup_packet import Kind, Recipient, Setup
from drivers.transports.emulated_usb.uart_port import UartPort

if TYPE_CHECKING:
    from random import Random

_VENDOR = 0xFF
_PART_NUMBER = 0x370B
_WRITE_LATCH = 0x37E1
_READ_LATCH = 0x00C2
_COMM_STATUS = struct.Struct("<IIIIBBB")


class Latch(Enum):
    """How a chip's pins are reached."""

    NONE = "no pins"
    PER_INTERFACE = "mask and state in two data bytes, to an interface"
    IN_INDEX = "mask and state in wIndex, to the device"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cp210xSpec:
    """One chip; each port has (IN, OUT, packet size, slowest, fastest rate)."""

    name: str
    part_number: int
    fifo: int
    rate: Callable[[int], float]
    ports: tuple[tuple[int, int, int, int, int], ...]
    latch: Latch = Latch.NONE
    pins: int = 0


CP2102 = Cp210xSpec(
    name="CP2102",
    part_number=0x02,
    fifo=576,
    rate=stepped,
    ports=((0x81, 0x01, 64, 300, 921_600),),
)
CP2102N = Cp210xSpec(
    name="CP2102N",
    part_number=0x20,
    fifo=512,
    rate=divided,
    ports=((0x82, 0x02, 64, 300, 3_000_000),),
    latch=Latch.IN_INDEX,
    pins=0x0F,
)
CP2105 = Cp210xSpec(
    name="CP2105",
    part_number=0x05,
    fifo=288,
    rate=divided,
    ports=((0x81, 0x01, 64, 300, 2_000_000), (0x82, 0x02, 32, 2400, 921_600)),
    latch=Latch.PER_INTERFACE,
    pins=0x07,
)


class Cp210xBridge:
    """A Silicon Labs chip."""

    release = 0x0100
    device_class = 0
    high_speed = False
    kernel_driver = "cp210x"
    short_packet = b""

    def __init__(self, spec: Cp210xSpec, *, random: "Random") -> None:
        self.name = spec.name
        self.drives_together: tuple[tuple[int, ...], ...] = tuple(
            (number,) for number in range(len(spec.ports))
        )
        self.interfaces = tuple(
            Interface(
                number=number,
                name=2,
                endpoints=(
                    Endpoint(address=in_at, max_packet=size),
                    Endpoint(address=out_at, max_packet=size),
                ),
            )
            for number, (in_at, out_at, size, _, _) in enumerate(spec.ports)
        )
        self.ports = tuple(UartPort(random=random, fifo=spec.fifo) for _ in spec.ports)
        self._spec = spec
        self._flow = [bytes(16) for _ in spec.ports]
        self._ports_at = ports_by_endpoint(self.interfaces)
        self._streams = self._new_streams()

    def control(self, setup: Setup, data: bytes, now: float) -> bytes:
        """Do a vendor request to an interface, or to the device where the chip has it so."""
        del now
        if setup.kind is not Kind.VENDOR:
            raise stall()
        if setup.request == _VENDOR:
            return self._own_request(setup, data)
        number = setup.index & 0xFF
        if setup.recipient != Recipient.INTERFACE or number >= len(self.ports):
            raise stall()
        return self._answer(setup, number) if setup.is_in else self._order(setup, data, number)

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
        """Set the rate the chip makes of it, and switch the port on as the kernel does."""
        self.ports[port].enabled = True
        self._set_baud(port, baud_rate)

    def restart(self, now: float) -> None:
        """Be as after power came: ports off, pins high."""
        del now
        self._streams = self._new_streams()
        for port in self.ports:
            port.restart(enabled=False, pins=0xFF)

    def _new_streams(self) -> tuple[StreamPackets, ...]:
        sizes = [size for _, _, size, _, _ in self._spec.ports]
        return tuple(
            StreamPackets(port, size) for port, size in zip(self.ports, sizes, strict=True)
        )

    def _answer(self, setup: Setup, number: int) -> bytes:
        port = self.ports[number]
        line = port.line
        match setup.request:
            case 0x04:
                return bytes([line.parity << 4 | line.stop_bits, line.data_bits])
            case 0x08:
                return bytes([port.dtr | port.rts << 1])
            case 0x10:
                errors = port.take_errors()
                return _COMM_STATUS.pack(errors, 0, port.waiting, port.unsent, 0, 0, 0)
            case 0x14:
                return self._flow[number]
            case 0x1D:
                return round(line.baud_rate).to_bytes(4, "little")
            case _:
                raise stall()

    def _order(self, setup: Setup, data: bytes, number: int) -> bytes:
        port, value = self.ports[number], setup.value
        match setup.request:
            case 0x00 if value <= 1:
                port.enabled = bool(value)
                port.forget_received()
                port.forget_held()
            case 0x03:
                port.set_line(_format(port.line, value))
            case 0x07:
                port.dtr = bool(value & 1) if value & 0x100 else port.dtr
                port.rts = bool(value & 2) if value & 0x200 else port.rts
            case 0x12:
                self._purge(port, value)
            case 0x13 if len(data) == 16:
                self._flow[number] = data
                port.waits_for_cts = bool(data[0] & 0x08)
                if not port.waits_for_cts:
                    port.release_held()
            case 0x1E if len(data) == 4:
                self._set_baud(number, int.from_bytes(data, "little"))
            case _:
                raise stall()
        return b""

    def _purge(self, port: UartPort, what: int) -> None:
        if what & 0x0A:
            port.forget_received()
        if what & 0x05:
            port.forget_held()

    def _set_baud(self, number: int, asked: int) -> None:
        _, _, _, slowest, fastest = self._spec.ports[number]
        port = self.ports[number]
        rate = self._spec.rate(min(max(asked, slowest), fastest))
        port.set_line(replace(port.line, baud_rate=rate))

    def _own_request(self, setup: Setup, data: bytes) -> bytes:
        if setup.is_in and setup.value == _PART_NUMBER:
            return bytes([self._spec.part_number])
        if setup.value not in {_WRITE_LATCH, _READ_LATCH} or self._spec.latch is Latch.NONE:
            raise stall()
        per_interface = self._spec.latch is Latch.PER_INTERFACE
        wanted = Recipient.INTERFACE if per_interface else Recipient.DEVICE
        number = setup.index & 0xFF if per_interface else 0
        if setup.recipient != wanted or number >= len(self.ports):
            raise stall()
        port = self.ports[number]
        if setup.is_in:
            return bytes([port.pins & self._spec.pins]) if setup.value == _READ_LATCH else b""
        if per_interface and len(data) != 2:
            raise stall()
        mask, state = data if per_interface else divmod(setup.index, 256)[::-1]
        mask &= self._spec.pins
        port.pins = port.pins & ~mask | state & mask
        return b""


def _format(line: Line, value: int) -> Line:
    bits, parity, stop = value >> 8, value >> 4 & 0xF, value & 0xF
    if not 5 <= bits <= 8 or parity > Parity.SPACE or stop > StopBits.TWO:
        raise stall()
    return Line(
        baud_rate=line.baud_rate,
        data_bits=bits,
        parity=Parity(parity),
        stop_bits=StopBits(stop),
    )
