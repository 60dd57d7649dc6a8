"""The emulated boards by name, what is on each, and how to make one.

Data of its own: the drivers' board files are not looked at.

Source: bitaxeorg/ESP-Miner, main/device_config.h (chips, voltages, power targets less the 5 W that
it adds for the rest of a board) and main/thermal, main/power; 256foundation/mujina,
board/bitaxe.rs and board/emberone00.rs; shufps/piaxe-miner, piaxe/boards. The emberOne's core
voltage and power are assumed, as is the first voltage of boards with a DS4432U.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING

from drivers.bm13xx.emulated import DEFAULT_SCALE, EmulatedChain
from drivers.bm13xx.emulated_bitaxe import ControlSpec, EmulatedBitaxeRaw, ResponseFormat
from drivers.bm13xx.emulated_device import EmulatedBoard, EmulatedDevice
from drivers.bm13xx.emulated_models import MODELS
from drivers.bm13xx.emulated_qaxe import EmulatedQaxeControl
from drivers.errors import SettingError
from drivers.peripherals.emulated_fans import EMC2101, EMC2103, EMC2302
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from drivers.peripherals.emulated_i2c import EmulatedI2c, Part, RegisterPart
from drivers.peripherals.emulated_regulators import DS4432U, TPS546
from drivers.peripherals.emulated_silicon import Silicon, average, individual
from drivers.peripherals.emulated_thermometers import INA260, TMP451, TMP1075

if TYPE_CHECKING:
    from random import Random

_COMFORTABLE_RATE = 2.0**22  # H/s; a device this fast costs a good tenth of a core
_USUAL_MHZ = 600.0


class Supply(Enum):
    """Where the core voltage comes from."""

    TPS546 = "TPS546 regulator"
    DS4432U = "fixed regulator bent by a DS4432U, with an INA260 at the input"
    PINS = "switched on by GPIO 1 and 2"
    QAXE = "switched by the control port's own commands"


class Cooler(Enum):
    """What drives the fan and reads the temperature."""

    EMC2101 = "EMC2101"
    EMC2103 = "EMC2103"
    EMC2302 = "EMC2302 with two TMP1075"
    BARE = "TMP1075 and TMP451, no fan"
    QAXE = "control port's own commands"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatedBoardSpec:
    """One board: chips, the frequency, core voltage and power it is made for, what is on it.

    ``watts`` are those of the chips, ``board_watts`` what else the board takes, and ``limit`` the
    MHz at ``volts`` that most nonces are wrong at. The USB strings are what discovery would see.
    """

    name: str
    model: str
    chips: int
    mhz: float
    volts: float
    watts: float
    board_watts: float = 3.8
    limit: float | None = None
    domains: int = 1
    phases: int = 1
    input_volts: float = 5.0
    supply: Supply = Supply.TPS546
    cooler: Cooler = Cooler.EMC2101
    control: ControlSpec = field(default_factory=ControlSpec)
    sensors: int = 2
    usb_id: tuple[int, int] = (0xC0DE, 0xCAFE)
    manufacturer: str = "OSMU"
    product: str = "Bitaxe"
    bcd_device: int = 0x0001


_GAMMA = EmulatedBoardSpec(
    name="bitaxe-gamma", model="bm1370", chips=1, mhz=525.0, volts=1.15, watts=14.0
)
_ULTRA = EmulatedBoardSpec(
    name="bitaxe-ultra",
    model="bm1366",
    chips=1,
    mhz=485.0,
    volts=1.2,
    watts=7.0,
    supply=Supply.DS4432U,
)
_SUPRA = EmulatedBoardSpec(
    name="bitaxe-supra", model="bm1368", chips=1, mhz=490.0, volts=1.166, watts=7.0
)
_HEX = EmulatedBoardSpec(
    name="bitaxe-hex",
    model="bm1366",
    chips=6,
    mhz=485.0,
    volts=1.2,
    watts=35.0,
    domains=3,
    input_volts=12.0,
    cooler=Cooler.EMC2302,
)
_EMBERONE = EmulatedBoardSpec(
    name="emberone-00",
    model="bm1362",
    chips=12,
    mhz=525.0,
    volts=0.3,
    watts=95.0,
    domains=12,
    input_volts=12.0,
    supply=Supply.PINS,
    cooler=Cooler.BARE,
    control=ControlSpec(pins={0: 1, 1: 0, 2: 0}, has_led=True, measures_input=True),
    usb_id=(0x1209, 0x256F),
    manufacturer="256F",
    product="EmberOne00",
    bcd_device=0x0500,
)
_QAXE = EmulatedBoardSpec(
    name="qaxe",
    model="bm1366",
    chips=4,
    mhz=485.0,
    volts=1.2,
    watts=45.0,
    domains=4,
    input_volts=12.0,
    supply=Supply.QAXE,
    cooler=Cooler.QAXE,
    usb_id=(0, 0),
    manufacturer="",
    product="",
)

BOARDS: Mapping[str, EmulatedBoardSpec] = {
    board.name: board
    for board in (
        replace(_ULTRA, name="bitaxe-max", model="bm1397", mhz=425.0, volts=1.4, limit=780.0),
        _ULTRA,
        replace(_ULTRA, name="bitaxe-ultra-tps546", supply=Supply.TPS546),
        _SUPRA,
        replace(_SUPRA, name="bitaxe-supra-ds4432u", supply=Supply.DS4432U),
        _GAMMA,
        replace(_GAMMA, name="bitaxe-gamma-duo", chips=2, mhz=400.0, watts=25.0),
        replace(
            _GAMMA,
            name="bitaxe-gamma-turbo",
            chips=2,
            watts=26.0,
            board_watts=8.0,
            phases=2,
            input_volts=12.0,
            cooler=Cooler.EMC2103,
        ),
        _HEX,
        replace(_HEX, name="bitaxe-suprahex", model="bm1368", mhz=490.0, volts=1.166, watts=85.0),
        _EMBERONE,
        _QAXE,
        replace(_QAXE, name="qaxe-plus", model="bm1368", mhz=490.0, volts=1.166, watts=60.0),
        replace(_QAXE, name="flex4axe", chips=16, mhz=480.0, watts=170.0, sensors=4),
    )
}


def device_names() -> tuple[str, ...]:
    """Return the names that `emulated_device` knows: boards, then bare chips."""
    return (*BOARDS, *MODELS)


def default_scale(name: str, chips: int | None = None) -> float:
    """Return a scale at which a device of this name takes little of this machine: 2^-18 or less."""
    board = BOARDS.get(name)
    model = MODELS[board.model] if board else MODELS[name]
    rate = model.engines * (chips or (board.chips if board else 1)) * _USUAL_MHZ * 1e6
    scale = DEFAULT_SCALE
    while scale * rate > _COMFORTABLE_RATE * 1.25:
        scale /= 2
    return scale


def emulated_device(
    name: str,
    *,
    random: "Random",
    chips: int | None = None,
    scale: float | None = None,
    strict: bool = True,
    faults: Faults = NO_FAULTS,
    response_format: ResponseFormat | None = None,
    ambient: float | None = None,
    time_constant: float | None = None,
    spread: float = 0.0,
) -> EmulatedDevice:
    """Return the device called ``name``: a board, or a bare chain of a chip model.

    What is None is as usual for that name. ``spread`` is how far a board's chips may differ from
    the average in power, as a share; what they are is dealt out by ``random``. Raises SettingError
    for an unknown name.
    """
    _check_known(name)
    board = BOARDS.get(name)
    chain = EmulatedChain(
        MODELS[board.model if board else name],
        chips or (board.chips if board else 1),
        random=random,
        scale=scale or default_scale(name, chips),
        strict=strict,
        faults=faults,
    )
    if board is None:
        return EmulatedDevice(name, chain)
    heat = BoardHeat(
        _heat_spec(board, ambient, time_constant),
        random=random,
        faults=faults,
        silicon=_silicon(board, chips or board.chips, random, spread),
    )
    return EmulatedDevice(name, chain, _board(board, heat, random, strict, response_format))


def _check_known(name: str) -> None:
    if name not in device_names():
        close = difflib.get_close_matches(name, device_names(), n=1)
        hint = f"did you mean {close[0]}? " if close else ""
        known = ", ".join(device_names())
        raise SettingError("emulated", name, f"no such device; {hint}known: {known}")


def _silicon(board: EmulatedBoardSpec, chips: int, random: "Random", spread: float) -> Silicon:
    usual = average(
        mhz=board.mhz, volts=board.volts, watts=board.watts, chips=chips, limit=board.limit
    )
    return individual(usual, random, spread) if spread else usual


def _heat_spec(
    board: EmulatedBoardSpec, ambient: float | None, time_constant: float | None
) -> HeatSpec:
    usual = HeatSpec(
        watts=board.watts,
        volts=board.volts,
        domains=board.domains,
        still=90.0 / board.watts,
        blown=30.0 / board.watts,
        input_volts=board.input_volts,
        board_watts=board.board_watts,
        efficiency=0.92,
    )
    return replace(
        usual,
        ambient=usual.ambient if ambient is None else ambient,
        time_constant=time_constant or usual.time_constant,
    )


def _board(
    spec: EmulatedBoardSpec,
    heat: BoardHeat,
    random: "Random",
    strict: bool,
    response_format: ResponseFormat | None,
) -> EmulatedBoard:
    if spec.supply is Supply.QAXE:
        qaxe = EmulatedQaxeControl(heat, volts=spec.volts, sensors=spec.sensors)
        return EmulatedBoard(
            qaxe,
            heat,
            reference_mhz=spec.mhz,
            reset_is_high=lambda: qaxe.powered,
            resets=lambda: qaxe.resets,
        )
    parts, sensor = _parts(spec, heat)
    i2c = EmulatedI2c(parts, heat, random=random, sensor=sensor)
    control_spec = spec.control
    if response_format:
        control_spec = replace(control_spec, response_format=response_format)
    control = EmulatedBitaxeRaw(control_spec, i2c, heat, strict=strict)
    if spec.supply is Supply.PINS:
        rail = spec.volts * spec.domains
        heat.rail = lambda: rail if control.levels[1] and control.levels[2] else 0.0
        heat.duty = 1.0
    return EmulatedBoard(
        control,
        heat,
        reference_mhz=spec.mhz,
        reset_is_high=lambda: control.levels[0] == 1,
    )


def _parts(spec: EmulatedBoardSpec, heat: BoardHeat) -> tuple[dict[int, Part], int]:
    """Return the parts on the bus by address, and the address of the die's sensor."""
    parts: dict[int, Part] = {}
    if spec.supply is Supply.TPS546:
        parts[0x24] = TPS546(heat, phases=spec.phases)
    if spec.supply is Supply.DS4432U:
        parts[0x48] = RegisterPart(DS4432U(heat))
        parts[0x40] = RegisterPart(INA260(heat), width=2)
    match spec.cooler:
        case Cooler.EMC2101:
            parts[0x4C] = RegisterPart(EMC2101(heat))
            return parts, 0x4C
        case Cooler.EMC2103:
            parts[0x2E] = RegisterPart(EMC2103(heat))
            return parts, 0x2E
        case Cooler.EMC2302:
            parts[0x2F] = RegisterPart(EMC2302(heat))
            parts[0x4A] = RegisterPart(TMP1075(heat, faulty=True), width=2)
            parts[0x4B] = RegisterPart(TMP1075(heat), width=2)
            return parts, 0x4A
        case _:
            parts[0x4A] = RegisterPart(TMP1075(heat), width=2)
            parts[0x49] = RegisterPart(TMP451(heat))
            return parts, 0x49
