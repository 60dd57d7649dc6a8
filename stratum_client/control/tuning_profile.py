"""What is kept of a board's tuning: its settings, what was learnt, what is barred; pure.

Wall times are seconds since 1970: all of this outlives restarts.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from stratum_client.control.tuning_evidence import Estimate, Goal

HOUR, DAY = 3600.0, 86_400.0

AFTER_ERRORS = 6 * HOUR
"""A speed that made too many errors, or became worse, is not tried again for so long."""

AFTER_CRASH = DAY
"""The same for one at which the board failed; each is twice as long after each time."""

LONGEST_BAR = 30 * DAY

MAX_BARS, MAX_ESTIMATES = 16, 64

_ALIKE = 0.03
"""Speeds that differ by less fail for the same reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningSettings:
    """How a board is tuned; speeds in MHz.

    ``step`` is the least distance between two speeds, ``settle`` the seconds in which a board comes
    to the temperature and power of a new one.
    """

    goal: Goal = Goal.OFF
    power_target: float | None = None
    step: float = 6.25
    error_limit: float = 0.02
    low: float = 0.0
    high: float = float("inf")
    settle: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A speed that failed: it and all above it are not tried before ``until``."""

    mhz: float
    why: str
    at: float
    until: float
    times: int = 1

    def holds(self, mhz: float, wall: float) -> bool:
        """Return whether ``mhz`` must not be tried now."""
        return wall < self.until and mhz >= self.mhz


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one board; ``mhz`` is its best speed for ``goal``, None while unknown."""

    goal: Goal = Goal.OFF
    mhz: float | None = None
    estimates: tuple[Estimate, ...] = ()
    bars: tuple[Bar, ...] = ()
    explored_at: float = 0.0

    def barred(self, mhz: float, wall: float) -> Bar | None:
        """Return why ``mhz`` must not be tried now, None if it may."""
        return next((bar for bar in self.bars if bar.holds(mhz, wall)), None)

    def best(self, goal: Goal) -> Estimate | None:
        """Return what its best speed for ``goal`` does, None while that is not known."""
        if self.mhz is None or self.goal is not goal:
            return None
        return self.estimate_at(self.mhz)

    def estimate_at(self, mhz: float) -> Estimate | None:
        """Return what is known of one speed."""
        return next((one for one in self.estimates if one.mhz == mhz), None)


def with_bar(
    bars: Iterable[Bar], mhz: float, why: str, *, wall: float, seconds: float
) -> tuple[Bar, ...]:
    """Return ``bars`` with a new one, for longer if that speed or one next to it failed before."""
    old = [bar for bar in bars if wall < bar.until + LONGEST_BAR]
    alike = [bar for bar in old if abs(bar.mhz - mhz) <= _ALIKE * mhz]
    times = 1 + max((bar.times for bar in alike), default=0)
    lasts = min(seconds * 2.0 ** min(times - 1, 20), LONGEST_BAR)
    new = Bar(mhz=mhz, why=why, at=wall, until=wall + lasts, times=times)
    return (*(bar for bar in old if bar not in alike), new)[-MAX_BARS:]
