"""The control port of an emulated board with the bitaxe-raw firmware, sans-IO.

Three firmware families frame their replies in three ways; `ResponseFormat` names them. The port
takes one request per packet and drops a request that is not finished within 4 ms. A strict one
hangs for good where the real firmware does, at a length below 5; a lenient one refuses that.

Source: korbin/bitaxe-raw (src/control), 256foundation/emberone-usbserial-fw, bitaxeorg/bitaxe-raw
and 256foundation/mujina, mgmt_protocol/bitaxe_raw. The scale of the ADC is assumed: 12 bits of
3.3 V, the input divided by 11.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from drivers.peripherals.emulated_heat import BoardHeat
from drivers.peripherals.emulated_i2c import EmulatedI2c

FRAME_PAUSE = 0.004
"""Seconds after which the firmware forgets a request begun."""

_PACKET = 64
_LONGEST_WRITE = 256
_UNPARSED_ID = 0xFF
_INVALID, _OVERFLOW, _CUSTOM = 0x11, 0x12, 0xFF


class ResponseFormat(Enum):
    """How replies are framed: what the length counts, and whether a status byte follows the id."""

    A = "length of the payload, of the whole frame in an error"
    B = "length of the whole frame"
    C = "length of the whole frame, a status byte before the payload"


class FanPage(Enum):
    """What page 09 means to the firmware, if anything."""

    NONE = "unknown"
    FAN = "percent and tachometer"
    SYSTEM = "reboot"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSpec:
    """What a firmware offers; ``pins`` are the levels at power-on by number, 0 the reset line."""

    response_format: ResponseFormat = ResponseFormat.A
    pins: Mapping[int, int] = field(default_factory=lambda: {0: 0})
    has_led: bool = False
    measures_input: bool = False
    page_9: FanPage = FanPage.NONE


class _RefusedError(Exception):
    """A request that earns an error reply; ``parsed`` ones get their own id back."""

    def __init__(self, code: int, text: str = "", *, parsed: bool = True) -> None:
        super().__init__(text)
        self.code = code
        self.text = text
        self.parsed = parsed


class EmulatedBitaxeRaw:
    """The control port; ``levels`` are those of its pins, ``color`` is the LED's."""

    def __init__(
        self, spec: ControlSpec, i2c: EmulatedI2c, heat: BoardHeat, *, strict: bool = True
    ) -> None:
        self.spec = spec
        self.levels = dict(spec.pins)
        self.color = b"\0\0\0"
        self.hung = False
        self._i2c = i2c
        self._heat = heat
        self._strict = strict
        self._buffer = b""
        self._heard_at = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Take one packet at the time ``now``; return the replies that are ready."""
        if now - self._heard_at > FRAME_PAUSE:
            self._buffer = b""
        self._heard_at = now
        self._buffer += data
        if len(self._buffer) >= 5 and not (self.hung or self._heat.happened("dead_control_after")):
            self._waiting.append((now + self._heat.faults.slow_control, self._take_frame()))
        return self.due(now)

    def due(self, now: float) -> bytes:
        """Return the replies that a slow port has held back until ``now``."""
        ready = b""
        while self._waiting and self._waiting[0][0] <= now:
            ready += self._waiting.popleft()[1]
        return ready

    def _take_frame(self) -> bytes:
        length = int.from_bytes(self._buffer[:2], "little")
        if length < 5:
            self._buffer, self.hung = b"", self._strict
            return b"" if self.hung else self._refused(_UNPARSED_ID, _RefusedError(_INVALID))
        if length > len(self._buffer):
            return b""
        frame, self._buffer = self._buffer[:length], self._buffer[length:]
        try:
            payload = self._done(frame)
        except _RefusedError as refusal:
            return self._refused(frame[2] if refusal.parsed else _UNPARSED_ID, refusal)
        return b"" if payload is None else self._replied(frame[2], payload)

    def _replied(self, request: int, payload: bytes) -> bytes:
        match self.spec.response_format:
            case ResponseFormat.A:
                length, status = len(payload), b""
            case ResponseFormat.B:
                length, status = len(payload) + 3, b""
            case ResponseFormat.C:
                length, status = len(payload) + 4, b"\0"
        frame = length.to_bytes(2, "little") + bytes([request]) + status + payload
        return frame if len(frame) <= _PACKET else b""  # the firmware ignores that it cannot send

    def _refused(self, request: int, refusal: _RefusedError) -> bytes:
        content = bytes([request, refusal.code]) + refusal.text.encode()
        return (len(content) + 2).to_bytes(2, "little") + content

    def _done(self, frame: bytes) -> bytes | None:
        """Return the payload a request earns; None where no reply is sent."""
        if len(frame) < 6:
            raise _RefusedError(_INVALID, parsed=False)
        page, command, data = frame[4], frame[5], frame[6:]
        match page:
            case 0x05:
                return self._i2c_request(command, data)
            case 0x06 if command in self.levels and len(data) <= 1:
                return self._pin(command, data)
            case 0x07 if not data:
                return self._converted(command)
            case 0x08 if self.spec.has_led and command == 0x10 and len(data) == 3:
                self.color = data
                return data
            case 0x09:
                return self._page_9(command, data)
        raise _RefusedError(_INVALID, parsed=False)

    def _i2c_request(self, command: int, data: bytes) -> bytes:
        if len(data) > 1 + _LONGEST_WRITE:
            raise _RefusedError(_OVERFLOW)
        match command:
            case 0x10 if len(data) == 4:
                if not int.from_bytes(data, "little"):
                    raise _RefusedError(_CUSTOM, "I2C Set Frequency Error")
                return data
            case 0x20 if data:
                if not self._i2c.write(data[0], data[1:]):
                    raise _RefusedError(_CUSTOM, "I2C Write Error")
                return bytes([(len(data) - 1) & 0xFF])
            case 0x30 if len(data) == 2:
                return self._read(data[0], data[1], "I2C Read Error")
            case 0x40 if len(data) >= 2:
                if not self._i2c.write(data[0], data[1:-1]):
                    raise _RefusedError(_CUSTOM, "I2C WriteRead Error")
                return self._read(data[0], data[-1], "I2C WriteRead Error")
        raise _RefusedError(_INVALID, parsed=False)

    def _read(self, address: int, count: int, problem: str) -> bytes:
        content = self._i2c.read(address, count)
        if content is None:
            raise _RefusedError(_CUSTOM, problem)
        return content

    def _pin(self, number: int, data: bytes) -> bytes:
        if data:
            self.levels[number] = min(data[0], 1)
        return bytes([self.levels[number]])

    def _converted(self, command: int) -> bytes:
        volts = {0x50: self._heat.core_volts}
        if self.spec.measures_input:
            volts[0x51] = self._heat.spec.input_volts / 11
        if command not in volts:
            raise _RefusedError(_INVALID, parsed=False)
        return min(round(volts[command] / 3.3 * 4095), 4095).to_bytes(2, "little")

    def _page_9(self, command: int, data: bytes) -> bytes | None:
        match self.spec.page_9, command:
            case FanPage.FAN, 0x10 if len(data) == 1:
                self._heat.duty = min(data[0], 100) / 100
                return b""
            case FanPage.FAN, 0x20 if not data:
                return round(self._heat.rpm).to_bytes(2, "little")
            case FanPage.SYSTEM, 0x01 if data == b"\xde\xad\xbe\xef":
                self.levels = dict(self.spec.pins)
                return None
            case FanPage.SYSTEM, 0x02 if data == b"\xb0\x07\x10\xad":
                self.hung = True  # it is another device now
                return None
        raise _RefusedError(_INVALID, parsed=False)
