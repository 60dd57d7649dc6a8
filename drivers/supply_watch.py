"""Tells the memory of a stick's supply what a device does, and people what follows from it."""

from drivers.api import Clock, Log
from drivers.brown_out import Ceiling, SupplyMemory, SupplySettings


class SupplyWatch:
    """What a device tells of its load; all are plain calls, cheap enough for each look.

    ``memory`` is what is remembered of the power there, None where nobody remembers.
    """

    def __init__(
        self, memory: SupplyMemory | None, settings: SupplySettings, *, clock: Clock, log: Log
    ) -> None:
        self._memory = memory or SupplyMemory()
        self._clock = clock
        self._log = log
        self._mhz = 0.0
        self._memory.use(settings)

    @property
    def ceiling(self) -> Ceiling | None:
        """Return the highest frequency that the supply was good for; None without a limit."""
        return self._memory.ceiling(self._clock.monotonic())

    def back(self) -> None:
        """Note that the port is open; say what was learned from its absence."""
        self._mhz = 0.0
        ceiling = self._memory.back(self._clock.monotonic())
        if ceiling:
            self._log.warning("device.brown_out", mhz=ceiling.mhz, reason=ceiling.reason)

    def runs_at(self, mhz: float, *, nonces: int) -> None:
        """Note the frequency; ``nonces`` is how many were found in all.

        The first after a rest is no rise: chips wake up with it, and do not hash yet.
        """
        if mhz > self._mhz > 0.0:
            self._memory.rises(mhz, self._clock.monotonic(), nonces=nonces)
        self._mhz = mhz

    def takes_load(self, mhz: float, *, nonces: int) -> None:
        """Note that the chips begin to hash: to the supply that is a rise like any other."""
        self._memory.rises(mhz, self._clock.monotonic(), nonces=nonces)
        self._mhz = mhz

    def rests(self) -> None:
        """Note that the chips rest."""
        self._memory.rests()
        self._mhz = 0.0

    def lost(self, *, nonces: int) -> None:
        """Note that the port is gone."""
        self._memory.lost(self._clock.monotonic(), nonces=nonces)

    def forget(self) -> None:
        """Take it that somebody knows better: the frequency was set anew."""
        self._memory.forget()
