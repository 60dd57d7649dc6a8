"""What a UART is set to, and what becomes of bytes that the other end hears wrongly.

Mark parity sends a 1 after the byte, as a second stop bit would: an 8N1 receiver does not notice.
Anything else that is not 8N1 does not match the chips, which know nothing but 8N1.

Source: kanoi/cgminer sets mark parity on sticks whose chips run at 8N1, and mines with them; the
tolerance is that of an 8N1 receiver, which samples the last bit 9.5 bits after the start: half a
bit of drift is 5 %. Chips told to run at 1.5 Mbaud run at 1.5625, 4 % off, and are understood.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

TOLERANCE = 0.05


class Parity(IntEnum):
    """The parity bit, as all bridges number it."""

    NONE = 0
    ODD = 1
    EVEN = 2
    MARK = 3
    SPACE = 4


class StopBits(IntEnum):
    """The stop bits, as all bridges number them."""

    ONE = 0
    ONE_AND_HALF = 1
    TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The settings of a UART; ``baud_rate`` is the real one, 0 for a divisor that has none."""

    baud_rate: float = 9600.0
    data_bits: int = 8
    parity: Parity = Parity.NONE
    stop_bits: StopBits = StopBits.ONE

    @property
    def bits_are_plain(self) -> bool:
        """Return whether an 8N1 receiver understands these bits."""
        return self.data_bits == 8 and self.parity in {Parity.NONE, Parity.MARK}

    def meets(self, baud_rate: float) -> bool:
        """Return whether an 8N1 UART at ``baud_rate`` understands this one; 0 takes any rate."""
        if not self.bits_are_plain or self.baud_rate <= 0:
            return False
        return not baud_rate or abs(self.baud_rate - baud_rate) <= TOLERANCE * baud_rate


def garbled(data: bytes, *, sent_at: float, heard_at: float, random: "Random") -> bytes:
    """Return what a UART at another rate or format makes of ``data``: as long, in time."""
    if not data:
        return b""
    stretch = heard_at / sent_at if sent_at > 0 and heard_at > 0 else 1.0
    return random.randbytes(max(1, round(len(data) * min(stretch, 4.0))))
