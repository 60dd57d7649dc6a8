"""CDC-ACM: boards whose own controller is the bridge, as the USB class defines it.

Source: USB CDC 1.2 and its PSTN subclass 1.2 (SET_LINE_CODING, SET_CONTROL_LINE_STATE).
"""

import struct
from dataclasses import dataclass

from drivers.transports.bridges.bridge import DTR, EIGHT_N_1, RTS, Control, LineFormat, Rate

_TO_INTERFACE = 0x21
_SET_LINE_CODING, _SET_CONTROL_LINE_STATE = 0x20, 0x22
_LINE_CODING = struct.Struct("<I3B")


def line_coding(
    baud_rate: int, line_format: LineFormat = EIGHT_N_1, *, interface: int = 0
) -> Control:
    """Return SET_LINE_CODING: rate, stop bits, parity, data bits, 7 bytes."""
    data = _LINE_CODING.pack(
        baud_rate, line_format.stop_bits, line_format.parity, line_format.data_bits
    )
    return Control(request_type=_TO_INTERFACE, request=_SET_LINE_CODING, index=interface, data=data)


def line_state(levels: int, *, interface: int = 0) -> Control:
    """Return SET_CONTROL_LINE_STATE; always both lines."""
    return Control(
        request_type=_TO_INTERFACE,
        request=_SET_CONTROL_LINE_STATE,
        value=levels & (DTR | RTS),
        index=interface,
        may_stall=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CdcAcm:
    """One function: requests go to the ``control`` interface, bytes through the ``data`` one."""

    control: int = 0
    data: int = 1
    line_format: LineFormat = EIGHT_N_1

    @property
    def name(self) -> str:
        """Return the class' name."""
        return "CDC-ACM"

    @property
    def interfaces(self) -> tuple[int, ...]:
        """Return both interfaces, once if they are one."""
        return (self.control, self.data) if self.control != self.data else (self.data,)

    @property
    def is_packed(self) -> bool:
        """Return False: a packet is all data."""
        return False

    def rest(self, rate: float) -> float:  # noqa: ARG002 - however fast
        """Return 0: there is no transfer without data."""
        return 0.0

    @property
    def pins_name(self) -> str:
        """Return no name: there are no free pins."""
        return ""

    def rate(self, baud_rate: int) -> Rate:
        """Return the rate as it is: a firmware takes any, and few have a UART behind it."""
        coding = line_coding(baud_rate, self.line_format, interface=self.control)
        return Rate(reached=float(baud_rate), controls=(coding,))

    def start(self, rate: Rate, lines: int) -> tuple[Control, ...]:
        """Return rate and format, then the lines; many firmwares are deaf while DTR is low."""
        return (*rate.controls, *self.lines(lines))

    def stop(self) -> tuple[Control, ...]:
        """Return what lowers the lines: nobody listens any more."""
        return self.lines(0)

    def lines(self, levels: int, mask: int = DTR | RTS) -> tuple[Control, ...]:
        """Return what sets both lines; the request knows no mask."""
        return (line_state(levels, interface=self.control),) if mask else ()

    def set_pins(self, *, mask: int, levels: int) -> tuple[Control, ...]:  # noqa: ARG002 - of the protocol
        """Return nothing: there are no pins."""
        return ()

    def release_pins(self) -> tuple[Control, ...]:
        """Return nothing: there are no pins."""
        return ()

    def pins_query(self) -> None:
        """Return nothing to ask."""

    def sent_query(self) -> None:
        """Return None: the class has no such request."""

    def is_sent(self, answer: bytes) -> bool:  # noqa: ARG002 - of the protocol
        """Return True: it was never asked."""
        return True

    def payload(self, transfer: bytes, packet_size: int) -> tuple[bytes, int]:  # noqa: ARG002 - of the protocol
        """Return the transfer as it is."""
        return transfer, 0
