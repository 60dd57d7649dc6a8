"""The life of a BM13xx device: power, bring-up, mining, rest, recovery, and a safe end.

One coroutine, `Bm13xxDevice.run`, does everything that takes time; what a job or a nonce causes
happens in plain calls (`mining`). The board around the chips, if any, is its `Surroundings`.
"""

from collections.abc import Mapping, Sequence
from enum import Enum

from drivers.api import Context, DeviceState, DeviceStats, OperatingPoint, Setpoint
from drivers.bm13xx.board_power import Load
from drivers.bm13xx.chain import Chain
from drivers.bm13xx.chain_report import chain_details, degradation
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.counters import ChipReport
from drivers.bm13xx.mining import Mining
from drivers.bm13xx.ports import DATA
from drivers.bm13xx.recovery import ChainSilentError, Stage
from drivers.bm13xx.settings import ChainSettings, LiveSettings
from drivers.bm13xx.speed import Speed
from drivers.bm13xx.surroundings import BareChain, Surroundings
from drivers.bm13xx.target import Target, operating_points
from drivers.bm13xx.wire import Wire
from drivers.brown_out import SupplyMemory
from drivers.errors import DriverError, TransportLostError
from drivers.hashing.kernels import midstate
from drivers.low_yield import Step, YieldWatch
from drivers.supply_watch import SupplyWatch
from drivers.transports.failure import Failure
from drivers.transports.ports import Ports
from drivers.transports.side_tasks import beside

LOOK_EVERY = 1.0
"""Seconds between two looks at what the chips find and at what is wanted."""


class _Phase(Enum):
    STOPPED = DeviceState.STARTING, "not running"
    OPENING = DeviceState.STARTING, "opening its ports"
    COOLING = DeviceState.STARTING, "waiting for the board"
    STARTING = DeviceState.STARTING, "bringing up the chips"
    MINING = DeviceState.MINING, ""
    RESTING = DeviceState.IDLE, ""


