"""Prolific's PL2303 in its generations: H, HX, TA, HXD, TB and the HXN (G) series.

Not here: flow control; rates between the listed ones, for which some generations have divisors.

Source: torvalds/linux drivers/usb/serial/pl2303.c; kanoi/cgminer usbutils.h and driver-icarus.c.
"""

from dataclasses import dataclass
from enum import Enum

from drivers.transports.bridges.bridge import (
    DTR,
    EIGHT_N_1,
    RTS,
    Ask,
    Control,
    Descriptors,
    LineFormat,
    Rate,
)
from drivers.transports.bridges.cdc import line_coding, line_state

_TO_DEVICE, _FROM_DEVICE = 0x40, 0xC0
_VENDOR, _HXN_WRITE = 0x01, 0x80
_HX_STATUS = 0x8080
_COMM_CLASS = 0x02

_RATES = (
    *(75, 150, 300, 600, 1200, 1800, 2400, 3600, 4800, 7200, 9600, 14400, 19200, 28800, 38400),
    *(57600, 115200, 230400, 460800, 614400, 921600, 1228800, 2457600, 3000000, 6000000),
)


class Pl2303Kind(Enum):
    """A generation: its name and its highest rate."""

    H = ("PL2303H", 1_228_800)
    HX = ("PL2303HX", 6_000_000)
    TA = ("PL2303TA", 6_000_000)
    TB = ("PL2303TB", 12_000_000)
    HXD = ("PL2303HXD", 12_000_000)
    HXN = ("PL2303HXN", 12_000_000)


def pl2303_kind(device: Descriptors, ask: Ask) -> Pl2303Kind:
    """Return the generation, by release numbers; TA and TB share theirs with the HXN series."""
    if device.device_class == _COMM_CLASS or device.control_packet_size != 64:
        return Pl2303Kind.H
    if device.bcd_usb != 0x0200:
        return Pl2303Kind.HXD if device.bcd_device == 0x0400 else Pl2303Kind.HX
    elder = {0x0300: Pl2303Kind.TA, 0x0500: Pl2303Kind.TB}.get(device.bcd_device)
    if elder and ask(_read(_HX_STATUS)):
        return elder
    return Pl2303Kind.HXN


@dataclass(frozen=True, slots=True, kw_only=True)
class Pl2303:
    """A PL2303; it speaks the requests of the CDC class, and has one interface only."""

    kind: Pl2303Kind = Pl2303Kind.HX
    line_format: LineFormat = EIGHT_N_1

    @property
    def name(self) -> str:
        """Return the chip's name."""
        return self.kind.value[0]

    @property
    def interfaces(self) -> tuple[int, ...]:
        """Return the only interface."""
        return (0,)

    @property
    def is_packed(self) -> bool:
        """Return False: a packet is all data."""
        return False

    def rest(self, rate: float) -> float:  # noqa: ARG002 - however fast
        """Return 0: there is no transfer without data."""
        return 0.0

    @property
    def pins_name(self) -> str:
        """Return no name: the pins of some generations are not driven here."""
        return ""

    def rate(self, baud_rate: int) -> Rate:
        """Return the nearest of the listed rates; the HXN series takes any."""
        highest = self.kind.value[1]
        listed = [rate for rate in _RATES if rate <= highest]
        reached = min(listed, key=lambda rate: abs(rate - baud_rate))
        if self.kind is Pl2303Kind.HXN and baud_rate <= highest:
            reached = baud_rate
        return Rate(reached=float(reached), controls=(line_coding(reached, self.line_format),))

    def start(self, rate: Rate, lines: int) -> tuple[Control, ...]:
        """Return the maker's own greeting, then rate, format, lines, and no flow control."""
        return (*self._greeting(), *rate.controls, *self.lines(lines), self.no_flow_control())

    def stop(self) -> tuple[Control, ...]:
        """Return what lowers the lines."""
        return self.lines(0)

    def lines(self, levels: int, mask: int = DTR | RTS) -> tuple[Control, ...]:
        """Return what sets both lines; the request knows no mask."""
        return (line_state(levels),) if mask else ()

    def no_flow_control(self) -> Control:
        """Return what switches flow control off."""
        if self.kind is Pl2303Kind.HXN:
            return _write(0x0A, 0x1C, request=_HXN_WRITE)
        return _write(0, 0)

    def set_pins(self, *, mask: int, levels: int) -> tuple[Control, ...]:  # noqa: ARG002 - of the protocol
        """Return nothing: there are no pins."""
        return ()

    def release_pins(self) -> tuple[Control, ...]:
        """Return nothing: there are no pins."""
        return ()

    def pins_query(self) -> None:
        """Return nothing to ask."""

    def sent_query(self) -> None:
        """Return None: there is no such request."""

    def is_sent(self, answer: bytes) -> bool:  # noqa: ARG002 - of the protocol
        """Return True: it was never asked."""
        return True

    def payload(self, transfer: bytes, packet_size: int) -> tuple[bytes, int]:  # noqa: ARG002 - of the protocol
        """Return the transfer as it is."""
        return transfer, 0

    def _greeting(self) -> tuple[Control, ...]:
        """Return the sequence of the maker's driver, whose meaning is not published."""
        if self.kind is Pl2303Kind.HXN:
            return (_write(0x07, 0x03, request=_HXN_WRITE),)  # empty both pipes
        is_old = self.kind is Pl2303Kind.H
        empty_pipes = () if is_old else (_write(8, 0), _write(9, 0))
        return (
            *(_read(0x8484), _write(0x0404, 0), _read(0x8484), _read(0x8383)),
            *(_read(0x8484), _write(0x0404, 1), _read(0x8484), _read(0x8383)),
            *(_write(0, 1), _write(1, 0), _write(2, 0x24 if is_old else 0x44)),
            *empty_pipes,
        )


def _read(value: int) -> Control:
    return Control(
        request_type=_FROM_DEVICE, request=_VENDOR, value=value, length=1, may_stall=True
    )


def _write(value: int, index: int, *, request: int = _VENDOR) -> Control:
    return Control(
        request_type=_TO_DEVICE, request=request, value=value, index=index, may_stall=True
    )
