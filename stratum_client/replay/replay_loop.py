"""An event loop that lives in recorded time: as fast as it can, or so many times real time.

Whenever everybody waits, its time goes on to the next timer. Nothing outside of the loop may be
waited for here: no sockets, no threads.
"""

import asyncio
import selectors

from stratum_client.recording.reader import Header

RESOLUTION = 5e-7
"""Seconds; above the spacing of floats at the latest time, else a timer for now is never due."""


class StalledError(RuntimeError):
    """Everybody waits and no timer is set: what is waited for will never come."""


class _Selector(selectors.DefaultSelector):
    """Moves the time on by as long as the loop meant to wait."""

    def __init__(self, speed: float | None) -> None:
        super().__init__()
        self.now = 0.0
        self._speed = speed

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise StalledError("everybody waits and no timer is set")
        ready = super().select(timeout / self._speed if self._speed else 0)
        if not ready:
            self.now += timeout
        return ready


class ReplayLoop(asyncio.SelectorEventLoop):
    """A loop whose time starts at 0; ``speed`` is how much faster than real time, None: at once."""

    def __init__(self, speed: float | None = None) -> None:
        self._recorded = _Selector(speed)
        super().__init__(self._recorded)
        self._clock_resolution = RESOLUTION  # asyncio's: a timer that near is due

    def time(self) -> float:
        """Return the seconds of recorded time since the loop was made."""
        return self._recorded.now

    def pass_on_to(self, at: float) -> None:
        """Let it be ``at`` by now, if it is not later already."""
        self._recorded.now = max(self._recorded.now, at)


class ReplayClock:
    """A `drivers.api.Clock` that shows the recorded times of the running loop."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def wall(self) -> float:
        """Return seconds since 1970, UTC, as they were then."""
        return self._header.wall + asyncio.get_running_loop().time()

    def monotonic(self) -> float:
        """Return seconds on the clock of the machine that recorded."""
        return self._header.monotonic + asyncio.get_running_loop().time()


class SilentLog:
    """A log that keeps nothing: what was logged then is in the recording."""

    def debug(self, event: str, **fields: object) -> None:
        """Log nothing."""

    info = warning = error = debug
