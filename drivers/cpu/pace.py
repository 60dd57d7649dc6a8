"""How much a worker searches at a time, and how long it rests in between. Pure, takes ``now``.

Batches last about 75 ms, so that counters stay fresh; below full duty 10 ms, each followed by its
share of rest, so that the load is even.

An easy target must not drown the daemon: a batch is made small enough to hold about four
solutions, and after it the worker waits until their number is again within the limit per second,
without skipping a nonce. What it did not use of the limit in the last quarter of a second it may
use at once, so the limit costs nothing until it is reached.
"""

BATCH_SECONDS = 0.075
SHORT_BATCH_SECONDS = 0.010
SOLUTIONS_PER_BATCH = 4

_CREDIT_SECONDS = 0.25
_FIRST_RATE = 200_000.0  # H/s; less than any CPU reaches, so that the first batch is short
_MAX_GROWTH = 4.0  # from one batch to the next, as a very short batch tells little


class Pace:
    """Sizes the batches of one worker."""

    def __init__(self) -> None:
        self.held_back = False
        """Whether the limit of solutions made the worker wait; set here, cleared by the reader."""
        self._duty = 100
        self._solutions = 1
        self._rate = _FIRST_RATE
        self._rested = 0.0  # when duty allows the next batch
        self._paid = 0.0  # up to when the limit of solutions is used up

    def limit(self, *, duty: int, solutions: int) -> None:
        """Set the percentage of a core to use, and the solutions per second."""
        self._duty = duty
        self._solutions = solutions

    def hashes(self, target: int) -> int:
        """Return how many hashes to try next."""
        seconds = BATCH_SECONDS if self._duty == 100 else SHORT_BATCH_SECONDS
        return min(int(self._rate * seconds), (SOLUTIONS_PER_BATCH << 256) // (target + 1))

    def searched(
        self, *, hashes: int, solutions: int, began: float, ended: float, cpu_seconds: float
    ) -> None:
        """Take note of a batch: what it did, when, and the CPU time that it took."""
        if hashes and ended > began:
            self._rate = min(hashes / (ended - began), self._rate * _MAX_GROWTH)
        self._rested = ended + cpu_seconds * (100 - self._duty) / self._duty
        if solutions:
            unused_since = max(self._paid, began - _CREDIT_SECONDS)
            self._paid = unused_since + solutions / self._solutions
            self.held_back = self.held_back or self._paid > ended

    def rest(self, now: float) -> float:
        """Return for how many seconds to search nothing, 0 or less for not at all."""
        return max(self._rested, self._paid) - now
