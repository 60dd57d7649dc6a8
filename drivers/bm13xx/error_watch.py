"""Which share of the nonces due lately were hardware errors. Pure; takes the time as ``now``."""

import math

MEMORY = 300.0
"""Seconds over which the past fades."""

ENOUGH = 20.0
"""So many nonces must have been due, before a ratio tells anything."""


class ErrorWatch:
    """Counts from the last change of frequency or voltage, a pause without work left out."""

    def __init__(self) -> None:
        self._due = self._due_unfaded = 0.0
        self._errors = 0.0
        self._last: float | None = None
        self._pace = 0.0
        self._at: tuple[float, float] | None = None

    def expect(self, now: float, nonces_per_second: float) -> None:
        """Expect that many nonces from now on, 0 for none."""
        if self._last is not None and self._pace:
            seconds = max(now - self._last, 0.0)
            faded = math.exp(-seconds / MEMORY)
            self._due = self._due * faded + self._pace * MEMORY * (1 - faded)
            self._errors *= faded
            self._due_unfaded += self._pace * seconds
        self._last, self._pace = now, nonces_per_second

    def erred(self) -> None:
        """Count a hardware error."""
        self._errors += 1

    def runs_at(self, mhz: float, volts: float) -> None:
        """Begin anew if that is another operating point."""
        if self._at != (mhz, volts):
            self._at = (mhz, volts)
            self._due = self._due_unfaded = self._errors = 0.0

    @property
    def ratio(self) -> float | None:
        """Return the ratio, 0 to 1; None before enough was due."""
        if self._due_unfaded < ENOUGH:
            return None
        return min(self._errors / self._due, 1.0)
