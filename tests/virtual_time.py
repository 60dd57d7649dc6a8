"""An event loop in which waiting takes no real time.

Whenever everybody waits, the clock jumps to the next timer. When no timer is set either, nothing
can ever happen again: that fails the test as a deadlock. There is nothing outside of the loop to
wait for here: no sockets, no threads, no processes.
"""

import asyncio
import selectors

RESOLUTION = 5e-7
"""Seconds; above the spacing of floats after years, else a timer for now is never due."""


class DeadlockError(AssertionError):
    """Everybody waits and no timer is set."""


class _Selector(selectors.DefaultSelector):
    """Moves the clock on by as long as the loop meant to wait."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("everybody waits and no timer is set")
        self.now += timeout
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop whose time starts at 0 and moves only from timer to timer."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)
        self._clock_resolution = RESOLUTION  # asyncio's: a timer that near is due

    def time(self) -> float:
        """Return the virtual seconds since the loop was made."""
        return self._clock.now


class LoopClock:
    """A `drivers.api.Clock` that shows the time of the running loop."""

    WALL_AT_START = 1_750_000_000.0

    def wall(self) -> float:
        return self.WALL_AT_START + self.monotonic()

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()
