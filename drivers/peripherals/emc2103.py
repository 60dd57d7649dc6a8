"""EMC2103: fan duty and speed, two remote diodes (both ASICs' dies on a Gamma Turbo).

Source: bitaxeorg/ESP-Miner main/thermal/EMC2103.c and .h; the 11-bit temperature format and the
tachometer's clock are those of the EMC2101 and EMC2302 families.
"""

from typing import Literal

from drivers.peripherals.duty import duty_code
from drivers.peripherals.i2c import I2cBus, read_byte, write_byte

ADDRESS = 0x2E

_TEMPERATURE_HIGH = {1: 0x02, 2: 0x04}  # the low byte is the next register
_IDEALITY, _BETA = (0x11, 0x12), (0x14, 0x15)
_CONFIG, _PWM_CONFIG, _PWM_BASE, _DUTY, _TACH_HIGH, _TACH_LOW = 0x20, 0x2A, 0x2B, 0x40, 0x4E, 0x4F

_DIODE_FAULT = 0x8000
_MINUTE_IN_TACH_CLOCKS = 3_932_160
_MULTIPLIER = 2  # the part's default range
_STALLED = 0x1FE0  # high byte ff


def duty_of(percent: float) -> int:
    """Return the 8-bit duty code of 0 to 100 percent, rounded down."""
    return duty_code(percent, 255)


def rpm_of(high: int, low: int) -> float:
    """Return the speed for a 13-bit tachometer count; 0 when the fan stands still."""
    count = high << 5 | low >> 3
    return _MINUTE_IN_TACH_CLOCKS * _MULTIPLIER / count if 0 < count < _STALLED else 0.0


def temperature_of(high: int, low: int) -> float | None:
    """Return degrees Celsius in steps of 0.125, None for the diode fault code 8000."""
    raw = high << 8 | low
    if raw == _DIODE_FAULT:
        return None
    return ((raw - 0x10000 if raw & 0x8000 else raw) >> 5) * 0.125


class Emc2103:
    """The EMC2103 on a bus."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address

    async def initialise(self, *, ideality: int | None = None, beta: int | None = None) -> None:
        """Take the fan over; ``ideality`` and ``beta`` are codes for both diodes."""
        for register in (_CONFIG, _PWM_CONFIG, _PWM_BASE):
            await self._set(register, 0)
        for registers, code in ((_IDEALITY, ideality), (_BETA, beta)):
            if code is not None:
                for register in registers:
                    await self._set(register, code)

    async def set_fan(self, percent: float) -> None:
        """Set the duty, 0 to 100."""
        await self._set(_DUTY, duty_of(percent))

    async def fan_rpm(self) -> float:
        """Return the fan's speed, 0 when it stands still."""
        high = await read_byte(self._bus, self._address, _TACH_HIGH)
        low = await read_byte(self._bus, self._address, _TACH_LOW)
        return rpm_of(high, low)

    async def temperature(self, diode: Literal[1, 2]) -> float | None:
        """Return a remote diode's degrees Celsius, None when it is faulty."""
        register = _TEMPERATURE_HIGH[diode]
        high = await read_byte(self._bus, self._address, register)
        low = await read_byte(self._bus, self._address, register + 1)
        return temperature_of(high, low)

    async def _set(self, register: int, value: int) -> None:
        await write_byte(self._bus, self._address, register, value)
