"""A price series followed: read now and then, and made a claim of level price while power is dear.

What could not be read is tried again; the prices known before hold for as long as they say.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from zoneinfo import ZoneInfo

from drivers.api import Clock, Log
from stratum_client.config import Config
from stratum_client.config_energy import PriceConfig
from stratum_client.control.claims import Level
from stratum_client.control.io.price_source import PriceError, read_prices
from stratum_client.control.price import (
    ISSUER,
    PricePoint,
    PriceRules,
    PriceState,
    SeriesForm,
    claims_for,
    merged,
    state_at,
)
from stratum_client.device_control import DeviceControl

Read = Callable[[PriceConfig, SeriesForm, float], Awaitable[tuple[PricePoint, ...]]]

LOOK_AGAIN = 30.0
"""Seconds after which a wall clock that was set is noticed."""


class PriceDesk:
    """States the claims of level price; ``read`` asks the source.

    While the wall clock is not believed nobody knows which price holds.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        believes_clock: Callable[[], bool] = lambda: True,
        clock: Clock,
        log: Log,
        read: Read = read_prices,
    ) -> None:
        self.state = PriceState()
        self._zone = ZoneInfo(config.rig.timezone)
        self._settings = config.price
        self._control = control
        self._believes_clock = believes_clock
        self._clock = clock
        self._log = log
        self._read = read
        self._points: tuple[PricePoint, ...] = ()
        self._told: tuple[bool, bool] | None = None
        self._problem = ""
        self._is_awaited = True
        self._changed = asyncio.Event()
        self._told_more = asyncio.Event()

    def configure(self, config: Config) -> None:
        """Follow another series from now on, or by other limits."""
        if config.price == self._settings:
            return
        self._settings = config.price
        self._points, self._told, self._problem = (), None, ""
        self._control.take(Level.PRICE, ISSUER, ())
        self._is_awaited = True
        self._changed.set()
        self._told_more.set()

    async def run(self) -> None:
        """Follow the series until cancelled; a source that is slow delays nobody's rest."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read_on(), name="price series")
            group.create_task(self._look_on(), name="price of now")

    async def _read_on(self) -> None:
        while True:
            self._changed.clear()
            settings = self._settings
            if settings.source != "off":
                await self._take_in()
                self._is_awaited = settings != self._settings
                self._told_more.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(None if settings.source == "off" else settings.every):
                    await self._changed.wait()

    async def _look_on(self) -> None:
        while True:
            self._told_more.clear()
            pause = None if self._is_awaited else self.look()
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._told_more.wait()

    def look(self) -> float:
        """State what holds now; return in how many seconds to look again."""
        now, rules = self._clock.wall(), self._rules()
        is_told = self._believes_clock()
        self.state = state = state_at(self._points if is_told else (), rules, now)
        self._control.take(Level.PRICE, ISSUER, claims_for(state, rules, self._zone, now))
        self._tell(state, rules)
        return LOOK_AGAIN if state.point is None else min(LOOK_AGAIN, state.point.end - now)

    async def _take_in(self) -> None:
        settings, now = self._settings, self._clock.wall()
        form = SeriesForm(
            zone=self._zone,
            rows=settings.rows,
            start_key=settings.start_key,
            end_key=settings.end_key,
            price_key=settings.price_key,
            factor=settings.factor,
            add=settings.add,
            lasts=settings.lasts,
        )
        try:
            found = await self._read(settings, form, now)
        except PriceError as error:
            if error.problem != self._problem:
                self._log.warning("price.unread", problem=error.problem, again_in=settings.every)
            self._problem = error.problem
            return
        if settings != self._settings:
            return  # a reload has come in between
        self._points = merged(self._points, found, now)
        if self._problem:
            self._log.info("price.read_again", prices=len(found))
        self._problem = ""

    def _rules(self) -> PriceRules:
        settings = self._settings
        assert settings.stop_above is not None, "the configuration was checked"
        return PriceRules(
            stop_above=settings.stop_above,
            start_below=settings.starts_below,
            stop_confirmations=settings.stop_confirmations,
            start_confirmations=settings.start_confirmations,
            currency=settings.currency,
        )

    def _tell(self, state: PriceState, rules: PriceRules) -> None:
        told = state.point is not None, state.rests
        if told == self._told:
            return
        self._told = told
        if state.point is None:
            reason = "no price is known for now: windows alone hold"
            self._log.warning("price.stale", reason=reason)
        else:
            price = f"{state.point.price} {rules.currency}/kWh"
            self._log.info("price.followed", price=price, rests=state.rests)
