"""The settings of BM13xx drivers, and what each may be; numbers may come as text."""

import difflib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from drivers.bm13xx.board import Board, Range
from drivers.bm13xx.chip import RESET_BAUD_RATE, ChipSpec
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.voltage_table import PointsError, VoltageTable, fixed, parsed_points
from drivers.brown_out import LONGEST_RETRY, SupplySettings
from drivers.errors import SettingError
from drivers.low_yield import YieldSettings
from drivers.transports import ways

AUTO = "auto"

ON, OFF = "on", "off"

_YIELD = ("low_yield", "low_yield_window", "low_yield_step")
_SUPPLY = (
    "brown_out",
    "brown_out_window",
    "brown_out_losses",
    "brown_out_step",
    "brown_out_retry",
)
_CHAIN = ("chips", "frequency", "baud_rate", "scale", "nonces_per_second", "ramp", *_YIELD)
_BOARD = ("voltage", "points", "fan", "target_temperature", "max_temperature")

_STEP = Range(lowest=6.25, default=25.0, highest=200.0)
_RAMP = Range(lowest=0.0, default=0.0, highest=3600.0)
_YIELD_WINDOW = Range(lowest=1.0, default=300.0, highest=86_400.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """How a chain of chips is run.

    ``chips``: how many there should be. ``frequency``: MHz. ``scale``: 1 for real chips, for
    emulated ones what their hash rate is multiplied by. ``nonces_per_second``: how often each
    chip should report, or up to twice that. ``ramp``: seconds that it should take at least from
    rest to full speed. ``supply`` and ``yields``: what is done about
    brown-outs and about chips that find too little.
    """

    chips: int
    frequency: float
    baud_rate: int
    scale: float = 1.0
    nonces_per_second: float = 1.0
    ramp: float = 0.0
    supply: SupplySettings = field(default_factory=SupplySettings)
    yields: YieldSettings = field(default_factory=YieldSettings)


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardSettings:
    """How a board is run: core voltage, ``fan`` in percent (None: by temperature), temperatures.

    ``table`` is the core voltage at each frequency, the same at all where ``voltage`` was given.
    ``max_temperature`` lowers the temperature at which the board is switched off, None leaves it.
    ``options`` are those of the kind of board.
    """

    voltage: float | None = None
    table: VoltageTable
    fan: float | None = None
    target_temperature: float
    max_temperature: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)


CHANGEABLE = ("frequency", "fan", "target_temperature", "ramp")
"""What may be set anew while a device runs, anywhere."""

VOLTAGE = ("voltage", "points")
"""What may be set anew where the core voltage can change while the chips run."""

SettingsReader = Callable[[Mapping[str, object]], tuple[ChainSettings, BoardSettings | None]]
"""Reads all settings of a device, those of a board if it has one; raises SettingError."""


class LiveSettings:
    """The settings of a running device, as they were given and what they mean."""

    def __init__(
        self,
        driver: str,
        given: Mapping[str, object],
        read: SettingsReader,
        changeable: tuple[str, ...] = CHANGEABLE,
    ) -> None:
        self._driver = driver
        self._given = dict(given)
        self._read = read
        self._changeable = changeable
        self.chain, self.board = read(given)

    def change(self, settings: Mapping[str, object]) -> None:
        """Take all of ``settings`` or raise SettingError."""
        given = {**self._given, **settings}
        chain, board = self._read(given)
        for name in settings:
            if name not in self._changeable:
                allowed = ", ".join(self._changeable)
                problem = f"cannot change while the device runs; {allowed} can"
                raise SettingError(self._driver, name, problem)
        self._given, self.chain, self.board = given, chain, board


def chain_settings(driver: str, settings: Mapping[str, object], chip: ChipSpec) -> ChainSettings:
    """Return the settings of a bare chain; raise SettingError."""
    reader = _Reader(driver, settings, _CHAIN)
    limits = chip.frequency
    frequency = Range(lowest=limits.lowest, default=limits.default, highest=limits.highest)
    return _chain(reader, chip, 1, frequency, chip.baud_rate)


