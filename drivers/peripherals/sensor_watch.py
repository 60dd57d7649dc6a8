"""One temperature sensor under suspicion: lost, absurd, frozen or over its limit. Pure.

Source of three in a row: mujina board/bitaxe.rs, which trips on the third bad or hot reading.
"""

from dataclasses import dataclass, field
from math import inf, isfinite

from drivers.peripherals.heat_limits import Limits
from drivers.peripherals.stillness import Stillness

JUMP_ALLOWANCE = 5.0
"""Degrees that any two readings may differ by, however close in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorSpec:
    """What is known of a sensor; degrees Celsius and seconds.

    Outside ``lowest`` to ``highest``, or moving more than ``fastest`` degrees a second, a reading
    is absurd. ``lost_after``: so long without a trusted reading. ``frozen_after``: so long exactly
    the same under more cooling (a die: 60); None for a sensor too coarse or too slow to tell.
    ``powered_only``: it reads garbage while the chip is in reset. ``optional``: a board may lack
    it, so it is missed only after it was seen.
    """

    name: str
    limits: Limits = field(default_factory=Limits)
    lowest: float = -20.0
    highest: float = 120.0
    fastest: float = 30.0
    lost_after: float = 5.0
    frozen_after: float | None = None
    powered_only: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trip:
    """Why a board must be off; ``temperature`` is None if it is not known."""

    source: str
    reason: str
    temperature: float | None = None
    limit: float | None = None


class SensorWatch:
    """Judges one sensor's readings while the board is powered; remembers the last trusted one."""

    STRIKES = 3
    """So many readings in a row that are missing, absurd or too hot are a trip."""

    def __init__(self, spec: SensorSpec) -> None:
        self.spec = spec
        self.temperature: float | None = None
        self._read_at = -inf
        self._is_trusted = False
        self._was_seen = False
        self._judged_from: float | None = None
        self._strikes = 0
        self._stillness = Stillness()

    @property
    def is_judged(self) -> bool:
        """Tell whether the board is on."""
        return self._judged_from is not None

    @property
    def is_awaited(self) -> bool:
        """Tell whether the board is known to have this sensor."""
        return not self.spec.optional or self._was_seen

    def current(self, now: float) -> float | None:
        """Return the newest reading, None if it was not to be trusted or is too old."""
        is_fresh = self._is_trusted and now - self._read_at <= self.spec.lost_after
        return self.temperature if is_fresh else None

    def start(self, judged_from: float) -> None:
        """Judge readings from that time on."""
        self.stop()
        self._judged_from = judged_from
        self._strikes = 0
        self._stillness = Stillness()

    def stop(self) -> None:
        """Judge nothing: the board is off."""
        self._judged_from = None
        if self.spec.powered_only:
            self.temperature, self._read_at = None, -inf

    def stir(self, now: float, *, watts: float | None, duty: float) -> None:
        """Take note of heat and cooling."""
        self._stillness.stir(now, watts=watts, duty=duty)

    def is_suspect(self, now: float) -> bool:
        """Tell whether a change of the fan should prove that this sensor is alive."""
        return bool(self.is_judged and self.spec.frozen_after and self._stillness.is_suspect(now))

    def read(self, now: float, value: float | None) -> Trip | None:
        """Take a reading, None if there was none; return the trip it causes."""
        if value is not None and not isfinite(value):
            value = None
        counts = self._judged_from is not None and now >= self._judged_from
        if self.spec.powered_only and not counts:
            return None
        problem = self._distrust(now, value)
        self._is_trusted = not problem
        if value is not None and not problem:
            self.temperature, self._read_at, self._was_seen = value, now, True
            self._stillness.read(now, value)
        return self._judge(now, value, problem) if counts else None

    def check(self, now: float) -> Trip | None:
        """Return the trip if no trusted reading has come for too long."""
        if self._judged_from is None or not self.is_awaited:
            return None
        since = max(self._read_at, self._judged_from)
        if now - since <= self.spec.lost_after:
            return None
        return self._trip(f"no reading for {now - since:.1f} s", None)

    def _judge(self, now: float, value: float | None, problem: str) -> Trip | None:
        limits = self.spec.limits
        if value is not None and value >= limits.trip_at_once:
            return self._trip("too hot", value, limits.trip_at_once)
        if not problem and value is not None and value >= limits.trip:
            problem = "too hot"
        self._strikes = self._strikes + 1 if problem and self.is_awaited else 0
        if self._strikes >= self.STRIKES:
            return self._trip(f"{problem}, {self._strikes} times in a row", value)
        frozen_after = self.spec.frozen_after
        if not problem and frozen_after and self._stillness.is_frozen(now, frozen_after):
            return self._trip("reading frozen: it ignores more cooling", value)
        return None

    def _distrust(self, now: float, value: float | None) -> str:
        """Return why ``value`` cannot be right, empty if it can."""
        if value is None:
            return "no reading"
        if not self.spec.lowest <= value <= self.spec.highest:
            return f"absurd reading of {value:.1f} degrees"
        if self.temperature is not None:
            change = abs(value - self.temperature)
            if change > JUMP_ALLOWANCE + self.spec.fastest * (now - self._read_at):
                return f"jump from {self.temperature:.1f} to {value:.1f} degrees"
        return ""

    def _trip(self, reason: str, value: float | None, limit: float | None = None) -> Trip:
        shown = self.spec.limits.trip if limit is None else limit
        return Trip(source=self.spec.name, reason=reason, temperature=value, limit=shown)
