"""A board around the chips, watched: fans by temperature, throttle, trip and cool-down.

What is dangerous is judged by `ThermalGuard`; here its verdict is carried out. A trip needs
nobody's leave: the chips are in reset before anyone else hears of it.
"""

import asyncio
from collections.abc import Awaitable, Callable

from drivers.api import Context
from drivers.bm13xx.board import Board
from drivers.bm13xx.board_cooling import BoardCooling, limited
from drivers.bm13xx.board_power import BoardPower, Load
from drivers.bm13xx.controls import Controls, LiveVoltage, Readings
from drivers.bm13xx.settings import BoardSettings
from drivers.bm13xx.surroundings import BoardSnapshot
from drivers.bm13xx.target import Abilities, Throttle
from drivers.bm13xx.voltage_table import VoltageTable, fixed, voltage_steps
from drivers.errors import DriverError, OverheatError, TransportLostError
from drivers.peripherals.errors import RequestAbandonedError
from drivers.peripherals.fan_pid import FULL
from drivers.peripherals.sensor_watch import Trip
from drivers.peripherals.thermal_guard import Running, ThermalGuard, Tripped
from drivers.transports.errors import PortOpenError
from drivers.transports.failure import Failure
from drivers.transports.side_tasks import beside

READ_EVERY = 1.0
"""Seconds between two readings of all sensors."""

JUDGE_EVERY = 0.5
"""Seconds between two verdicts: readings that do not come must be missed in time."""

VOLTAGE_STEP = 0.025
VOLTAGE_PAUSE = 0.01
"""The core voltage of running chips moves in steps: volts, and seconds between them."""


class BoardTrippedError(OverheatError):
    """A board was switched off for its own protection; ``source`` and ``reason`` say why."""

    def __init__(self, port: str, trip: Trip) -> None:
        super().__init__(port, temperature=trip.temperature, limit=trip.limit or 0.0)
        shown = "" if trip.temperature is None else f", at {trip.temperature:.1f} degrees"
        self.args = (f"{port}: switched off: {trip.source}: {trip.reason}{shown}",)
        self.source = trip.source
        self.reason = trip.reason


