"""How watts that were measured go with watts that the devices' models or own meters say; pure.

One pair of numbers from the same moment carries over to others with two slopes, of which each
side takes the one that errs to the safe side: what a plug sees beside the devices (the host, what
a supply loses by itself) does not shrink with them, what a supply loses of their power does grow.
"""

from dataclasses import dataclass

STEEPEST, FLATTEST = 1.25, 0.8
"""Bounds of the slope: no supply loses a fifth, and none gives more than it takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """``measured`` watts where ``told`` watts were told; without, both are taken for the same."""

    told: float = 0.0
    measured: float = 0.0

    def measured_at(self, told: float) -> float:
        """Return what a meter would show at the most where ``told`` watts are told."""
        step = told - self.told
        return max(self.measured + slope * step for slope in self._slopes)

    def told_at(self, measured: float) -> float:
        """Return the largest sum to tell that a meter shows ``measured`` watts for; the inverse."""
        step = measured - self.measured
        return min(self.told + step / slope for slope in self._slopes)

    @property
    def ratio(self) -> float:
        """Return how many measured watts there were for one that was told."""
        return self.measured / self.told if self.told > 0 else 1.0

    @property
    def _slopes(self) -> tuple[float, float]:
        return 1.0, min(max(self.ratio, FLATTEST), STEEPEST)
