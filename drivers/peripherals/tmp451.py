"""TMP451: its own temperature and a remote diode (emberOne).

Source: TI SBOS686A (register map, table 1, sections 7.3.5 and 7.6.1.8); 256foundation/mujina
board/emberone00.rs (address 49, remote offset -7).
"""

from drivers.peripherals.i2c import I2cBus, read_byte, write_byte

ADDRESS = 0x49

_LOCAL_HIGH, _REMOTE_HIGH, _STATUS, _CONFIG = 0x00, 0x01, 0x02, 0x03
_REMOTE_LOW, _OFFSET_HIGH, _OFFSET_LOW, _LOCAL_LOW = 0x10, 0x11, 0x12, 0x15

_OPEN = 0x04  # of the status: the remote diode is open or not fitted
_EXTENDED = 0x04  # of the configuration: readings are 64 degrees too high, and reach below 0
_EXTENDED_BY = 64.0


def temperature_of(high: int, low: int, *, extended: bool = False) -> float:
    """Return degrees Celsius in steps of 0.0625: ``high`` and the top 4 bits of ``low``.

    The standard range shows everything below 0 as 0 and above 127 as 127; the ``extended`` one
    reaches from -64 to 191.
    """
    return (high << 4 | low >> 4) * 0.0625 - (_EXTENDED_BY if extended else 0.0)


def offset_bytes(degrees: float) -> bytes:
    """Return the remote offset, -128 to 127.9375 in steps of 0.0625: high byte, low byte."""
    if not -128 <= degrees < 128:
        raise ValueError(f"an offset is -128 to 128 degrees, not {degrees}")
    return (round(degrees * 16) << 4 & 0xFFFF).to_bytes(2, "big")


class Tmp451:
    """The TMP451 on a bus."""

    def __init__(self, bus: I2cBus, address: int = ADDRESS) -> None:
        self._bus = bus
        self._address = address
        self._extended = False

    async def initialise(self, *, remote_offset: float = 0.0) -> None:
        """Set the correction of the remote diode and learn which range is in force."""
        high, low = offset_bytes(remote_offset)
        await write_byte(self._bus, self._address, _OFFSET_HIGH, high)
        await write_byte(self._bus, self._address, _OFFSET_LOW, low)
        self._extended = bool(await read_byte(self._bus, self._address, _CONFIG) & _EXTENDED)

    async def local_temperature(self) -> float:
        """Return the part's own degrees Celsius."""
        return await self._temperature(_LOCAL_HIGH, _LOCAL_LOW)

    async def remote_temperature(self) -> float | None:
        """Return the remote diode's degrees Celsius, None when it is open."""
        if await read_byte(self._bus, self._address, _STATUS) & _OPEN:
            return None
        return await self._temperature(_REMOTE_HIGH, _REMOTE_LOW)

    async def _temperature(self, high_register: int, low_register: int) -> float:
        high = await read_byte(self._bus, self._address, high_register)
        low = await read_byte(self._bus, self._address, low_register)
        return temperature_of(high, low, extended=self._extended)