class GuardedBoard:
    """The `Surroundings` of chips on a board; remembers a trip from one run to the next."""

    can_switch_off = True

    def __init__(
        self,
        board: Board,
        settings: BoardSettings,
        controls: Controls,
        context: Context,
        *,
        mhz: float,
    ) -> None:
        self._board = board
        self._settings = settings
        self._controls = controls
        self._log = context.log
        self._clock = context.clock
        sensors = tuple(limited(spec, settings) for spec in board.sensors)
        self._sensors = {spec.name: spec for spec in sensors}
        self._guard = ThermalGuard(sensors, board.fans, throttle=board.throttle)
        self._cooling = BoardCooling(board, settings, sensors, asked=self._is_asked)
        self._seen: set[str] = set()
        self._power = BoardPower(
            board.power, self._table(mhz), mhz=mhz, least_mhz=board.frequency.lowest
        )
        self._verdict: Running | Tripped = Running()
        self._readings = Readings()
        self._load: Callable[[], Load] = Load
        self._is_on = False
        self._is_switching = False
        self._is_broken_off = False
        self._was_reached = False
        self._switched = 0
        self._failure: Failure | None = None

    async def open(self, failure: Failure) -> None:
        """Make the board ready, chips in reset and fans at full."""
        self._failure, self._is_on, self._was_reached = failure, False, True
        self._guard.power_off()
        try:
            await self._controls.open(failure.report)
        except PortOpenError:
            self._was_reached = False  # nobody to be made safe
            raise
        self._cooling.duty = FULL
        self._take(await self._controls.read(), self._switched)

    async def watch(self, load: Callable[[], Load]) -> None:
        """Read, judge and cool until cancelled."""
        self._load = load
        async with beside("board judge", self._judge_on()):
            await self._read_on()

    async def cooled_down(self) -> None:
        """Return when the board may be switched on."""
        assert self._failure
        verdict = self._judge()
        if isinstance(verdict, Tripped):
            self._log.warning("board.cooling", reason=verdict.trip.reason)
        while isinstance(verdict, Tripped) and not verdict.may_restart:
            await self._failure.nudged(JUDGE_EVERY)
            verdict = self._judge()
        self._guard.restart(self._clock.monotonic())
        self._verdict = Running()

    async def power_on(self) -> bool:
        """Switch the chips on and let the guard judge them from now on."""
        if not self._is_on:
            await self._switch_on(lambda: self._controls.power_on(self._power.volts))
        return self._is_on

    def break_off(self) -> None:
        """Put chips that are just being switched on back into reset."""
        if self._is_switching:
            self._is_broken_off = True
            self._controls.safe_off()

    async def reset_chips(self) -> None:
        """Pulse the reset; the diodes read garbage meanwhile."""
        self._let_go()
        await self._switch_on(self._controls.reset_chips)

    async def power_off(self) -> None:
        """Switch the chips off; the fans go on by temperature."""
        self._let_go()
        await self._controls.power_off()

    @property
    def volts(self) -> float:
        """Return the core voltage in force, or that the chips are switched on with."""
        return self._power.volts

    async def set_voltage(self, volts: float, *, still: Callable[[], bool]) -> bool:
        """Move the core voltage of running chips, in steps, as long as ``still`` holds."""
        if volts == self._power.volts:
            return True
        for step in voltage_steps(self._power.volts, volts, VOLTAGE_STEP) if self._is_on else ():
            if not still() or not await self._move_voltage(step):
                return False
        self._power.volts = volts
        if self._is_on:
            self._log.debug("voltage.changed", volts=volts)
        return True

    def settings_changed(self, mhz: float, settings: BoardSettings | None) -> None:
        """Take a new frequency, core voltage, fan duty and target temperature."""
        assert settings
        self._cooling.settings_changed(settings)
        self._settings = settings
        self._power.settings_changed(mhz, self._table(mhz))

    def abilities(self) -> Abilities:
        """Return what the board can do, its power as far as it was measured."""
        return self._power.abilities

    def throttle(self) -> Throttle:
        """Return what heat allows now."""
        match self._verdict:
            case Running(share=share, reason=reason):
                return Throttle(share=share, reason=reason)
        return Throttle()

    def snapshot(self) -> BoardSnapshot:
        """Return what is to be told of the board."""
        readings, verdict = self._readings, self._verdict
        power = self._measured_watts() if self._was_reached else None
        return BoardSnapshot(
            temperature=self._hottest(),
            power=power,
            modelled_power=self._modelled_watts(),
            waiting_for=_cooling(verdict) if isinstance(verdict, Tripped) else "",
            details={
                "board": self._board.name,
                "temperatures": dict(readings.temperatures),
                "fan_percent": round(self._cooling.duty, 1),
                "fan_rpm": dict(readings.rpm),
                "voltage": self._power.volts if self._is_on else 0.0,
                "power_source": "modelled" if power is None else "measured",
                "throttle_steps": verdict.steps if isinstance(verdict, Running) else 0,
                "trip": verdict.trip.reason if isinstance(verdict, Tripped) else "",
                **(readings.measured if self._was_reached else {}),
            },
        )

    def safe_off(self) -> None:
        """Reset the chips at once."""
        self._let_go()
        self._controls.safe_off()

    async def finish(self) -> None:
        """Make sure that the board is off; what cannot be made sure of is told loudly."""
        try:
            if self._was_reached:
                is_cool = self._is_cool() and not isinstance(self._verdict, Tripped)
                fan = self._board.cooling.floor if is_cool else FULL
                seen = await self._controls.finish_safe_off(fan)
                self._log.info("board.safe", seen=", ".join(seen))
        except DriverError as error:
            remedy = "unplug the board's supply; it may still be powered"
            self._log.error("board.unsafe", error=str(error), remedy=remedy)
        finally:
            self._was_reached = False
            self._controls.close()

    # -- watching

    async def _read_on(self) -> None:
        while True:
            switched = self._switched
            try:
                self._take(await self._controls.read(), switched)
                await self._cool()
            except RequestAbandonedError:
                return  # it is being switched off
            except DriverError as error:
                self._lost(error)
                return
            await asyncio.sleep(READ_EVERY)

    async def _judge_on(self) -> None:
        while True:
            self._judge()
            await asyncio.sleep(JUDGE_EVERY)

    def _judge(self) -> Running | Tripped:
        verdict = self._guard.verdict(self._clock.monotonic())
        is_news = isinstance(verdict, Tripped) and not isinstance(self._verdict, Tripped)
        self._verdict = verdict
        if is_news and isinstance(verdict, Tripped):
            self._tripped(verdict.trip)
        return verdict

    def _tripped(self, trip: Trip) -> None:
        """Switch off, then tell."""
        self.safe_off()
        error = BoardTrippedError(self._controls.name, trip)
        self._log.error("board.tripped", error=str(error))
        if self._failure:
            self._failure.report(error)

    def _lost(self, error: DriverError) -> None:
        self.safe_off()
        self._log.error("board.lost", error=str(error))
        if self._failure:
            self._failure.report(error)

    def _take(self, readings: Readings, switched: int) -> None:
        """Hand a look at the board to the guard; one during which it was switched tells little."""
        now = self._clock.monotonic()
        self._readings = readings
        for name, spec in self._sensors.items():
            value = readings.temperatures.get(name)
            self._guard.temperature(now, name, value)
            if value is not None and (self._is_on or not spec.powered_only):
                self._seen.add(name)
        for fan in self._board.fans:
            rpm = readings.rpm.get(fan.name)
            self._guard.fan(now, fan.name, duty=self._cooling.duty, rpm=rpm)
        if self._is_on and switched == self._switched:
            if readings.faults:
                self._guard.fault(now, "regulator", ", ".join(readings.faults))
            measured = self._measured_watts()
            watts = self._modelled_watts() if measured is None else measured
            self._guard.load(now, watts=watts, duty=self._cooling.duty)
            self._power.measured(self._load(), measured)

    async def _cool(self) -> None:
        now, readings = self._clock.monotonic(), self._readings
        problem = await self._cooling.cool(
            self._controls, readings.temperatures.get, self._verdict, now
        )
        if problem:
            self._log.warning("fan.failed", error=problem)

    def _is_asked(self, name: str) -> bool:
        """Tell whether a sensor has a say in the fan: it must be there, and work now."""
        spec = self._sensors[name]
        works = self._is_on or not spec.powered_only
        return works and (name in self._seen or not spec.optional)

    async def _switch_on(self, switch: Callable[[], Awaitable[None]]) -> None:
        """Let the board be switched on and judge it from then; raise what happens meanwhile."""
        assert self._failure
        self._failure.check()
        self._is_switching, self._is_broken_off = True, False
        try:
            await switch()
        except RequestAbandonedError:
            self._failure.check()  # why it was abandoned tells more
            if not self._is_broken_off:
                raise
        finally:
            self._is_switching = False
        self._failure.check()
        if self._is_broken_off:
            return
        self._guard.power_on(self._clock.monotonic())
        self._is_on = True
        self._switched += 1

    def _let_go(self) -> None:
        self._is_on = False
        self._switched += 1
        self._guard.power_off()

    # -- power and temperature

    def _measured_watts(self) -> float | None:
        """Return the watts of the whole board as measured, None where nothing measures them."""
        watts = self._readings.watts
        is_whole = watts is None or self._readings.watts_are_whole
        return watts if is_whole else (watts or 0.0) + self._board.power.fixed

    def _modelled_watts(self) -> float:
        return self._power.modelled(self._load() if self._is_on else Load())

    def _table(self, mhz: float) -> VoltageTable:
        """Return the core voltage at each frequency, where it can follow that of running chips."""
        table = self._settings.table
        return table if isinstance(self._controls, LiveVoltage) else fixed(table.volts_at(mhz))

    async def _move_voltage(self, volts: float) -> bool:
        """Set the core voltage of running chips; return False, after a while, if it did not take.

        Raises what else happens meanwhile.
        """
        assert self._failure
        assert isinstance(self._controls, LiveVoltage)
        self._failure.check()
        try:
            await self._controls.set_voltage(volts)
        except RequestAbandonedError:
            self._failure.check()  # why it was abandoned tells more
            raise
        except TransportLostError:
            raise
        except DriverError as error:  # which of the two is in force now, nobody knows
            self._power.volts = min(volts, self._power.volts)
            self._log.warning("voltage.failed", error=str(error))
            await self._failure.nudged(READ_EVERY)
            return False
        self._power.volts = volts
        await self._failure.pause(VOLTAGE_PAUSE)
        return True

    def _hottest(self) -> float | None:
        """Return the temperature nearest to its limit."""
        known = {
            name: value
            for name, value in self._readings.temperatures.items()
            if value is not None and name in self._sensors and self._is_asked(name)
        }
        nearest = max(
            known, key=lambda name: known[name] - self._sensors[name].limits.trip, default=None
        )
        return None if nearest is None else known[nearest]

    def _is_cool(self) -> bool:
        """Tell whether all that was last read of the sensors is well below the limits."""
        read = {
            name: value
            for name, value in self._readings.temperatures.items()
            if name in self._sensors and name in self._seen
        }
        return bool(read) and all(
            value is not None and value <= self._sensors[name].limits.resume
            for name, value in read.items()
        )


def _cooling(verdict: Tripped) -> str:
    """Return what a tripped board waits for, and why it tripped; empty once it may restart."""
    if verdict.may_restart:
        return ""
    trip = verdict.trip
    return f"cooling down, {verdict.waiting_for}: tripped, {trip.source}: {trip.reason}"
