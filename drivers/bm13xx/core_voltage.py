"""The core voltage of a board while it runs: which is in force, which is wanted, what moves first.

Chips must never be faster than their voltage allows: up, the voltage goes first, down, the
frequency. Pure.
"""

NEAR_MHZ = 1.0
"""A frequency so close above the wanted one is that one: a PLL does not hit all."""


class CoreVoltage:
    """``volts`` is in force (or will be, once the board is on), ``mhz`` what chips may do."""

    def __init__(self, volts: float, mhz: float) -> None:
        self.volts = volts
        self.mhz = mhz
        self._wanted_volts = volts
        self._wanted_mhz = mhz

    def want(self, volts: float, mhz: float, *, is_on: bool) -> None:
        """Take new settings; they hold at once while the board is off."""
        self._wanted_volts, self._wanted_mhz = volts, mhz
        is_raise = volts > self.volts
        self.mhz = min(mhz, self.mhz) if is_on and is_raise else mhz
        if not is_on:
            self.reached(volts)

    def due(self, mhz_now: float) -> float | None:
        """Return the voltage to set now, the chips being at ``mhz_now``; None if none is."""
        wanted = self._wanted_volts
        if wanted == self.volts:
            return None
        is_slow_enough = mhz_now <= self._wanted_mhz + NEAR_MHZ
        return wanted if wanted > self.volts or is_slow_enough else None

    def reached(self, volts: float) -> None:
        """Take note that ``volts`` is in force."""
        self.volts = volts
        if volts == self._wanted_volts:
            self.mhz = self._wanted_mhz
