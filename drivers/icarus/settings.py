"""The settings of Icarus-class drivers, and what each may be; numbers may come as text."""

import difflib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.brown_out import LONGEST_RETRY, SupplySettings
from drivers.errors import SettingError
from drivers.icarus.model import Model
from drivers.icarus.timing import TimingMode
from drivers.low_yield import YieldSettings
from drivers.transports import ways

AUTO, ON, OFF = "auto", "on", "off"

_LONGEST_WORK = 3600.0
_STEP = 6.25, 200.0, "MHz"
_YIELD = ("low_yield", "low_yield_window", "low_yield_step")
_SUPPLY = (
    "brown_out",
    "brown_out_window",
    "brown_out_losses",
    "brown_out_step",
    "brown_out_retry",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IcarusSettings:
    """How a device is run.

    ``frequency``: MHz, None to leave it as it is. ``voltage``: V, None where there is none to
    set. ``timing``: where its speed comes from; ``seconds_per_hash`` if that is given.
    ``work_time``: the longest that a work is left to it, in seconds, None for as long as it lasts.
    ``work_division``: in how many parts it searches the nonces, None to find out; ``engines``: how
    many of them at a time, None for all. ``max_temperature``: above it the device is given up.
    ``scale``: 1 for real devices, for emulated ones the share of nonces they try; ``ticket``: the
    difficulty of what they report, 1 for real ones. ``supply`` and ``yields``: what is done about
    brown-outs and about devices that find too little.
    """

    frequency: float | None = None
    voltage: float | None = None
    baud_rate: int = 115200
    timing: TimingMode = TimingMode.DEFAULT
    seconds_per_hash: float | None = None
    work_time: float | None = None
    work_division: int | None = 1
    engines: int | None = None
    max_temperature: float | None = None
    scale: float = 1.0
    ticket: float = 1.0
    supply: SupplySettings = field(default_factory=SupplySettings)
    yields: YieldSettings = field(default_factory=YieldSettings)


def parsed(driver: str, settings: Mapping[str, object], model: Model) -> IcarusSettings:
    """Return the settings of a ``model``; raise SettingError for one that it cannot take."""
    reader = _Reader(driver, settings, known_settings(model))
    mode, seconds_per_hash = reader.timing()
    division = reader.division(model)
    scale = reader.number("scale", 1e-12, 1.0, default=1.0) or 1.0
    return IcarusSettings(
        frequency=reader.frequency(model),
        voltage=reader.voltage(model),
        baud_rate=reader.choice("baud_rate", model.baud_rates, model.baud_rates[0]),
        timing=mode,
        seconds_per_hash=seconds_per_hash,
        work_time=reader.number("work_time", 0.01, _LONGEST_WORK, "s"),
        work_division=division,
        engines=reader.engines(division),
        max_temperature=reader.max_temperature(model),
        scale=scale,
        ticket=reader.number("ticket", 1e-12, 1.0, default=scale) or scale,
        supply=_supply(reader, model) if model.is_bus_powered else SupplySettings(),
        yields=_yields(reader, model, scale),
    )


def _supply(reader: "_Reader", model: Model) -> SupplySettings:
    usual = SupplySettings()
    return SupplySettings(
        is_on=reader.switch("brown_out", default=True),
        window=reader.needed("brown_out_window", 0.1, 600.0, "s", usual.window),
        losses=reader.whole("brown_out_losses", 2, 20, usual.losses),
        step=reader.needed("brown_out_step", *_STEP, usual.step),
        retry=reader.needed("brown_out_retry", 1.0, LONGEST_RETRY, "s", usual.retry),
        floor=model.clocks.lowest if model.clocks else 0.0,
    )


def _yields(reader: "_Reader", model: Model, scale: float) -> YieldSettings:
    usual = YieldSettings()
    return YieldSettings(
        # an emulated device is as slow as the machine is that hashes for it
        is_on=reader.switch("low_yield", default=scale == 1),
        window=reader.needed("low_yield_window", 1.0, 86_400.0, "s", usual.window),
        step=reader.needed("low_yield_step", *_STEP, usual.step),
        floor=model.clocks.lowest if model.clocks else 0.0,
    )


def known_settings(model: Model) -> tuple[str, ...]:
    """Return the names of the settings that a ``model`` takes."""
    wanted = {
        "frequency": model.clocks is not None,
        "voltage": model.voltage is not None,
        "baud_rate": len(model.baud_rates) > 1,
        "timing": model.can_be_timed,
        "work_time": model.task_seconds is None,
        "work_division": len(model.divisions) > 1,
        "engines": len(model.divisions) > 1,
        "max_temperature": model.most_degrees is not None,
        **dict.fromkeys(_SUPPLY, model.is_bus_powered),
        **dict.fromkeys(_YIELD, True),
        "low_yield_step": model.clocks is not None,
        ways.SETTING: True,
        "scale": True,
        "ticket": True,
    }
    return tuple(name for name, is_taken in wanted.items() if is_taken)


class _Reader:
    """Takes settings one by one and says what is wrong with them."""

    def __init__(self, driver: str, settings: Mapping[str, object], known: Sequence[str]) -> None:
        self._driver = driver
        self._settings = settings
        for name in settings:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                problem = f"unknown; {hint}allowed are {', '.join(known)}"
                raise SettingError(driver, name, problem)

    def frequency(self, model: Model) -> float | None:
        clocks = model.clocks
        if clocks is None:
            return model.fixed_mhz
        return self.number("frequency", clocks.lowest, clocks.highest, "MHz", clocks.default)

    def voltage(self, model: Model) -> float | None:
        if model.voltage is None:
            return None
        low, high = model.voltage.lowest, model.voltage.highest
        return self.number("voltage", low, high, "V", model.voltage.default)

    def max_temperature(self, model: Model) -> float | None:
        if model.most_degrees is None:
            return None
        most = model.most_degrees
        return self.number("max_temperature", 30.0, most, "degrees", most)

    def timing(self) -> tuple[TimingMode, float | None]:
        given = self._settings.get("timing", TimingMode.DEFAULT.value)
        measured = {mode.value: mode for mode in TimingMode if mode is not TimingMode.VALUE}
        if isinstance(given, str) and given.strip().casefold() in measured:
            return measured[given.strip().casefold()], None
        nanoseconds = _number(given)
        if not 1e-3 <= nanoseconds <= 1e6:
            problem = f"must be default, short, long or nanoseconds per hash, not {given!r}"
            raise SettingError(self._driver, "timing", problem)
        return TimingMode.VALUE, nanoseconds * 1e-9

    def division(self, model: Model) -> int | None:
        if self._settings.get("work_division") == AUTO:
            return None
        return self.choice("work_division", model.divisions, model.work_division)

    def engines(self, division: int | None) -> int | None:
        most = division or 8
        is_given = self.number("engines", 1, most) is not None
        return self.whole("engines", 1, most, 1) if is_given else None

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        value = self.needed(name, low, high, "", default)
        if value != int(value):
            raise SettingError(self._driver, name, f"must be a whole number, not {value}")
        return int(value)

    def switch(self, name: str, *, default: bool) -> bool:
        given = self._settings.get(name, AUTO)
        value = {AUTO: default, ON: True, OFF: False}.get(str(given))
        if value is None:
            problem = f"must be {AUTO}, {ON} or {OFF}, not {given!r}"
            raise SettingError(self._driver, name, problem)
        return value

    def needed(self, name: str, low: float, high: float, unit: str, default: float) -> float:
        value = self.number(name, low, high, unit)
        return default if value is None else value

    def choice(self, name: str, choices: Sequence[int], default: int) -> int:
        given = self._settings.get(name, default)
        if _number(given) not in choices:
            problem = f"must be {' or '.join(map(str, choices))}, not {given!r}"
            raise SettingError(self._driver, name, problem)
        return int(_number(given))

    def number(
        self, name: str, low: float, high: float, unit: str = "", default: float | None = None
    ) -> float | None:
        given = self._settings.get(name, AUTO)
        if given == AUTO:
            return default
        value = _number(given)
        if not low <= value <= high:
            shown = f" {unit}" if unit else ""
            problem = f"must be {low:g} to {high:g}{shown}, not {given!r}"
            raise SettingError(self._driver, name, problem)
        return value


def _number(given: object) -> float:
    """Return a number, or text that holds one; not-a-number for all else."""
    if not isinstance(given, (int, float, str)) or isinstance(given, bool):
        return math.nan
    try:
        return float(given)
    except (ValueError, OverflowError):
        return math.nan
