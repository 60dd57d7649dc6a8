"""The seven bytes that CDC-ACM devices and Prolific bridges hold their line settings in.

Source: USB CDC specification, PSTN subclass 1.2, section 6.3.11.
"""

from drivers.transports.emulated_usb.bridge import stall
from drivers.transports.emulated_usb.line import Line, Parity, StopBits

SIZE = 7


def asked_rate(coding: bytes) -> int:
    """Return the bit/s asked for, as the number in the first four bytes."""
    return int.from_bytes(coding[:4], "little")


def line_of(coding: bytes, baud_rate: float) -> Line:
    """Return the settings of 7 bytes at a real rate; raise a stall for what they cannot say."""
    if len(coding) != SIZE:
        raise stall()
    stop, parity, bits = coding[4:]
    if stop > StopBits.TWO or parity > Parity.SPACE or bits not in {5, 6, 7, 8, 16}:
        raise stall()
    return Line(
        baud_rate=baud_rate, data_bits=bits, parity=Parity(parity), stop_bits=StopBits(stop)
    )


def coding_of(line: Line) -> bytes:
    """Return the 7 bytes of ``line``."""
    rate = round(line.baud_rate).to_bytes(4, "little")
    return rate + bytes([line.stop_bits, line.parity, line.data_bits])
