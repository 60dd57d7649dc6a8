"""A stand-in for an I2C bus that demands exact bytes in an exact order."""

from drivers.peripherals.errors import ControlRefusedError


class ScriptedBus:
    """Follows a script of lines: ``4c: 4a 23`` is a write, ``4c: fe -> 5d`` a write and read.

    ``-> nack`` refuses. Text behind ``#`` is ignored. Call `finished` at the end.
    """

    def __init__(self, script: str) -> None:
        lines = (line.partition("#")[0].strip() for line in script.splitlines())
        self._steps = [line for line in lines if line]

    def finished(self) -> bool:
        return not self._steps

    async def write(self, address: int, data: bytes) -> None:
        self._next(f"{address:02x}: {data.hex(' ')}")

    async def read(self, address: int, count: int) -> bytes:
        return self._next(f"{address:02x}:", count)

    async def write_read(self, address: int, data: bytes, count: int) -> bytes:
        return self._next(f"{address:02x}: {data.hex(' ')}", count)

    def _next(self, did: str, count: int = 0) -> bytes:
        assert self._steps, f"after the script's end: {did}"
        expected, _, reply = (part.strip() for part in self._steps.pop(0).partition("->"))
        assert did == expected
        if reply == "nack":
            raise ControlRefusedError("script", did, code=0xFF, text="I2C Write Error")
        data = bytes.fromhex(reply)
        assert len(data) == count
        return data
