"""The emulated sticks by name: the chips of each, and how to make one.

Data of its own: the drivers' stick files are not looked at.

Source: kanoi/cgminer driver-gekko.c (chips of each stick; those of a Terminus it counts, so their
number here is assumed).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_boards import default_scale
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_models import MODELS
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedStickSpec:
    """The chips of one stick."""

    model: str
    chips: int


STICKS: Mapping[str, EmulatedStickSpec] = {
    "compac": EmulatedStickSpec(model="bm1384", chips=1),
    "2pac": EmulatedStickSpec(model="bm1384", chips=2),
    "terminus": EmulatedStickSpec(model="bm1384", chips=4),
    "newpac": EmulatedStickSpec(model="bm1387", chips=2),
    "r606": EmulatedStickSpec(model="bm1387", chips=12),
    "compac-f": EmulatedStickSpec(model="bm1397", chips=1),
    "r909": EmulatedStickSpec(model="bm1397", chips=6),
}


def emulated_stick(
    name: str,
    *,
    random: "Random",
    chips: int | None = None,
    scale: float | None = None,
    faults: Faults = NO_FAULTS,
) -> EmulatedDevice:
    """Return the chips of the stick called ``name``; what is None is as usual for that name."""
    spec = STICKS[name]
    count = chips or spec.chips
    chain = EmulatedChain(
        MODELS[spec.model],
        count,
        random=random,
        scale=scale or default_scale(spec.model, count),
        faults=faults,
    )
    return EmulatedDevice(name, chain)
