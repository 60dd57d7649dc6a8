"""Which accepted shares get a line of their own in the log, and what is told of the others.

With a tiny difficulty a pool takes thousands a minute, which fill a disk and tell nobody anything.
Pure; takes `now`, a monotonic time in seconds.
"""

from dataclasses import dataclass

STRETCH = 10.0
"""Seconds after which lines begin anew."""

LINES = 20
"""Shares of a stretch that are told one by one; pools want one every few seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """Accepted shares that got no line: how many, in how many seconds, the best one."""

    count: int
    seconds: float
    best_difficulty: float


class AcceptedTelling:
    """The accepted shares of one pool, by stretches that begin with a share."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._told = 0
        self._untold = 0
        self._best = 0.0

    def is_told(self, difficulty: float, now: float) -> bool:
        """Note a share; return whether it gets a line. Ask `over` before."""
        if self._began is None:
            self._began = now
        if self._told < LINES:
            self._told += 1
            return True
        self._untold += 1
        self._best = max(self._best, difficulty)
        return False

    def over(self, now: float, *, at_once: bool = False) -> Untold | None:
        """End a stretch that is over, ``at_once`` any; return what of it is still to be told."""
        if self._began is None or (now - self._began < STRETCH and not at_once):
            return None
        untold = Untold(count=self._untold, seconds=now - self._began, best_difficulty=self._best)
        self._began, self._told, self._untold, self._best = None, 0, 0, 0.0
        return untold if untold.count else None
