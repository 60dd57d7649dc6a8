"""Hash rates estimated from shares, over a sliding window and since the start.

Pure; takes `now`, a monotonic time in seconds. n shares tell a rate to within sqrt(n)/n.
"""

import math
from collections import deque

WINDOW = 300.0
_BUCKETS = 60


class HashRate:
    """Hashes that shares stand for, per second."""

    def __init__(self, now: float, *, window: float = WINDOW) -> None:
        self.total = 0.0
        self.count = 0
        self._start = now
        self._window = window
        self._width = window / _BUCKETS
        self._buckets: deque[tuple[float, float]] = deque()  # (start of the bucket, hashes)

    def add(self, hashes: float, now: float) -> None:
        """Count ``hashes``, the number that one share costs on average."""
        self.total += hashes
        self.count += 1
        self._forget(now)
        start, before = self._buckets[-1] if self._buckets else (-math.inf, 0.0)
        if now - start < self._width:
            self._buckets[-1] = start, before + hashes
        else:
            self._buckets.append((now, hashes))

    def recent(self, now: float) -> float:
        """Return H/s over the window, or since the start while that is shorter."""
        self._forget(now)
        seconds = min(now - self._start, self._window)
        return sum(hashes for _, hashes in self._buckets) / seconds if seconds > 0 else 0.0

    def average(self, now: float) -> float:
        """Return H/s since the start."""
        seconds = now - self._start
        return self.total / seconds if seconds > 0 else 0.0

    @property
    def uncertainty(self) -> float:
        """Return the standard error of `average` as a fraction of it; 1 without any share."""
        return 1 / math.sqrt(self.count) if self.count else 1.0

    def _forget(self, now: float) -> None:
        while self._buckets and now - self._buckets[0][0] > self._window:
            self._buckets.popleft()
