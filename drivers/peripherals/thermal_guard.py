"""Heat protection of one board, in the driver itself: throttle, trip, cool down. Pure.

The guard is told every reading and asked for its verdict; it never waits and asks nobody. A trip
is latched: the board goes off with its fans on, and starts again only after cool-down.

Source: ESP-Miner main/tasks/power_management_task.c (at least 30 s off, restart slower); a fan
that stands still at 25 % or more for 5 s, and any regulator fault, are reasons of our own.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from drivers.peripherals.fan_pid import FULL
from drivers.peripherals.fan_watch import FanSpec, FanWatch
from drivers.peripherals.sensor_watch import SensorSpec, SensorWatch, Trip

SETTLE = 0.5
"""Seconds after reset release in which the die's diode still reads garbage."""

TEST_RISE = 25.0
"""Points of duty by which a fan is raised to test a sensor, if it has that much room."""

TEST_SHARE = 0.75
"""Share of the speed at which the power is surely a tenth lower, fixed losses included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThrottleSettings:
    """How the board slows down; seconds, degrees.

    ``step`` is a share of full speed, ``most`` how many of them there are. One more every
    ``pause`` while a sensor is at its throttle limit; one less every ``recovery`` while all are
    ``hysteresis`` below. After a trip the board starts again with ``after_trip`` steps.
    """

    step: float = 0.05
    most: int = 10
    pause: float = 10.0
    recovery: float = 60.0
    hysteresis: float = 3.0
    after_trip: int = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """The board may run at ``share`` of its full speed.

    The fan's duty must not be below ``least_duty``: raised, it shows whether a sensor that has
    been still for long is alive. Where the fan has no room for that, ``share`` is lowered.
    """

    share: float = 1.0
    steps: int = 0
    reason: str = ""
    least_duty: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tripped:
    """The board must be off; ``waiting_for`` is empty once it may restart."""

    trip: Trip
    waiting_for: str

    @property
    def may_restart(self) -> bool:
        """Tell whether the cool-down is over."""
        return not self.waiting_for


class ThermalGuard:
    """Watches the sensors and fans that a board has."""

    def __init__(
        self,
        sensors: Iterable[SensorSpec],
        fans: Iterable[FanSpec] = (),
        *,
        throttle: ThrottleSettings | None = None,
        cool_down: float = 30.0,
    ) -> None:
        self._sensors = {spec.name: SensorWatch(spec) for spec in sensors}
        self._fans = {spec.name: FanWatch(spec) for spec in fans}
        self._ladder = _Ladder(throttle or ThrottleSettings())
        self._cool_down = cool_down
        self._trip: Trip | None = None
        self._tripped_at = 0.0
        self._duty = FULL
        self._test_duty = FULL

    def power_on(self, now: float, *, settle: float = SETTLE) -> None:
        """Judge all readings from ``settle`` after now; call it when reset is released."""
        if self._trip:
            raise ValueError(f"still tripped: {self._trip.reason}")
        for watch in self._watches():
            watch.start(now + settle)

    def power_off(self) -> None:
        """Judge nothing until `power_on`: the board is off or in reset."""
        for watch in self._watches():
            watch.stop()

    def temperature(self, now: float, name: str, value: float | None) -> None:
        """Take a reading of the sensor called ``name``; None if it gave none."""
        self._note(now, self._sensors[name].read(now, value))

    def fan(self, now: float, name: str, *, duty: float, rpm: float | None) -> None:
        """Take a fan's duty in percent and speed; None if the speed could not be read."""
        self._note(now, self._fans[name].read(now, duty=duty, rpm=rpm))

    def load(self, now: float, *, watts: float | None, duty: float) -> None:
        """Take the power, None if unknown, and the duty: a sensor that ignores them is frozen."""
        self._duty = duty
        for watch in self._sensors.values():
            watch.stir(now, watts=watts, duty=duty)

    def fault(self, now: float, source: str, reason: str) -> None:
        """Trip for something that no sensor here reads, such as a regulator's fault."""
        self._note(now, Trip(source=source, reason=reason))

    def verdict(self, now: float) -> Running | Tripped:
        """Return what the board may do now; ask at least once a second."""
        for watch in self._watches():
            self._note(now, watch.check(now))
        if self._trip:
            return Tripped(trip=self._trip, waiting_for=self._waiting_for(now))
        return self._running(now)

    def restart(self, now: float) -> None:
        """End a trip; ValueError while the board has not cooled down."""
        if waiting_for := self._waiting_for(now):
            raise ValueError(f"too early to restart: {waiting_for}")
        if self._trip:
            self._ladder.start_again(now, f"restarted after a trip: {self._trip.reason}")
        self._trip = None

    def _running(self, now: float) -> Running:
        on = [watch for watch in self._sensors.values() if watch.is_judged]
        steps = self._ladder.climb(now, on)
        reason = self._ladder.reason if steps else ""
        suspects = [watch.spec.name for watch in on if watch.is_suspect(now)]
        share = self._ladder.share
        if not suspects:
            self._test_duty = self._duty + TEST_RISE
            return Running(share=share, steps=steps, reason=reason)
        reason = f"testing whether {suspects[0]} is alive: it has been still for long"
        if self._test_duty <= FULL:
            return Running(share=share, steps=steps, reason=reason, least_duty=self._test_duty)
        return Running(share=share * TEST_SHARE, steps=steps, reason=reason)

    def _watches(self) -> Iterable[SensorWatch | FanWatch]:
        return (*self._sensors.values(), *self._fans.values())

    def _note(self, now: float, trip: Trip | None) -> None:
        if trip and self._trip is None:
            self._trip, self._tripped_at = trip, now
            self.power_off()

    def _waiting_for(self, now: float) -> str:
        """Return what must happen before a restart; sensors that work only in use cannot tell."""
        if self._trip is None:
            return ""
        if (left := self._tripped_at + self._cool_down - now) > 0:
            return f"{left:.0f} s left"
        for watch in self._sensors.values():
            spec = watch.spec
            if spec.powered_only or not watch.is_awaited:
                continue
            temperature = watch.current(now)
            if temperature is None:
                return f"{spec.name} cannot be read"
            if temperature > spec.limits.resume:
                return f"{spec.name} at {temperature:.1f} °C, until {spec.limits.resume:.1f}"
        return ""


