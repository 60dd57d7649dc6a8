"""The 80-byte block header: layout, double SHA-256, midstate, target and difficulty.

Pure arithmetic, shared by drivers and pools. Byte strings are in header order, targets and
hash values are 256-bit integers, `hash value <= target` passes.

Source: Bitcoin protocol; FIPS 180-4 for the compression function behind `midstate`.
"""

import hashlib
import struct
from decimal import Decimal
from fractions import Fraction

DIFFICULTY_1 = 0xFFFF << 208
"""Target of difficulty 1 as pools count it ("bdiff")."""

MAX_TARGET = (1 << 256) - 1
HEADER_SIZE = 80
MIDSTATE_SIZE = 32

_LAYOUT = struct.Struct("<I32s32sIII")
_WORD = 0xFFFFFFFF


def pack_header(
    version: int, prev_hash: bytes, merkle_root: bytes, ntime: int, nbits: int, nonce: int
) -> bytes:
    """Return the 80 header bytes; both hashes are 32 bytes, already in header order."""
    return _LAYOUT.pack(version, prev_hash, merkle_root, ntime, nbits, nonce)


def sha256d(data: bytes) -> bytes:
    """Return SHA-256 of SHA-256 of ``data``, 32 bytes."""
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()


def hash_value(header: bytes) -> int:
    """Return the double SHA-256 of ``header`` as the integer that is compared with a target."""
    return int.from_bytes(sha256d(header), "little")


def hashes_to_find(target: int) -> float:
    """Return how many hashes, on average, one hash at or below ``target`` costs."""
    return float((1 << 256) / (target + 1))


def target_of(difficulty: int | float | Decimal | Fraction) -> int:
    """Return floor(DIFFICULTY_1 / difficulty), exact, at most MAX_TARGET.

    ``difficulty`` must be finite and positive; a float counts as the exact value it holds.
    """
    exact = Fraction(difficulty)
    if exact <= 0:
        raise ValueError(f"difficulty must be positive, not {difficulty}")
    return min(DIFFICULTY_1 * exact.denominator // exact.numerator, MAX_TARGET)


def difficulty_of(value: int) -> float:
    """Return the difficulty of a hash value or of a target; infinity for 0."""
    return DIFFICULTY_1 / value if value else float("inf")


def target_of_nbits(nbits: int) -> int:
    """Return the network target of the compact form ``nbits``; 0 when it is negative."""
    exponent, mantissa = nbits >> 24, nbits & 0x7FFFFF
    if nbits & 0x800000:
        return 0
    if exponent <= 3:
        return mantissa >> 8 * (3 - exponent)
    return int(mantissa << 8 * (exponent - 3))


def midstate(first_64: bytes) -> bytes:
    """Return the SHA-256 state after the header's first 64 bytes: 32 bytes, words big-endian."""
    if len(first_64) != 64:
        raise ValueError(f"a midstate is made of 64 bytes, not {len(first_64)}")
    return struct.pack(">8I", *_compress(_INITIAL, struct.unpack(">16I", first_64)))


def _compress(state: tuple[int, ...], block: tuple[int, ...]) -> list[int]:
    words = list(block)
    for i in range(16, 64):
        w15, w2 = words[i - 15], words[i - 2]
        s0 = _rotate(w15, 7) ^ _rotate(w15, 18) ^ w15 >> 3
        s1 = _rotate(w2, 17) ^ _rotate(w2, 19) ^ w2 >> 10
        words.append(words[i - 16] + s0 + words[i - 7] + s1 & _WORD)
    a, b, c, d, e, f, g, h = state
    for constant, word in zip(_ROUND_CONSTANTS, words, strict=True):
        s1 = _rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)
        t1 = h + s1 + (e & f ^ ~e & g) + constant + word
        s0 = _rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)
        t2 = s0 + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = t1 + t2 & _WORD, a, b, c, d + t1 & _WORD, e, f, g
    return [x + y & _WORD for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


def _rotate(word: int, bits: int) -> int:
    return (word >> bits | word << 32 - bits) & _WORD


def _root_fraction(prime: int, power: int) -> int:
    """Return the first 32 fraction bits of the square (2) or cube (3) root of ``prime``."""
    scaled, low, high = prime << 32 * power, 0, 1 << 40
    while low < high - 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**power <= scaled else (low, middle)
    return low & _WORD


_PRIMES = [n for n in range(2, 312) if all(n % d for d in range(2, int(n**0.5) + 1))]
_INITIAL = tuple(_root_fraction(prime, 2) for prime in _PRIMES[:8])
_ROUND_CONSTANTS = tuple(_root_fraction(prime, 3) for prime in _PRIMES)
