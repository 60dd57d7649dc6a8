"""What a bad line does to the bytes on it; chance comes in as a `random.Random`.

A noise is any function from the bytes sent to the bytes that arrive, so a test may as well pass
``lambda data: data[1:]``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

Noise = Callable[[bytes], bytes]


def no_noise(data: bytes) -> bytes:
    """Return ``data`` as it is."""
    return data


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomNoise:
    """Damages each byte with the given probabilities, 0 to 1, each independent of the others.

    ``drop`` loses the byte, ``flip`` inverts one bit of it, ``insert`` puts a random byte before
    it.
    """

    random: "Random"
    drop: float = 0.0
    flip: float = 0.0
    insert: float = 0.0

    def __post_init__(self) -> None:
        """Raise ValueError for what is no probability."""
        for name in ("drop", "flip", "insert"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ValueError(f"{name} must be a probability, not {getattr(self, name)}")

    def __call__(self, data: bytes) -> bytes:
        """Return what arrives of ``data``."""
        if not (self.drop or self.flip or self.insert):
            return data
        chance = self.random.random
        arriving = bytearray()
        for byte in data:
            if chance() < self.insert:
                arriving.append(self.random.randrange(256))
            if chance() < self.drop:
                continue
            arriving.append(byte ^ 1 << self.random.randrange(8) if chance() < self.flip else byte)
        return bytes(arriving)
