"""The control port of an emulated QAxe, QAxe+ or Flex4Axe, sans-IO.

A request is one length byte and a small protobuf message: 1 id, 2 operation, 3 one length byte
and an inner message. A reply holds 1 id, 2 error, 3 the same kind of inner message; fields that
are 0 are left out, so that a plain success for request 0 is the single byte 00.

Source: shufps/piaxe-miner, piaxe/boards/qaxe.py and coms_pb2.py. What the firmware does with an
operation it does not know is assumed: error 1.
"""

from collections import deque
from collections.abc import Mapping
from enum import IntEnum

from drivers.peripherals.emulated_heat import BoardHeat

_UNKNOWN = 1
_CELSIUS_PER_STEP = 0.0625
_MILLIVOLTS_PER_STEP = 0.95
_MOST_PENDING = 512

_Fields = dict[int, int | bytes]


class _Operation(IntEnum):
    SET_CONTROL = 1
    GET_STATE = 2
    RESET = 3
    SHUTDOWN = 4
    POWER_ON = 5


class EmulatedQaxeControl:
    """The control port; ``powered`` is the domains' supply, ``resets`` counts resets asked for."""

    def __init__(
        self, heat: BoardHeat, *, volts: float, sensors: int = 2, domains: int = 4
    ) -> None:
        self.powered = False
        self.resets = 0
        self._heat = heat
        self._volts = volts
        self._sensors = sensors
        self._domains = domains
        self._buffer = b""
        self._waiting: deque[tuple[float, bytes]] = deque()
        heat.rail = self.output

    def output(self) -> float:
        """Return the supply of the domains in volts, which cannot be set, only switched."""
        on = self.powered and not self._heat.happened("rail_off_after")
        return self._volts * self._heat.spec.domains if on else 0.0

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Take bytes at the time ``now``; return the replies that are ready."""
        self._buffer = (self._buffer + data)[-_MOST_PENDING:]
        while self._buffer and len(self._buffer) > self._buffer[0]:
            size = self._buffer[0] + 1
            request, self._buffer = self._buffer[1:size], self._buffer[size:]
            if not self._heat.happened("dead_control_after"):
                self._waiting.append((now + self._heat.faults.slow_control, self._reply(request)))
        return self.due(now)

    def due(self, now: float) -> bytes:
        """Return the replies that a slow port has held back until ``now``."""
        ready = b""
        while self._waiting and self._waiting[0][0] <= now:
            ready += self._waiting.popleft()[1]
        return ready

    def _reply(self, request: bytes) -> bytes:
        fields = decoded(request)
        error, inner = self._operate(_number(fields, 2), _inner(fields))
        content: _Fields = {1: _number(fields, 1), 2: error}
        if inner:
            content[3] = bytes([len(inner)]) + inner
        message = encoded(content)
        return bytes([len(message)]) + message

    def _operate(self, operation: int, inner: bytes) -> tuple[int, bytes]:
        match operation:
            case _Operation.SET_CONTROL:
                control = decoded(inner)
                self.powered = bool(_number(control, 1))
                self._heat.duty = max(min(_number(control, pwm), 100) for pwm in range(2, 6)) / 100
            case _Operation.GET_STATE:
                return 0, encoded(self._state())
            case _Operation.RESET:
                self.resets += 1
            case _Operation.SHUTDOWN:
                self.powered = False
            case _Operation.POWER_ON:
                self.powered = True
            case _:
                return _UNKNOWN, b""
        return 0, b""

    def _state(self) -> _Fields:
        heat = self._heat
        near = heat.ambient + 0.85 * (heat.die - heat.ambient)
        steps = [near - number for number in range(self._sensors)]
        steps[0] = heat.sensed(near, diode=False)
        if heat.happened("vanish_sensor_after"):
            steps[0] = 0.0
        on = bool(self.output())
        state: _Fields = {1: int(on), 10: int(self.powered)}
        for place, celsius in enumerate(steps):
            state[2 + place] = max(0, round(celsius / _CELSIUS_PER_STEP))
        for place in range(self._domains):
            state[6 + place] = round(heat.core_volts * 1000 / _MILLIVOLTS_PER_STEP)
        return dict(sorted(state.items()))


def decoded(message: bytes) -> _Fields:
    """Return the fields of a protobuf message; what cannot be read ends it."""
    fields: _Fields = {}
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, at = _varint(message, at)
        if key & 7 == 2:
            fields[key >> 3] = message[at : at + value]
            at += value
        elif key & 7 == 0:
            fields[key >> 3] = value
        else:
            break
    return fields


def encoded(fields: Mapping[int, int | bytes]) -> bytes:
    """Return the protobuf message of ``fields``, those that are 0 or empty left out."""
    message = b""
    for number, value in fields.items():
        if isinstance(value, bytes) and value:
            message += _as_varint(number << 3 | 2) + _as_varint(len(value)) + value
        elif value and isinstance(value, int):
            message += _as_varint(number << 3) + _as_varint(value)
    return message


def _number(fields: _Fields, name: int) -> int:
    value = fields.get(name, 0)
    return value if isinstance(value, int) else 0


def _inner(fields: _Fields) -> bytes:
    value = fields.get(3, b"")
    return value[1 : 1 + value[0]] if isinstance(value, bytes) and value else b""


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            break
    return value, at


def _as_varint(value: int) -> bytes:
    content = bytearray()
    while value >= 0x80:
        content.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*content, value])
