"""How fast a device should run: what it is set to, and every limit on that. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.api import Setpoint
from drivers.bm13xx.power_model import PowerModel
from drivers.brown_out import Ceiling

STEP = 6.25
"""MHz to whose multiples a computed frequency is rounded down; every chip reaches them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """The frequency wanted, None to rest; ``reason`` says what holds it below the setting."""

    mhz: float | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttle:
    """The share of full speed that heat allows, and why."""

    share: float = 1.0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What the device can do: MHz set and least, its volts, its watts if they are known.

    ``model_error`` is how many times the modelled watts were measured.
    """

    mhz: float
    least_mhz: float
    volts: float = 0.0
    power: PowerModel | None = None
    model_error: float = 1.0


def target_of(
    abilities: Abilities,
    setpoint: Setpoint,
    throttle: Throttle,
    ceilings: Iterable[Ceiling] = (),
) -> Target:
    """Return the frequency that keeps every limit; of several the lowest holds.

    A limit that the device cannot keep even at its least frequency makes it rest. Heat alone
    never does: a trip is not this function's business. Nor does one of ``ceilings``, which say what
    the device itself has shown to be too much.
    """
    if not setpoint.run:
        return Target(mhz=None, reason=setpoint.reason)
    limits = [(abilities.mhz, "")]
    limits += [(max(one.mhz, abilities.least_mhz), one.reason) for one in ceilings]
    watts, power = setpoint.watts, abilities.power
    if watts is not None and power is None:
        limits = [(abilities.mhz, f"power unknown: cannot keep a limit of {watts:g} W")]
    elif watts is not None and power is not None:
        mhz = power.mhz_at(watts / abilities.model_error, abilities.volts)
        limits.append((mhz - mhz % STEP, setpoint.reason or f"limited to {watts:g} W"))
    if setpoint.mhz is not None:
        limits.append((setpoint.mhz, setpoint.reason or f"limited to {setpoint.mhz:g} MHz"))
    mhz, reason = min(limits, key=lambda limit: limit[0])
    if mhz < abilities.least_mhz:
        return Target(mhz=None, reason=f"{reason}: less than the device can do")
    hot = abilities.mhz * throttle.share
    if hot < mhz:
        hot -= hot % STEP
        return Target(mhz=max(hot, abilities.least_mhz), reason=throttle.reason)
    return Target(mhz=mhz, reason=reason)
