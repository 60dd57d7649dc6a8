"""PMBus number formats: SLINEAR11 for most values, ULINEAR16 for output voltages.

Source: PMBus specification part II, sections 7 and 8. The encoder agrees with ESP-Miner
main/power/TPS546.c and mujina peripheral/pmbus.rs (`linear11`); mujina's second helper in
pmbus_types.rs has an unsigned mantissa and is not what a conforming part reads.
"""

from math import isfinite

_LARGEST_MANTISSA = 1023
_EXPONENTS = range(-16, 16)


def linear11_of(value: float) -> int:
    """Return ``value`` as a 16-bit word: 5-bit exponent, 11-bit mantissa, both signed.

    The smallest exponent that keeps the mantissa within 1023 is used, rounded to the nearest;
    0 is 0000. Raises ValueError beyond 1023 * 2^15 and for what is no number.
    """
    if not isfinite(value):
        raise ValueError(f"not a number to encode: {value}")
    for exponent in _EXPONENTS if value else ():
        mantissa = round(value / 2.0**exponent)
        if abs(mantissa) <= _LARGEST_MANTISSA:
            return (exponent & 0x1F) << 11 | mantissa & 0x7FF
    if value:
        raise ValueError(f"{value} is too large for SLINEAR11")
    return 0


def linear11_value(word: int) -> float:
    """Return what a 16-bit SLINEAR11 word means."""
    exponent, mantissa = word >> 11, word & 0x7FF
    exponent -= 0x20 if exponent & 0x10 else 0
    mantissa -= 0x800 if mantissa & 0x400 else 0
    return mantissa * 2.0**exponent


def vout_exponent(vout_mode: int) -> int | None:
    """Return the exponent in a VOUT_MODE byte, None if the mode is not linear."""
    if vout_mode & 0x60:
        return None
    exponent = vout_mode & 0x1F
    return exponent - 0x20 if exponent & 0x10 else exponent


def linear16_of(value: float, exponent: int) -> int:
    """Return ``value`` as an unsigned 16-bit mantissa of 2^exponent, rounded to the nearest.

    Raises ValueError if it does not fit.
    """
    if not isfinite(value) or not 0 <= (mantissa := round(value / 2.0**exponent)) <= 0xFFFF:
        raise ValueError(f"{value} does not fit ULINEAR16 with exponent {exponent}")
    return mantissa


def linear16_value(word: int, exponent: int) -> float:
    """Return what a ULINEAR16 word means with ``exponent``."""
    return word * 2.0**exponent
