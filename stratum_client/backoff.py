"""How long to wait before the next try; doubling, jittered, pure."""

from typing import TYPE_CHECKING

from stratum_client.config import Deadlines
from stratum_client.errors import AuthorizationError, ConnectionLostError, StratumError

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

    def adjust(self, *, first: float, longest: float) -> None:
        """Go by other bounds from the next pause on."""
        self._first, self._longest = first, longest

    def next_pause(self) -> float:
        """Return the seconds to wait after one more failure."""
        pause = min(self._first * 2.0 ** min(self._failures, 32), self._longest)
        self._failures += 1
        return pause * self._random.uniform(0.5, 1.0)

    def reset(self) -> None:
        """Start again from the shortest pause."""
        self._failures = 0


class RetryPauses:
    """How long one pool is left alone after each session; refused logins count on their own."""

    def __init__(self, waits: Deadlines, random: "Random") -> None:
        self._waits = waits
        self._random = random
        self._usual = Backoff(random, first=waits.retry_first, longest=waits.retry_cap)
        self._login = Backoff(
            random, first=waits.authorize_retry, longest=waits.authorize_retry_cap
        )

    def adjust(self, waits: Deadlines) -> None:
        """Go by other deadlines; how often it has failed stays."""
        self._waits = waits
        self._usual.adjust(first=waits.retry_first, longest=waits.retry_cap)
        self._login.adjust(first=waits.authorize_retry, longest=waits.authorize_retry_cap)

    def session_lasts(self, age: float, *, took_share: bool, has_job: bool) -> None:
        """Begin anew after a session that has been healthy for long enough."""
        waits = self._waits
        if (took_share and age >= waits.retry_reset) or (has_job and age >= waits.retry_reset_jobs):
            self._usual.reset()
            self._login.reset()

    def after(self, error: StratumError, *, took_share: bool) -> float:
        """Return the seconds to wait after a session that ended so, or never began."""
        if isinstance(error, AuthorizationError):
            return self._login.next_pause()
        if isinstance(error, ConnectionLostError) and took_share:
            # A pool's restart brings all its miners back at once: spread them.
            self._usual.reset()
            return self._random.uniform(0.0, self._waits.retry_after_close)
        return self._usual.next_pause()
