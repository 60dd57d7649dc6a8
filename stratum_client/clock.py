"""The one real clock; everything else is handed one."""

import time


class SystemClock:
    """Implements `drivers.api.Clock` with the system's time."""

    def wall(self) -> float:
        """Return seconds since 1970, UTC."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never going backwards."""
        return time.monotonic()
