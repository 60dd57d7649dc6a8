"""The coinbase transaction of a job, parsed to see whether mining on it makes sense.

The transaction is serialised without witness. Source: Bitcoin's transaction format; BIP 34.
"""

from dataclasses import dataclass

MAX_MONEY = 21_000_000 * 100_000_000
"""All bitcoins there will ever be, in satoshi."""

_NULL_OUTPOINT = bytes(32) + b"\xff" * 4


class CoinbaseError(ValueError):
    """The bytes are no coinbase transaction that a node would accept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output; ``value`` in satoshi."""

    value: int
    script: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Coinbase:
    """What a coinbase says; ``height`` is None in blocks from before BIP 34."""

    height: int | None
    script: bytes
    outputs: tuple[Output, ...]
    extranonces_in_script: bool

    @property
    def value(self) -> int:
        """Return the sum of all outputs, in satoshi."""
        return sum(output.value for output in self.outputs)


def parse_coinbase(raw: bytes, extranonces: range) -> Coinbase:
    """Return what ``raw`` says; ``extranonces`` are the positions of both extranonces in it.

    Raises CoinbaseError when it is no valid coinbase, or when the extranonces lie neither in the
    input script nor in an OP_RETURN output.
    """
    reader = _Reader(raw)
    reader.take(4, "version")
    if reader.count("inputs") != 1:
        raise CoinbaseError("a coinbase has exactly one input and no witness marker")
    if reader.take(36, "outpoint") != _NULL_OUTPOINT:
        raise CoinbaseError("the input spends something: not a coinbase")
    script_size = reader.count("input script size")
    if not 2 <= script_size <= 100:
        raise CoinbaseError(f"the input script has {script_size} bytes, allowed are 2 to 100")
    script_at = reader.position
    script = reader.take(script_size, "input script")
    reader.take(4, "sequence")
    in_script = script_at <= extranonces.start and extranonces.stop <= script_at + script_size
    outputs, in_return = [], False
    for _ in range(reader.count("outputs")):
        value = int.from_bytes(reader.take(8, "output value"), "little")
        size = reader.count("output script size")
        output_at = reader.position
        outputs.append(Output(value=value, script=reader.take(size, "output script")))
        inside = output_at <= extranonces.start and extranonces.stop <= output_at + size
        in_return |= inside and outputs[-1].script[:1] == b"\x6a"
    reader.take(4, "locktime")
    reader.expect_end()
    coinbase = Coinbase(
        height=_height(script),
        script=script,
        outputs=tuple(outputs),
        extranonces_in_script=in_script,
    )
    if not (in_script or in_return):
        raise CoinbaseError("the extranonces lie outside the input script")
    if coinbase.value > MAX_MONEY:
        raise CoinbaseError("the outputs are worth more than 21 million coins")
    return coinbase


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.position = 0

    def take(self, size: int, what: str) -> bytes:
        end = self.position + size
        if end > len(self._raw):
            raise CoinbaseError(f"it ends inside the {what}")
        taken, self.position = self._raw[self.position : end], end
        return taken

    def count(self, what: str) -> int:
        """Return the variable-length integer at the current position."""
        first = self.take(1, what)[0]
        if first < 0xFD:
            return first
        return int.from_bytes(self.take(1 << first - 0xFC, what), "little")

    def expect_end(self) -> None:
        if self.position != len(self._raw):
            raise CoinbaseError(f"{len(self._raw) - self.position} bytes follow the locktime")


def _height(script: bytes) -> int | None:
    """Return the block height that BIP 34 puts in front, or None."""
    size = script[0]
    if 0x51 <= size <= 0x60:
        return size - 0x50
    if 1 <= size <= 5 and len(script) > size:
        return int.from_bytes(script[1 : 1 + size], "little")
    return None
