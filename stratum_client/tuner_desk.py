"""The tuners at work: devices are looked at, steps become claims, what is learnt is kept.

| request | other keys, all optional | result |
|---|---|---|
| tune | device, goal, dry_run | devices, durable, problem |
| tune.reset | device (needed), dry_run | the same |

A goal is one of hashrate, efficiency, power and off, or "config" for that of the configuration. It
is kept with the board. Without one nothing changes, and `devices` say what is known.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from zoneinfo import ZoneInfo

from drivers.api import Clock, DeviceStats, Log
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.config import Config
from stratum_client.config_tuning import TuningConfig
from stratum_client.control import tuning_trend
from stratum_client.control.claims import FREE, Claim, Level
from stratum_client.control.power import Reading
from stratum_client.control.tuner import BoardTuner
from stratum_client.control.tuning_evidence import Goal, Look
from stratum_client.control.tuning_file import Record
from stratum_client.control.tuning_profile import DAY
from stratum_client.control.tuning_views import Advice, Phase, TuningNote, View
from stratum_client.device_control import DeviceControl
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice
from stratum_client.tune_report import row_of
from stratum_client.tune_results import TuneResults, with_device
from stratum_client.tuned_device import (
    DeviceEye,
    board_keys,
    hindrance_of,
    look_of,
    others_allow,
)

LOOK_EVERY = 5.0
"""Seconds between two looks at the devices."""

ISSUER = "tuner"

AS_CONFIGURED = "config"

_OFF = Advice(phase=Phase.OFF, text="off")


@dataclass(slots=True, kw_only=True)
class _Seat:
    """One device: its board, its tuner, what that wants, and its claim."""

    board: str
    tuner: BoardTuner
    eye: DeviceEye = field(default_factory=DeviceEye)
    advice: Advice = _OFF
    claim: Claim | None = None
    steps: int = 0
    last_step: str = ""
    told: tuple[Phase, str] = (Phase.OFF, "off")
    aged_on: int = -1


class TunerDesk:
    """States the claims of level tuner.

    ``watts_of`` returns what is believed of a device's power, None where nothing is known.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        devices: Callable[[], Sequence[SupervisedDevice]],
        watts_of: Callable[[str], Reading | None],
        file: StateFile | None,
        clock: Clock,
        log: Log,
    ) -> None:
        self.results = TuneResults(file, clock=clock, log=log)
        self._config: TuningConfig = config.tuning
        self._zone = ZoneInfo(config.rig.timezone)
        self._control = control
        self._devices = devices
        self._watts_of = watts_of
        self._clock = clock
        self._log = log
        self._seats: dict[str, _Seat] = {}
        self._wake = asyncio.Event()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"tune": self._tune, "tune.reset": self._reset}

    def configure(self, config: Config) -> None:
        """Go by other settings from now on; what was learnt stays."""
        if config.tuning == self._config:
            return
        self._config = config.tuning
        self._seats = {
            name: replace(seat, tuner=self._tuner(seat.board)) for name, seat in self._seats.items()
        }
        self._wake.set()

    async def run(self) -> None:
        """Tune until cancelled."""
        try:
            await self._look_on()
        finally:
            await self.results.save_last()

    async def _look_on(self) -> None:
        while True:
            self._wake.clear()
            self.look()
            await self.results.save_if_due()
            try:
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def look(self) -> None:
        """Look at each device, and state what its tuner wants."""
        devices = self._devices()
        boards = board_keys(devices)
        self._seats = {
            device.name: self._seat(device.name, boards[device.name]) for device in devices
        }
        for device in devices:
            self._look_at(device, self._seats[device.name])
        claims = [seat.claim for seat in self._seats.values() if seat.claim]
        self._control.take(Level.TUNER, ISSUER, claims)

    def note(self, device: str) -> TuningNote | None:
        """Return what is to be told of a device's tuning, None where there is none."""
        seat = self._seats.get(device)
        if seat is None or seat.advice.phase is Phase.OFF:
            return None
        best = seat.tuner.profile.best(seat.tuner.settings.goal)
        return TuningNote(
            goal=seat.tuner.settings.goal,
            phase=seat.advice.phase,
            text=seat.advice.text,
            plan=seat.advice.plan,
            steps=seat.steps,
            best=best,
            ageing=tuning_trend.change(self.results.of(seat.board).trend),
        )

    # -- one device

    def _seat(self, name: str, board: str) -> _Seat:
        """Return a device's seat; another board in its place has a tuner of its own."""
        seat = self._seats.get(name)
        if seat is not None and seat.board == board:
            return seat
        fresh = _Seat(board=board, tuner=self._tuner(board))
        if seat is None:
            return fresh
        return replace(fresh, eye=seat.eye)

    def _tuner(self, board: str) -> BoardTuner:
        record = self.results.of(board)
        return BoardTuner(self._config.settings(record.goal), record.tuned)

    def _look_at(self, device: SupervisedDevice, seat: _Seat) -> None:
        now = self._clock.monotonic()
        stats = device.snapshot(now).stats
        seat.eye.see(stats, now, may_run=device.setpoint.run)
        self._note_work(device.name, seat)
        before = seat.tuner.profile
        seat.advice = seat.tuner.look(self._view(device, seat, stats, now))
        self._state(device.name, seat)
        self._tell(device.name, seat)
        if seat.tuner.profile != before:
            tuned = seat.tuner.profile
            self.results.change(seat.board, lambda record: replace(record, tuned=tuned))
            if seat.tuner.profile.mhz != before.mhz or tuned.bars != before.bars:
                self.results.soon()

    def _view(self, device: SupervisedDevice, seat: _Seat, stats: DeviceStats, now: float) -> View:
        wall, name = self._clock.wall(), device.name
        own = seat.claim.limit if seat.claim else FREE
        decision = self._control.decision(name)
        others, because = others_allow(name, decision, self._control.claims, own, wall)
        look = look_of(stats, self._watts_of(name), now)
        hindrance = self._quiet(wall) or hindrance_of(stats)
        if isinstance(look, str):
            hindrance = hindrance or look
        return View(
            now=now,
            wall=wall,
            points=device.operating_points(),
            look=look if isinstance(look, Look) else None,
            hindrance=hindrance,
            crash=seat.eye.crash,
            ramp=device.setpoint.ramp or 0.0,
            others=others,
            because=because,
        )

    def _quiet(self, wall: float) -> str:
        hours = self._config.quiet_hours
        if hours is None or not self._config.is_quiet(wall, self._zone):
            return ""
        return f"quiet hours until {hours[1] // 60:02d}:{hours[1] % 60:02d}"

    def _note_work(self, name: str, seat: _Seat) -> None:
        """Count what chips did, for the record of how they age."""
        work = seat.eye.work
        if work is None or not work.chips:
            return
        wall = self._clock.wall()
        self._tell_age(name, seat, int(wall // DAY))

        def changed(record: Record) -> Record:
            trend = tuning_trend.with_work(
                record.trend, wall, seconds=work.seconds, mhz=work.mhz, chips=work.chips
            )
            return replace(with_device(record, name), trend=trend)

        self.results.change(seat.board, changed)

    def _tell_age(self, name: str, seat: _Seat, day: int) -> None:
        """Say once a day if chips err more than they did."""
        if seat.aged_on == day:
            return
        seat.aged_on = day
        if ageing := tuning_trend.change(self.results.of(seat.board).trend):
            self._log.warning("board.ages", device=name, board=seat.board, change=ageing)

    def _state(self, name: str, seat: _Seat) -> None:
        limit, old = seat.advice.limit, seat.claim
        if limit == FREE:
            seat.claim = None
        elif old is None or old.limit != limit:
            goal = seat.tuner.settings.goal
            seat.claim = Claim(
                level=Level.TUNER,
                issuer=ISSUER,
                device=name,
                limit=limit,
                cause=f"tuned for {goal}",
                since=self._clock.wall(),
            )

    def _tell(self, name: str, seat: _Seat) -> None:
        for step in seat.advice.steps:
            seat.steps += 1
            seat.last_step = str(step)
            self._log.info(
                "tuner.step", device=name, before=step.before, to=step.to, reason=step.reason
            )
        phase, text = seat.advice.phase, seat.advice.text
        if phase is Phase.HOLDING and seat.told[0] is not Phase.HOLDING:
            self._log.info("tuner.holds", device=name, reason=text)
        elif phase is Phase.WAITING and seat.told != (phase, text):
            self._log.debug("tuner.waits", device=name, reason=text)
        if phase is not Phase.SETTLING:
            seat.told = phase, text

    # -- orders

    async def _tune(self, order: Order) -> Reply:
        names = self._named(order)
        goal = self._goal_in(order)
        if goal is None:
            return {"devices": [self._row(name) for name in names]} | _saved("")
        if order.flag("dry_run"):
            return {"devices": [self._row(name, self._tried(name, goal)) for name in names]}
        for name in names:
            self._aim(name, goal)
        self.look()
        problem = await self.results.save()
        for name in names:
            self._log.info("tuner.goal", device=name, goal=str(goal), by=order.by)
        return {"devices": [self._row(name) for name in names]} | _saved(problem)

    async def _reset(self, order: Order) -> Reply:
        order.text("device")
        [name] = self._named(order)
        if order.flag("dry_run"):
            fresh = replace(self._seats[name], tuner=BoardTuner(self._config.settings()))
            return {"devices": [self._row(name, self._looked(fresh, name))]}
        board = self._seats[name].board
        self.results.forget(board)
        self._seats[name].tuner = self._tuner(board)
        self._log.info("tuner.reset", device=name, board=board, by=order.by)
        self.look()
        return {"devices": [self._row(name)]} | _saved(await self.results.save())

    def _named(self, order: Order) -> list[str]:
        """Return the devices that an order is about."""
        self.look()
        device = order.text_or_nothing("device")
        if device and device not in self._seats:
            names = ", ".join(self._seats)
            raise OrderError(f"no device is called {device!r}; there are: {names}")
        return [device] if device else list(self._seats)

    def _goal_in(self, order: Order) -> Goal | str | None:
        word = order.text_or_nothing("goal")
        if not word or word == AS_CONFIGURED:
            return word or None
        try:
            goal = Goal(word)
        except ValueError as error:
            goals = ", ".join(Goal)
            problem = f'"{word}" is no goal; there are: {goals}, {AS_CONFIGURED}'
            raise OrderError(problem) from error
        if goal is Goal.POWER and self._config.power_target is None:
            raise OrderError("tuning.power_target is not set: how many watts may a device take?")
        return goal

    def _aim(self, name: str, goal: Goal | str) -> None:
        seat = self._seats[name]
        own = goal if isinstance(goal, Goal) else None
        self.results.change(seat.board, lambda record: replace(with_device(record, name), goal=own))
        seat.tuner = self._tuner(seat.board)

    def _tried(self, name: str, goal: Goal | str) -> _Seat:
        """Return what a seat would be with another goal; nothing is touched."""
        seat = self._seats[name]
        own = goal if isinstance(goal, Goal) else None
        settings = self._config.settings(own)
        return self._looked(replace(seat, tuner=BoardTuner(settings, seat.tuner.profile)), name)

    def _looked(self, seat: _Seat, name: str) -> _Seat:
        device = next(one for one in self._devices() if one.name == name)
        now = self._clock.monotonic()
        stats = device.snapshot(now).stats
        return replace(seat, advice=seat.tuner.look(self._view(device, seat, stats, now)))

    def _row(self, name: str, seat: _Seat | None = None) -> dict[str, object]:
        seat = seat or self._seats[name]
        record = self.results.of(seat.board)
        is_own = record.goal is not None
        return {"device": name, "board": seat.board, "own_goal": is_own} | row_of(
            seat.tuner, seat.advice, record.trend, seat.last_step, self._clock.wall()
        )


def _saved(problem: str) -> dict[str, object]:
    return {"durable": not problem, "problem": problem}
