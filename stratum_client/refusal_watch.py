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

_GOODBYES = {Refusal.UNAUTHORIZED, Refusal.NOT_SUBSCRIBED}


class RefusalWatch:
    """The judgements of the last minutes."""

    def __init__(self) -> None:
        self._judged: deque[tuple[float, bool]] = deque()

    def judged(
        self, refusal: Refusal | None, failure: Failure | None, now: float
    ) -> PoolRefusedError | None:
        """Note one share's judgement; return the error that ends the session, if it does."""
        self._judged.append((now, refusal not in {None, Refusal.STALE}))
        while now - self._judged[0][0] > STORM_SECONDS:
            self._judged.popleft()
        if failure is None:
            return None
        if refusal in _GOODBYES:
            return PoolRefusedError("a share", failure.code, failure.message)
        count, refused = len(self._judged), sum(bad for _, bad in self._judged)
        if count >= STORM_SHARES and refused * 2 > count:
            text = f"{refused} of {count} shares, the last one: {failure.message}"
            return PoolRefusedError("most shares", failure.code, text)
        return None
