"""The settings of Icarus-class drivers, and what each may be; numbers may come as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from drivers.brown_out import SupplySettings
from drivers.icarus.model import Model
from drivers.icarus.timing import TimingMode
from drivers.low_yield import YieldSettings
from drivers.settings_reader import AUTO, SettingsReader, number_in
from drivers.transports import ways
from drivers.watch_settings import SUPPLY, YIELD, YIELD_STEP, supply_settings, yield_settings

_LONGEST_WORK = 3600.0


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
    reader = SettingsReader(driver, settings, known_settings(model))
    mode, seconds_per_hash = _timing(reader)
    division = _division(reader, model)
    scale = reader.number("scale", 1e-12, 1.0, default=1.0)
    return IcarusSettings(
        frequency=_frequency(reader, model),
        voltage=_voltage(reader, model),
        baud_rate=_choice(reader, "baud_rate", model.baud_rates, model.baud_rates[0]),
        timing=mode,
        seconds_per_hash=seconds_per_hash,
        work_time=reader.optional("work_time", 0.01, _LONGEST_WORK, "s"),
        work_division=division,
        engines=_engines(reader, division),
        max_temperature=_max_temperature(reader, model),
        scale=scale,
        ticket=reader.number("ticket", 1e-12, 1.0, default=scale),
        supply=_supply(reader, model),
        yields=yield_settings(reader, scale=scale, floor=_slowest(model)),
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
        **dict.fromkeys(SUPPLY, model.is_bus_powered),
        **dict.fromkeys(YIELD, True),
        YIELD_STEP: model.clocks is not None,
        ways.SETTING: True,
        "scale": True,
        "ticket": True,
    }
    return tuple(name for name, is_taken in wanted.items() if is_taken)


def _supply(reader: SettingsReader, model: Model) -> SupplySettings:
    if not model.is_bus_powered:
        return SupplySettings()
    return supply_settings(reader, is_bus_powered=True, floor=_slowest(model))


def _slowest(model: Model) -> float:
    """Return MHz below which nothing goes."""
    return model.clocks.lowest if model.clocks else 0.0


def _frequency(reader: SettingsReader, model: Model) -> float | None:
    clocks = model.clocks
    if clocks is None:
        return model.fixed_mhz
    mhz = reader.optional("frequency", clocks.lowest, clocks.highest, "MHz")
    return clocks.default if mhz is None else mhz


def _voltage(reader: SettingsReader, model: Model) -> float | None:
    volts = model.voltage
    if volts is None:
        return None
    return reader.number("voltage", volts.lowest, volts.highest, "V", default=volts.default)


def _max_temperature(reader: SettingsReader, model: Model) -> float | None:
    most = model.most_degrees
    if most is None:
        return None
    return reader.number("max_temperature", 30.0, most, "degrees", default=most)


def _timing(reader: SettingsReader) -> tuple[TimingMode, float | None]:
    given = reader.given("timing", TimingMode.DEFAULT.value)
    measured = {mode.value: mode for mode in TimingMode if mode is not TimingMode.VALUE}
    if isinstance(given, str) and given.strip().casefold() in measured:
        return measured[given.strip().casefold()], None
    nanoseconds = number_in(given)
    if not 1e-3 <= nanoseconds <= 1e6:
        problem = f"must be default, short, long or nanoseconds per hash, not {given!r}"
        raise reader.problem("timing", problem)
    return TimingMode.VALUE, nanoseconds * 1e-9


def _division(reader: SettingsReader, model: Model) -> int | None:
    if reader.given("work_division", model.work_division) == AUTO:
        return None
    return _choice(reader, "work_division", model.divisions, model.work_division)


def _engines(reader: SettingsReader, division: int | None) -> int | None:
    most = division or 8
    return reader.whole("engines", 1, most, default=1) if reader.is_given("engines") else None


def _choice(reader: SettingsReader, name: str, choices: Sequence[int], default: int) -> int:
    given = reader.given(name, default)
    if number_in(given) not in choices:
        problem = f"must be {' or '.join(map(str, choices))}, not {given!r}"
        raise reader.problem(name, problem)
    return int(number_in(given))
