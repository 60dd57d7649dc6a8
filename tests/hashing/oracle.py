"""The hit set by hashlib, hash by hash: what every kernel is compared with."""

import hashlib
from collections.abc import Sequence


def hits(
    heads: Sequence[bytes], tail: bytes, target: int, start: int, count: int
) -> list[tuple[int, int]]:
    """Return (nonce, head) of every hash at or below ``target``, in this order."""
    bases = [hashlib.sha256(head + tail) for head in heads]
    return [
        (nonce, head)
        for nonce in range(start, start + count)
        for head, base in enumerate(bases)
        if _value(base, nonce) <= target
    ]


def value(head: bytes, tail: bytes, nonce: int) -> int:
    """Return the hash as the number that is compared with a target."""
    return _value(hashlib.sha256(head + tail), nonce)


def _value(base: "hashlib._Hash", nonce: int) -> int:
    first = base.copy()
    first.update(nonce.to_bytes(4, "little"))
    return int.from_bytes(hashlib.sha256(first.digest()).digest(), "little")
