"""The fans of a board: a control loop for every sensor, the one that asks for most decides."""

from collections.abc import Callable
from dataclasses import replace

from drivers.bm13xx.board import Board
from drivers.bm13xx.controls import Controls
from drivers.bm13xx.settings import BoardSettings
from drivers.errors import DriverError, TransportLostError
from drivers.peripherals.errors import RequestAbandonedError
from drivers.peripherals.fan_pid import FULL, FanPid
from drivers.peripherals.heat_limits import Limits, lowest_of
from drivers.peripherals.sensor_watch import SensorSpec
from drivers.peripherals.thermal_guard import Running, Tripped

HEADROOM = 10.0
"""Degrees below its throttle limit at which a fan holds a sensor that has no target of its own."""


class BoardCooling:
    """Sets the ``duty`` of all fans, in percent; ``asked`` tells which sensors have a say now."""

    def __init__(
        self,
        board: Board,
        settings: BoardSettings,
        sensors: tuple[SensorSpec, ...],
        *,
        asked: Callable[[str], bool],
    ) -> None:
        self.duty = FULL
        self._board = board
        self._sensors = sensors
        self._asked = asked
        self._settings = settings
        self._pids = _pids(board, sensors, settings.target_temperature)
        self._failed = False

    def settings_changed(self, settings: BoardSettings) -> None:
        """Take a new fan duty and target temperature."""
        if settings.target_temperature != self._settings.target_temperature:
            self._pids = _pids(self._board, self._sensors, settings.target_temperature)
        self._settings = settings

    async def cool(
        self,
        controls: Controls,
        temperatures: Callable[[str], float | None],
        verdict: Running | Tripped,
        now: float,
    ) -> str:
        """Set the fans as ``temperatures`` ask; return what went wrong, if that is news.

        Raises TransportLostError, or RequestAbandonedError after a safe end.
        """
        duty = self._wanted(temperatures, verdict, now)
        is_news = abs(duty - self.duty) >= 1.0 or (duty == FULL) != (self.duty == FULL)
        if not is_news and not self._failed:
            return ""
        try:
            await controls.set_fan(duty)
        except (TransportLostError, RequestAbandonedError):
            raise
        except DriverError as error:  # tried again at the next look; the watches judge the rest
            was_failed, self._failed = self._failed, True
            return "" if was_failed else str(error)
        self.duty, self._failed = duty, False
        return ""

    def _wanted(
        self,
        temperatures: Callable[[str], float | None],
        verdict: Running | Tripped,
        now: float,
    ) -> float:
        wanted = [
            pid.update(now, temperatures(name))
            for name, pid in self._pids.items()
            if self._asked(name)
        ]
        fixed = self._settings.fan
        if isinstance(verdict, Tripped):
            return FULL
        duty = max(wanted, default=FULL) if fixed is None else fixed
        return min(max(duty, verdict.least_duty), FULL)


def limited(spec: SensorSpec, settings: BoardSettings) -> SensorSpec:
    """Return the sensor with the user's limits, where those are lower than the board's."""
    limits, throttle = spec.limits, settings.throttle_temperature
    if settings.max_temperature is not None:
        limits = lowest_of(limits, Limits.around(settings.max_temperature))
    if throttle is not None and throttle < limits.throttle:
        limits = replace(limits, throttle=throttle, resume=min(limits.resume, throttle))
    return replace(spec, limits=limits)


def _pids(board: Board, sensors: tuple[SensorSpec, ...], target: float) -> dict[str, FanPid]:
    """Return a control loop for every sensor: the first holds ``target``, the others headroom."""
    loops = {}
    for spec in sensors:
        headroom = spec.limits.throttle - HEADROOM
        wanted = min(target, headroom) if spec is sensors[0] else headroom
        loops[spec.name] = FanPid(replace(board.cooling, target=wanted))
    return loops
