"""DS4432U: a current source that pulls the core regulator of older boards up or down.

It cannot switch the rail off. Seven bits of current reach from 0.989 V to 1.928 V; a code beyond
them would run into the sign bit and turn a request for less voltage into far more, so it is
refused. The direction turns at 1.451 V, though the resistors' middle is 1.458 V: between the two
the result is up to 13 mV too high.

Source: bitaxeorg/ESP-Miner main/power/DS4432U.c (resistors 4750 and 3320 ohms, feedback 0.6 V,
full scale 98.921 uA, 1.451 V at code 0).
"""

from math import ceil

from drivers.peripherals.i2c import I2cBus, read_byte, write_byte

ADDRESS = 0x48

_OUTPUT_0 = 0xF8
_FEEDBACK = 0.6
_UPPER_OHMS = 4750.0
_LOWER_OHMS = 3320.0
_FULL_SCALE = 98.921e-6
_STEPS = 127
_NOMINAL = 1.451
_DOWN = 0x80


def code_of(volts: float) -> int:
    """Return the register value for a core voltage, rounded away from 1.451 V.

    Raises ValueError for a voltage that seven bits cannot reach.
    """
    current = abs(_FEEDBACK / _LOWER_OHMS - (volts - _FEEDBACK) / _UPPER_OHMS)
    steps = ceil(current / _FULL_SCALE * _STEPS)
    if steps > _STEPS:
        raise ValueError(f"{volts} V is out of reach: it takes {steps} steps of {_STEPS}")
    return steps | (_DOWN if volts < _NOMINAL else 0)


def voltage_of(code: int) -> float:
    """Return the core voltage that a register value asks for."""
    current = (code & ~_DOWN) * _FULL_SCALE / _STEPS
    signed = -current if code & _DOWN else current
    return _FEEDBACK + _UPPER_OHMS * (_FEEDBACK / _LOWER_OHMS + signed)


class Ds4432u:
    """The DS4432U on a bus."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address

    async def set_voltage(self, volts: float) -> None:
        """Set the core voltage; ValueError if it is out of reach."""
        await write_byte(self._bus, self._address, _OUTPUT_0, code_of(volts))

    async def voltage(self) -> float:
        """Return the core voltage that the part is told to make; nothing measures it here."""
        return voltage_of(await read_byte(self._bus, self._address, _OUTPUT_0))
