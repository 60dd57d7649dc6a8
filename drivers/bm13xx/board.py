"""What a board is, as data: its chips, how it is recognized, its limits, and what is on it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.controls import Controls, ControlsRequest
from drivers.peripherals.fan_pid import FanSettings
from drivers.peripherals.fan_watch import FanSpec
from drivers.peripherals.sensor_watch import SensorSpec
from drivers.peripherals.thermal_guard import ThrottleSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class UsbIdentity:
    """How a board shows itself on USB; the product is compared without case.

    ``score`` is how sure such a match is: firmware shared by several boards tells little.
    """

    vid: int
    pid: int
    manufacturer: str
    product: str
    score: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerModel:
    """The watts of a whole board: ``watts`` at ``mhz`` and ``volts``, ``fixed`` of them always.

    What the chips draw goes with the frequency and the square of the voltage.
    """

    watts: float
    fixed: float
    mhz: float
    volts: float

    def watts_at(self, mhz: float, volts: float) -> float:
        """Return the watts at a frequency and core voltage."""
        return self.fixed + self._per_mhz(volts) * mhz

    def mhz_at(self, watts: float, volts: float) -> float:
        """Return the frequency that takes ``watts``; negative if even none takes more."""
        return (watts - self.fixed) / self._per_mhz(volts)

    def _per_mhz(self, volts: float) -> float:
        return (self.watts - self.fixed) * (volts / self.volts) ** 2 / self.mhz


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
    lie between. ``voltages`` is empty where the voltage is fixed. ``controls`` makes the board's
    `Controls` for a request; ``ports`` says how many ports that takes.
    """

    name: str
    summary: str
    chip: ChipSpec
    chips: int
    frequencies: tuple[float, ...]
    default_frequency: float
    voltages: tuple[float, ...] = ()
    default_voltage: float = 0.0
    baud_rate: int | None = None
    power: PowerModel
    sensors: tuple[SensorSpec, ...]
    fans: tuple[FanSpec, ...] = ()
    cooling: FanSettings = field(default_factory=FanSettings)
    throttle: ThrottleSettings = field(default_factory=ThrottleSettings)
    controls: Callable[[ControlsRequest], Controls]
    ports: int = 2
    usb: UsbIdentity | None = None

    @property
    def frequency(self) -> Range:
        """Return what the frequency may be set to; slowing down may go lower."""
        return Range(
            lowest=self.chip.frequency.lowest,
            default=self.default_frequency,
            highest=self.frequencies[-1],
        )
