"""How fast a device should run: what it is set to, and every limit on that. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from drivers.api import OperatingPoint, Setpoint
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.voltage_table import VoltageTable, fixed
from drivers.brown_out import Ceiling

STEP = 6.25
"""MHz to whose multiples a computed frequency is rounded down; every chip reaches them."""

UNKNOWN = fixed(0.0)
"""The core voltage where nobody knows it."""

_SAME = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The frequency wanted, None to rest, and its voltage; why it is below the setting."""

    mhz: float | None
    volts: float = 0.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The share of full speed that heat allows, and why."""

    share: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the device can do: MHz set and least, its volts at each, its watts if they are known.

    ``model_error`` is how many times the modelled watts of the chips were measured.
    """

    mhz: float
    least_mhz: float
    table: VoltageTable = UNKNOWN
    power: PowerModel | None = None
    model_error: float = 1.0

    def watts_at(self, mhz: float) -> float:
        """Return what the device takes at a frequency, as far as measured; 0 if not known."""
        volts = self.table.volts_at(mhz)
        return self.power.watts_at(mhz, volts, error=self.model_error) if self.power else 0.0

    def speeds(self) -> tuple[float, ...]:
        """Return the frequencies to choose from, the slowest first, the last being full speed."""
        return _speeds(min(self.least_mhz, self.mhz), self.mhz)

    def mhz_within(self, watts: float) -> float:
        """Return the highest frequency that takes no more than ``watts``; 0 if none does."""
        speeds = self.speeds()
        count = bisect_right(speeds, watts + _SAME, key=self.watts_at)
        return speeds[count - 1] if count else 0.0


@lru_cache(maxsize=64)
def _speeds(least: float, most: float) -> tuple[float, ...]:
    """Return ``least``, the multiples of `STEP` above it, and ``most``."""
    between = range(math.floor(least / STEP) + 1, math.ceil(most / STEP))
    return tuple(dict.fromkeys((least, *(number * STEP for number in between), most)))


def operating_points(abilities: Abilities, hashes_per_mhz: float) -> tuple[OperatingPoint, ...]:
    """Return every speed the device can be held at, the slowest first; none of unknown power."""
    if abilities.power is None:
        return ()
    table = abilities.table
    return tuple(
        OperatingPoint(
            mhz=mhz,
            watts=abilities.watts_at(mhz),
            hashrate=hashes_per_mhz * mhz,
            volts=None if table.is_fixed else table.volts_at(mhz),
        )
        for mhz in abilities.speeds()
    )


def target_of(
    abilities: Abilities,
    setpoint: Setpoint,
    throttle: Throttle,
    ceilings: Iterable[Ceiling] = (),
) -> Target:
    """Return the frequency that keeps every limit, and its voltage; of several the lowest holds.

    A limit that the device cannot keep even at its least frequency makes it rest. Heat alone
    never does: a trip is not this function's business. Nor does one of ``ceilings``, which say what
    the device itself has shown to be too much.
    """
    if not setpoint.run:
        return Target(mhz=None, reason=setpoint.reason)
    mhz, reason = min(_limits(abilities, setpoint, ceilings), key=lambda limit: limit[0])
    if mhz < abilities.least_mhz:
        return Target(mhz=None, reason=f"{reason}: less than the device can do")
    hot = abilities.mhz * throttle.share
    if hot < mhz:
        mhz, reason = max(hot - hot % STEP, abilities.least_mhz), throttle.reason
    return Target(mhz=mhz, volts=abilities.table.volts_at(mhz), reason=reason)


def _limits(
    abilities: Abilities, setpoint: Setpoint, ceilings: Iterable[Ceiling]
) -> list[tuple[float, str]]:
    """Return every limit in MHz with its reason, the setting itself first."""
    watts = setpoint.watts
    is_blind = watts is not None and abilities.power is None
    own = f"power unknown: cannot keep a limit of {watts:g} W" if is_blind else ""
    limits = [(abilities.mhz, own)]
    limits += [(max(one.mhz, abilities.least_mhz), one.reason) for one in ceilings]
    if watts is not None and not is_blind:
        reason = setpoint.reason or f"limited to {watts:g} W"
        limits.append((abilities.mhz_within(watts), reason))
    if setpoint.mhz is not None:
        limits.append((setpoint.mhz, setpoint.reason or f"limited to {setpoint.mhz:g} MHz"))
    return limits


class Rise:
    """How fast a device may become faster, where it should take its time; falling takes none."""

    def __init__(self) -> None:
        self._mhz = 0.0
        self._at: float | None = None

    def rests(self) -> None:
        """Note that the device rests: it begins at the bottom again."""
        self._mhz, self._at = 0.0, None

    def begins(self, now: float) -> None:
        """Note that it has begun to run."""
        if self._at is None:
            self._at = now

    def slowed(self, target: Target, abilities: Abilities, now: float, *, seconds: float) -> Target:
        """Return ``target``, or what is reached of it where full speed takes ``seconds``."""
        if target.mhz is None:
            return target
        if self._at is not None:
            speed = abilities.mhz / seconds if seconds > 0 else math.inf
            risen = self._mhz + speed * (now - self._at) if now > self._at else self._mhz
            self._mhz, self._at = min(risen, target.mhz), now
        if seconds <= 0 or self._mhz >= target.mhz:
            return target
        mhz = min(max(self._mhz - self._mhz % STEP, abilities.least_mhz), target.mhz)
        reason = target.reason or f"rising slowly: {seconds:g} s from rest to full speed"
        return Target(mhz=mhz, volts=abilities.table.volts_at(mhz), reason=reason)
