"""The speeds that a board may have, and what its model says of them; pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drivers.api import OperatingPoint
from stratum_client.control import tuning_words as words
from stratum_client.control.claims import Limit
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_profile import TuningSettings
from stratum_client.control.tuning_search import thinned

NEAR = 3.0
"""MHz by which what a board says may differ from what it was told: a PLL does not hit all."""


@dataclass(frozen=True, slots=True)
class Range:
    """``ladder``: the speeds to choose from, the slowest first; a point of the model for each."""

    ladder: tuple[float, ...]
    points: dict[float, OperatingPoint]

    def start(self, goal: Goal, may_try: Callable[[float], bool]) -> float:
        """Return the speed that the model likes best, of those that may be tried."""
        speeds = [mhz for mhz in self.ladder if may_try(mhz)] or self.ladder[:1]
        return max(speeds, key=self._efficiency) if goal is Goal.EFFICIENCY else speeds[-1]

    def highest(self, limit: Limit) -> float:
        """Return the highest speed that a limit allows; 0 if it allows none."""
        allowed = [
            mhz
            for mhz, point in self.points.items()
            if (limit.mhz is None or mhz <= limit.mhz + NEAR)
            and (limit.watts is None or point.watts <= limit.watts)
        ]
        return max(allowed, default=0.0) if limit.run else 0.0

    def _efficiency(self, mhz: float) -> float:
        point = self.points[mhz]
        return point.hashrate / max(point.watts, 1e-9)


def range_of(points: Sequence[OperatingPoint], settings: TuningSettings) -> Range | str:
    """Return the speeds to choose from, or why there are none."""
    found = {point.mhz: point for point in points if point.hashrate > 0}
    if not found:
        return words.NO_POINTS
    within = [mhz for mhz in found if settings.low <= mhz <= settings.high]
    if not within:
        return words.NOTHING_WITHIN
    ladder = thinned(within, settings.step)
    return Range(ladder, {mhz: found[mhz] for mhz in ladder})