class Bm13xxDevice:
    """A chain of chips on a port, with ``board`` around it or bare.

    ``supply`` is what is remembered of the power at that port.
    """

    def __init__(
        self,
        chip: ChipSpec,
        settings: LiveSettings,
        context: Context,
        ports: Ports,
        board: Surroundings | None = None,
        supply: SupplyMemory | None = None,
    ) -> None:
        chain = settings.chain
        self._settings = settings
        self._name = context.name
        self._ports = ports
        self._log = context.log
        self._clock = context.clock
        self._board = board or BareChain(chip, chain.frequency, chain.chips)
        self._chain = _chain(chip, chain, name=ports.path(DATA))
        self._supply = SupplyWatch(supply, chain.supply, clock=context.clock, log=context.log)
        self._yields = YieldWatch(chain.yields)
        self._mining = Mining(self._chain, context, self._write, self._yields)
        self._wire = Wire(
            ports, on_data=self._mining.receive_data, flushed=self._chain.reader.reset
        )
        self._speed = Speed(
            self._chain,
            self._board,
            self._wire,
            supply=self._supply,
            yields=self._yields,
            clock=context.clock,
            log=context.log,
        )
        self._speed.ramp = chain.ramp
        self._phase = _Phase.STOPPED
        self._problem = ""
        self._starts = 0
        self._reset_for: set[int] = set()
        self._wanted_rate = chain.baud_rate
        self._failure: Failure | None = None

    async def run(self) -> None:
        """Bring the device up and mine until cancelled; however it ends, it ends safe.

        Raises DriverError; may be called again, and waits then until a hot board is cool.
        """
        failure = self._failure = Failure()
        self._problem = ""
        self._mining.watchdog.start_over()
        self._yields.start_over()
        self._reset_for.clear()
        self._phase = _Phase.OPENING
        try:
            async with beside(f"{self._name} far end", self._ports.serve()):
                await self._live_with_board(failure)
        except DriverError as error:
            self._problem = str(error)
            if isinstance(error, TransportLostError):
                self._supply.lost(nonces=self._chain.nonces)
            raise
        finally:
            self._phase = _Phase.STOPPED
            failure.close()

    def job_changed(self, *, clean: bool) -> None:
        """Send new work in this very call; ``clean`` makes all older work worthless first."""
        self._mining.job_changed(clean=clean)

    def apply(self, setpoint: Setpoint) -> None:
        """Give no more work when told to rest; all else happens at the chips' own ramp."""
        self._speed.setpoint = setpoint
        if not setpoint.run:
            self._mining.stop()
            self._board.break_off()
        if self._failure:
            self._failure.nudge()

    def adjust(self, settings: Mapping[str, object]) -> None:
        """Take a new frequency, voltage, fan duty and so on; raise SettingError."""
        self._settings.change(settings)
        self._speed.ramp = self._settings.chain.ramp
        self._board.settings_changed(self._settings.chain.frequency, self._settings.board)
        if "frequency" in settings:
            self._supply.forget()
            self._yields.forget()
        self._log.info("settings.changed", **settings)
        if self._failure:
            self._failure.nudge()

    def operating_points(self) -> Sequence[OperatingPoint]:
        """Return every speed it can be held at, the slowest first; none of unknown power."""
        chain = self._chain
        hashes_per_mhz = chain.spec.hashrate(1.0) * chain.chips * self._settings.chain.scale
        return operating_points(self._board.abilities(), hashes_per_mhz)

    def stats(self) -> DeviceStats:
        """Return a snapshot; the hash rate is nominal: from frequency, cores and chips."""
        reports = self._chain.reports(self._clock.monotonic())
        board = self._board.snapshot()
        state, reason = self._state(reports, board.waiting_for)
        return DeviceStats(
            state=state,
            reason=reason,
            claimed_hashrate=self._chain.nominal_hashrate if self._mining.has_work else 0.0,
            hardware_errors=self._chain.hardware_errors,
            temperature=board.temperature,
            power=board.power,
            modelled_power=board.modelled_power,
            error_ratio=self._mining.errors.ratio,
            frequency_mhz=self._chain.mhz if self._phase is _Phase.MINING else None,
            details={
                **chain_details(self._chain, self._mining.watchdog, reports),
                **board.details,
                "starts": self._starts,
                "baud_rate": self._wire.baud_rate,
            },
        )

    # -- life

    async def _live_with_board(self, failure: Failure) -> None:
        """Live between a board made ready and a board made safe."""
        try:
            self._phase = _Phase.COOLING
            await self._board.open(failure)
            async with beside(f"{self._name} board", self._board.watch(self._load)):
                try:
                    await self._board.cooled_down()
                    while True:
                        await self._live_on_port(failure)
                finally:
                    self._safe_off()
        finally:
            self._safe_off()
            await self._board.finish()

    def _safe_off(self) -> None:
        """Stop everything that a plain call can stop."""
        self._board.safe_off()
        self._mining.stop()
        self._speed.rests()
        self._speed.slow_down_at_once()
        self._wire.close()

    async def _live_on_port(self, failure: Failure) -> None:
        """Open the port and live; return when only opening it again can help."""
        self._phase = _Phase.OPENING
        await self._wire.open(failure)
        self._supply.back()
        self._fit_port()
        stage = None
        while stage is not Stage.REOPEN:
            await self._rest(failure)
            stage = await self._mine(failure) if await self._start(failure) else None
        self._wire.close()

    def _fit_port(self) -> None:
        """Work at a lower baud rate where the port cannot do the wanted one."""
        rate = self._chain.fit_port(self._wire.can_do)
        if rate < self._wanted_rate:
            self._log.warning("port.slow", wanted=self._wanted_rate, baud_rate=rate)

    async def _rest(self, failure: Failure) -> None:
        """Return when the device should run; rest as deep as it can until then.

        It is told to be idle once a board that can do so has switched its chips off.
        """
        if self._target().mhz is not None:
            return
        self._supply.rests()
        self._speed.rests()
        await self._board.power_off()
        self._phase = _Phase.RESTING
        reason = self._target().reason
        self._log.info("device.idle", reason=reason)
        if not self._board.can_switch_off:
            await self._speed.slow_down(failure)
        while (target := self._target()).mhz is None:
            reason = target.reason
            await failure.nudged(LOOK_EVERY)
        self._log.info("device.resumed", after=reason)

    async def _start(self, failure: Failure) -> bool:
        """Bring the chips up; return False if the device is told to rest meanwhile."""
        wanted = self._target()
        if wanted.mhz is None:
            return False
        self._phase = _Phase.STARTING
        if not await self._bring_up(failure, wanted):
            return False
        if self._chain.unheard is not None:  # a lost byte is enough, and another start then helps
            self._log.warning("chain.unverified", chip=self._chain.unheard)
            await self._board.reset_chips()
            if not await self._bring_up(failure, wanted):
                return False
        self._mining.watchdog.brought_up()
        self._announce()
        return True

    async def _bring_up(self, failure: Failure, wanted: Target) -> bool:
        self._starts += 1
        return await self._speed.bring_up(failure, wanted)

    async def _mine(self, failure: Failure) -> Stage | None:
        """Mine; return None when told to rest, or the step that takes another start."""
        self._phase = _Phase.MINING
        while (target := self._target()).mhz is not None:
            if not self._mining.is_on and not self._speed.is_fall(target):
                self._speed.begins()
                self._mining.start()
            if not self._speed.is_reached(target):
                await self._speed.follow(failure, target)
                continue
            self._mining.look()
            self._mining.errors.runs_at(self._chain.mhz, target.volts)
            stage = self._mining.watchdog.due()
            if stage and await self._recover(failure, stage):
                return stage
            if await self._is_reset_for_low_yield() or await self._is_reset_for_silent_chips():
                return Stage.RESET
            await failure.nudged(LOOK_EVERY)
        self._mining.stop()
        return None

    async def _recover(self, failure: Failure, stage: Stage) -> bool:
        """Take a step of recovery; return True if the chips must be brought up again."""
        self._log.warning("chain.silent", step=stage.value, chips=self._chain.chips)
        match stage:
            case Stage.JOB:
                self._mining.assign()
            case Stage.RAMP:
                await self._speed.drop(failure)
            case Stage.RESET | Stage.REOPEN:
                self._mining.stop()
                await self._board.reset_chips()
                return True
            case Stage.GIVE_UP:
                overdue = self._mining.watchdog.overdue
                raise ChainSilentError(self._wire.name, overdue=overdue)
        return False

    async def _is_reset_for_low_yield(self) -> bool:
        """Reset chips that find far too little; return True if they must be brought up again."""
        found = self._yields.due(self._chain.mhz)
        if found is None:
            return False
        share, due = round(found.share, 3), round(found.expected)
        self._log.warning(
            "device.low_yield", step=found.step.value, share=share, found=found.found, due=due
        )
        if found.step is Step.LEAVE:
            return False
        self._mining.stop()
        await self._board.reset_chips()
        self._yields.start_over()
        return True

    async def _is_reset_for_silent_chips(self) -> bool:
        """Reset the chain, once for each chip in a run, where one of several is silent."""
        silent = self._chain.silent_chips(self._clock.monotonic())
        if len(silent) == self._chain.chips or self._reset_for.issuperset(silent):
            return False
        self._reset_for.update(silent)
        self._log.warning("chain.silent", step=Stage.RESET.value, chips=len(silent))
        self._mining.stop()
        await self._board.reset_chips()
        return True

    # -- what is wanted and what is

    def _target(self) -> Target:
        return self._speed.target()

    def _load(self) -> Load:
        is_running = self._phase in {_Phase.STARTING, _Phase.MINING}
        is_hashing = self._phase is _Phase.MINING and self._mining.has_work
        return Load(mhz=self._chain.mhz if is_running else 0.0, is_hashing=is_hashing)

    def _announce(self) -> None:
        chain = self._chain
        facts = {"chips": chain.chips, "mhz": chain.mhz, "baud_rate": self._wire.baud_rate}
        if chain.missing:
            self._log.warning("device.degraded", missing=chain.missing, **facts)
        else:
            self._log.info("device.ready", **facts)

    def _state(self, reports: Sequence[ChipReport], waiting_for: str) -> tuple[DeviceState, str]:
        if self._phase is _Phase.STOPPED and self._problem:
            return DeviceState.FAILED, self._problem
        state, reason = self._phase.value
        match self._phase:
            case _Phase.COOLING:
                reason = waiting_for or reason
            case _Phase.RESTING:
                reason = self._target().reason
            case _Phase.MINING:
                state = state if self._mining.has_work else DeviceState.WAITING
                reason = degradation(self._chain, reports) or self._target().reason
        return state, reason

    def _write(self, data: bytes) -> None:
        self._wire.write(data)


def _chain(chip: ChipSpec, settings: ChainSettings, name: str) -> Chain:
    return Chain(
        chip,
        chips=settings.chips,
        name=name,
        baud_rate=settings.baud_rate,
        scale=settings.scale,
        nonces_per_second=settings.nonces_per_second,
        midstate_of=midstate,
    )
