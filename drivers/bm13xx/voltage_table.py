"""Which core voltage chips need at which frequency. Pure."""

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise

_PARTS = 10_000.0  # a tenth of a millivolt, finer than any regulator is set
_SAME = 1e-6  # of such a part, so that 1.15 V stays 1.15 V


@dataclass(frozen=True, slots=True, kw_only=True)
class VoltageTable:
    """``points`` are pairs of MHz and volts, both in rising order; at least one."""

    points: tuple[tuple[float, float], ...]

    def volts_at(self, mhz: float) -> float:
        """Return the voltage for a frequency, rounded up to a tenth of a millivolt.

        Between two points on the straight line, which is more than chips need there; outside of
        the table that of its end.
        """
        after = bisect_left(self.points, mhz, key=lambda point: point[0])
        if after == 0:
            return self.points[0][1]
        if after == len(self.points):
            return self.points[-1][1]
        (low_mhz, low), (high_mhz, high) = self.points[after - 1 : after + 1]
        volts = low + (high - low) * (mhz - low_mhz) / (high_mhz - low_mhz)
        return min(math.ceil(volts * _PARTS - _SAME) / _PARTS, high)

    @property
    def is_fixed(self) -> bool:
        """Return whether the voltage is the same at every frequency."""
        return self.points[0][1] == self.points[-1][1]

    @property
    def highest_mhz(self) -> float:
        """Return the highest frequency that the table speaks of."""
        return self.points[-1][0]


def fixed(volts: float) -> VoltageTable:
    """Return the table of one voltage for every frequency."""
    return VoltageTable(points=((0.0, volts),))


def voltage_steps(before: float, after: float, step: float) -> tuple[float, ...]:
    """Return the voltages on the way from ``before`` to ``after``, ``step`` apart, the end last."""
    count = math.ceil(abs(after - before) / step - _SAME)
    on_the_way = (before + (after - before) * number / count for number in range(1, count))
    return (*on_the_way, after)


class PointsError(ValueError):
    """A table in text that cannot be read; the message says what it should be."""


def parsed_points(text: str) -> tuple[tuple[float, float], ...]:
    """Return the pairs of ``400:1.10,450:1.15``: MHz and volts, in rising order.

    Raises PointsError. Whether a board can do them is not looked at.
    """
    points = tuple(_pair(part.strip()) for part in text.split(","))
    for (low_mhz, low), (high_mhz, high) in pairwise(points):
        if not low_mhz < high_mhz:
            raise PointsError(f"MHz must rise, but {high_mhz:g} comes after {low_mhz:g}")
        if high < low:
            raise PointsError(f"volts must not fall, but {high:g} comes after {low:g}")
    return points


def _pair(text: str) -> tuple[float, float]:
    mhz, colon, volts = text.partition(":")
    try:
        pair = float(mhz), float(volts)
    except ValueError:
        pair = math.nan, math.nan
    if not colon or not all(map(math.isfinite, pair)):
        raise PointsError(f"must be MHz:volts pairs such as 400:1.10,450:1.15, not {text!r}")
    return pair
