"""Silicon Labs' bridges: CP2101 to CP2105, CP2108, CP2102N.

Not here: flow control, the one-time programmable settings.

Source: torvalds/linux drivers/usb/serial/cp210x.c; Silicon Labs AN205 (table 1) and AN571;
kanoi/cgminer usbutils.h and driver-gekko.c.
"""

import struct
from bisect import bisect_left
from dataclasses import dataclass
from enum import IntEnum

from drivers.transports.bridges.bridge import (
    DTR,
    EIGHT_N_1,
    RTS,
    Ask,
    Control,
    LineFormat,
    Rate,
)

_TO_DEVICE, _TO_INTERFACE = 0x40, 0x41
_FROM_DEVICE, _FROM_INTERFACE = 0xC0, 0xC1
_IFC_ENABLE, _SET_LINE_CTL, _SET_MHS = 0x00, 0x03, 0x07
_GET_COMM_STATUS, _PURGE, _SET_FLOW, _SET_BAUD = 0x10, 0x12, 0x13, 0x1E
_VENDOR = 0xFF
_GET_PART_NUMBER, _WRITE_LATCH, _READ_LATCH = 0x370B, 0x37E1, 0x00C2
_EVERYTHING = 0x000F

_COMM_STATUS = struct.Struct("<4I3B")
_FLOW = struct.Struct("<4I")
_DTR_ON, _RTS_ON = 0x01, 0x40  # "static", in the first and in the second word

_QUANTISED = (
    *((300, 300), (600, 600), (1200, 1200), (1800, 1800), (2400, 2400), (4000, 4000)),
    *((4800, 4803), (7200, 7207), (9600, 9612), (14400, 14428), (16000, 16062)),
    *((19200, 19250), (28800, 28912), (38400, 38601), (51200, 51558), (56000, 56280)),
    *((57600, 58053), (64000, 64111), (76800, 77608), (115200, 117028), (128000, 129347)),
    *((153600, 156868), (230400, 237832), (250000, 254234), (256000, 273066)),
    *((460800, 491520), (500000, 567138), (576000, 670254), (921600, 999_999)),
)
"""Rates of the chips without a divisor, each with the highest request that it stands for."""

_CLOCK = 48_000_000
_PRESCALED_TO = 365  # baud


class Cp210xPart(IntEnum):
    """Part numbers as the chips answer them; three packages of the CP2102N have one each."""

    CP2101 = 0x01
    CP2102 = 0x02
    CP2103 = 0x03
    CP2104 = 0x04
    CP2105 = 0x05
    CP2108 = 0x08
    CP2102N = 0x20

    @classmethod
    def _missing_(cls, value: object) -> "Cp210xPart":
        return cls.CP2102N if value in {0x21, 0x22} else cls.CP2102


def part_number_query() -> Control:
    """Return what asks for the part number, 1 byte."""
    return Control(
        request_type=_FROM_DEVICE, request=_VENDOR, value=_GET_PART_NUMBER, length=1, may_stall=True
    )


def cp210x_part(ask: Ask) -> Cp210xPart:
    """Return the chip's part; of one that will not say, the one with the fewest abilities."""
    answer = ask(part_number_query())
    return Cp210xPart(answer[0]) if answer else Cp210xPart.CP2102


