"""TMP1075: a temperature sensor on the board (Hex, SupraHex, emberOne).

Its temperature register is the LM75's, with more bits: a PiAxe's LM75 at 48 reads the same way.

Source: 256foundation/mujina peripheral/tmp1075.rs; bitaxeorg/ESP-Miner main/thermal/TMP1075.c.
"""

from drivers.peripherals.errors import PeripheralError
from drivers.peripherals.i2c import I2cBus, read_word

_TEMPERATURE, _DIE_ID = 0x00, 0x0F
_TMP1075 = 0x7500


def temperature_of(word: int) -> float:
    """Return degrees Celsius in steps of 0.0625: the top 12 bits, two's complement."""
    return ((word - 0x10000 if word & 0x8000 else word) >> 4) * 0.0625


class Tmp1075:
    """One TMP1075 (or LM75) on a bus."""

    def __init__(self, bus: I2cBus, address: int) -> None:
        self._bus = bus
        self._address = address

    async def identify(self) -> None:
        """Raise PeripheralError if the die id is not a TMP1075's; the TMP1075N has none."""
        die = await read_word(self._bus, self._address, _DIE_ID)
        if die != _TMP1075:
            raise PeripheralError(f"I2C {self._address:02x}", f"not a TMP1075: die id {die:04x}")

    async def temperature(self) -> float:
        """Return the board's degrees Celsius at this sensor."""
        return temperature_of(await read_word(self._bus, self._address, _TEMPERATURE))
