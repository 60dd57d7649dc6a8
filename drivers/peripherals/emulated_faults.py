"""What an emulated device does wrong: one value, read from text such as ``drop=0.001,mute=3``.

Chance and time come from outside, so that a test can repeat every fault. Times are seconds after
the emulator first looked at the clock.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from drivers.errors import SettingError

_CHANCE = "probability"
_SECONDS = "seconds"
_CELSIUS = "degrees Celsius"
_MHZ = "MHz"
_PER_HOUR = "share per hour"
_CHIPS = "chip numbers from 0, joined by +"


def _meaning(kind: str, text: str) -> dict[str, str]:
    return {"kind": kind, "text": text}


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one emulated device; none by default.

    In text a name has ``-`` where a field has ``_``; `fault_help` lists them all.
    """

    drop: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "a byte on the chips' line is lost, both ways")
    )
    flip: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "one bit of a byte on the chips' line is inverted")
    )
    insert: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "a random byte appears on the chips' line")
    )
    mute: tuple[int, ...] = field(
        default=(), metadata=_meaning(_CHIPS, "these chips relay but neither answer nor find")
    )
    wrong_nonce: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "a chip returns another nonce than it found")
    )
    bad_crc: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "a nonce is sent with a wrong checksum")
    )
    duplicate: float = field(default=0.0, metadata=_meaning(_CHANCE, "a nonce is sent twice"))
    late: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "a nonce is sent after the next job came")
    )
    unplug_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "every port of the device vanishes")
    )
    replug_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the ports come back, the device reset")
    )
    browns_out_above: float | None = field(
        default=None,
        metadata=_meaning(_MHZ, "a weak supply: the ports vanish for 0.5 s when it hashes faster"),
    )
    slow_control: float = field(
        default=0.0, metadata=_meaning(_SECONDS, "each answer of the control port waits")
    )
    dead_control_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the control port answers no more")
    )
    nack: float = field(
        default=0.0, metadata=_meaning(_CHANCE, "an I2C transfer is not acknowledged")
    )
    stuck_temperature: float | None = field(
        default=None, metadata=_meaning(_CELSIUS, "the chip's temperature always reads this")
    )
    freeze_sensor_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the chip's temperature reads as it was then")
    )
    absurd_sensor_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the chip's temperature reads impossible values")
    )
    open_diode_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the sensor says that its diode is open")
    )
    vanish_sensor_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the part that reads the temperature is gone")
    )
    stall_fan_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the fan stands still whatever its duty")
    )
    rail_off_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the core voltage drops and stays off")
    )
    hot_after: float | None = field(
        default=None, metadata=_meaning(_SECONDS, "the heat sink comes loose: a third of its use")
    )

    degrade: float = field(
        default=0.0,
        metadata=_meaning(_PER_HOUR, "the chips take more power and stand less speed, on and on"),
    )


NO_FAULTS = Faults()


def parse_faults(given: str | Mapping[str, str]) -> Faults:
    """Return the faults of ``name=value`` pairs, separated by commas or blanks, or of a mapping.

    Raises SettingError that names an unknown fault, or a value it cannot take.
    """
    pairs = (
        given.items() if isinstance(given, Mapping) else map(_pair, given.replace(",", " ").split())
    )
    values = {_known(name): _value(name, text) for name, text in pairs}
    return Faults(**values)  # type: ignore[arg-type]  # _value gives what the field's kind asks


def fault_help() -> list[tuple[str, str, str]]:
    """Return name, kind of value and meaning of each fault, in words for a help text."""
    return [
        (item.name.replace("_", "-"), item.metadata["kind"], item.metadata["text"])
        for item in fields(Faults)
    ]


def due(after: float | None, elapsed: float) -> bool:
    """Return whether a fault that begins ``after`` so many seconds is there by now."""
    return after is not None and elapsed >= after


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise SettingError("emulated", name, "a fault is written name=value")
    return name, value


def _known(name: str) -> str:
    attribute = name.strip().replace("-", "_")
    names = [item.name for item in fields(Faults)]
    if attribute not in names:
        close = difflib.get_close_matches(attribute, names, n=1)
        hint = f"; did you mean {close[0].replace('_', '-')}" if close else ""
        known = ", ".join(item.replace("_", "-") for item in names)
        raise SettingError("emulated", name, f"no such fault{hint}; known: {known}")
    return attribute


def _value(name: str, text: str) -> object:
    kind = next(item for item in fields(Faults) if item.name == _known(name)).metadata["kind"]
    try:
        if kind == _CHIPS:
            return tuple(_chip_number(part) for part in text.split("+"))
        number = float(text)
    except ValueError:
        raise SettingError("emulated", name, f"{text!r} is not a value in {kind}") from None
    low, high = {
        _CHANCE: (0.0, 1.0),
        _SECONDS: (0.0, math.inf),
        _CELSIUS: (-300.0, 300.0),
        _MHZ: (0.0, 10_000.0),
        _PER_HOUR: (0.0, 1.0),
    }[kind]
    if not low <= number <= high or math.isinf(number):
        raise SettingError("emulated", name, f"{text} is out of range for {kind}")
    return number


def _chip_number(text: str) -> int:
    number = int(text)
    if not 0 <= number <= 255:
        raise ValueError(text)
    return number
