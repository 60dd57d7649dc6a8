"""The hash rate that one worker claims, from its own counting. Pure, takes ``now``."""

import math

_SMOOTHING = 10.0  # s
_SILENCE = 2.0  # s; reports come twice a second, so a longer gap means that nothing is hashed
_LEAST = 0.05  # s; a report that was on its way when work began tells of a time before it


class ClaimedRate:
    """A mean over about the last 10 seconds, or over the time since the start if that is less."""

    def __init__(self, now: float) -> None:
        self._hashes = 0.0
        self._seconds = 0.0
        self._updated = now

    def start(self, now: float) -> None:
        """Begin anew: what came before says nothing of the rate from now on."""
        self._hashes = self._seconds = 0.0
        self._updated = now

    def add(self, hashes: int, now: float) -> None:
        """Count ``hashes`` done since the last call."""
        elapsed = max(0.0, now - self._updated)
        keep = math.exp(-elapsed / _SMOOTHING)
        self._hashes = self._hashes * keep + hashes
        self._seconds = self._seconds * keep + elapsed
        self._updated = now

    def hashrate(self, now: float) -> float:
        """Return H/s, 0 until there is time to measure; it fades when no more are reported."""
        silence = now - self._updated
        seconds = self._seconds + (silence if silence > _SILENCE else 0.0)
        return self._hashes / seconds if seconds >= _LEAST else 0.0
