"""FTDI bridges: FT232R, FT-X (FT230X, FT231X, FT234X) and FT232H.

Every packet to the host begins with two status bytes, also when there is nothing else; such a
packet goes out whenever the latency timer expires, and a full one at once. The pins CBUS0 to CBUS3
can be driven in a bit-bang mode of their own while the UART goes on.

Source: torvalds/linux drivers/usb/serial/ftdi_sio.{c,h}, libftdi and pyftdi for the requests;
kanoi/cgminer (driver-gekko.c) for what sticks do with them; FTDI's data sheets for buffer sizes.
A reset of the port keeps latency timer and pins: Linux sets the timer once, before it resets.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.bridge import ports_by_endpoint, stall
from drivers.transports.emulated_usb.descriptors import Endpoint, Interface
from drivers.transports.emulated_usb.ftdi_baud import rate_by_kernel, rate_of_divisor
from drivers.transports.emulated_usb.line import Line, Parity, StopBits
from drivers.transports.emulated_usb.setup_packet import Kind, Recipient, Setup
from drivers.transports.emulated_usb.uart_port import LineError, UartPort

if TYPE_CHECKING:
    from random import Random

_UART_MODE = 0x00
_CBUS_MODE = 0x20
_MODES = {_UART_MODE, 0x01, 0x02, 0x04, _CBUS_MODE}
_CTS_HANDSHAKE = 0x01
_DATA_READY = 0x01
_HOLDING_EMPTY = 0x20
_TRANSMITTER_EMPTY = 0x40


@dataclass(frozen=True, slots=True, kw_only=True)
class FtdiSpec:
    """One chip. Bit ``high_bits`` of wIndex is bit 16 of the divisor, and so on upwards.

    ``pins_at`` says where the EEPROM holds the function of CBUS0..3, as (byte, shift) each,
    ``io_function`` which function lets bit-bang drive a pin.
    """

    name: str
    release: int
    fifo: int
    high_bits: int
    max_packet: int = 64
    high_speed: bool = False
    pins_at: tuple[tuple[int, int], ...]
    io_function: int


FT232R = FtdiSpec(
    name="FT232R",
    release=0x0600,
    fifo=256,
    high_bits=0,
    pins_at=((0x14, 0), (0x14, 4), (0x15, 0), (0x15, 4)),
    io_function=0x0A,
)
FT_X = FtdiSpec(
    name="FT-X",
    release=0x1000,
    fifo=512,
    high_bits=8,
    pins_at=((0x1A, 0), (0x1B, 0), (0x1C, 0), (0x1D, 0)),
    io_function=0x08,
)
FT232H = FtdiSpec(
    name="FT232H",
    release=0x0900,
    fifo=1024,
    high_bits=8,
    max_packet=512,
    high_speed=True,
    pins_at=((0x1A, 4), (0x1B, 0), (0x1C, 0), (0x1C, 4)),
    io_function=0x08,
)


class FtdiBridge:
    """An FTDI chip with one port. ``io_pins`` is a mask of the CBUS pins that bit-bang may drive.

    ``modem_inputs`` are the levels of the inputs as in the first status byte: 10 CTS, 20 DSR,
    40 RI, 80 DCD. ``mode`` is the bit mode in force, ``latency`` in seconds. With ``cuts_bursts``
    the timer always expires in the midst of what the chips say: the worst that happens to a host,
    and at 115200 bit/s to nearly every answer of chips; without, only to what fills a packet.
    """

    device_class = 0
    kernel_driver = "ftdi_sio"
    drives_together: tuple[tuple[int, ...], ...] = ((0,),)
    short_packet = b"\x01"

    def __init__(
        self, spec: FtdiSpec, *, random: "Random", vid: int, pid: int, io_pins: int = 0x0F
    ) -> None:
        self.name = spec.name
        self.release = spec.release
        self.high_speed = spec.high_speed
        self.interfaces: tuple[Interface, ...] = (
            Interface(
                number=0,
                class_code=0xFF,
                subclass=0xFF,
                protocol=0xFF,
                name=2,
                endpoints=(
                    Endpoint(address=0x81, max_packet=spec.max_packet),
                    Endpoint(address=0x02, max_packet=spec.max_packet),
                ),
            ),
        )
        self.ports: tuple[UartPort, ...] = (UartPort(random=random, fifo=spec.fifo),)
        self.modem_inputs = 0
        self.latency = 0.016
        self.mode = _UART_MODE
        self.cuts_bursts = False
        self._random = random
        self._is_cut = False
        self._spec = spec
        self._io_pins = io_pins
        self._driven = 0
        self._timer_from = 0.0
        self._eeprom = _eeprom(spec, vid, pid, io_pins)
        self._ports_at = ports_by_endpoint(self.interfaces)

    def control(self, setup: Setup, data: bytes, now: float) -> bytes:
        """Do a vendor request."""
        del data
        if setup.kind is not Kind.VENDOR or setup.recipient != Recipient.DEVICE:
            raise stall()
        return self._answer(setup) if setup.is_in else self._order(setup, now)

    def port_at(self, endpoint: int) -> int | None:
        """Return the port of an endpoint."""
        return self._ports_at.get(endpoint)

    def packet(self, port: int, now: float) -> bytes | None:
        """Return status and data once a packet is full or the latency timer has expired."""
        uart, most = self.ports[port], self._spec.max_packet - 2
        if uart.waiting < most and now < self._timer_from + self.latency:
            return None
        self._timer_from = now
        data = uart.take(most if uart.waiting >= most else self._arrived(uart.waiting))
        return self._status(uart.take_errors(), more=bool(data)) + data

    def _arrived(self, waiting: int) -> int:
        """Return how much of what waits was there when the timer expired; the rest comes next."""
        self._is_cut = self.cuts_bursts and waiting > 1 and not self._is_cut
        return self._random.randrange(1, waiting) if self._is_cut else waiting

    def packet_due(self, port: int, now: float) -> float | None:
        """Return when the latency timer expires."""
        del port
        return max(now, self._timer_from + self.latency)

    def set_rate(self, port: int, baud_rate: int) -> None:
        """Set the rate that ftdi_sio would get."""
        uart = self.ports[port]
        rate = rate_by_kernel(baud_rate, fast_clock=self._spec.high_speed)
        uart.set_line(replace(uart.line, baud_rate=rate))

    def restart(self, now: float) -> None:
        """Be as after power came: 16 ms, UART mode, pins pulled up."""
        self.latency = 0.016
        self.mode = _UART_MODE
        self._driven = 0
        self._timer_from = now
        self.ports[0].restart(enabled=True, pins=0xFF)

    def _answer(self, setup: Setup) -> bytes:
        match setup.request:
            case 0x05:
                return self._status(LineError.NONE, more=False)
            case 0x0A:
                return bytes([round(self.latency * 1000)])
            case 0x0C:
                return bytes([self.ports[0].pins & 0x0F])
            case 0x90:
                word = 2 * setup.index % len(self._eeprom)
                return self._eeprom[word : word + 2]
            case _:
                raise stall()

    def _order(self, setup: Setup, now: float) -> bytes:
        uart, low, high = self.ports[0], setup.value & 0xFF, setup.value >> 8
        match setup.request:
            case 0x00:
                self._reset(setup.value, now)
            case 0x01:
                uart.dtr = bool(low & 1) if high & 1 else uart.dtr
                uart.rts = bool(low & 2) if high & 2 else uart.rts
            case 0x02:
                self._set_flow(setup.index >> 8)
            case 0x03:
                encoded = setup.value | (setup.index >> self._spec.high_bits & 3) << 16
                if not self._spec.high_speed:
                    encoded &= 0x1FFFF
                uart.set_line(replace(uart.line, baud_rate=rate_of_divisor(encoded)))
            case 0x04:
                uart.set_line(_format(uart.line, setup.value))
            case 0x09 if 1 <= setup.value <= 255:
                self.latency = setup.value / 1000
            case 0x0B if high in _MODES:
                self._set_mode(high, low)
            case _:
                raise stall()
        return b""

    def _reset(self, what: int, now: float) -> None:
        """Reset the port (0), drop what the chips are to get (1) or the host (2)."""
        uart = self.ports[0]
        match what:
            case 0:
                uart.forget_received()
                uart.forget_held()
                uart.take_errors()
                self._set_flow(0)
                uart.set_line(Line())
                self._timer_from = now
            case 1:
                uart.forget_held()
            case 2:
                uart.forget_received()
            case _:
                raise stall()

    def _set_flow(self, handshakes: int) -> None:
        uart = self.ports[0]
        uart.waits_for_cts = bool(handshakes & _CTS_HANDSHAKE) and not self.modem_inputs & 0x10
        if not uart.waits_for_cts:
            uart.release_held()

    def _set_mode(self, mode: int, mask: int) -> None:
        uart = self.ports[0]
        self.mode = mode
        self._driven = mask >> 4 & self._io_pins if mode == _CBUS_MODE else 0
        uart.pins = 0xFF & ~self._driven | mask & self._driven
        uart.enabled = mode in {_UART_MODE, _CBUS_MODE}

    def _status(self, errors: LineError, *, more: bool) -> bytes:
        unsent = self.ports[0].unsent
        second = (0 if unsent > 1 else _HOLDING_EMPTY) | (0 if unsent else _TRANSMITTER_EMPTY)
        return bytes([self.modem_inputs | 1, second | errors | (_DATA_READY if more else 0)])


def _format(line: Line, value: int) -> Line:
    bits, parity, stop = value & 0xFF, value >> 8 & 7, value >> 11 & 3
    if bits not in {7, 8} or parity > Parity.SPACE or stop > StopBits.TWO:
        raise stall()
    return replace(line, data_bits=bits, parity=Parity(parity), stop_bits=StopBits(stop))


def _eeprom(spec: FtdiSpec, vid: int, pid: int, io_pins: int) -> bytes:
    """Return the 256 bytes of an EEPROM: identity and what the CBUS pins are for."""
    content = bytearray(256)
    content[2:8] = b"".join(number.to_bytes(2, "little") for number in (vid, pid, spec.release))
    for pin, (byte, shift) in enumerate(spec.pins_at):
        if io_pins >> pin & 1:
            content[byte] |= spec.io_function << shift
    return bytes(content)
