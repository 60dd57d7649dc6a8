"""How long to wait before the next try; doubling, jittered, pure."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

LONGEST = 60.0


class Backoff:
    """Pauses of 1, 2, 4 ... seconds, each cut by a random half, until `reset`."""

    def __init__(self, random: "Random", *, first: float = 1.0, longest: float = LONGEST) -> None:
        self._random = random
        self._first = first
        self._longest = longest
        self._failures = 0

    def next_pause(self) -> float:
        """Return the seconds to wait after one more failure."""
        pause = min(self._first * 2.0 ** min(self._failures, 32), self._longest)
        self._failures += 1
        return pause * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again from the shortest pause."""
        self._failures = 0
