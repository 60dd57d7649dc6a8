"""Takes a coinbase transaction apart, for tests; knows nothing of how the pool makes it.

Source: Bitcoin's transaction serialisation, without witness.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """The parts; ``outputs`` are value and script."""

    outpoint: bytes
    script: bytes
    outputs: list[tuple[int, bytes]]
    locktime: int


class _Bytes:
    def __init__(self, data: bytes) -> None:
        self.data = data

    def take(self, count: int) -> bytes:
        assert len(self.data) >= count, "the transaction ends too early"
        taken, self.data = self.data[:count], self.data[count:]
        return taken

    def number(self, count: int) -> int:
        return int.from_bytes(self.take(count), "little")

    def length(self) -> int:
        first = self.number(1)
        return self.number({0xFD: 2, 0xFE: 4, 0xFF: 8}[first]) if first >= 0xFD else first


def parse(transaction: bytes) -> Parsed:
    """Return the parts; raises AssertionError when anything is wrong or left over."""
    data = _Bytes(transaction)
    assert data.number(4) in (1, 2)
    assert data.length() == 1, "a coinbase has one input"
    outpoint = data.take(36)
    script = data.take(data.length())
    data.take(4)
    outputs = [(data.number(8), data.take(data.length())) for _ in range(data.length())]
    locktime = data.number(4)
    assert not data.data, "bytes are left over"
    return Parsed(outpoint=outpoint, script=script, outputs=outputs, locktime=locktime)


def height_of(script: bytes) -> int:
    """Return the height at the start of an input script (BIP 34)."""
    size = script[0]
    assert 1 <= size <= 8
    number = int.from_bytes(script[1 : 1 + size], "little", signed=True)
    assert number > 0
    return number
