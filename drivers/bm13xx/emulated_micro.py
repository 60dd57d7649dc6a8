"""The telemetry micro of an emulated Compac or Terminus, A1 or A2, sans-IO.

It answers two-byte requests, ``?v``, ``M.`` and ``G.`` with raw bytes, the others with one. What
nobody has written down is assumed: that the byte after a request which sets something is its first
letter, that an unknown request is met with silence, and that the micro sleeps while its lines are
high, or with ``sleeps`` False that it goes on. High lines switch the regulator off in either case.

Source: kanoi/cgminer, driver-gekko.c and driver-gekko.h (requests, order, scale of the readings).
"""

from collections import deque

from drivers.peripherals.emulated_heat import BoardHeat

_REQUEST = 2
_READINGS = 7
_FORGET = 0.5  # s; half a request is not waited for longer
_SECOND_TEMPERATURE = 5


class EmulatedMicro:
    """The micro's UART. ``enabled`` is whether the enable lines are low, as the bridge drives them.

    ``version`` is what it answers to ``?v``, ``mask`` to ``M.``, which only version 3 knows. A
    stick without a fan reads a tachometer of 0.
    """

    def __init__(
        self,
        heat: BoardHeat,
        *,
        version: int,
        mask: int = 0,
        has_fan: bool = False,
        sleeps: bool = True,
    ) -> None:
        self.enabled = False
        self.regulator = False
        self.volts = 0.0
        self.led = "-"
        self._heat = heat
        self._version = version
        self._mask = mask
        self._has_fan = has_fan
        self._sleeps = sleeps
        self._half = b""
        self._heard_at = 0.0
        self._waiting: deque[tuple[float, bytes]] = deque()
        heat.rail = self.output
        heat.duty = 0.0 if has_fan else 1.0

    def output(self) -> float:
        """Return the core voltage of a chip."""
        on = self.enabled and self.regulator and not self._heat.happened("rail_off_after")
        return self.volts if on else 0.0

    def drive_lines(self, *, low: bool) -> None:
        """Take the level of the enable lines; low is on."""
        self.enabled = low
        if not low:
            self.regulator = False
            self._half = b""

    def lose_power(self) -> None:
        """Forget everything."""
        self.drive_lines(low=False)
        self.volts, self.led = 0.0, "-"
        self._heat.duty = 0.0 if self._has_fan else 1.0
        self._waiting.clear()

    def receive_data(self, data: bytes, now: float) -> bytes:
        """Take bytes at the time ``now``; return the replies that are ready."""
        if (self._sleeps and not self.enabled) or self._heat.happened("dead_control_after"):
            return b""
        if now - self._heard_at > _FORGET:
            self._half = b""
        self._heard_at = now
        self._half += data
        while len(self._half) >= _REQUEST:
            request, self._half = self._half[:_REQUEST], self._half[_REQUEST:]
            if reply := self._reply(request):
                self._waiting.append((now + self._heat.faults.slow_control, reply))
        return self.due(now)

    def due(self, now: float) -> bytes:
        """Return the replies that a slow micro has held back until ``now``."""
        ready = b""
        while self._waiting and self._waiting[0][0] <= now:
            ready += self._waiting.popleft()[1]
        return ready

    def _reply(self, request: bytes) -> bytes:
        letter, value = chr(request[0]), request[1]
        match letter, chr(value):
            case "?", "v":
                return bytes([self._version])
            case "M", "." if self._version >> 4 == 3:
                return bytes([self._mask])
            case "G", ".":
                return bytes(self._readings())
            case "V", _:
                self.volts = min(value, 100) * 5 / 1000
            case "B", "O" | "-":
                self.regulator = chr(value) == "O" and self.enabled
            case "F", _:
                self._heat.duty = min(value, 100) / 100 if self._has_fan else self._heat.duty
            case "L", "-" | "H" | "N" | "O":
                self.led = chr(value)
            case _:
                return b""
        return request[:1]

    def _readings(self) -> list[int]:
        heat = self._heat
        near = heat.sensed(heat.regulator, diode=False)
        gone = heat.happened("vanish_sensor_after") or heat.happened("open_diode_after")
        rail = heat.core_volts
        readings = [
            _raw(heat.spec.input_volts, 6.0 if self._version >> 4 == 1 else 2.048 * 12),
            _raw(heat.input_amps, 2.048 * self._current_range()),
            _raw(rail, 2.048 / 2),
            _raw(heat.core_watts / rail if rail else 0.0, 2.048 * self._current_range()),
            0 if gone else _thermometer(near),
            _thermometer(heat.board) if self._tells(_SECOND_TEMPERATURE) else 0,
            _raw(heat.rpm, 255 * 30.0) if self._has_fan else 0,
        ]
        return readings[:5] if self._version >> 4 == 1 else readings[:_READINGS]

    def _current_range(self) -> float:
        if self._version >> 4 == 3:
            return 20.0 if self._mask & 0x80 else 3.125
        return 3.125 if self._version == 0x21 else 20.0

    def _tells(self, place: int) -> bool:
        if self._version >> 4 == 3:
            return bool(self._mask & 1 << place)
        return self._version == 0x21


def _raw(value: float, full: float) -> int:
    return max(0, min(round(value * 255 / full), 255))


def _thermometer(celsius: float) -> int:
    """Return a temperature as the micro tells it: 218 is 125 degrees, 0 says that there is none."""
    return max(1, min(round((celsius + 50.0) * 218 / 175), 255))
