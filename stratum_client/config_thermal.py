"""The settings of heat for all boards that have sensors; a board's own limits hold beside them."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from drivers.api import HeatGoals
from stratum_client.setting_kinds import number, one_of, read_as

DEGREES = number(20, 120)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThermalConfig:
    """Degrees Celsius: what fans hold, from where on boards slow down, and where they are off.

    A sensor that is lost counts as hot; there is no other choice.
    """

    target: float | None = field(default=None, metadata=read_as(DEGREES))
    throttle: float | None = field(default=None, metadata=read_as(DEGREES))
    trip: float | None = field(default=None, metadata=read_as(DEGREES))
    sensor_lost: Literal["trip"] = field(default="trip", metadata=read_as(one_of("trip")))

    @property
    def goals(self) -> HeatGoals:
        """Return what drivers are told."""
        return HeatGoals(target=self.target, throttle=self.throttle, trip=self.trip)

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return a key and what is wrong with it beside the others, None if nothing is."""
        rising = [(key, getattr(self, key)) for key in ("target", "throttle", "trip")]
        given = [(key, value) for key, value in rising if value is not None]
        for (lower, low), (higher, high) in pairwise(given):
            if low >= high:
                return higher, f"{high:g} degrees are not above {lower}, {low:g}"
        return None
