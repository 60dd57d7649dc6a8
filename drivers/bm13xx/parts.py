"""The parts that cool, measure and power the chips of a board, as its controls use them.

A board's file names parts by these frozen values; `on` joins one to the board's bus.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from drivers.peripherals import ds4432u, emc2101, emc2103, emc2302, ina260, tmp451, tps546
from drivers.peripherals.ds4432u import Ds4432u
from drivers.peripherals.emc2101 import Emc2101
from drivers.peripherals.emc2103 import Emc2103
from drivers.peripherals.emc2302 import Emc2302
from drivers.peripherals.errors import PeripheralError
from drivers.peripherals.i2c import I2cBus
from drivers.peripherals.ina260 import Ina260
from drivers.peripherals.tmp451 import Tmp451
from drivers.peripherals.tmp1075 import Tmp1075
from drivers.peripherals.tps546 import Tps546
from drivers.peripherals.tps546_settings import Tps546Settings

Gauge = Callable[[], Awaitable[float | None]]
"""Reads one number, None when it cannot be right."""


class Pins(Protocol):
    """Pins of a board's controller."""

    async def set_pin(self, pin: int, *, high: bool) -> None:
        """Drive a pin; raise DriverError if it does not take the level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A cooling or measuring part on a bus: how to start it, its fan, and what it measures."""

    start: Callable[[], Awaitable[None]]
    set_fan: Callable[[float], Awaitable[None]] | None = None
    thermometers: Mapping[str, Gauge] = field(default_factory=dict)
    tachometers: Mapping[str, Gauge] = field(default_factory=dict)


