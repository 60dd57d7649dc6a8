"""The controls of a PiAxe, which hangs on the header of a Raspberry Pi: three pins and an LM75.

Source: shufps/piaxe-miner piaxe/boards/piaxe.py. Pin numbers are the BCM ones of the header's pins
11, 13 and 15. A transistor inverts the reset: high holds the chip in reset.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from drivers.bm13xx.controls import Controls, ControlsRequest, Readings, all_tried, reading
from drivers.errors import TransportLostError
from drivers.peripherals.errors import PeripheralError, RequestAbandonedError
from drivers.peripherals.gpio import GpiodPins, Pins
from drivers.peripherals.i2c import I2cBus
from drivers.peripherals.linux_i2c import LinuxI2cBus
from drivers.peripherals.tmp1075 import Tmp1075
from drivers.transports.base import OnLost

SUPPLY_ON, SUPPLY_GOOD, IN_RESET = 17, 27, 22
LM75 = 0x48
POWER_SETTLE = 0.5
RESET_HOLD = 0.5

GPIO_CHIP, I2C_BUS = "gpio_chip", "i2c_bus"
OPTIONS = {GPIO_CHIP: "/dev/gpiochip0", I2C_BUS: "/dev/i2c-1"}
"""What the settings of the board are called, and what they usually are."""


class HostBus(I2cBus, Protocol):
    """A bus of the host that is opened and closed."""

    def close(self) -> None:
        """Let go of the bus."""


def host_pins(chip: str) -> Pins:
    """Return the pins of the board, the chip in reset and its supply off."""
    return GpiodPins(chip, outputs={IN_RESET: True, SUPPLY_ON: False}, inputs=(SUPPLY_GOOD,))


@dataclass(frozen=True, slots=True, kw_only=True)
class PiaxeWiring:
    """How to come by the pins of a GPIO chip and by an I2C bus."""

    pins: Callable[[str], Pins] = host_pins
    bus: Callable[[str], HostBus] = LinuxI2cBus

    def controls(self, request: ControlsRequest) -> Controls:
        """Return the controls, not yet open."""
        return PiaxeControls(self, request)


class PiaxeControls:
    """One board on the host's own pins."""

    def __init__(self, wiring: PiaxeWiring, request: ControlsRequest) -> None:
        self._wiring = wiring
        self._chip = request.options[GPIO_CHIP]
        self._bus_path = request.options[I2C_BUS]
        self._pins: Pins | None = None
        self._bus: HostBus | None = None
        self._is_safe = True

    @property
    def name(self) -> str:
        """Return what to call the pins and the bus."""
        return f"{self._chip}+{self._bus_path}"

    async def open(self, on_lost: OnLost) -> None:  # noqa: ARG002 - a header is not unplugged
        """Take the pins, which resets the chip, and the bus."""
        self.close()
        await self._take_pins()
        self._bus = self._wiring.bus(self._bus_path)

    async def power_on(self, volts: float) -> None:  # noqa: ARG002 - it is fixed
        """Switch the supply on and release the reset."""
        self._is_safe = False
        self._drive(IN_RESET, high=True)
        self._drive(SUPPLY_ON, high=True)
        await asyncio.sleep(POWER_SETTLE)
        if not self._taken().level(SUPPLY_GOOD):
            self._drive(SUPPLY_ON, high=False)
            raise PeripheralError(self.name, "supply switched on, but it is not good")
        await self.reset_chips()

    async def reset_chips(self) -> None:
        """Pulse the reset."""
        self._drive(IN_RESET, high=True)
        await asyncio.sleep(RESET_HOLD)
        if self._is_safe:
            raise RequestAbandonedError(self.name, "release of the reset")
        self._drive(IN_RESET, high=False)
        await asyncio.sleep(RESET_HOLD)

    async def power_off(self) -> None:
        """Reset, then the supply off."""
        self._drive(IN_RESET, high=True)
        self._drive(SUPPLY_ON, high=False)

    async def read(self) -> Readings:
        """Return what the one sensor and the supply say."""
        if self._bus is None:
            raise TransportLostError(self.name, "not open")
        near = await reading(Tmp1075(self._bus, LM75).temperature())
        is_good = self._is_safe or self._taken().level(SUPPLY_GOOD)
        return Readings(
            temperatures={"near chip": near}, faults=() if is_good else ("supply not good",)
        )

    async def set_fan(self, percent: float) -> None:
        """Do nothing: the fan is not ours."""

    def safe_off(self) -> None:
        """Reset and supply off, at once: both are pins of this host."""
        if self._pins:
            self._is_safe = True
            self._pins.drive(IN_RESET, high=True)
            self._pins.drive(SUPPLY_ON, high=False)

    async def finish_safe_off(self, fan: float) -> tuple[str, ...]:  # noqa: ARG002 - none is ours
        """Read the supply back."""
        taken = () if self._pins else (("pins taken", self._take_pins),)
        steps = (*taken, ("supply off", self.power_off), ("supply", self._seen_off))
        return await all_tried(self.name, steps)

    def close(self) -> None:
        """Let go of the pins and the bus."""
        pins, self._pins = self._pins, None
        bus, self._bus = self._bus, None
        if pins:
            pins.close()
        if bus:
            bus.close()

    async def _take_pins(self) -> None:
        self._pins = self._wiring.pins(self._chip)

    async def _seen_off(self) -> str:
        await asyncio.sleep(RESET_HOLD)  # until it is discharged
        if self._taken().level(SUPPLY_GOOD):
            raise PeripheralError(self.name, "told to switch off, but the supply is still good")
        return "supply reads off"

    def _drive(self, pin: int, *, high: bool) -> None:
        self._taken().drive(pin, high=high)

    def _taken(self) -> Pins:
        if self._pins is None:
            raise TransportLostError(self.name, "not open")
        return self._pins
