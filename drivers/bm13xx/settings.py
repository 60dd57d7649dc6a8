"""The settings of BM13xx drivers, and what each may be; numbers may come as text."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from drivers.bm13xx.board import Board, Range
from drivers.bm13xx.chip import RESET_BAUD_RATE, ChipSpec
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.voltage_table import PointsError, VoltageTable, fixed, parsed_points
from drivers.brown_out import SupplySettings
from drivers.errors import SettingError
from drivers.low_yield import YieldSettings
from drivers.settings_reader import AUTO, SettingsReader
from drivers.transports import ways
from drivers.watch_settings import SUPPLY, YIELD, supply_settings, yield_settings

_CHAIN = ("chips", "frequency", "baud_rate", "scale", "nonces_per_second", "ramp", *YIELD)
_BOARD = (
    "voltage",
    "points",
    "fan",
    "target_temperature",
    "throttle_temperature",
    "max_temperature",
)

_LONGEST_RAMP = 3600.0


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
    ``throttle_temperature`` and ``max_temperature`` lower those at which the board slows down and
    is switched off, None leaves them.
    ``options`` are those of the kind of board.
    """

    voltage: float | None = None
    table: VoltageTable
    fan: float | None = None
    target_temperature: float
    throttle_temperature: float | None = None
    max_temperature: float | None = None
    options: Mapping[str, str] = field(default_factory=dict)


CHANGEABLE = ("frequency", "fan", "target_temperature", "ramp")
"""What may be set anew while a device runs, anywhere."""

VOLTAGE = ("voltage", "points")
"""What may be set anew where the core voltage can change while the chips run."""

ReadSettings = Callable[[Mapping[str, object]], tuple[ChainSettings, BoardSettings | None]]
"""Reads all settings of a device, those of a board if it has one; raises SettingError."""


class LiveSettings:
    """The settings of a running device, as they were given and what they mean."""

    def __init__(
        self,
        driver: str,
        given: Mapping[str, object],
        read: ReadSettings,
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
    reader = SettingsReader(driver, settings, _CHAIN)
    limits = chip.frequency
    frequency = Range(lowest=limits.lowest, default=limits.default, highest=limits.highest)
    return _chain(reader, chip, 1, frequency, chip.baud_rate)


def board_settings(
    driver: str, settings: Mapping[str, object], board: Board
) -> tuple[ChainSettings, BoardSettings]:
    """Return the settings of a board; raise SettingError."""
    is_on_usb = "via" in board.options
    supply = SUPPLY if is_on_usb else ()
    reader = SettingsReader(driver, settings, (*_CHAIN, *_BOARD, *board.options, *supply))
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
    lowest_trip = min(sensor.limits.trip for sensor in board.sensors)
    return chain, BoardSettings(
        voltage=voltage,
        table=table if voltage is None else fixed(voltage),
        fan=_fan(reader),
        target_temperature=reader.number(
            "target_temperature", 20.0, lowest_trip, "degrees", default=board.cooling.target
        ),
        throttle_temperature=reader.optional("throttle_temperature", 25.0, lowest_trip, "degrees"),
        max_temperature=reader.optional("max_temperature", 30.0, lowest_trip, "degrees"),
        options={name: _text(reader, name, usual) for name, usual in board.options.items()},
    )


def stick_settings(driver: str, settings: Mapping[str, object], stick: Stick) -> ChainSettings:
    """Return the settings of a stick's chain; raise SettingError."""
    reader = SettingsReader(driver, settings, (*_CHAIN, *SUPPLY, ways.SETTING))
    chain = _chain(reader, stick.chip, stick.chips, stick.frequency, stick.baud_rate)
    return _on_usb(reader, chain, stick.frequency, is_bus_powered=stick.is_bus_powered)


def _chain(
    reader: SettingsReader, chip: ChipSpec, chips: int, frequency: Range, baud_rate: int
) -> ChainSettings:
    lowest, highest = frequency.lowest, frequency.highest
    scale = reader.number("scale", 1e-12, 1.0, default=1.0)
    return ChainSettings(
        ramp=reader.number("ramp", 0.0, _LONGEST_RAMP, "s", default=0.0),
        chips=reader.whole("chips", 1, chip.most_chips, default=chips),
        frequency=reader.number("frequency", lowest, highest, "MHz", default=frequency.default),
        baud_rate=_baud_rate(reader, chip, baud_rate),
        scale=scale,
        nonces_per_second=reader.number("nonces_per_second", 0.01, 100.0, default=1.0),
        yields=yield_settings(reader, scale=scale, floor=lowest),
    )


def _on_usb(
    reader: SettingsReader, chain: ChainSettings, frequency: Range, *, is_bus_powered: bool
) -> ChainSettings:
    """Return ``chain`` with what is to be done where USB is the supply, or may be."""
    supply = supply_settings(reader, is_bus_powered=is_bus_powered, floor=frequency.lowest)
    return replace(chain, supply=supply)


def _baud_rate(reader: SettingsReader, chip: ChipSpec, default: int) -> int:
    known = sorted({RESET_BAUD_RATE, *(baud.rate for baud in chip.baud_rates)})
    value = reader.whole("baud_rate", 1, 100_000_000, default=default)
    if value not in known:
        problem = f"{chip.name} knows {', '.join(map(str, known))}, not {value}"
        raise reader.problem("baud_rate", problem)
    return value


def _voltage(reader: SettingsReader, board: Board) -> float | None:
    return reader.optional("voltage", *_volts(board), "V")


def _volts(board: Board) -> tuple[float, float]:
    """Return the lowest and the highest core voltage of a board."""
    volts = board.voltages or (board.default_voltage,)
    return volts[0], volts[-1]


def _points(reader: SettingsReader, board: Board) -> VoltageTable | None:
    """Return the user's own table of pairs that ``board`` can do, None without one."""
    if not reader.is_given("points"):
        return None
    try:
        points = parsed_points(_text(reader, "points", AUTO))
    except PointsError as error:
        raise reader.problem("points", str(error)) from error
    for mhz, core in points:
        reader.within("points", mhz, board.frequency.lowest, board.frequency.highest, "MHz")
        reader.within("points", core, *_volts(board), "V")
    if not board.voltages:
        raise reader.problem("points", "the core voltage of this board cannot be set")
    if reader.is_given("voltage"):
        raise reader.problem("points", "says the voltage at each frequency: leave out voltage")
    return VoltageTable(points=points)


def _fan(reader: SettingsReader) -> float | None:
    """Return percent of full speed, None to go by temperature."""
    given = reader.given("fan")
    bare = given.strip().removesuffix("%") if isinstance(given, str) else given
    return reader.within("fan", bare, 0.0, 100.0, "percent") if reader.is_given("fan") else None


def _text(reader: SettingsReader, name: str, default: str) -> str:
    given = reader.given(name, default)
    if not isinstance(given, str) or not given:
        raise reader.problem(name, f"must be a name, not {given!r}")
    return given
