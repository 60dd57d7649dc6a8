"""Fan control: the duty that holds a temperature at its target. Pure; time is given.

With several sensors use one `FanPid` each and the highest duty of them.
"""

from dataclasses import dataclass

FULL = 100.0

COLDEST, HOTTEST = -100.0, 300.0
"""Degrees Celsius between which a reading can steer a fan at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FanSettings:
    """Target in degrees Celsius, ``floor`` in percent, gains in percent per degree.

    ``integral`` is per degree and second, ``derivative`` per degree a second. The defaults suit
    boards whose heat sink follows in half a minute to three; slower ones settle too, only slower.
    """

    target: float = 60.0
    floor: float = 25.0
    proportional: float = 4.0
    integral: float = 0.2
    derivative: float = 8.0

    def __post_init__(self) -> None:
        if not 0 <= self.floor <= FULL:
            raise ValueError(f"a fan's floor is 0 to 100 percent, not {self.floor}")


class FanPid:
    """Turns one sensor's readings into a duty of ``floor`` to 100 percent.

    It starts at full, where a safe start leaves the fan, and is full whenever the reading is lost.
    """

    LONGEST_STEP = 10.0
    """Seconds: after a longer gap the integral moves as if it had been this long."""

    SLOPE_TIME = 2.0
    """Seconds over which the slope is smoothed: sensors count in steps of 0.125 degrees."""

    def __init__(self, settings: FanSettings) -> None:
        self._settings = settings
        self._integral = 0.0
        self._slope = 0.0
        self._last: tuple[float, float] | None = None
        self._duty = FULL

    def update(self, now: float, temperature: float | None) -> float:
        """Return the duty in percent; None or an absurd temperature means the sensor is lost."""
        if temperature is None or not COLDEST <= temperature <= HOTTEST:
            self._last, self._slope, self._integral = None, 0.0, FULL
            self._duty = FULL
        elif self._last is None:
            self._last = now, temperature
            self._duty = self._control(temperature, 0.0)
        elif now > self._last[0]:
            step = now - self._last[0]
            self._follow_slope(temperature - self._last[1], step)
            self._last = now, temperature
            self._duty = self._control(temperature, min(step, self.LONGEST_STEP))
        return self._duty

    def _follow_slope(self, change: float, step: float) -> None:
        weight = step / (step + self.SLOPE_TIME)
        self._slope += (change / step - self._slope) * weight

    def _control(self, temperature: float, step: float) -> float:
        """Return the duty; let the integral grow only while that can still move the fan."""
        settings = self._settings
        error = temperature - settings.target
        direct = settings.proportional * error + settings.derivative * self._slope
        duty = direct + self._integral
        at_its_end = (duty >= FULL and error > 0) or (duty <= settings.floor and error < 0)
        if not at_its_end:
            self._integral += settings.integral * error * step
            self._integral = min(max(self._integral, 0.0), FULL)
        return min(max(direct + self._integral, settings.floor), FULL)
