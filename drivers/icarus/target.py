"""How fast a device should run: what it is set to, and the limit on that. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.api import Setpoint
from drivers.brown_out import Ceiling
from drivers.icarus.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Whether to run, at which MHz (None: as it is), and why not faster."""

    run: bool
    mhz: float | None = None
    reason: str = ""


def target_of(
    model: Model,
    mhz: float | None,
    setpoint: Setpoint,
    ceilings: Iterable[Ceiling] = (),
) -> Target:
    """Return what keeps the limit; a device that cannot keep it rests.

    ``mhz`` is what the device is set to. A limit in watts cannot be kept: nobody knows what it
    draws. The ``ceilings`` are what the device itself has shown to be too much.
    """
    if not setpoint.run:
        return Target(run=False, reason=setpoint.reason)
    own = ""
    for ceiling in ceilings:
        if mhz is not None and ceiling.mhz < mhz:
            mhz, own = ceiling.mhz, ceiling.reason
    limit = setpoint.mhz
    if limit is None or mhz is None or limit >= mhz:
        return Target(run=True, mhz=mhz, reason=own)
    reason = setpoint.reason or f"limited to {limit:g} MHz"
    lowest = model.clocks.lowest if model.clocks else mhz
    if limit < lowest:
        return Target(run=False, reason=f"{reason}: less than the device can do")
    return Target(run=True, mhz=limit, reason=reason)
