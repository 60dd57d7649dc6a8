"""Whether a pool refuses so much that going on makes no sense; pure, takes `now`.

ckpool drops a client after minutes of nothing but invalid shares; we leave before.
"""

from collections import deque

from stratum_client.errors import PoolRefusedError
from stratum_client.replies import Refusal
from stratum_client.wire import Failure

STORM_SHARES = 20
STORM_SECONDS = 300.0
"""A storm: most of so many shares or more refused in this time, for other reasons than stale."""

MAX_JUDGED = 1000
"""Judgements kept, however quickly they come: the pool sets the pace of shares."""

_GOODBYES = {Refusal.UNAUTHORIZED, Refusal.NOT_SUBSCRIBED}


class RefusalWatch:
    """The judgements of the last minutes."""

    def __init__(self) -> None:
        self._judged: deque[tuple[float, bool]] = deque()
        self._bad = 0

    def judged(
        self, refusal: Refusal | None, failure: Failure | None, now: float
    ) -> PoolRefusedError | None:
        """Note one share's judgement; return the error that ends the session, if it does."""
        is_bad = refusal not in {None, Refusal.STALE}
        self._judged.append((now, is_bad))
        self._bad += is_bad
        while now - self._judged[0][0] > STORM_SECONDS or len(self._judged) > MAX_JUDGED:
            self._bad -= self._judged.popleft()[1]
        if failure is None:
            return None
        if refusal in _GOODBYES:
            return PoolRefusedError("a share", failure.code, failure.message)
        count, refused = len(self._judged), self._bad
        if count >= STORM_SHARES and refused * 2 > count:
            text = f"{refused} of {count} shares, the last one: {failure.message}"
            return PoolRefusedError("most shares", failure.code, text)
        return None
