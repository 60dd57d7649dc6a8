"""The test that Icarus-class devices do on each hash: its last 32 bits are 0. Pure.

That is a little easier than difficulty 1 as pools count it.
"""

from fractions import Fraction

HASHES_PER_DIFFICULTY = 1 << 32


def ticket_target(difficulty: float) -> int:
    """Return the highest hash value that a device reports; ``difficulty`` is 1 for a real one."""
    limit = Fraction(1 << 224) / Fraction(difficulty)
    return min(-(-limit.numerator // limit.denominator), 1 << 256) - 1
