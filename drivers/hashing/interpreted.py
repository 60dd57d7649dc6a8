"""SHA256d search without the C extension.

`scan_heads` copies one hashlib object per nonce. hashlib cannot start from a midstate, so
`scan_midstates` borrows the compression function of the library behind it, two or three times
slower; without that it computes it in Python, some 160 times slower.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence

from drivers.hashing.libcrypto import transform
from drivers.header import _compress  # the one compression function there is in Python

_CHUNK = 4096
_PADDING = b"\x80" + bytes(39) + (80 * 8).to_bytes(8, "big")
_Hits = list[tuple[int, int]]
_ChunkScan = Callable[[int, bytes, int, int, int], list[int]]


def scan_heads(
    starts: Sequence[bytes],
    tail: bytes,
    target: int,
    start: int,
    count: int,
    stop: bytearray,
) -> tuple[_Hits, int]:
    """Search 64-byte heads, a few thousand nonces between two looks at ``stop``."""
    bases = [hashlib.sha256(head + tail) for head in starts]
    hits: _Hits = []
    tried = 0
    while tried < count and not stop[0]:
        nonces = range(start + tried, start + min(count, tried + max(1, _CHUNK // len(bases))))
        for index, base in enumerate(bases):
            hits += [(nonce, index) for nonce in _hashlib_hits(base, nonces, target)]
        tried += len(nonces)
    return hits, tried


def scan_midstates(
    starts: Sequence[bytes],
    tail: bytes,
    target: int,
    start: int,
    count: int,
    stop: bytearray,
) -> tuple[_Hits, int]:
    """Search 32-byte midstates, looking at ``stop`` after each nonce."""
    step = transform() or _in_python
    hits: _Hits = []
    tried = 0
    while tried < count and not stop[0]:
        nonce = start + tried
        block = tail + nonce.to_bytes(4, "little") + _PADDING
        for index, midstate in enumerate(starts):
            digest = hashlib.sha256(step(midstate, block)).digest()
            if int.from_bytes(digest, "little") <= target:
                hits.append((nonce, index))
        tried += 1
    return hits, tried


def _in_python(midstate: bytes, block: bytes) -> bytes:
    state, words = struct.unpack(">8I", midstate), struct.unpack(">16I", block)
    return struct.pack(">8I", *_compress(state, words))


def _hashlib_hits(base: "hashlib._Hash", nonces: range, target: int) -> list[int]:
    copy, sha256, pack = base.copy, hashlib.sha256, struct.Struct("<I").pack
    top_byte = target >> 248
    hits = []
    for nonce in nonces:
        first = copy()
        first.update(pack(nonce))
        digest = sha256(first.digest()).digest()
        if digest[31] <= top_byte and int.from_bytes(digest, "little") <= target:
            hits.append(nonce)
    return hits
