"""A cap on the watts of the whole rig, held by what is measured; pure.

Devices are told operating points whose watts come from models; a meter in the mains line shows
something else. `Cap` learns how much, at once where it is more and slowly where it is less, and
says what the points may add up to. Without a meter it goes on with what it has learnt.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import exp

from stratum_client.control.calibration import Calibration
from stratum_client.control.meter import Look

MARGIN, MODEL_MARGIN = 0.01, 0.02
"""Shares of the cap that are left free: by a meter, and on the model alone."""

STEP_UP = 0.005
"""Share by which the budget must be too small before it is raised."""

HOLD = 4.0
"""Seconds from one change of the budget until it may be raised."""

FORGET = 5.0
"""Seconds in which most of an error is forgotten that is not measured any more."""

LAG = 3.0
"""Seconds by which a meter may be behind what devices say of themselves."""

LEND_AFTER, UNLENT = 8.0, 0.01
"""What was not taken for so many seconds is lent, but for this share of the budget.

A board that starts, or comes back from a short failure, takes as long to draw its power, most of it
in the last moment: others could not be told in time to take less.
"""


@dataclass(slots=True)
class Cap:
    """Follows one rig; `seen` for each look, then `budget` for whatever cap holds."""

    calibration: Calibration = field(default_factory=Calibration)
    is_measured: bool = False
    _told: deque[tuple[float, float]] = field(default_factory=deque)
    _read_at: float | None = None
    _at: float = 0.0
    _limit: float | None = None
    _base: float = 0.0
    _changed_at: float = 0.0
    _lent: float = 0.0
    _shorts: deque[tuple[float, float]] = field(default_factory=deque)

    def seen(self, look: Look, planned: float | None = None) -> None:
        """Learn from ``look``; ``planned`` are the watts of the points that devices were told."""
        self._at = look.power.at
        self._told.append((self._at, look.told))
        while self._told[0][0] < self._at - LAG:
            self._told.popleft()
        self.is_measured = look.is_measured
        if look.is_measured and self._read_at != look.power.total.at:
            passed = self._at - self._read_at if self._read_at is not None else 0.0
            self._read_at = look.power.total.at
            self._learn(look.power.total.watts, passed)
        self._lend(look, planned)

    def budget(self, limit: float) -> float:
        """Return the watts that all devices together may be told to take, resting ones included.

        So much that ``limit`` is kept.
        """
        margin = MARGIN if self.is_measured else MODEL_MARGIN
        wanted = max(self.calibration.told_at(limit * (1 - margin)), 0.0)
        allowed = limit if self.is_measured else limit * (1 - MARGIN)
        is_over = self.calibration.measured_at(self._base) > allowed
        is_short = wanted > self._base * (1 + STEP_UP)
        if limit != self._limit or is_over or (is_short and self._at >= self._changed_at + HOLD):
            self._base, self._limit, self._changed_at = wanted, limit, self._at
        return self._base + self._lent

    def _learn(self, measured: float, passed: float) -> None:
        """Take a reading for what devices told when it was taken, which may be a while ago."""
        low, high = min(self._levels()), max(self._levels())
        known = self.calibration
        if measured > known.measured_at(high):
            self.calibration = Calibration(told=high, measured=measured)
        elif measured < (expected := known.measured_at(low)):
            kept = (expected - measured) * exp(-passed / FORGET)
            self.calibration = Calibration(told=low, measured=measured + kept)

    def _levels(self) -> Iterator[float]:
        return (told for _, told in self._told)

    def _lend(self, look: Look, planned: float | None) -> None:
        """Let others have what some devices do not take for long: one is too hot, one has failed.

        Given back at once when they do.
        """
        short = max((planned or 0.0) - (look.told - look.resting), 0.0)
        self._shorts.append((self._at, short))
        while len(self._shorts) > 1 and self._shorts[1][0] <= self._at - LEND_AFTER:
            self._shorts.popleft()
        is_long = self._shorts[0][0] <= self._at - LEND_AFTER
        lasting = min(short for _, short in self._shorts) if is_long else 0.0
        self._lent = min(self._lent, short) if look.told <= self._base else 0.0
        room = max(self._base - look.told, 0.0)
        free = min(lasting - self._lent, room) - UNLENT * self._base
        self._lent += max(free, 0.0)
