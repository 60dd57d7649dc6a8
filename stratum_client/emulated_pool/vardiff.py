"""Variable difficulty: keep a client near the wanted number of seconds between shares."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class VardiffSettings:
    """``seconds_per_share`` is the aim; difficulties stay within ``lowest`` and ``highest``.

    A client is looked at every ``interval`` seconds, and earlier after ``burst`` shares. With
    ``rounded`` only powers of two are given, below 1 powers of ten.
    """

    seconds_per_share: float = 5.0
    interval: float = 30.0
    burst: int = 24
    lowest: float = 2.0**-20
    highest: float = 2.0**64
    rounded: bool = False


class Vardiff:
    """Watches the shares of one client and says when its difficulty should change."""

    STEP = 16.0
    """No single change is larger than this factor: a lucky minute is not a new rig."""
    TOLERANCE = 1.5
    """Nothing changes while the rate is right within this factor."""

    def __init__(self, settings: VardiffSettings, difficulty: float, now: float) -> None:
        self._settings = settings
        self._difficulty = difficulty
        self._start(now)

    def difficulty_set(self, difficulty: float, now: float) -> None:
        """Take over a difficulty that was set for another reason."""
        self._difficulty = difficulty
        self._start(now)

    def accepted(self, difficulty: float) -> None:
        """Count a share that was asked to reach ``difficulty``."""
        self._shares += 1
        self._work += difficulty

    @property
    def in_a_hurry(self) -> bool:
        """Say whether enough shares came to look before the interval is over."""
        return self._shares >= self._settings.burst

    def review(self, now: float) -> float | None:
        """Return the difficulty to set now, None to leave it as it is."""
        elapsed = now - self._since
        if elapsed <= 0 or (elapsed < self._settings.interval and not self.in_a_hurry):
            return None
        wanted = self._work / elapsed * self._settings.seconds_per_share
        self._start(now)
        if self._difficulty / self.TOLERANCE <= wanted <= self._difficulty * self.TOLERANCE:
            return None
        new = self._allowed(wanted)
        if new == self._difficulty:
            return None
        self._difficulty = new
        return new

    def _start(self, now: float) -> None:
        self._since = now
        self._shares = 0
        self._work = 0.0

    def _allowed(self, wanted: float) -> float:
        low, high = self._difficulty / self.STEP, self._difficulty * self.STEP
        difficulty = min(max(wanted, low), high)
        if self._settings.rounded:
            difficulty = _rounded(difficulty)
        return min(max(difficulty, self._settings.lowest), self._settings.highest)


def _rounded(number: float) -> float:
    """Return the largest power of two, or below 1 of ten, that is not above ``number``."""
    if number >= 1:
        return math.ldexp(1.0, math.frexp(number)[1] - 1)
    return float(f"1e{math.floor(math.log10(number))}")