@dataclass(frozen=True, slots=True, kw_only=True)
class Cp210x:
    """One UART of a CP210x; the CP2105's interface 0 is the enhanced one, 1 the standard one."""

    part: Cp210xPart = Cp210xPart.CP2102
    interface: int = 0
    line_format: LineFormat = EIGHT_N_1

    @property
    def name(self) -> str:
        """Return the chip's name."""
        return self.part.name

    @property
    def interfaces(self) -> tuple[int, ...]:
        """Return the interface of the UART."""
        return (self.interface,)

    @property
    def is_packed(self) -> bool:
        """Return False: a packet is all data."""
        return False

    def rest(self, rate: float) -> float:  # noqa: ARG002 - however fast
        """Return 0: there is no transfer without data."""
        return 0.0

    @property
    def pins_name(self) -> str:
        """Return the pins' name; the old chips have none."""
        return "" if self.part in _WITHOUT_PINS else "GPIO"

    def rate(self, baud_rate: int) -> Rate:
        """Return the rate that the chip makes of a request."""
        lowest, highest = self._reach
        if not lowest <= baud_rate <= highest:
            return Rate(reached=0.0)
        reached = _divided(baud_rate) if self._has_divisor else _quantised(baud_rate)
        control = self._set(_SET_BAUD, data=struct.pack("<I", baud_rate))
        return Rate(reached=float(reached), controls=(control,))

    def start(self, rate: Rate, lines: int) -> tuple[Control, ...]:
        """Return what makes the UART ready: it is dead until it is enabled."""
        wanted = self.line_format
        form = wanted.data_bits << 8 | wanted.parity << 4 | wanted.stop_bits
        flow = _FLOW.pack(_DTR_ON if lines & DTR else 0, _RTS_ON if lines & RTS else 0, 0, 0)
        return (
            self._set(_IFC_ENABLE, 1),
            self._set(_SET_LINE_CTL, form),
            *rate.controls,
            self._set(_SET_FLOW, data=flow),
            self._set(_PURGE, _EVERYTHING),
            *self.lines(lines),
        )

    def stop(self) -> tuple[Control, ...]:
        """Return what empties and switches off the UART."""
        return self._set(_PURGE, _EVERYTHING), self._set(_IFC_ENABLE, 0)

    def lines(self, levels: int, mask: int = DTR | RTS) -> tuple[Control, ...]:
        """Return what sets the modem lines of ``mask``."""
        return (self._set(_SET_MHS, mask << 8 | levels & mask),) if mask else ()

    def set_pins(self, *, mask: int, levels: int) -> tuple[Control, ...]:
        """Return what writes the latch behind the GPIO pins."""
        levels &= mask
        match self.part:
            case Cp210xPart.CP2105:
                return (self._set(_VENDOR, _WRITE_LATCH, data=bytes((mask, levels))),)
            case Cp210xPart.CP2108:
                return (self._set(_VENDOR, _WRITE_LATCH, data=struct.pack("<2H", mask, levels)),)
        control = Control(
            request_type=_TO_DEVICE,
            request=_VENDOR,
            value=_WRITE_LATCH,
            index=levels << 8 | mask,
        )
        return (control,)

    def release_pins(self) -> tuple[Control, ...]:
        """Return nothing: the pins have no other function while the chip is powered."""
        return ()

    def pins_query(self) -> Control | None:
        """Return what reads the latch, 1 byte, 2 of a CP2108."""
        if self.part in _WITHOUT_PINS:
            return None
        per_interface = self.part is Cp210xPart.CP2105
        return Control(
            request_type=_FROM_INTERFACE if per_interface else _FROM_DEVICE,
            request=_VENDOR,
            value=_READ_LATCH,
            index=self.interface if per_interface else 0,
            length=2 if self.part is Cp210xPart.CP2108 else 1,
        )

    def sent_query(self) -> Control:
        """Return what reads the state of the queues, 19 bytes."""
        return Control(
            request_type=_FROM_INTERFACE,
            request=_GET_COMM_STATUS,
            index=self.interface,
            length=_COMM_STATUS.size,
        )

    def is_sent(self, answer: bytes) -> bool:
        """Return whether the output queue is empty; a byte may still be on the line."""
        return len(answer) == _COMM_STATUS.size and _COMM_STATUS.unpack(answer)[3] == 0

    def payload(self, transfer: bytes, packet_size: int) -> tuple[bytes, int]:  # noqa: ARG002 - of the protocol
        """Return the transfer as it is."""
        return transfer, 0

    @property
    def _has_divisor(self) -> bool:
        return self.part in _WITH_DIVISOR

    @property
    def _reach(self) -> tuple[int, int]:
        if self.part is Cp210xPart.CP2105 and self.interface:
            return 2400, 921_600
        return 300 if self._has_divisor else 0, _HIGHEST[self.part]

    def _set(self, request: int, value: int = 0, *, data: bytes = b"") -> Control:
        return Control(
            request_type=_TO_INTERFACE,
            request=request,
            value=value,
            index=self.interface,
            data=data,
        )


_HIGHEST = {
    Cp210xPart.CP2101: 921_600,
    Cp210xPart.CP2102: 1_000_000,
    Cp210xPart.CP2103: 1_000_000,
    Cp210xPart.CP2104: 2_000_000,
    Cp210xPart.CP2105: 2_000_000,
    Cp210xPart.CP2108: 2_000_000,
    Cp210xPart.CP2102N: 3_000_000,
}
_WITH_DIVISOR = {Cp210xPart.CP2104, Cp210xPart.CP2105, Cp210xPart.CP2102N}
_WITHOUT_PINS = {Cp210xPart.CP2101, Cp210xPart.CP2102}


def _quantised(baud_rate: int) -> int:
    """Return the step that a request below 1 Mbaud falls on; from there on it is taken as it is."""
    if baud_rate > _QUANTISED[-1][1]:
        return baud_rate
    return _QUANTISED[bisect_left(_QUANTISED, baud_rate, key=lambda step: step[1])][0]


def _divided(baud_rate: int) -> int:
    twice = 2 * (4 if baud_rate <= _PRESCALED_TO else 1)
    divisor = (2 * _CLOCK + twice * baud_rate) // (2 * twice * baud_rate)
    return _CLOCK // (twice * divisor)
