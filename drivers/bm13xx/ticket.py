"""The ticket: how good a hash must be before a chip reports its nonce. Sans-IO.

A ticket of difficulty 2^n lets every hash pass that has 32 + n leading zero bits. That is a
trifle easier than difficulty 2^n as pools count it, so no share of that difficulty is lost.

Source: ESP-Miner components/asic/asic_common.c; register values in captures of BM1397 to BM1370.
"""

import math

from drivers.header import difficulty_of

HASHES_PER_DIFFICULTY = 1 << 32
"""How many hashes, on average, one that passes a ticket of difficulty 1 costs."""

_PASSES_AT = 65535 / 65536


def ticket_register(difficulty: int) -> int:
    """Return the register value for ``difficulty``, rounded down to a power of two.

    The ones of a mask, counted from the lowest bit, with the bits of each byte reversed.
    """
    ones = difficulty.bit_length() - 1
    mask = ((1 << ones) - 1).to_bytes(4, "big")
    return int.from_bytes(bytes(int(f"{byte:08b}"[::-1], 2) for byte in mask), "big")


def ticket_difficulty(
    target: int, hashrate: float, nonces_per_second: float, *, scale: float = 1.0, limit: int
) -> int:
    """Return the difficulty to write to a chip: a power of two from 1 to ``limit``.

    It is not above the difficulty of ``target``, so that no share is lost, and lets a chip of
    ``hashrate`` (H/s, nominal) report ``nonces_per_second`` or up to twice that, if it can. An
    emulated chip's hash rate and ticket are ``scale`` times what its registers say.
    """
    wanted = hashrate / HASHES_PER_DIFFICULTY / nonces_per_second
    return min(_power_of_two_in(min(difficulty_of(target) / scale, wanted)), limit)


def passes_ticket(difficulty: float, ticket: float) -> bool:
    """Return whether a hash of ``difficulty`` is one that a chip with ``ticket`` may report."""
    return difficulty >= ticket * _PASSES_AT


def _power_of_two_in(number: float) -> int:
    """Return the largest power of two that is at most ``number``, at least 1."""
    return 1 << max(math.frexp(number)[1] - 1, 0) if math.isfinite(number) else 1 << 32
