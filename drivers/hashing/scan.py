"""The shape that every raw scan has, be it in Python or in the C extension."""

from collections.abc import Sequence
from typing import Protocol


class Scan(Protocol):
    """Tries a range of nonces; its arguments have been checked."""

    def __call__(
        self,
        starts: Sequence[bytes],
        tail: bytes,
        target: int,
        start: int,
        count: int,
        stop: bytearray,
        /,
    ) -> tuple[list[tuple[int, int]], int]:
        """Return the hits as (nonce, index into starts), in any order, and the nonces tried."""
        ...
