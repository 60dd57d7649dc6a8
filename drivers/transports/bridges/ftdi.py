"""FTDI's bridges: FT232R, FT-X (FT230X, FT231X, FT234X), FT232H and their many-port sisters.

Not here: MPSSE, the EEPROM, flow control.

Source: torvalds/linux drivers/usb/serial/ftdi_sio.{c,h}; kanoi/cgminer usbutils.{c,h} and
driver-gekko.c; baud divisors compared with pyftdi; FTDI's data sheets for buffer sizes.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.transports.bridges.bridge import DTR, EIGHT_N_1, RTS, Control, LineFormat, Rate

LONGEST_REST = 0.004
"""Seconds: what a nonce may wait at most, much less than the way to any pool takes."""

_TO_DEVICE, _FROM_DEVICE = 0x40, 0xC0
_RESET, _MODEM_CTRL, _SET_FLOW, _SET_BAUD, _SET_DATA = range(5)
_GET_MODEM, _SET_LATENCY, _SET_BITMODE, _READ_PINS = 0x05, 0x09, 0x0B, 0x0C
_RESET_PORT, _FLUSH_1, _FLUSH_2 = 0, 1, 2
_CBUS_MODE = 0x20

_FRACTION_CODES = (0, 3, 2, 4, 1, 5, 6, 7)
"""Code of n eighths in the divisor's three bits above the lowest fourteen."""

_LARGEST_DIVISOR = 0x3FFF * 8 + 7  # eighths
_SLOW_CLOCK, _FAST_CLOCK = 3_000_000, 12_000_000
_FAST_FROM = 1200  # baud; below, the divisor of the fast clock is too small
_NO_PRESCALER = 0x20000

_STATUS_SIZE = 2
_OVERRUN_PARITY_FRAMING_BREAK = 0x1E
_TRANSMITTER_EMPTY = 0x40


class FtdiChip(Enum):
    """A chip: its name, its clock, its way to name the port, and its buffer.

    That is: whether it has the fast clock, whether its requests name the port, and how many bytes
    for the host it has room for.
    """

    FT232R = ("FT232R", False, False, 256)
    FT_X = ("FT-X", False, True, 512)
    FT232H = ("FT232H", True, True, 1024)
    FT2232H = ("FT2232H", True, True, 4096)
    FT4232H = ("FT4232H", True, True, 2048)

    @property
    def is_fast(self) -> bool:
        """Return whether the base clock is 12 MHz."""
        return self.value[1]

    @property
    def names_port(self) -> bool:
        """Return whether requests carry the port's number, from 1."""
        return self.value[2]

    @property
    def buffer(self) -> int:
        """Return how many bytes wait for the host before one is lost."""
        return self.value[3]


_BY_RELEASE = {
    0x0600: FtdiChip.FT232R,
    0x0700: FtdiChip.FT2232H,
    0x0800: FtdiChip.FT4232H,
    0x0900: FtdiChip.FT232H,
    0x1000: FtdiChip.FT_X,
}
_BY_PID = {
    0x6010: FtdiChip.FT2232H,
    0x6011: FtdiChip.FT4232H,
    0x6014: FtdiChip.FT232H,
    0x6015: FtdiChip.FT_X,
}


