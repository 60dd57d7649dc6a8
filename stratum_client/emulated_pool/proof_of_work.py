"""The arithmetic by which the embedded pool judges a share, on its own and with hashlib alone.

Nothing here is shared with the client or the drivers: two computations that agree are worth
more than one that is used twice.

Source: Bitcoin protocol (block header, compact target); difficulty as pools count it.
"""

import hashlib
from collections.abc import Sequence
from fractions import Fraction

LARGEST_TARGET = 2**256 - 1
EASIEST_NBITS = 0x207FFFFF
"""The easiest target any network knows (regtest)."""


def double_sha256(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of ``data``, 32 bytes."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def merkle_root(coinbase: bytes, branch: Sequence[bytes]) -> bytes:
    """Return the root, 32 bytes in header order; ``branch`` holds 32-byte hashes as sent."""
    root = double_sha256(coinbase)
    for sibling in branch:
        root = double_sha256(root + sibling)
    return root


def block_header(
    version: int, prev_hash: bytes, root: bytes, ntime: int, nbits: int, nonce: int
) -> bytes:
    """Return the 80 bytes that are hashed; both hashes 32 bytes in header order."""
    numbers = [number.to_bytes(4, "little") for number in (version, ntime, nbits, nonce)]
    return b"".join([numbers[0], prev_hash, root, *numbers[1:]])


def proof(header: bytes) -> int:
    """Return the number that must not exceed the target."""
    return int.from_bytes(double_sha256(header), "little")


def target_for(difficulty: float | Fraction) -> int:
    """Return the largest hash that is worth ``difficulty``: floor(0xffff * 2^208 / difficulty).

    A float counts as the exact value it holds. Difficulties too low for 256 bits give the
    largest target. Raises ValueError unless ``difficulty`` is positive.
    """
    exact = Fraction(difficulty)
    if exact <= 0:
        raise ValueError(f"difficulty must be positive, not {difficulty}")
    return min(LARGEST_TARGET, Fraction(0xFFFF << 208) // exact)


def difficulty_of_proof(value: int) -> float:
    """Return how difficult a hash was to find; infinity for 0."""
    return float(Fraction(0xFFFF << 208, value)) if value else float("inf")


def compact(target: int) -> int:
    """Return ``target`` as nbits, rounded down; never easier than regtest's."""
    size = (target.bit_length() + 7) // 8
    mantissa = target >> 8 * (size - 3) if size > 3 else target << 8 * (3 - size)
    if mantissa & 0x800000:
        mantissa, size = mantissa >> 8, size + 1
    return min(size << 24 | mantissa, EASIEST_NBITS)


def network_target(nbits: int) -> int:
    """Return the target that ``nbits`` stands for; 0 when negative."""
    size, mantissa = nbits >> 24, nbits & 0xFFFFFF
    if mantissa & 0x800000:
        return 0
    return mantissa << 8 * (size - 3) if size > 3 else mantissa >> 8 * (3 - size)