def board_settings(
    driver: str, settings: Mapping[str, object], board: Board
) -> tuple[ChainSettings, BoardSettings]:
    """Return the settings of a board; raise SettingError."""
    is_on_usb = "via" in board.options
    supply = _SUPPLY if is_on_usb else ()
    reader = _Reader(driver, settings, (*_CHAIN, *_BOARD, *board.options, *supply))
    baud_rate = board.baud_rate or board.chip.baud_rate
    voltage = _voltage(reader, board)
    points = _points(reader, board)
    frequency = board.frequency
    if points:
        frequency = replace(frequency, default=points.highest_mhz, highest=points.highest_mhz)
    chain = _chain(reader, board.chip, board.chips, frequency, baud_rate)
    if is_on_usb:
        chain = _on_usb(reader, chain, board.frequency, is_bus_powered=board.is_bus_powered)
    table = points or board.table or fixed(board.default_voltage)
    target = board.cooling.target
    lowest_trip = min(sensor.limits.trip for sensor in board.sensors)
    return chain, BoardSettings(
        voltage=voltage,
        table=table if voltage is None else fixed(voltage),
        fan=reader.percent("fan"),
        target_temperature=reader.number(
            "target_temperature", Range(lowest=20.0, default=target, highest=lowest_trip), "degrees"
        ),
        max_temperature=reader.optional(
            "max_temperature", Range(lowest=30.0, default=0.0, highest=lowest_trip), "degrees"
        ),
        options={name: reader.text(name, usual) for name, usual in board.options.items()},
    )


def _voltage(reader: "_Reader", board: Board) -> float | None:
    volts = board.voltages or (board.default_voltage,)
    return reader.optional("voltage", Range(lowest=volts[0], default=0.0, highest=volts[-1]), "V")


def _points(reader: "_Reader", board: Board) -> VoltageTable | None:
    """Return the user's own table, None without one."""
    given = reader.points(board)
    if given is None:
        return None
    if not board.voltages:
        raise reader.problem("points", "the core voltage of this board cannot be set")
    if reader.is_given("voltage"):
        raise reader.problem("points", "says the voltage at each frequency: leave out voltage")
    return VoltageTable(points=given)


def stick_settings(driver: str, settings: Mapping[str, object], stick: Stick) -> ChainSettings:
    """Return the settings of a stick's chain; raise SettingError."""
    reader = _Reader(driver, settings, (*_CHAIN, *_SUPPLY, ways.SETTING))
    chain = _chain(reader, stick.chip, stick.chips, stick.frequency, stick.baud_rate)
    return _on_usb(reader, chain, stick.frequency, is_bus_powered=stick.is_bus_powered)


def _chain(
    reader: "_Reader", chip: ChipSpec, chips: int, frequency: Range, baud_rate: int
) -> ChainSettings:
    scale = reader.number("scale", Range(lowest=1e-12, default=1.0, highest=1.0))
    return ChainSettings(
        ramp=reader.number("ramp", _RAMP, "s"),
        chips=reader.whole("chips", chips, 1, chip.most_chips),
        frequency=reader.number("frequency", frequency, "MHz"),
        baud_rate=reader.baud_rate(chip, baud_rate),
        scale=scale,
        nonces_per_second=reader.number(
            "nonces_per_second", Range(lowest=0.01, default=1.0, highest=100.0)
        ),
        yields=YieldSettings(
            # emulated chips are as slow as the machine is that hashes for them
            is_on=reader.switch("low_yield", default=scale == 1),
            window=reader.number("low_yield_window", _YIELD_WINDOW, "s"),
            step=reader.number("low_yield_step", _STEP, "MHz"),
            floor=frequency.lowest,
        ),
    )


def _on_usb(
    reader: "_Reader", chain: ChainSettings, frequency: Range, *, is_bus_powered: bool
) -> ChainSettings:
    """Return ``chain`` with what is to be done where USB is the supply, or may be."""
    usual = SupplySettings()
    seconds = Range(lowest=0.1, default=usual.window, highest=600.0)
    retry = Range(lowest=1.0, default=usual.retry, highest=LONGEST_RETRY)
    supply = SupplySettings(
        is_on=reader.switch("brown_out", default=is_bus_powered),
        window=reader.number("brown_out_window", seconds, "s"),
        losses=reader.whole("brown_out_losses", usual.losses, 2, 20),
        step=reader.number("brown_out_step", _STEP, "MHz"),
        retry=reader.number("brown_out_retry", retry, "s"),
        floor=frequency.lowest,
    )
    return replace(chain, supply=supply)