def ftdi_chip(bcd_device: int, pid: int) -> FtdiChip:
    """Return the chip, by its release number; by its product id where that is unknown."""
    return _BY_RELEASE.get(bcd_device) or _BY_PID.get(pid, FtdiChip.FT232R)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ftdi:
    """One port of an FTDI chip.

    The chip hands over what it received when a packet is full or after ``latency_ms``, 1 to 255:
    then in any case, and if only its two status bytes.
    """

    chip: FtdiChip = FtdiChip.FT232R
    interface: int = 0
    latency_ms: int = 1
    line_format: LineFormat = EIGHT_N_1

    @property
    def name(self) -> str:
        """Return the chip's name."""
        return self.chip.value[0]

    @property
    def interfaces(self) -> tuple[int, ...]:
        """Return the interface of the port."""
        return (self.interface,)

    @property
    def is_packed(self) -> bool:
        """Return True: each packet has a head of two status bytes."""
        return True

    def rest(self, rate: float) -> float:
        """Return `LONGEST_REST`, or the time in which half of the buffer fills if that is less.

        Without one a quiet chip would be heard a thousand times a second.
        """
        return min(LONGEST_REST, self.chip.buffer / 2 * self.line_format.bits / rate)

    @property
    def pins_name(self) -> str:
        """Return the pins' name; those with the EEPROM function "I/O mode" react."""
        return "CBUS"

    def rate(self, baud_rate: int) -> Rate:
        """Return the nearest rate: the clock over eighths, of which 1.125 to 1.875 but 1.5 lack."""
        is_fast = self.chip.is_fast and baud_rate >= _FAST_FROM
        clock = _FAST_CLOCK if is_fast else _SLOW_CLOCK
        eighths = _eighths(clock, baud_rate)
        if eighths > _LARGEST_DIVISOR:
            return Rate(reached=0.0)
        divisor = _encoded(eighths) | (_NO_PRESCALER if is_fast else 0)
        index = divisor >> 16
        if self.chip.names_port:
            index = index << 8 | self._port
        control = self._set(_SET_BAUD, divisor & 0xFFFF, index=index)
        return Rate(reached=8 * clock / eighths, controls=(control,))

    def start(self, rate: Rate, lines: int) -> tuple[Control, ...]:
        """Return what makes the port ready, in the order of kanoi's driver."""
        form = self.line_format
        data = form.data_bits | form.parity << 8 | form.stop_bits << 11
        return (
            self._set(_RESET, _RESET_PORT),
            self._set(_SET_DATA, data),
            *rate.controls,
            self._set(_SET_FLOW, 0),
            *self.flush(),
            self._set(_SET_LATENCY, self.latency_ms, may_stall=True),
            *self.lines(lines),
        )

    def stop(self) -> tuple[Control, ...]:
        """Return nothing: what was sent shall still leave the chip."""
        return ()

    def flush(self) -> tuple[Control, ...]:
        """Return what drops both buffers; sources differ on which of the two is which."""
        return self._set(_RESET, _FLUSH_2), self._set(_RESET, _FLUSH_1)

    def lines(self, levels: int, mask: int = DTR | RTS) -> tuple[Control, ...]:
        """Return what sets the modem lines of ``mask``."""
        return (self._set(_MODEM_CTRL, mask << 8 | levels & mask),) if mask else ()

    def set_pins(self, *, mask: int, levels: int) -> tuple[Control, ...]:
        """Return what drives CBUS0..3; the UART goes on working."""
        value = _CBUS_MODE << 8 | (mask & 0xF) << 4 | levels & mask & 0xF
        return (self._set(_SET_BITMODE, value),)

    def release_pins(self) -> tuple[Control, ...]:
        """Return what gives the pins back to their functions in the EEPROM."""
        return (self._set(_SET_BITMODE, 0),)

    def pins_query(self) -> Control:
        """Return what reads the pins, 1 byte, CBUS0 to CBUS3 in the low nibble."""
        return Control(request_type=_FROM_DEVICE, request=_READ_PINS, index=self._port, length=1)

    def sent_query(self) -> Control:
        """Return what reads the two status bytes."""
        return Control(
            request_type=_FROM_DEVICE, request=_GET_MODEM, index=self._index, length=_STATUS_SIZE
        )

    def is_sent(self, answer: bytes) -> bool:
        """Return whether the transmitter is empty, its shift register included."""
        return len(answer) == _STATUS_SIZE and bool(answer[1] & _TRANSMITTER_EMPTY)

    def payload(self, transfer: bytes, packet_size: int) -> tuple[bytes, int]:
        """Strip the status bytes at the head of every packet, and count the errors they tell of."""
        starts = range(0, len(transfer), packet_size)
        payload = b"".join(transfer[start + _STATUS_SIZE : start + packet_size] for start in starts)
        errors = sum(
            bool(status & _OVERRUN_PARITY_FRAMING_BREAK) for status in transfer[1::packet_size]
        )
        return payload, errors

    @property
    def _port(self) -> int:
        return self.interface + 1

    @property
    def _index(self) -> int:
        return self._port if self.chip.names_port else 0

    def _set(
        self, request: int, value: int, *, index: int | None = None, may_stall: bool = False
    ) -> Control:
        return Control(
            request_type=_TO_DEVICE,
            request=request,
            value=value,
            index=self._index if index is None else index,
            may_stall=may_stall,
        )


def _eighths(clock: int, baud_rate: int) -> int:
    """Return the divisor in eighths: rounded to nearest; of 1 to 2 only 1, 1.5 and 2 exist."""
    eighths = (16 * clock + baud_rate) // (2 * baud_rate)
    if eighths >= 16:
        return eighths
    return min((8, 12, 16), key=lambda one: abs(8 * clock / one - baud_rate))


def _encoded(eighths: int) -> int:
    encoded = eighths >> 3 | _FRACTION_CODES[eighths & 7] << 14
    return {0x0001: 0x0000, 0x4001: 0x0001}.get(encoded, encoded)  # divisors 1 and 1.5
