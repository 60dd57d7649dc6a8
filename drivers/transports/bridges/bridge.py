"""What a USB serial bridge is: control transfers as data, and the bytes of its bulk transfers.

A bridge knows what to say to its chip and never says it, so every byte of it is proven by captured
transfers. `usb_bulk` performs what it returns.

Source: USB 2.0, 9.3 (SETUP packet).
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

DTR, RTS = 1, 2
"""Bits of the modem lines, the same in every bridge."""

BAUD_RATE_TOLERANCE = 0.03
"""A UART reads the last bit of a byte wrongly from about 4.5 %; both ends share that."""

_SETUP = struct.Struct("<BBHHH")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control transfer: ``data`` goes out, or ``length`` bytes come in.

    A bridge may refuse (stall) one that ``may_stall``, and works all the same.
    """

    request_type: int
    request: int
    value: int = 0
    index: int = 0
    data: bytes = b""
    length: int = 0
    may_stall: bool = False

    @property
    def is_read(self) -> bool:
        """Return whether the device answers with data."""
        return bool(self.request_type & 0x80)

    def setup(self) -> bytes:
        """Return the 8 bytes of the SETUP packet, its numbers little-endian."""
        length = self.length if self.is_read else len(self.data)
        return _SETUP.pack(self.request_type, self.request, self.value, self.index, length)


class Parity(IntEnum):
    """Parity, numbered as FTDI, Silicon Labs and the CDC class all do."""

    NONE = 0
    ODD = 1
    EVEN = 2
    MARK = 3
    SPACE = 4


class StopBits(IntEnum):
    """Stop bits, numbered as FTDI, Silicon Labs and the CDC class all do."""

    ONE = 0
    ONE_AND_A_HALF = 1
    TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormat:
    """How a byte is sent; 8N1 unless said otherwise."""

    data_bits: int = 8
    parity: Parity = Parity.NONE
    stop_bits: StopBits = StopBits.ONE

    @property
    def bits(self) -> float:
        """Return how many bit times a byte takes, its start bit included."""
        return 1 + self.data_bits + (self.parity is not Parity.NONE) + 1 + self.stop_bits / 2


EIGHT_N_1 = LineFormat()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A baud rate as a bridge can make it: ``reached``, 0.0 if none is near, and how to ask."""

    reached: float
    controls: tuple[Control, ...] = ()

    def is_near(self, baud_rate: int) -> bool:
        """Return whether a UART at ``baud_rate`` understands this one."""
        return abs(self.reached - baud_rate) <= BAUD_RATE_TOLERANCE * baud_rate


class Bridge(Protocol):
    """One UART of a bridge; all methods are pure."""

    @property
    def name(self) -> str:
        """Return the chip's name."""
        ...

    @property
    def line_format(self) -> LineFormat:
        """Return how bytes are sent."""
        ...

    @property
    def interfaces(self) -> tuple[int, ...]:
        """Return the interfaces to claim, the one with the data endpoints last."""
        ...

    @property
    def is_packed(self) -> bool:
        """Return whether each IN packet has a head, so that many may be asked for at once."""
        ...

    def rest(self, rate: float) -> float:
        """Return for how many seconds after a transfer without data nobody need ask again."""
        ...

    @property
    def pins_name(self) -> str:
        """Return what the free pins are called; empty if there are none."""
        ...

    def rate(self, baud_rate: int) -> Rate:
        """Return the nearest rate there is."""
        ...

    def start(self, rate: Rate, lines: int) -> tuple[Control, ...]:
        """Return what makes a claimed bridge ready; ``lines`` are the modem lines to raise."""
        ...

    def stop(self) -> tuple[Control, ...]:
        """Return what to say before letting go."""
        ...

    def lines(self, levels: int, mask: int = DTR | RTS) -> tuple[Control, ...]:
        """Return what sets the modem lines of ``mask``; ``levels`` tells of all of them."""
        ...

    def set_pins(self, *, mask: int, levels: int) -> tuple[Control, ...]:
        """Return what drives the free pins of ``mask`` to ``levels``, bit n for pin n."""
        ...

    def release_pins(self) -> tuple[Control, ...]:
        """Return what gives the pins back to their own functions."""
        ...

    def pins_query(self) -> Control | None:
        """Return what asks for the level of each pin, bit n for pin n; None if there is no way."""
        ...

    def sent_query(self) -> Control | None:
        """Return what asks whether all is sent; None if the chip cannot tell."""
        ...

    def is_sent(self, answer: bytes) -> bool:
        """Return whether the answer to `sent_query` says so."""
        ...

    def payload(self, transfer: bytes, packet_size: int) -> tuple[bytes, int]:
        """Return the received bytes of a bulk transfer, and how many line errors it tells of."""
        ...


Ask = Callable[[Control], bytes | None]
"""Performs a transfer that reads; None if the device refuses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What a device's descriptors tell; ``functions`` are its CDC-ACM pairs of interfaces."""

    vid: int
    pid: int
    bcd_device: int = 0
    bcd_usb: int = 0
    device_class: int = 0
    control_packet_size: int = 64
    functions: tuple[tuple[int, int], ...] = ()
