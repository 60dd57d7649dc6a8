"""EMC2302: duty and speed of two fans (Hex, SupraHex).

Source: bitaxeorg/ESP-Miner main/thermal/EMC2302.c and .h; Microchip EMC2302 register map.
"""

from typing import Literal

from drivers.peripherals.duty import duty_code
from drivers.peripherals.i2c import I2cBus, read_byte, write_byte

ADDRESS = 0x2F
"""Of the EMC2302-2; the EMC2302-1 is at 2E."""

_DUTY, _FAN_CONFIG, _TACH_HIGH, _TACH_LOW = 0x30, 0x32, 0x3E, 0x3F  # of fan 1
_NEXT_FAN = 0x10
_RANGE_BITS = 0x60
_STALLED = 0xFF
_MINUTE_IN_TACH_CLOCKS = 3_932_160

Fan = Literal[1, 2]


def duty_of(percent: float) -> int:
    """Return the 8-bit duty code of 0 to 100 percent, rounded down."""
    return duty_code(percent, 255)


def rpm_of(high: int, low: int, *, multiplier: int = 1) -> float:
    """Return the speed for a tachometer reading; 0 when the fan stands still.

    ``high`` holds bits 12 to 5 of the count, the top 5 bits of ``low`` the rest. ``multiplier``
    is 1, 2, 4 or 8 by the range bits of the fan's configuration.
    """
    count = high << 5 | low >> 3
    if high == _STALLED or count == 0:
        return 0.0
    return _MINUTE_IN_TACH_CLOCKS * multiplier / count


class Emc2302:
    """The EMC2302 on a bus; both fans get the same duty."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address

    async def initialise(self) -> None:
        """Select the tachometer range with multiplier 1 for both fans."""
        for fan in (0, _NEXT_FAN):
            config = await read_byte(self._bus, self._address, _FAN_CONFIG + fan)
            await write_byte(self._bus, self._address, _FAN_CONFIG + fan, config & ~_RANGE_BITS)

    async def set_fan(self, percent: float) -> None:
        """Set the duty of both fans, 0 to 100."""
        for fan in (0, _NEXT_FAN):
            await write_byte(self._bus, self._address, _DUTY + fan, duty_of(percent))

    async def fan_rpm(self, fan: Fan = 1) -> float:
        """Return a fan's speed, 0 when it stands still."""
        offset = _NEXT_FAN * (fan - 1)
        high = await read_byte(self._bus, self._address, _TACH_HIGH + offset)
        low = await read_byte(self._bus, self._address, _TACH_LOW + offset)
        return rpm_of(high, low)