class CoolingPart(Protocol):
    """A part that drives fans, measures temperatures, or both."""

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Emc2101Part:
    """EMC2101: the fan, the chip's diode as ``die`` and its own temperature as ``board``."""

    ideality: int | None = None
    beta: int | None = None

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        part = Emc2101(bus, emc2101.ADDRESS)
        return Fitted(
            start=lambda: part.initialise(ideality=self.ideality, beta=self.beta),
            set_fan=part.set_fan,
            thermometers={"die": part.external_temperature, "board": part.internal_temperature},
            tachometers={"fan": part.fan_rpm},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Emc2103Part:
    """EMC2103: the fan and the diodes of two chips, ``die 1`` and ``die 2``."""

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        part = Emc2103(bus, emc2103.ADDRESS)
        return Fitted(
            start=part.initialise,
            set_fan=part.set_fan,
            thermometers={
                "die 1": lambda: part.temperature(1),
                "die 2": lambda: part.temperature(2),
            },
            tachometers={"fan": part.fan_rpm},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Emc2302Part:
    """EMC2302: two fans, ``fan 1`` and ``fan 2``."""

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        part = Emc2302(bus, emc2302.ADDRESS)
        return Fitted(
            start=part.initialise,
            set_fan=part.set_fan,
            tachometers={"fan 1": lambda: part.fan_rpm(1), "fan 2": lambda: part.fan_rpm(2)},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmp1075Part:
    """TMP1075 or LM75: a thermometer called ``name``."""

    address: int
    name: str

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        part = Tmp1075(bus, self.address)
        return Fitted(start=_nothing, thermometers={self.name: part.temperature})


@dataclass(frozen=True, slots=True, kw_only=True)
class Tmp451Part:
    """TMP451: a chip's diode as ``die``; ``offset`` corrects it, in degrees."""

    offset: float = 0.0

    def on(self, bus: I2cBus) -> Fitted:
        """Return the part on ``bus``."""
        part = Tmp451(bus, tmp451.ADDRESS)
        return Fitted(
            start=lambda: part.initialise(remote_offset=self.offset),
            thermometers={"die": part.remote_temperature},
        )


class Rail(Protocol):
    """The supply of the chips; ``volts`` are those of one chip."""

    async def prepare(self) -> None:
        """Make sure of the parts and switch the output off, or as low as it goes."""
        ...

    async def turn_on(self, volts: float) -> None:
        """Switch the output on and make sure of it."""
        ...

    async def turn_off(self) -> None:
        """Switch the output off, or as low as it goes."""
        ...

    async def seen_off(self) -> str:
        """Return in words how the output is seen to be off; raise PeripheralError if it is on."""
        ...

    async def faults(self) -> tuple[str, ...]:
        """Return what is wrong while the output is on."""
        ...

    async def watts(self) -> float | None:
        """Return the measured power."""
        ...

    async def set_voltage(self, volts: float) -> None:
        """Change the voltage, per chip, while the output is on; a fixed one stays as it is."""
        ...

    @property
    def watts_are_whole(self) -> bool:
        """Tell whether `watts` is that of the whole board."""
        ...

    @property
    def has_meter(self) -> bool:
        """Tell whether anything measures `watts`."""
        ...

    @property
    def thermometers(self) -> Mapping[str, Gauge]:
        """Return what the supply's own temperatures are called and how to read them."""
        ...


class RailPart(Protocol):
    """The parts that make the supply of the chips."""

    @property
    def address(self) -> int | None:
        """Return where a part must acknowledge if the board has this supply, None if nowhere."""
        ...

    def on(self, bus: I2cBus, pins: Pins) -> Rail:
        """Return the supply on a board."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tps546Part:
    """TPS546 regulator feeding ``domains`` groups of chips in series."""

    settings: Tps546Settings
    domains: int = 1
    address: int | None = tps546.ADDRESS

    def on(self, bus: I2cBus, pins: Pins) -> "Tps546Rail":  # noqa: ARG002 - other supplies have pins
        """Return the supply on a board."""
        return Tps546Rail(Tps546(bus, self.settings), self.domains)


class Tps546Rail:
    """A supply that can be switched and that tells its faults, power and temperature."""

    watts_are_whole = False
    has_meter = True

    def __init__(self, part: Tps546, domains: int) -> None:
        self._part = part
        self._domains = domains
        self.thermometers: Mapping[str, Gauge] = {"regulator": part.temperature}

    async def prepare(self) -> None:
        """Make sure of the part, switch it off and write its settings."""
        await self._part.identify()
        await self._part.configure()

    async def turn_on(self, volts: float) -> None:
        """Switch the output on and make sure of it."""
        await self._part.turn_on(volts * self._domains)

    async def set_voltage(self, volts: float) -> None:
        """Change the voltage of all domains together."""
        await self._part.set_voltage(volts * self._domains)

    async def turn_off(self) -> None:
        """Switch the output off."""
        await self._part.turn_off()

    async def seen_off(self) -> str:
        """Return how it is seen to be off."""
        if not await self._part.is_off():
            raise PeripheralError("TPS546", "told to switch off, but its output is on")
        return "regulator reads off"

    async def faults(self) -> tuple[str, ...]:
        """Return the faults of the status registers."""
        return await self._part.faults()

    async def watts(self) -> float | None:
        """Return the output's power."""
        return await self._part.output_power()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ds4432uPart:
    """A fixed regulator bent by a DS4432U, with an INA260 at the input; it is never off.

    ``lowest`` is the voltage it is left at.
    """

    lowest: float = 1.0
    address: int | None = ds4432u.ADDRESS

    def on(self, bus: I2cBus, pins: Pins) -> "Ds4432uRail":  # noqa: ARG002 - other supplies have pins
        """Return the supply on a board."""
        return Ds4432uRail(Ds4432u(bus), Ina260(bus, ina260.ADDRESS), self.lowest)


class Ds4432uRail:
    """A supply that can be lowered, but not switched off: reset must do."""

    watts_are_whole = True
    has_meter = True

    def __init__(self, part: Ds4432u, meter: Ina260, lowest: float) -> None:
        self._part = part
        self._meter = meter
        self._lowest = lowest
        self.thermometers: Mapping[str, Gauge] = {}

    async def prepare(self) -> None:
        """Lower the voltage."""
        await self.turn_off()

    async def turn_on(self, volts: float) -> None:
        """Set the voltage."""
        await self._part.set_voltage(volts)

    async def set_voltage(self, volts: float) -> None:
        """Set the voltage."""
        await self._part.set_voltage(volts)

    async def turn_off(self) -> None:
        """Lower the voltage as far as it is safe to ask for."""
        await self._part.set_voltage(self._lowest)

    async def seen_off(self) -> str:
        """Return what the voltage is set to."""
        volts = await self._part.voltage()
        return f"core voltage set to {volts:.2f} V; this board cannot switch it off"

    async def faults(self) -> tuple[str, ...]:
        """Return nothing: the part knows none."""
        return ()

    async def watts(self) -> float | None:
        """Return the whole board's power."""
        return await self._meter.power()


@dataclass(frozen=True, slots=True, kw_only=True)
class PinsPart:
    """A fixed supply switched by ``pins``, in the order of switching on; seconds between them."""

    pins: tuple[int, ...]
    pause: float
    address: int | None = None

    def on(self, bus: I2cBus, pins: Pins) -> "PinsRail":  # noqa: ARG002 - other supplies have a bus
        """Return the supply on a board."""
        return PinsRail(pins, self.pins, self.pause)


class PinsRail:
    """A supply that can be switched and tells nothing."""

    watts_are_whole = False
    has_meter = False

    def __init__(self, pins: Pins, numbers: tuple[int, ...], pause: float) -> None:
        self._pins = pins
        self._numbers = numbers
        self._pause = pause
        self.thermometers: Mapping[str, Gauge] = {}

    async def prepare(self) -> None:
        """Switch the supply off."""
        await self.turn_off()

    async def turn_on(self, volts: float) -> None:  # noqa: ARG002 - it is fixed
        """Switch the supply on, pin by pin."""
        for number in self._numbers:
            await self._pins.set_pin(number, high=True)
            await asyncio.sleep(self._pause)

    async def set_voltage(self, volts: float) -> None:
        """Do nothing: it is fixed."""

    async def turn_off(self) -> None:
        """Switch the supply off, pin by pin, in reverse order."""
        for number in reversed(self._numbers):
            await self._pins.set_pin(number, high=False)

    async def seen_off(self) -> str:
        """Return that the pins took their level, which setting them has proven."""
        return f"supply pins {', '.join(map(str, self._numbers))} read low"

    async def faults(self) -> tuple[str, ...]:
        """Return nothing: nobody watches the supply."""
        return ()

    async def watts(self) -> float | None:
        """Return None: nobody measures."""
        return None


async def _nothing() -> None:
    """Start a part that needs no starting."""
