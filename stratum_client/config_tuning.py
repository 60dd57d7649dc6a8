"""The settings of the tuner: what boards are tuned for, and within which bounds."""

import math
import re
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from stratum_client.config_schedule import HOURS
from stratum_client.control.local_time import shown_at
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_profile import TuningSettings
from stratum_client.setting_kinds import Kind, NotAllowedError, number, one_of, read_as, seconds
from stratum_client.units import UnitError, parse_power

GoalWord = Literal["hashrate", "efficiency", "power", "off"]

_MOST_WATTS = 10_000.0
_SHARE = r"([0-9]{1,2}(?:\.[0-9]{1,3})?) ?%"


def _watts(value: object) -> object:
    try:
        watts = parse_power(value)
    except UnitError as error:
        raise NotAllowedError from error
    if 0 < watts <= _MOST_WATTS:
        return watts
    raise NotAllowedError


def _share(value: object) -> object:
    """Return a share of 1, from 0.1 to 50 percent."""
    found = re.fullmatch(_SHARE, value.strip()) if isinstance(value, str) else None
    if found and 0.001 <= (share := float(found[1]) / 100) <= 0.5:
        return share
    raise NotAllowedError


POWER = Kind(f'a power of one device up to {_MOST_WATTS:g} W, as in "30W"', _watts)
SHARE = Kind('a share from 0.1% to 50%, as in "2%"', _share)
MHZ = number(1, 5000)


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningConfig:
    """How boards are tuned; ``low``, ``high`` and ``step`` in MHz, hours in minutes of the day."""

    goal: GoalWord = field(
        default="off", metadata=read_as(one_of("hashrate", "efficiency", "power", "off"))
    )
    power_target: float | None = field(default=None, metadata=read_as(POWER))
    step: float = field(default=12.5, metadata=read_as(number(1, 500)))
    error_limit: float = field(default=0.02, metadata=read_as(SHARE))
    quiet_hours: tuple[int, int] | None = field(default=None, metadata=read_as(HOURS))
    low: float | None = field(default=None, metadata=read_as(MHZ, "min"))
    high: float | None = field(default=None, metadata=read_as(MHZ, "max"))
    settle: float = field(default=60.0, metadata=read_as(seconds(1, 3600)))

    @property
    def problem(self) -> tuple[str, str] | None:
        """Return the key that does not go with the others, and why; None if all is well."""
        if self.goal == "power" and self.power_target is None:
            return "power_target", 'goal = "power" needs it: how many watts may one device take?'
        if self.low is not None and self.high is not None and self.low > self.high:
            return "max", f"{self.high:g} is less than min, {self.low:g}"
        return None

    def settings(self, goal: Goal | None = None) -> TuningSettings:
        """Return what one board is tuned by; ``goal`` in place of that configured."""
        return TuningSettings(
            goal=goal or Goal(self.goal),
            power_target=self.power_target,
            step=self.step,
            error_limit=self.error_limit,
            low=self.low or 0.0,
            high=self.high or math.inf,
            settle=self.settle,
        )

    def is_quiet(self, wall: float, zone: ZoneInfo) -> bool:
        """Return whether no step may be taken at this time of day."""
        if self.quiet_hours is None:
            return False
        start, end = self.quiet_hours
        shown = shown_at(wall, zone)
        minute = shown.hour * 60 + shown.minute
        return start <= minute < end if start < end else not end <= minute < start
