"""The I2C bus as the parts on a board see it, and what can be found on it."""

from collections.abc import Iterable
from typing import Protocol

from drivers.peripherals.errors import ControlRefusedError


class I2cBus(Protocol):
    """A bus of 7-bit addresses; every call raises DriverError when it fails.

    A part that does not acknowledge is a ControlRefusedError.
    """

    async def write(self, address: int, data: bytes) -> None:
        """Write ``data`` to the part at ``address``."""

    async def read(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from the part at ``address``."""
        ...

    async def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write ``data``, then read ``count`` bytes without releasing the bus between."""
        ...


async def read_byte(bus: I2cBus, address: int, register: int) -> int:
    """Return the 8-bit ``register`` of the part at ``address``."""
    return (await bus.write_read(address, bytes([register]), 1))[0]


async def read_word(bus: I2cBus, address: int, register: int) -> int:
    """Return the 16-bit ``register`` of the part at ``address``, high byte first."""
    return int.from_bytes(await bus.write_read(address, bytes([register]), 2), "big")


async def write_byte(bus: I2cBus, address: int, register: int, value: int) -> None:
    """Set the 8-bit ``register`` of the part at ``address``."""
    await bus.write(address, bytes([register, value]))


async def present(bus: I2cBus, addresses: Iterable[int]) -> tuple[int, ...]:
    """Return those of ``addresses`` where a part acknowledges a read of register 0."""
    found = []
    for address in addresses:
        try:
            await read_byte(bus, address, 0)
        except ControlRefusedError:
            continue
        found.append(address)
    return tuple(found)
