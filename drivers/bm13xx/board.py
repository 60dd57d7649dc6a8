"""What a board is, as data: its chips, how it is recognized, its limits, and what is on it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from drivers.api import PortInfo
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.controls import Wiring
from drivers.bm13xx.power_model import PowerModel
from drivers.bm13xx.voltage_table import VoltageTable
from drivers.peripherals.fan_pid import FanSettings
from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.sensor_watch import SensorSpec
from drivers.peripherals.thermal_guard import ThrottleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbIdentity:
    """How a board or stick shows itself on USB; the product is compared without case.

    ``score`` is how sure such a match is: firmware shared by several boards tells little.
    """

    vid: int
    pid: int
    manufacturer: str
    product: str
    score: int

    def match(self, port: PortInfo) -> int:
        """Return the score if ids and strings of ``port`` are these, else 0."""
        is_bridge = (self.vid, self.pid) == (port.vid, port.pid)
        is_ours = self.manufacturer == port.manufacturer
        is_this = self.product.casefold() == port.product.casefold()
        return self.score if is_bridge and is_ours and is_this else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """What a setting may be, and what it is when nobody says."""

    lowest: float
    default: float
    highest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """One board; frequencies in MHz, voltages in V per chip, temperatures in degrees Celsius.

    ``frequencies`` and ``voltages`` are those its makers offer, in rising order; a setting may
    lie between. Some of its kind may have one of ``other_chips`` instead of ``chip``.
    ``voltages`` is empty where the voltage is fixed. ``table`` says which voltage the chips need at
    which frequency, None where nobody has written that down: then it is the default at all of them.
    ``is_bus_powered``: USB feeds the chips. The first of ``sensors`` is the one that the target
    temperature is meant for. ``options`` are settings of that kind of board, with what they are
    when nobody says.
    """

    name: str
    summary: str
    chip: ChipSpec
    other_chips: tuple[ChipSpec, ...] = ()
    chips: int
    frequencies: tuple[float, ...]
    default_frequency: float
    voltages: tuple[float, ...] = ()
    default_voltage: float = 0.0
    table: VoltageTable | None = None
    baud_rate: int | None = None
    power: PowerModel
    sensors: tuple[SensorSpec, ...]
    fans: tuple[FanSpec, ...] = ()
    cooling: FanSettings = field(default_factory=FanSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    wiring: Wiring
    ports: int = 2
    usb: UsbIdentity | None = None
    is_bus_powered: bool = False
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def frequency(self) -> Range:
        """Return what the frequency may be set to; slowing down may go lower."""
        return Range(
            lowest=self.chip.frequency.lowest,
            default=self.default_frequency,
            highest=self.frequencies[-1],
        )
