"""The life of an Icarus-class device: recognition, frequency, mining, rest, recovery.

One coroutine, `IcarusDevice.run`, does everything that takes time; what a job or a nonce causes
happens in plain calls (`mining`). Such a device cannot be switched off or reset: told to rest, it
gets no more work and is idle when it has tried all nonces of the last one.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from enum import Enum

from drivers.api import Context, DeviceState, DeviceStats, Setpoint
from drivers.brown_out import SupplyMemory
from drivers.errors import DriverError, OverheatError, SettingError, TransportLostError
from drivers.icarus.commands import cairnsmore_flash
from drivers.icarus.detection import division_of, recognize
from drivers.icarus.exchange import Exchange, silent_engines
from drivers.icarus.mining import Mining
from drivers.icarus.model import Model
from drivers.icarus.recovery import DeviceSilentError, Stage
from drivers.icarus.settings import IcarusSettings, parsed
from drivers.icarus.speed import Speed, expected_seconds_per_hash
from drivers.icarus.timing import Division, Timing
from drivers.icarus.wire import Wire
from drivers.low_yield import Step, YieldWatch
from drivers.supply_watch import SupplyWatch
from drivers.transports.failure import Failure
from drivers.transports.ports import PortsByWay
from drivers.transports.side_tasks import beside

LOOK_EVERY = 1.0
"""Seconds between two looks at what the device finds and at what is wanted."""

ADJUSTABLE = ("frequency", "voltage", "max_temperature")
"""Settings that may change while a device runs."""

FLASH_SECONDS = 0.25
_FLASHES = 4
_ASSUMED_DIVISION = 2


class _Phase(Enum):
    STOPPED = DeviceState.STARTING, "not running"
    OPENING = DeviceState.STARTING, "opening its port"
    STARTING = DeviceState.STARTING, "making sure of the device"
    MINING = DeviceState.MINING, ""
    RESTING = DeviceState.IDLE, ""


class IcarusDevice:
    """One ``model`` on a port; ``supply`` is what is remembered of the power there."""

    def __init__(
        self,
        model: Model,
        settings: IcarusSettings,
        context: Context,
        ports: PortsByWay,
        supply: SupplyMemory | None = None,
    ) -> None:
        self._model = model
        self._settings = settings
        self._name = context.name
        self._ports = ports
        self._log = context.log
        self._timing = _timing(model, settings)
        self._exchange = Exchange(
            model, timing=self._timing, ticket=settings.ticket, baud_rate=settings.baud_rate
        )
        self._supply = SupplyWatch(supply, settings.supply, clock=context.clock, log=context.log)
        self._yields = YieldWatch(settings.yields)
        self._speed = Speed(
            model,
            settings,
            self._exchange,
            self._write,
            supply=self._supply,
            yields=self._yields,
            log=context.log,
        )
        self._mining = Mining(
            self._exchange, context, self._write, pace=self._speed.hashrate, yields=self._yields
        )
        self._wire = Wire(ports, on_data=self._mining.receive_data, baud_rate=settings.baud_rate)
        self._phase = _Phase.STOPPED
        self._problem = ""
        self._starts = 0
        self._failure: Failure | None = None

    async def run(self) -> None:
        """Make sure of the device and mine until cancelled; raise DriverError when it fails.

        May be called again.
        """
        failure = self._failure = Failure()
        self._problem = ""
        self._mining.watchdog.start_over()
        self._yields.start_over()
        try:
            async with beside(f"{self._name} far end", self._ports.serve()):
                while True:
                    await self._live_on_port(failure)
        except DriverError as error:
            self._problem = str(error)
            if isinstance(error, TransportLostError):
                self._supply.lost(nonces=self._exchange.counters.nonces)
            raise
        finally:
            self._phase = _Phase.STOPPED
            failure.close()

    def job_changed(self, *, clean: bool) -> None:
        """Send new work in this very call; ``clean`` makes all older work worthless first."""
        self._mining.job_changed(clean=clean)

    def apply(self, setpoint: Setpoint) -> None:
        """Give no more work when told to rest; a limit in MHz is reached within a second."""
        self._speed.setpoint = setpoint
        if not setpoint.run:
            self._mining.stop()
        if self._failure:
            self._failure.nudge()

    def adjust(self, settings: Mapping[str, object]) -> None:
        """Take a new frequency, voltage or temperature limit, all of ``settings`` or none.

        Raises SettingError for one that is unknown, out of range, or cannot change by now.
        """
        given = parsed(self._model.name, settings, self._model)
        for name in settings:
            if name not in ADJUSTABLE:
                raise SettingError(self._model.name, name, "cannot change while it runs")
        changes = {name: getattr(given, name) for name in settings}
        self._settings = self._speed.settings = replace(self._settings, **changes)
        if "frequency" in settings:
            self._supply.forget()
            self._yields.forget()
        if self._failure:
            self._failure.nudge()

    def identify(self) -> None:
        """Flash, if the device can: a Cairnsmore with the right bitstream; raise DriverError."""
        if not self._model.can_flash:
            raise DriverError(f"a {self._model.title} has no way to show itself")
        loop = asyncio.get_running_loop()
        for number in range(_FLASHES):
            packet = cairnsmore_flash(on=number % 2 == 0)
            loop.call_later(number * FLASH_SECONDS, self._write, packet)
        loop.call_later(_FLASHES * FLASH_SECONDS, self._mining.send_anew)

    def stats(self) -> DeviceStats:
        """Return a snapshot; the hash rate is measured if the timing is, else nominal."""
        is_mining = self._phase is _Phase.MINING
        state, reason = self._state()
        return DeviceStats(
            state=state,
            reason=reason,
            claimed_hashrate=self._speed.hashrate() if self._mining.has_work else 0.0,
            hardware_errors=self._exchange.counters.errors,
            temperature=self._exchange.temperature,
            frequency_mhz=self._speed.mhz if is_mining else None,
            details=self._details(),
        )

    # -- life

    async def _live_on_port(self, failure: Failure) -> None:
        """Open the port and live; return when opening it again may help."""
        self._phase = _Phase.OPENING
        await self._wire.open(failure)
        self._supply.back()
        try:
            stage = None
            while stage is not Stage.REOPEN:
                await self._rest(failure)
                await self._start(failure)
                stage = await self._mine(failure)
        finally:
            self._mining.stop()
            self._speed.slow_down()
            self._wire.close()

    async def _rest(self, failure: Failure) -> None:
        """Return when the device should run; it runs slow until then, if it can."""
        if self._speed.target().run:
            return
        self._phase = _Phase.RESTING
        self._supply.rests()
        reason = self._speed.target().reason
        self._log.info("device.idle", reason=reason)
        self._speed.slow_down()
        while not (target := self._speed.target()).run:
            reason = target.reason
            await failure.nudged(LOOK_EVERY)
        self._log.info("device.resumed", after=reason)

    async def _start(self, failure: Failure) -> None:
        """Set the device up and make sure that it is there."""
        self._phase = _Phase.STARTING
        self._starts += 1
        await self._speed.start(failure)
        # what it is recognized by makes it hash
        self._supply.takes_load(self._speed.mhz or 0.0, nonces=self._exchange.counters.nonces)
        await recognize(self._wire, failure, self._model, self._speed.mhz)
        if self._settings.work_division is None:
            await self._find_division(failure)
        self._log.info("device.ready", mhz=self._speed.mhz, baud_rate=self._wire.baud_rate)

    async def _find_division(self, failure: Failure) -> None:
        found = await division_of(self._wire, failure, 1 / self._timing.rate)
        if found is None:
            self._log.warning("division.unknown", assumed=_ASSUMED_DIVISION)
        self._timing.division = _division(found or _ASSUMED_DIVISION, self._settings.engines)

    async def _mine(self, failure: Failure) -> Stage | None:
        """Mine; return None when told to rest, or the step that takes another opening."""
        if not self._speed.target().run:
            return None
        self._phase = _Phase.MINING
        self._mining.start()
        while (target := self._speed.target()).run:
            await self._speed.follow(failure, target, changed=self._mining.send_anew)
            self._mining.look()
            self._check_temperature()
            if self._recover() is Stage.REOPEN or self._is_reset_for_low_yield():
                return Stage.REOPEN
            await failure.nudged(LOOK_EVERY)
        self._mining.stop()
        return None

    def _is_reset_for_low_yield(self) -> bool:
        """Say so when the device finds far too little; return True if it should be opened anew."""
        found = self._yields.due(self._speed.mhz or 0.0)
        if found is None:
            return False
        share, due = round(found.share, 3), round(found.expected)
        self._log.warning(
            "device.low_yield", step=found.step.value, share=share, found=found.found, due=due
        )
        self._yields.start_over()
        return found.step is not Step.LEAVE

    def _recover(self) -> Stage | None:
        """Take the next step of recovery if one is due."""
        stage = self._mining.watchdog.due()
        if stage is None:
            return None
        self._log.warning("device.silent", step=stage.value)
        if stage is Stage.GIVE_UP:
            raise DeviceSilentError(self._wire.name, overdue=self._mining.watchdog.overdue)
        if stage is Stage.RESEND:
            self._mining.send_anew()
        return stage

    def _check_temperature(self) -> None:
        limit, temperature = self._settings.max_temperature, self._exchange.temperature
        if limit is not None and temperature is not None and temperature > limit:
            self._exchange.temperature = None  # measured anew after the pause
            raise OverheatError(self._wire.name, temperature=temperature, limit=limit)

    # -- what is wanted and what is

    def _state(self) -> tuple[DeviceState, str]:
        if self._phase is _Phase.STOPPED and self._problem:
            return DeviceState.FAILED, self._problem
        state, reason = self._phase.value
        match self._phase:
            case _Phase.RESTING:
                reason = self._speed.target().reason
            case _Phase.MINING:
                state = state if self._mining.has_work else DeviceState.WAITING
                reason = self._degradation() or self._speed.target().reason
        return state, reason

    def _degradation(self) -> str:
        division = self._timing.division
        silent = silent_engines(self._exchange.engines, division)
        numbers = ", ".join(str(engine) for engine in silent)
        return f"degraded: engine {numbers} of {division.parts} finds nothing" if silent else ""

    def _details(self) -> dict[str, object]:
        exchange, timing, counters = self._exchange, self._timing, self._exchange.counters
        return {
            "model": self._model.title,
            "way": self._ports.way,
            "starts": self._starts,
            "baud_rate": self._wire.baud_rate,
            "nonces": counters.nonces,
            "duplicates": counters.duplicates,
            "stale": counters.stale,
            "corrected": counters.corrected,
            "line_errors": exchange.dropped,
            "engines": dict(sorted(exchange.engines.items())),
            "work_division": timing.division.parts,
            "work_seconds": self._model.task_seconds or timing.work_seconds,
            "timing": timing.mode.value,
            "timing_samples": timing.samples,
            "nanoseconds_per_hash": 1e9 / timing.rate,
            "ticket_difficulty": self._settings.ticket,
            "voltage": self._settings.voltage,
            "recoveries": {stage.value: n for stage, n in self._mining.watchdog.tried.items() if n},
        }

    def _write(self, data: bytes) -> None:
        self._wire.write(data)


def _timing(model: Model, settings: IcarusSettings) -> Timing:
    return Timing(
        mode=settings.timing,
        seconds_per_hash=expected_seconds_per_hash(model, settings, settings.frequency),
        wait=model.wait,
        first=model.first_work,
        limit=settings.work_time,
        division=_division(settings.work_division or _ASSUMED_DIVISION, settings.engines),
    )


def _division(parts: int, engines: int | None) -> Division:
    return Division(parts=parts, engines=min(engines or parts, parts))
