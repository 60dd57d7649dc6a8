"""The schedule in force: what it says becomes claims, at the stroke of each change.

| request | other keys | result |
|---|---|---|
| schedule.trust_clock | dry_run if wanted | reason |

It sleeps until the next change, but looks every 30 s whether the wall clock was set.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drivers.api import Clock, Log
from stratum_client.api.control_lines import Handler, Order, Reply
from stratum_client.config import Config
from stratum_client.config_schedule import ScheduleConfig
from stratum_client.control.claims import Claim, Level
from stratum_client.control.modes import REST
from stratum_client.control.schedule import Change, Schedule
from stratum_client.control.window_claims import ISSUER, window_claims
from stratum_client.device_control import DeviceControl
from stratum_client.schedule_source import schedule_of
from stratum_client.supervise import SupervisedDevice

LOOK_AGAIN = 30.0
"""Seconds after which a wall clock that was set is noticed."""

LOOK_AT_CLOCK = 2.0
"""The same while the clock is not believed."""

SPARE, MOST_LAG = 2.0, 300.0
"""Seconds that `schedule.lag` has beyond what devices took to rest, if automatic, and at most."""

YEAR_2024, YEAR_3000 = 1_704_067_200.0, 32_503_680_000.0

UNSYNCHRONIZED = "idle until the clock is synchronized (or schedule.trust_clock is true)"

NONE = "window: none is configured"


class WindowDesk:
    """States the claims of level window.

    Where windows or tariffs go by it the rig rests until the clock is believed: once it has been
    seen synchronized. A kernel that does not tell is believed with a warning, a clock that shows no
    year from 2024 on is not.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        devices: Callable[[], Sequence[SupervisedDevice]],
        synchronized: Callable[[], bool | None],
        clock: Clock,
        log: Log,
    ) -> None:
        self._settings: ScheduleConfig = config.schedule
        self._control = control
        self._devices = devices
        self._synchronized = synchronized
        self._clock = clock
        self._log = log
        self._is_trusted = False
        self._change: Change | None = None
        self._told = ""
        self._since = clock.wall()
        self._announced: float | None = None
        self._wake = asyncio.Event()
        self._schedule = self.prepared(config)
        self._has_tariff = bool(config.tariffs)
        self.look()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"schedule.trust_clock": self._trust}

    def prepared(self, config: Config) -> Schedule | None:
        """Return the schedule that ``config`` asks for; reads files, raises ConfigError."""
        return schedule_of(config, now=self._clock.wall())

    def configure(self, schedule: Schedule | None, config: Config) -> None:
        """Go by another schedule and other settings from now on."""
        self._schedule, self._settings, self._change = schedule, config.schedule, None
        self._has_tariff = bool(config.tariffs)
        self._wake.set()
        self.look()

    async def run(self) -> None:
        """Follow the schedule until cancelled."""
        while True:
            self._wake.clear()
            pause = self.look()
            try:
                async with asyncio.timeout(pause):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def look(self) -> float:
        """State what holds now; return in how many seconds to look again."""
        now = self._clock.wall()
        schedule = self._schedule
        if (schedule or self._has_tariff) and not self._believes(now):
            sentence = f"{'window' if schedule else 'tariff'}: {UNSYNCHRONIZED}"
            self._take(window_claims(REST, sentence, self._since), sentence)
            return LOOK_AT_CLOCK
        if schedule is None:
            self._take((), "")
            return LOOK_AGAIN
        change = self._change_at(schedule, now)
        sentence = schedule.sentence(change)
        claims = window_claims(change.mode, sentence, change.at)
        self._take(claims, sentence, mode=str(change.mode))
        if change.until is None:
            return LOOK_AGAIN
        return min(LOOK_AGAIN, change.until - now, self._announce(schedule, change, now))

    def _change_at(self, schedule: Schedule, now: float) -> Change:
        """Return what holds now, worked out anew after each change and jump of the clock."""
        change = self._change
        if change is None or now < change.at or (change.until is not None and now >= change.until):
            self._change = change = self._with_lag(schedule).at(now)
        return change

    def _with_lag(self, schedule: Schedule) -> Schedule:
        """Return the schedule with as much lag as devices were seen to need, never less."""
        longest = self._control.rests.longest
        if self._settings.lag != "auto" or longest is None:
            return schedule
        return replace(schedule, lag=min(max(schedule.lag, longest + SPARE), MOST_LAG))

    def _announce(self, schedule: Schedule, change: Change, now: float) -> float:
        """Wake what has failed a while before the rig is to run; return when that is to be."""
        opens = change.until
        if change.mode.run or opens is None or self._announced == opens:
            return LOOK_AGAIN
        wait = opens - self._settings.lead - now
        if wait > 0:
            return wait
        self._announced = opens
        if schedule.at(opens).mode.run:
            self._log.info("window.opens_soon", seconds=round(opens - now, 3))
            for device in self._devices():
                device.retry_at_once()
        return LOOK_AGAIN

    def _take(self, claims: Sequence[Claim], sentence: str, **fields: object) -> None:
        if sentence != self._told:
            is_waiting = sentence.endswith(UNSYNCHRONIZED)
            tell = self._log.warning if is_waiting else self._log.info
            tell("window.changed", reason=sentence or NONE, **fields)
            self._told = sentence
        self._control.take(Level.WINDOW, ISSUER, claims)

    # -- the clock

    def believes_clock(self) -> bool:
        """Return whether what the wall clock shows may be gone by."""
        return self._believes(self._clock.wall())

    def _believes(self, now: float) -> bool:
        if self._settings.trust_clock or self._is_trusted:
            return True
        told = self._synchronized()
        self._is_trusted = told is not False and YEAR_2024 <= now < YEAR_3000
        if told is None and self._is_trusted:
            self._log.warning("window.clock_unknown", reason="the kernel does not tell; believed")
        return self._is_trusted

    def _trust(self, order: Order) -> Reply:
        if order.flag("dry_run"):
            return {"reason": self._told or NONE}
        self._log.warning("window.clock_trusted", by=order.by)
        self._is_trusted = True
        self.look()
        self._wake.set()
        return {"reason": self._told or NONE}
