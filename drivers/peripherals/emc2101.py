"""EMC2101: fan duty and speed, a remote diode (the ASIC's die) and its own temperature.

Source: bitaxeorg/ESP-Miner main/thermal/EMC2101.c; 256foundation/mujina peripheral/emc2101.rs.
"""

import asyncio

from drivers.peripherals.duty import duty_code
from drivers.peripherals.errors import PeripheralError
from drivers.peripherals.i2c import I2cBus, read_byte, write_byte

ADDRESS = 0x4C

_INTERNAL, _EXTERNAL_HIGH, _CONFIG, _EXTERNAL_LOW = 0x00, 0x01, 0x03, 0x10
_IDEALITY, _BETA = 0x17, 0x18
_TACH_LOW, _TACH_HIGH, _FAN_CONFIG, _DUTY = 0x46, 0x47, 0x4A, 0x4C
_PRODUCT, _MANUFACTURER = 0xFD, 0xFE

_SMSC = 0x5D
_PRODUCTS = (0x16, 0x28)  # EMC2101, EMC2101-R
_TACH_INPUT = 0x04
_MANUAL_DUTY = 0x23  # duty from register 4C, not from the look-up table

_DIODE_OPEN, _DIODE_SHORT = 0x3F8, 0x3FF
_STALLED = 0xFFFF
_MINUTE_IN_TACH_CLOCKS = 5_400_000

_TACH_SETTLE = 0.01
"""mujina waits this long after the pin became the tachometer's input."""


def duty_of(percent: float) -> int:
    """Return the 6-bit duty code of 0 to 100 percent, rounded down."""
    return duty_code(percent, 63)


def rpm_of(count: int) -> float:
    """Return the speed for a 16-bit tachometer count; 0 when the fan stands still."""
    return _MINUTE_IN_TACH_CLOCKS / count if 0 < count < _STALLED else 0.0


def external_temperature_of(high: int, low: int) -> float | None:
    """Return degrees Celsius in steps of 0.125, None when the diode is open or shorted.

    11 bits, two's complement: ``high`` and the top 3 bits of ``low``.
    """
    raw = high << 3 | low >> 5
    if raw in (_DIODE_OPEN, _DIODE_SHORT):
        return None
    return (raw - 0x800 if raw & 0x400 else raw) * 0.125


def internal_temperature_of(value: int) -> float:
    """Return degrees Celsius in steps of 1: 8 bits, two's complement."""
    return float(value - 0x100 if value & 0x80 else value)


class Emc2101:
    """The EMC2101 on a bus."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address

    async def initialise(self, *, ideality: int | None = None, beta: int | None = None) -> None:
        """Make sure of the part and take the fan over; PeripheralError if it is another part.

        ``ideality`` and ``beta`` are the diode's register codes (BM1370: 24 and 00, hexadecimal);
        without them the part's own values hold.
        """
        manufacturer = await read_byte(self._bus, self._address, _MANUFACTURER)
        product = await read_byte(self._bus, self._address, _PRODUCT)
        if manufacturer != _SMSC or product not in _PRODUCTS:
            problem = f"not an EMC2101: manufacturer {manufacturer:02x}, product {product:02x}"
            raise PeripheralError(f"I2C {self._address:02x}", problem)
        config = await read_byte(self._bus, self._address, _CONFIG)
        await self._set(_CONFIG, config | _TACH_INPUT)
        await asyncio.sleep(_TACH_SETTLE)
        await self._set(_FAN_CONFIG, _MANUAL_DUTY)
        if ideality is not None:
            await self._set(_IDEALITY, ideality)
        if beta is not None:
            await self._set(_BETA, beta)

    async def set_fan(self, percent: float) -> None:
        """Set the duty, 0 to 100."""
        await self._set(_DUTY, duty_of(percent))

    async def fan_rpm(self) -> float:
        """Return the fan's speed, 0 when it stands still."""
        low = await read_byte(self._bus, self._address, _TACH_LOW)  # first: it latches the other
        high = await read_byte(self._bus, self._address, _TACH_HIGH)
        return rpm_of(high << 8 | low)

    async def external_temperature(self) -> float | None:
        """Return the remote diode's degrees Celsius, None when it is open or shorted.

        Garbage while the ASIC is in reset and for 500 ms after.
        """
        high = await read_byte(self._bus, self._address, _EXTERNAL_HIGH)
        low = await read_byte(self._bus, self._address, _EXTERNAL_LOW)
        return external_temperature_of(high, low)

    async def internal_temperature(self) -> float:
        """Return the part's own degrees Celsius."""
        return internal_temperature_of(await read_byte(self._bus, self._address, _INTERNAL))

    async def _set(self, register: int, value: int) -> None:
        await write_byte(self._bus, self._address, register, value)
