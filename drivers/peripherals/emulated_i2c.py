"""An emulated I2C bus and the two shapes of register parts on it, sans-IO."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from random import Random

    from drivers.peripherals.emulated_heat import BoardHeat


class Part(Protocol):
    """A part on the bus."""

    def write(self, data: bytes) -> bool:
        """Take ``data``; False if the part does not acknowledge."""
        ...

    def read(self, count: int) -> bytes | None:
        """Return ``count`` bytes from where the last write pointed, None if not acknowledged."""
        ...


class Registers(Protocol):
    """What a part keeps or measures, by register number; unknown registers read 0."""

    def value(self, register: int) -> int:
        """Return a register."""
        ...

    def store(self, register: int, value: int) -> None:
        """Set a register; one that is read only stays as it is."""
        ...


class RegisterPart:
    """A part of registers ``width`` bytes wide behind a pointer, which counts on by itself."""

    def __init__(self, registers: Registers, *, width: int = 1) -> None:
        self._registers = registers
        self._width = width
        self._pointer = 0

    def write(self, data: bytes) -> bool:
        """Point at the register named by the first byte and store what follows."""
        if data:
            self._pointer, width = data[0], self._width
            for at in range(1, len(data) - width + 1, width):
                self._registers.store(self._next(), int.from_bytes(data[at : at + width], "big"))
            self._pointer = data[0]
        return True

    def read(self, count: int) -> bytes | None:
        """Return registers from the pointer on, the pointer unchanged after it."""
        first, content = self._pointer, bytearray()
        while len(content) < count:
            content += self._registers.value(self._next()).to_bytes(self._width, "big")
        self._pointer = first
        return bytes(content[:count])

    def _next(self) -> int:
        register, self._pointer = self._pointer, (self._pointer + 1) & 0xFF
        return register


class EmulatedI2c:
    """A bus of ``parts`` by 7-bit address; ``sensor`` is the one that faults of a sensor hit."""

    def __init__(
        self,
        parts: Mapping[int, Part],
        heat: "BoardHeat",
        *,
        random: "Random",
        sensor: int | None = None,
    ) -> None:
        self._parts = parts
        self._heat = heat
        self._random = random
        self._sensor = sensor

    def write(self, address: int, data: bytes) -> bool:
        """Write to the part at ``address``; False if nothing acknowledges."""
        part = self._answering(address)
        return part is not None and part.write(data)

    def read(self, address: int, count: int) -> bytes | None:
        """Read from the part at ``address``; None if nothing acknowledges."""
        part = self._answering(address)
        return part.read(count) if part else None

    def _answering(self, address: int) -> Part | None:
        if address == self._sensor and self._heat.happened("vanish_sensor_after"):
            return None
        if self._random.random() < self._heat.faults.nack:
            return None
        return self._parts.get(address)
