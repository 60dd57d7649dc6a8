"""INA260: voltage, current and power at the input of older boards.

Source: bitaxeorg/ESP-Miner main/power/INA260.c; TI SBOS656 for the current's sign, which
ESP-Miner drops.
"""

from drivers.peripherals.i2c import I2cBus, read_word
from drivers.peripherals.plausible import within

ADDRESS = 0x40

_CURRENT, _VOLTAGE, _POWER = 0x01, 0x02, 0x03

_MOST_CURRENT, _MOST_VOLTAGE = 15.0, 36.0
"""What the part can measure at all: its built-in shunt and its inputs."""


def current_of(word: int) -> float:
    """Return amperes in steps of 1.25 mA: 16 bits, two's complement."""
    return (word - 0x10000 if word & 0x8000 else word) * 0.00125


def voltage_of(word: int) -> float:
    """Return volts in steps of 1.25 mV."""
    return word * 0.00125


def power_of(word: int) -> float:
    """Return watts in steps of 10 mW."""
    return word * 0.01


class Ina260:
    """The INA260 on a bus."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address

    async def current(self) -> float | None:
        """Return the input current in amperes, None if absurd."""
        word = await read_word(self._bus, self._address, _CURRENT)
        return within(current_of(word), -_MOST_CURRENT, _MOST_CURRENT)

    async def voltage(self) -> float | None:
        """Return the input voltage in volts, None if absurd."""
        word = await read_word(self._bus, self._address, _VOLTAGE)
        return within(voltage_of(word), 0.0, _MOST_VOLTAGE)

    async def power(self) -> float | None:
        """Return the whole board's power in watts, None if absurd."""
        word = await read_word(self._bus, self._address, _POWER)
        return within(power_of(word), 0.0, _MOST_CURRENT * _MOST_VOLTAGE)
