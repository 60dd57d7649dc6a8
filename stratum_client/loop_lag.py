"""How late the event loop is: measured all the time, told when it is too late to be good.

A callback that takes 100 ms makes every share and every job 100 ms late, whoever wrote it.
"""

import asyncio
from collections import deque

from drivers.api import Log

TOO_LATE = 0.05
"""Seconds of lag that are worth a warning."""

EVERY = 0.1
WINDOW = 60.0
"""Seconds for which the worst lag is remembered, and between two warnings."""


class LoopLag:
    """The worst lag of the last minute, in seconds, and since the start."""

    def __init__(self, log: Log) -> None:
        self.worst_ever = 0.0
        self._log = log
        self._falling: deque[tuple[float, float]] = deque()  # (when, lag), each the worst since
        self._warned_at = -WINDOW

    def worst(self) -> float:
        """Return the worst lag of the last minute."""
        return self._falling[0][1] if self._falling else 0.0

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY
            await asyncio.sleep(EVERY)
            now = loop.time()
            self.measured(max(now - due, 0.0), now)

    def measured(self, lag: float, now: float) -> None:
        """Take in one measurement at ``now``, a monotonic time."""
        self.worst_ever = max(self.worst_ever, lag)
        while self._falling and self._falling[-1][1] <= lag:
            self._falling.pop()
        self._falling.append((now, lag))
        while now - self._falling[0][0] > WINDOW:
            self._falling.popleft()
        if lag > TOO_LATE and now - self._warned_at >= WINDOW:
            self._warned_at = now
            self._log.warning("loop.late", seconds=round(lag, 3), quiet_for=WINDOW)
