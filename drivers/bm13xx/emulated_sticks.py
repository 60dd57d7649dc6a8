"""The emulated sticks by name: the chips of each, and how to make one.

Data of its own: the drivers' stick files are not looked at.

Source: kanoi/cgminer driver-gekko.c (chips of each stick; those of a Terminus it counts, so their
number here is assumed). Assumed too: power and heat of the sticks with telemetry, and which
firmware each has, so that all of it is met with.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated import EmulatedChain
from drivers.bm13xx.emulated_boards import default_scale
from drivers.bm13xx.emulated_device import EmulatedBoard, EmulatedDevice
from drivers.bm13xx.emulated_micro import EmulatedMicro
from drivers.bm13xx.emulated_models import MODELS
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec

if TYPE_CHECKING:
    from random import Random


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroSpec:
    """The telemetry of one stick, and what it measures; ``watts`` are the chips' at 300 MHz.

    ``still`` and ``blown`` are kelvin at those watts, without and with the fan at full.
    """

    version: int
    mask: int = 0
    has_fan: bool = False
    volts: float
    watts: float
    input_volts: float
    still: float = 40.0
    blown: float = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedStickSpec:
    """The chips of one stick, and its telemetry if it has any."""

    model: str
    chips: int
    micro: MicroSpec | None = None


STICKS: Mapping[str, EmulatedStickSpec] = {
    "compac": EmulatedStickSpec(model="bm1384", chips=1),
    "2pac": EmulatedStickSpec(model="bm1384", chips=2),
    "terminus": EmulatedStickSpec(model="bm1384", chips=4),
    "newpac": EmulatedStickSpec(model="bm1387", chips=2),
    "r606": EmulatedStickSpec(model="bm1387", chips=12),
    "compac-f": EmulatedStickSpec(model="bm1397", chips=1),
    "r909": EmulatedStickSpec(model="bm1397", chips=6),
}

_A1 = MicroSpec(version=0x10, volts=0.3, watts=5.0, input_volts=5.0)
_A2 = MicroSpec(
    version=0x21,
    has_fan=True,
    volts=0.27,
    watts=12.0,
    input_volts=12.0,
    still=100.0,
    blown=30.0,
)

STICKS_WITH_TELEMETRY: Mapping[str, EmulatedStickSpec] = {
    "compac-a1": EmulatedStickSpec(model="bm1362", chips=1, micro=_A1),
    "compac-a2": EmulatedStickSpec(model="bm1370", chips=1, micro=_A2),
    "terminus-a1": EmulatedStickSpec(
        model="bm1362",
        chips=4,
        micro=replace(_A1, version=0x20, watts=20.0, input_volts=12.0),
    ),
    "terminus-a2": EmulatedStickSpec(
        model="bm1370", chips=4, micro=replace(_A2, version=0x30, mask=0xFF, watts=48.0)
    ),
}

_MADE_FOR_MHZ = 300.0


def emulated_stick(
    name: str,
    *,
    random: "Random",
    model: str | None = None,
    chips: int | None = None,
    scale: float | None = None,
    faults: Faults = NO_FAULTS,
    ambient: float | None = None,
    time_constant: float | None = None,
    sleeps: bool = True,
) -> EmulatedDevice:
    """Return the chips of the stick called ``name``, on its board if it has telemetry.

    What is None is as usual for that name. ``sleeps``: see `EmulatedMicro`.
    """
    spec = {**STICKS, **STICKS_WITH_TELEMETRY}[name]
    count = chips or spec.chips
    chip = model or spec.model
    chain = EmulatedChain(
        MODELS[chip],
        count,
        random=random,
        scale=scale or default_scale(chip, count),
        faults=faults,
    )
    if spec.micro is None:
        return EmulatedDevice(name, chain)
    usual = _heat_spec(spec.micro)
    heat_spec = replace(
        usual,
        ambient=usual.ambient if ambient is None else ambient,
        time_constant=time_constant or usual.time_constant,
    )
    heat = BoardHeat(heat_spec, random=random, faults=faults)
    return EmulatedDevice(name, chain, _board(spec.micro, heat, sleeps=sleeps))


def micro_of(device: EmulatedDevice) -> EmulatedMicro | None:
    """Return the telemetry micro of a stick, None if it has none."""
    control = device.board.control if device.board else None
    return control if isinstance(control, EmulatedMicro) else None


def _heat_spec(micro: MicroSpec) -> HeatSpec:
    return HeatSpec(
        watts=micro.watts,
        volts=micro.volts,
        still=micro.still / micro.watts,
        blown=micro.blown / micro.watts,
        input_volts=micro.input_volts,
    )


def _board(spec: MicroSpec, heat: BoardHeat, *, sleeps: bool) -> EmulatedBoard:
    micro = EmulatedMicro(
        heat, version=spec.version, mask=spec.mask, has_fan=spec.has_fan, sleeps=sleeps
    )
    return EmulatedBoard(
        micro, heat, reference_mhz=_MADE_FOR_MHZ, reset_is_high=lambda: micro.enabled
    )
