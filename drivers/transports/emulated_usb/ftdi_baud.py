"""The rate that an FTDI chip makes of the divisor it is given.

Source: FTDI's divisor format as torvalds/linux drivers/usb/serial/ftdi_sio.c writes it and pyftdi
computes it. Divisors between 1 and 2 do not exist, apart from 1.5, which is written as 1; what a
chip would do with them nobody wrote down, so they give no rate at all here.
"""

FULL_SPEED_CLOCK = 3_000_000
HIGH_SPEED_CLOCK = 12_000_000

_EIGHTHS_BY_CODE = (0, 4, 2, 1, 3, 5, 6, 7)


def rate_of_divisor(encoded: int) -> float:
    """Return the bit/s of an 18-bit divisor, 0.0 for one that does not exist.

    Bits 13..0 are the whole part, 16..14 the code of the eighths, bit 17 selects the fast clock.
    """
    clock = HIGH_SPEED_CLOCK if encoded & 0x20000 else FULL_SPEED_CLOCK
    whole, eighths = encoded & 0x3FFF, _EIGHTHS_BY_CODE[encoded >> 14 & 7]
    if encoded & 0x1FFFF == 0:
        return float(clock)
    if encoded & 0x1FFFF == 1:
        return clock / 1.5
    if whole < 2:
        return 0.0
    return clock * 8 / (whole * 8 + eighths)


def rate_by_kernel(baud_rate: int, *, fast_clock: bool) -> float:
    """Return the rate that ftdi_sio gets when asked for ``baud_rate``.

    Above what the clock gives it silently falls to 9600, as seen on a running kernel.
    """
    clock = HIGH_SPEED_CLOCK if fast_clock and baud_rate >= 1200 else FULL_SPEED_CLOCK
    if not 0 < baud_rate <= clock:
        return 9600.0
    eighths = max(8, (2 * 8 * clock + baud_rate) // (2 * baud_rate))
    if 8 < eighths < 16:
        eighths = 12 if eighths >= 10 else 8
    return clock * 8 / eighths