class _Ladder:
    """How many throttle steps are in force."""

    def __init__(self, settings: ThrottleSettings) -> None:
        self.reason = ""
        self._settings = settings
        self._steps = 0
        self._moved_at = -float("inf")

    @property
    def share(self) -> float:
        return max(0.0, 1.0 - self._steps * self._settings.step)

    def start_again(self, now: float, reason: str) -> None:
        self._steps = min(self._settings.after_trip, self._settings.most)
        self._moved_at, self.reason = now, reason

    def climb(self, now: float, watches: list[SensorWatch]) -> int:
        settings = self._settings
        headroom = {
            watch.spec.name: watch.spec.limits.throttle - watch.temperature
            for watch in watches
            if watch.temperature is not None
        }
        if not headroom:
            return self._steps
        hottest = min(headroom, key=lambda name: headroom[name])
        if headroom[hottest] <= 0 and now - self._moved_at >= settings.pause:
            self._move(now, min(self._steps + 1, settings.most))
            self.reason = f"{hottest} {-headroom[hottest]:.1f} degrees over its throttle limit"
        elif headroom[hottest] >= settings.hysteresis and (
            now - self._moved_at >= settings.recovery
        ):
            self._move(now, max(self._steps - 1, 0))
        return self._steps

    def _move(self, now: float, steps: int) -> None:
        if steps != self._steps:
            self._steps, self._moved_at = steps, now
