"""Measures how long devices take to rest, and names those that take too long."""

import asyncio
from collections.abc import Callable, Sequence

from drivers.api import AT_REST, Clock, Log
from stratum_client.supervise import SupervisedDevice

IDLE_WITHIN = 3.0
"""Seconds from an order to idle devices; a device that takes longer is warned of."""

_LOOK_AT_DEVICES = 0.02


class RestWatch:
    """``last`` is what the last order to rest took, ``longest`` what any has; None before one.

    ``at_rest`` are called with the name of each device that has come to rest.
    """

    def __init__(
        self, devices: Callable[[], Sequence[SupervisedDevice]], *, clock: Clock, log: Log
    ) -> None:
        self.last: float | None = None
        self.longest: float | None = None
        self.at_rest: list[Callable[[str], None]] = []
        self._devices = devices
        self._clock = clock
        self._log = log
        self._stopping: dict[str, float] = {}
        self._has_stopping = asyncio.Event()

    def told_to_rest(self, device: str) -> None:
        """Measure from now on."""
        self._stopping[device] = self._clock.monotonic()
        self._has_stopping.set()

    def told_to_run(self, device: str) -> None:
        """Forget that a device was to rest."""
        self._stopping.pop(device, None)

    async def run(self) -> None:
        """Watch devices come to rest until cancelled."""
        while True:
            await self._has_stopping.wait()
            self._has_stopping.clear()
            warned, rested = False, None
            began, count = min(self._stopping.values(), default=0.0), len(self._stopping)
            while self._stopping:
                now = self._clock.monotonic()
                count = max(count, len(self._stopping)) - self._forget_gone()
                began = min(self._stopping.values(), default=began)
                for device in self._devices():
                    is_told = device.name in self._stopping
                    if is_told and device.snapshot(now).stats.state in AT_REST:
                        self._rests(device.name)
                        rested = now
                if not warned and self._stopping and now - began > IDLE_WITHIN:
                    warned = True
                    late = ", ".join(self._stopping)
                    self._log.warning("devices.not_idle", devices=late, after=IDLE_WITHIN)
                if self._stopping:
                    await asyncio.sleep(_LOOK_AT_DEVICES)
            if rested is not None:
                self._tell(count, rested - began)

    def _forget_gone(self) -> int:
        """Forget devices that were taken from the rig meanwhile; return how many."""
        gone = self._stopping.keys() - {device.name for device in self._devices()}
        for name in gone:
            del self._stopping[name]
        return len(gone)

    def _rests(self, device: str) -> None:
        del self._stopping[device]
        for call in self.at_rest:
            call(device)

    def _tell(self, count: int, seconds: float) -> None:
        self.last, self.longest = seconds, max(self.longest or 0.0, seconds)
        self._log.info("devices.idle", devices=count, seconds=round(seconds, 3))
