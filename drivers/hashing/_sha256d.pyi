"""SHA256d search in C: the raw entry points behind `native`."""

from collections.abc import Sequence

def kernels() -> list[tuple[str, int, str]]:
    """Return (name, heads searched best at a time, why this CPU cannot run it or "")."""

def search(
    name: str,
    midstates: Sequence[bytes],
    tail: bytes,
    target: int,
    start: int,
    count: int,
    stop: bytearray,
    /,
) -> tuple[list[tuple[int, int]], int]:
    """Return the hits as (nonce, index into midstates), and how many nonces were tried.

    Releases the GIL. ValueError or TypeError for arguments it cannot take.
    """

def merkle_root(leaf: bytes, branch: bytes, /) -> bytes:
    """Return the 32-byte merkle root over a leaf (32 bytes) and its branch (hashes, joined).

    ValueError or TypeError for arguments it cannot take.
    """

def midstate(first_64: bytes, /) -> bytes:
    """Return the SHA-256 state after 64 bytes: 32 bytes, words big-endian."""