class _Reader:
    """Takes settings one by one and says what is wrong with them."""

    def __init__(self, driver: str, settings: Mapping[str, object], known: tuple[str, ...]) -> None:
        self._driver = driver
        self._settings = settings
        for name in settings:
            if name not in known:
                close = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {close[0]}? " if close else ""
                problem = f"unknown; {hint}allowed are {', '.join(known)}"
                raise SettingError(driver, name, problem)

    def number(self, name: str, limits: Range, unit: str = "") -> float:
        given = self._settings.get(name, AUTO)
        return limits.default if given == AUTO else self._within(name, given, limits, unit)

    def optional(self, name: str, limits: Range, unit: str) -> float | None:
        given = self._settings.get(name, AUTO)
        return None if given == AUTO else self._within(name, given, limits, unit)

    def points(self, board: Board) -> tuple[tuple[float, float], ...] | None:
        """Return pairs of MHz and volts that ``board`` can do, None if there are none."""
        if not self.is_given("points"):
            return None
        frequency, volts = board.frequency, board.voltages or (board.default_voltage,)
        given = self.text("points", AUTO)
        try:
            points = parsed_points(given)
        except PointsError as error:
            raise self.problem("points", str(error)) from error
        for mhz, core in points:
            self._within("points", mhz, frequency, "MHz")
            self._within("points", core, Range(lowest=volts[0], default=0, highest=volts[-1]), "V")
        return points

    def is_given(self, name: str) -> bool:
        return self._settings.get(name, AUTO) != AUTO

    def problem(self, name: str, text: str) -> SettingError:
        return SettingError(self._driver, name, text)

    def whole(self, name: str, default: int, least: int, most: int) -> int:
        limits = Range(lowest=least, default=default, highest=most)
        value = self.number(name, limits)
        if value != int(value):
            raise SettingError(self._driver, name, f"must be a whole number, not {value}")
        return int(value)

    def switch(self, name: str, *, default: bool) -> bool:
        known = {AUTO: default, ON: True, OFF: False}
        given = self._settings.get(name, AUTO)
        value = known.get(given) if isinstance(given, str) else None
        if value is None:
            problem = f"must be {AUTO}, {ON} or {OFF}, not {given!r}"
            raise SettingError(self._driver, name, problem)
        return value

    def percent(self, name: str) -> float | None:
        given = self._settings.get(name, AUTO)
        bare = given.strip().removesuffix("%") if isinstance(given, str) else given
        limits = Range(lowest=0.0, default=0.0, highest=100.0)
        return None if given == AUTO else self._within(name, bare, limits, "percent")

    def baud_rate(self, chip: ChipSpec, default: int) -> int:
        known = sorted({RESET_BAUD_RATE, *(baud.rate for baud in chip.baud_rates)})
        value = self.whole("baud_rate", default, 1, 100_000_000)
        if value not in known:
            problem = f"{chip.name} knows {', '.join(map(str, known))}, not {value}"
            raise SettingError(self._driver, "baud_rate", problem)
        return value

    def text(self, name: str, default: str) -> str:
        given = self._settings.get(name, default)
        if not isinstance(given, str) or not given:
            raise SettingError(self._driver, name, f"must be a name, not {given!r}")
        return given

    def _within(self, name: str, given: object, limits: Range, unit: str) -> float:
        try:
            is_number = isinstance(given, (int, float, str)) and not isinstance(given, bool)
            value = float(given) if is_number else math.nan  # type: ignore[arg-type]  # seen above
        except (ValueError, OverflowError):
            value = math.nan
        if not limits.lowest <= value <= limits.highest:
            shown = f" {unit}" if unit else ""
            problem = f"must be {limits.lowest:g} to {limits.highest:g}{shown}, not {given!r}"
            raise SettingError(self._driver, name, problem)
        return value
