"""The temperatures at which a board slows down, stops and may start again.

Source of the defaults, for the die of a BM13xx: mujina trips at 80 degrees, ESP-Miner stops above
75 and both cool down before a restart; acting on the first reading of 90 is our own.
"""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Degrees Celsius at which something happens, in rising order from ``resume``.

    ``throttle``: slow down. ``trip``: off, when it lasts. ``trip_at_once``: off on first sight.
    ``resume``: after a trip, start again only at or below it.
    """

    resume: float = 60.0
    throttle: float = 70.0
    trip: float = 80.0
    trip_at_once: float = 90.0

    def __post_init__(self) -> None:
        if not self.resume <= self.throttle <= self.trip <= self.trip_at_once:
            raise ValueError(f"limits must rise from resume to trip_at_once: {self}")

    @classmethod
    def around(cls, trip: float) -> Self:
        """Return the limits that go with a ``trip`` at that temperature."""
        return cls(resume=trip - 20, throttle=trip - 10, trip=trip, trip_at_once=trip + 10)


def lowest_of(first: Limits, *others: Limits) -> Limits:
    """Return the limits that satisfy all: board's, chip's and user's; of several the lowest."""
    every = (first, *others)
    return Limits(
        resume=min(limits.resume for limits in every),
        throttle=min(limits.throttle for limits in every),
        trip=min(limits.trip for limits in every),
        trip_at_once=min(limits.trip_at_once for limits in every),
    )
