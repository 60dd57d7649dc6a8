"""What a host asks of the controller of a QAxe, QAxe+ or Flex4Axe, and what it answers. Sans-IO.

A message is one length byte and that many bytes of protobuf, fields of value 0 left out: a request
has 1 id, 2 operation, 3 parameters; a reply 1 id, 2 error, 3 results. Parameters and results are
one length byte and a message of their own. A reply of length 0 is a success for id 0.

Source: shufps/piaxe-miner piaxe/boards/qaxe.py and coms_pb2.py; requests without parameters carry
the four characters ``0x00`` there, and do so here: the firmware is known to take that.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

_NO_PARAMETERS = b"0x00"
_VARINT, _BYTES = 0, 2
_CELSIUS_PER_STEP = 0.0625
_FANS = range(2, 6)
_TEMPERATURES = range(2, 6)


class Operation(IntEnum):
    """What can be asked."""

    SET_CONTROL = 1
    GET_STATE = 2
    RESET = 3
    SHUTDOWN = 4
    POWER_ON = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer; ``error`` is 0 for success."""

    request_id: int
    error: int
    results: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """The board: ``temperatures`` in degrees Celsius, None where no sensor answers."""

    power_good: bool
    temperatures: tuple[float | None, ...]


def request(operation: Operation, request_id: int, parameters: bytes = _NO_PARAMETERS) -> bytes:
    """Return a request; ``request_id`` is 0 to 127."""
    inner = bytes([len(parameters)]) + parameters
    numbers = _number(1, request_id) + _number(2, operation)
    return _counted(numbers + _key(3, _BYTES) + _counted(inner))


def control_parameters(*, supply: bool, fan: float) -> bytes:
    """Return the parameters that switch the chips' supply and set all fans, in percent."""
    percent = round(fan)
    return _number(1, int(supply)) + b"".join(_number(field, percent) for field in _FANS[:2])


def state_of(results: bytes, sensors: int) -> State:
    """Return what the results of a state request say of a board with so many ``sensors``.

    A sensor that reads exactly 0 gave no answer.
    """
    fields = _fields(results)
    raw = [fields.get(number, 0) for number in _TEMPERATURES[:sensors]]
    return State(
        power_good=bool(fields.get(1, 0)),
        temperatures=tuple(
            value * _CELSIUS_PER_STEP if isinstance(value, int) and value else None for value in raw
        ),
    )


class ReplyReader:
    """Finds replies in a stream, however it is cut."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Reply]:
        """Return the replies completed by ``data``; what makes no sense is skipped."""
        self._buffer += data
        found = []
        while self._buffer and len(self._buffer) > self._buffer[0]:
            size = self._buffer[0] + 1
            message, self._buffer = self._buffer[1:size], self._buffer[size:]
            fields = _fields(message)
            request_id, error, results = fields.get(1, 0), fields.get(2, 0), fields.get(3, b"")
            if isinstance(request_id, int) and isinstance(error, int):
                inner = (
                    results[1 : 1 + results[0]] if isinstance(results, bytes) and results else b""
                )
                found.append(Reply(request_id=request_id, error=error, results=inner))
        return found

    def reset(self) -> None:
        """Forget what has begun."""
        self._buffer = b""


def _fields(message: bytes) -> Mapping[int, int | bytes]:
    """Return the fields of a message by number; one that is cut short ends it."""
    fields: dict[int, int | bytes] = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        match key & 7:
            case 0:
                fields[key >> 3] = value
            case 2:
                fields[key >> 3] = message[at : at + value]
                at += value
            case _:
                break
    return fields


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for place in range(at, len(message)):
        value |= (message[place] & 0x7F) << shift
        if message[place] < 0x80:
            return value, place + 1
        shift += 7
    return value, len(message)


def _number(field: int, value: int) -> bytes:
    return _key(field, _VARINT) + _encoded(value) if value else b""


def _key(field: int, kind: int) -> bytes:
    return bytes([field << 3 | kind])


def _encoded(value: int) -> bytes:
    content = b""
    while value >= 0x80:
        content += bytes([value & 0x7F | 0x80])
        value >>= 7
    return content + bytes([value])


def _counted(content: bytes) -> bytes:
    return bytes([len(content)]) + content
