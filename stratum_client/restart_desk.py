"""Soft restarts in force: what rested starts in its slot, whoever released it."""

import asyncio
from random import Random
from zoneinfo import ZoneInfo

from drivers.api import Clock, Log
from stratum_client.boot import Boot
from stratum_client.config import Config
from stratum_client.control import soft_raise, soft_restart
from stratum_client.control.claims import Claim, Claims, Level
from stratum_client.control.soft_raise import Raises
from stratum_client.control.soft_restart import (
    RestartRules,
    Restarts,
    restart_claims,
    wish_of,
)
from stratum_client.device_control import DeviceControl
from stratum_client.restart_memory import Left, RestartMemory
from stratum_client.start_gate import Decide

ISSUERS = frozenset({soft_restart.ISSUER, soft_raise.ISSUER})
"""Of the claims that are stated here."""

LOOK_AGAIN = 30.0
"""Seconds after which a wall clock that was set is noticed, and a full disk is tried again."""

JUMP = 1.0
"""Seconds by which a wall clock was set rather than slewed."""


class RestartDesk:
    """Holds back devices that may not start yet, at each of ``control``'s decisions.

    Without ``left`` nothing is known of the last daemon, and nothing is left to the next one.
    """

    def __init__(
        self,
        config: Config,
        *,
        control: DeviceControl,
        left: Left | None,
        boot: Boot,
        clock: Clock,
        random: Random,
        log: Log,
    ) -> None:
        self._zone = ZoneInfo(config.rig.timezone)
        self._control = control
        self._memory = RestartMemory(left, boot=boot, clock=clock, log=log)
        self._clock = clock
        self._log = log
        self._ahead = clock.wall() - clock.monotonic()
        self._devices: tuple[str, ...] = ()
        self._told: tuple[Claim, ...] = ()
        self._changed = asyncio.Event()
        rules = _rules(config)
        begun = self._memory.beginning(rules, random)
        self._restarts = Restarts(rules, begun.rests, begun.unseen)
        self._raises = Raises()
        self._tell_slots()
        self._ramp = _ramp(config)
        control.rests.at_rest.append(self._is_off)
        self._ask()

    def gate(self, claims: Claims, decide: Decide) -> Claims:
        """Return ``claims`` with those that hold back what may not start yet.

        One of these that is no longer among ``claims`` although it has not expired was overridden.
        """
        self._follow_clock(claims)
        now = self._clock.wall()
        others = Claims(tuple(claim for claim in claims.claims if not _is_ours(claim)))
        decisions = decide(others)
        self._devices = tuple(decisions)
        wishes = {name: wish_of(decision) for name, decision in decisions.items()}
        held = self._restarts.look(wishes, now)
        rules = self._restarts.rules
        ours = (
            *restart_claims(held, wishes, rules, self._zone),
            *self._raises.look(others, rules.slots, self._zone, now),
        )
        for claim in ours:
            if claim not in self._told:
                device = claim.device or "all"
                self._log.info("claim.stated", level="window", device=device, reason=claim.reason)
        if not self._memory.is_kept(self._restarts.remembered):
            self._changed.set()
        self._told = ours
        return Claims((*others.claims, *ours))

    def configure(self, config: Config) -> None:
        """Go by other rules from now on; a start that was to come is worked out anew."""
        before = self._restarts.rules.slots
        self._restarts.follow(_rules(config))
        if self._restarts.rules.slots != before:
            self._tell_slots()
        self._ramp = _ramp(config)
        self._ask()

    async def run(self) -> None:
        """Leave word to the next daemon until cancelled, and then that the end was a clean one."""
        try:
            while True:
                self._changed.clear()
                await self._memory.keep(self._restarts.remembered)
                try:
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._changed.wait()
                except TimeoutError:
                    if self._has_jumped():
                        self._ask()
        finally:
            ended = self._restarts.ended(self._devices, self._clock.wall())
            await self._memory.end(ended)

    def _is_off(self, device: str) -> None:
        if self._restarts.is_off(device, self._clock.wall()):
            self._ask()

    def _ask(self) -> None:
        """Have all decided anew, `gate` asked first."""
        self._control.start_softly(self.gate, issuers=ISSUERS, ramp=self._ramp)

    def _tell_slots(self) -> None:
        """Log what follows from the settings."""
        slots = self._restarts.rules.slots
        if slots.cycle:
            self._log.info(
                "restart.slots",
                slot=slots.own,
                of=slots.count,
                seconds=round(slots.length, 3),
                cycle=round(slots.cycle, 1),
            )

    # -- the clock

    def _has_jumped(self) -> bool:
        ahead = self._clock.wall() - self._clock.monotonic()
        return abs(ahead - self._ahead) > JUMP

    def _follow_clock(self, claims: Claims) -> None:
        """Let every wait go on by a wall clock that was set; else see what was overridden."""
        now = self._clock.wall()
        before, self._ahead = self._ahead, now - self._clock.monotonic()
        if abs(seconds := self._ahead - before) > JUMP:
            self._log.info("restart.clock_set", seconds=round(seconds, 1))
            self._restarts.shift(seconds)
            self._raises.shift(self._restarts.rules.slots, now)
            return
        for claim in self._told:
            if claim in claims.claims or not claim.holds(now):
                continue
            if claim.issuer == soft_raise.ISSUER:
                self._raises.let_go()
            else:
                self._restarts.let_go(claim.device)


def _rules(config: Config) -> RestartRules:
    inrush = config.power.inrush
    return inrush.rules(config.rig.name) if inrush else RestartRules()


def _ramp(config: Config) -> float | None:
    """Return the seconds from rest to full speed, None where boards take their own time."""
    inrush = config.power.inrush
    return (inrush.ramp or None) if inrush else None


def _is_ours(claim: Claim) -> bool:
    return claim.level is Level.WINDOW and claim.issuer in ISSUERS
