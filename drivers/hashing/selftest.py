"""Proof, before use, that a kernel finds what it must and nothing else on this very CPU."""

import hashlib
import random
from functools import cache
from typing import TYPE_CHECKING

from drivers.header import DIFFICULTY_1, hash_value, target_of_nbits

if TYPE_CHECKING:
    from drivers.hashing.kernels import Kernel

# Source: the block chain; headers of the blocks 0 and 125552.
_GENESIS = bytes.fromhex(
    "01000000" + "00" * 32 + "3ba3edfd7a7b12b27ac72c3e67768f617fc81bc3888a51323a9fb8aa4b1e5e4a"
    "29ab5f49ffff001d1dac2b7c"
)
_BLOCK_125552 = bytes.fromhex(
    "01000000"
    "81cd02ab7e569e8bcd9317e2fe99f2de44d49ab2b8851ba4a308000000000000"
    "e320b6c2fffc8d750423db8b1eb942ae710e951ed797f7affc8892b0f1fc122b"
    "c7f5d74df2b9441a42a14695"
)
_NONCES = 101  # odd, so that the last batch is cut
_FIRST = (1 << 32) - _NONCES
_EASY = (1 << 252) - 1  # one hash in 16


def problem_of(kernel: "Kernel") -> str:
    """Return what ``kernel`` does wrong in plain words, or "" if it can be trusted."""
    for name, block in (("block 0", _GENESIS), ("block 125552", _BLOCK_125552)):
        if not _finds_the_nonce(kernel, block):
            return f"failed its self-test: it does not find the nonce of {name}; please report it"
    for count in (1, kernel.heads, 16):
        if not _agrees_with_hashlib(kernel, count):
            return f"failed its self-test: wrong hits with {count} heads; please report it"
    return ""


def _finds_the_nonce(kernel: "Kernel", block: bytes) -> bool:
    nonce = int.from_bytes(block[76:], "little")
    target = target_of_nbits(int.from_bytes(block[72:76], "little"))
    assert hash_value(block) <= target <= DIFFICULTY_1
    first = max(0, nonce - 50)
    result = kernel.search([block[:64]], block[64:76], target, first, 101, bytearray(1))
    return result.tried == 101 and [hit.nonce for hit in result.hits] == [nonce]


def _agrees_with_hashlib(kernel: "Kernel", count: int) -> bool:
    heads, tail = _random_headers()
    result = kernel.search(heads[:count], tail, _EASY, _FIRST, _NONCES, bytearray(1))
    found = tuple((hit.nonce, hit.head) for hit in result.hits)
    return result.tried == _NONCES and found == tuple(
        (nonce, head) for nonce, head in _hashlib_hits() if head < count
    )


@cache
def _random_headers() -> tuple[list[bytes], bytes]:
    chance = random.Random(0)
    return [chance.randbytes(64) for _ in range(16)], chance.randbytes(12)


@cache
def _hashlib_hits() -> list[tuple[int, int]]:
    heads, tail = _random_headers()
    bases = [hashlib.sha256(head + tail) for head in heads]
    return [
        (nonce, head)
        for nonce in range(_FIRST, _FIRST + _NONCES)
        for head, base in enumerate(bases)
        if _hash(base, nonce) <= _EASY
    ]


def _hash(base: "hashlib._Hash", nonce: int) -> int:
    first = base.copy()
    first.update(nonce.to_bytes(4, "little"))
    return int.from_bytes(hashlib.sha256(first.digest()).digest(), "little")
