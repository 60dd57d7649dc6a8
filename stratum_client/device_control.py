"""The one place that tells devices what to do: claims in, setpoints out, orders remembered.

What follows from the claims is `governor.decide`'s say. It is asked when a claim comes, goes or
expires, when a meter's correction changes, and, while a limit depends on what devices are, when one
of them comes, goes or changes, which is looked for every `LOOK_AT_FACTS`.

Orders are followed first, then written down, then acknowledged: a full disk keeps nobody from
resting.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from math import isfinite

from drivers.api import Clock, Log, Setpoint
from stratum_client.api.control_lines import OrderError
from stratum_client.claims_store import ClaimsStore
from stratum_client.control.claims import Claim, Claims, Decision, Level, may_release
from stratum_client.control.claims_file import MAX_CLAIMS
from stratum_client.control.governor import Budget, DeviceFacts, budget_of, decide
from stratum_client.device_facts import FactsBook, differ
from stratum_client.rest_watch import RestWatch
from stratum_client.start_gate import Gate, depends_on_facts, is_rise, open_gate
from stratum_client.state_file import StateFile
from stratum_client.supervise import SupervisedDevice

FILE_NAME = "claims.json"

LOOK_AT_FACTS = 1.0
"""Seconds between two looks at the devices while a limit depends on what they are."""

DEAL_AGAIN = 10.0
"""The same until power is dealt out anew whatever they are: rest for others ends by time."""

FINE = 0.005
"""The part by which a correction rises before it is followed; falls are ten times finer."""

_LOOK_AGAIN = 60.0  # the wall clock may be set at any moment


class DeviceControl:
    """Holds the claims; without a ``file`` they last as long as the daemon."""

    def __init__(
        self,
        devices: Callable[[], Sequence[SupervisedDevice]],
        *,
        file: StateFile | None,
        clock: Clock,
        log: Log,
    ) -> None:
        self._store = ClaimsStore(file, self._remembered, clock=clock, log=log)
        self.claims = self._store.restored()
        self.correction = 1.0
        self._ramp: float | None = None
        self._gate: Gate = open_gate
        self.rests = RestWatch(devices, clock=clock, log=log)
        self._book = FactsBook()
        self._facts: tuple[DeviceFacts, ...] = ()
        self._decided: Mapping[str, Decision] = {}
        self._taken: set[tuple[Level, str]] = set()
        self._overridden: frozenset[Claim] = frozenset()
        self._decided_at = 0.0
        self._dealt: tuple[object, ...] = ()
        self._devices = devices
        self._clock = clock
        self._log = log
        self._changed = asyncio.Event()
        for claim in self.claims.claims:
            self._tell("claim.restored", claim, limit=str(claim.limit))

    @property
    def idle_after(self) -> float | None:
        """Return the seconds that the last order to rest took."""
        return self.rests.last

    @property
    def names(self) -> list[str]:
        """Return the names of all devices."""
        return [device.name for device in self._devices()]

    @property
    def budget(self) -> Budget | None:
        """Return the watts that claims leave to all devices together, None if none says so.

        As stated, whatever the correction is.
        """
        return budget_of(self.claims.in_force(self._clock.wall()), self._facts)

    def decision(self, device: str) -> Decision:
        """Return what a device may do now; one not seen yet gets nothing of what is dealt out.

        That one is decided for with all others as soon as it is there.
        """
        if device in self._decided:
            return self._decided[device]
        self._changed.set()
        unseen = DeviceFacts(name=device, is_here=False, is_known=False)
        return decide(self.claims, [unseen], self._clock.wall())[device]

    def setpoint(self, device: str) -> Setpoint:
        """Return what a device should do now."""
        return self._setpoint(self.decision(device))

    def _setpoint(self, decision: Decision) -> Setpoint:
        return replace(decision.setpoint, ramp=self._ramp)

    async def run(self) -> None:
        """Let claims expire, see devices come to rest and write down what could not be."""
        self._decide_anew()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._expire(), name="claims")
            group.create_task(self.rests.run(), name="devices coming to rest")

    # -- claims

    async def state(self, claim: Claim) -> str:
        """Put a claim in force, then write it down; return why a restart would not know of it."""
        others = [old for old in self._remembered().claims if old.key != claim.key]
        if len(others) >= MAX_CLAIMS:
            raise OrderError(f"there are {MAX_CLAIMS} claims already: release some")
        self._tell("claim.stated", claim, limit=str(claim.limit))
        self._take_over(self.claims.stated(claim))
        return await self._store.save()

    async def withdraw(self, claims: Sequence[Claim], *, by: str) -> str:
        """Release claims on their issuer's behalf; return as `state`."""
        if not claims:
            return ""
        for claim in claims:
            self._tell("claim.released", claim, by=by)
        self._take_over(self.without(claims))
        return await self._store.save()

    async def override(self, claims: Sequence[Claim], *, by: str, level: Level) -> str:
        """Force the release of others' claims, from their level or above; return as `state`.

        Raises OrderError, and releases none, if one of them is not to be released so. One that is
        worked out anew (`take`) stays away until its issuer states something else.
        """
        for claim in claims:
            if not may_release(level, claim):
                who = "nobody" if claim.level is Level.TRIP else f"level {claim.level} or above"
                raise OrderError(f"this is released by its issuer or {who}: {claim.reason}")
        for claim in claims:
            self._tell("claim.overridden", claim, by=by, from_level=str(level))
        self._overridden |= {claim for claim in claims if self._is_taken(claim)}
        self._take_over(self.without(claims))
        return await self._store.save()

    def take(self, level: Level, issuer: str, claims: Sequence[Claim]) -> None:
        """Let ``claims`` take the place of all others of an issuer that works them out anew.

        They are not written down: a restart asks the issuer. So it must not use `state` as well.
        """
        assert all((claim.level, claim.issuer) == (level, issuer) for claim in claims)
        self._taken.add((level, issuer))
        self._overridden = frozenset(
            claim
            for claim in self._overridden
            if (claim.level, claim.issuer) != (level, issuer) or claim in claims
        )
        wanted = [claim for claim in claims if claim not in self._overridden]
        old = [c for c in self.claims.claims if (c.level, c.issuer) == (level, issuer)]
        if old == wanted:
            return
        for claim in wanted:
            if claim not in old:
                self._tell("claim.stated", claim, limit=str(claim.limit))
        if not wanted:
            for claim in old:
                self._tell("claim.released", claim, by=issuer)
        others = [claim for claim in self.claims.claims if claim not in old]
        self._take_over(Claims((*others, *wanted)))

    def correct(self, factor: float) -> None:
        """Let devices plan with ``factor`` times the power that claims leave to the rig.

        For whoever measures what they really take; 1 while nobody does. What hardly differs is
        passed over, and a rise rather than a fall: devices need not be told at each reading.
        """
        if not (isfinite(factor) and factor > 0):
            raise ValueError(f"a correction is a positive number, not {factor}")
        change = factor / self.correction - 1
        if change > FINE or change < -FINE / 10 or (factor == 1.0 and change):
            self.correction = factor
            self._decide_anew()

    def start_softly(self, gate: Gate, *, issuers: Iterable[str], ramp: float | None) -> None:
        """Ask ``gate`` before each decision who may not start yet, and now; setpoints say ``ramp``.

        Its claims are of level window and ``issuers``; they are not written down.
        """
        self._gate, self._ramp = gate, ramp
        self._taken |= {(Level.WINDOW, issuer) for issuer in issuers}
        self._take_over(self.claims)

    def _remembered(self) -> Claims:
        """Return the claims that are written down: some are worked out anew."""
        return Claims(tuple(claim for claim in self.claims.claims if not self._is_taken(claim)))

    def _is_taken(self, claim: Claim) -> bool:
        return (claim.level, claim.issuer) in self._taken

    def without(self, claims: Iterable[Claim]) -> Claims:
        """Return all claims but ``claims``."""
        left = self.claims
        for claim in claims:
            left = left.withdrawn(*claim.key)
        return left

    def _take_over(self, claims: Claims) -> None:
        """Make ``claims`` those in force, and tell the devices that this concerns."""
        self.claims = claims
        self._changed.set()
        self._decide_anew()

    def _decide_anew(self) -> None:
        """Decide for all devices, and tell those for which something changed."""
        devices = self._devices()
        self._decided_at = now = self._clock.monotonic()
        self._facts = facts = self._book.facts(devices, now)
        decisions = cache(lambda claims: self._decisions(claims, facts))  # mostly asked twice
        self.claims = self._gate(self.claims, decisions)
        self._decided = decisions(self.claims)
        told = [(device, self._setpoint(self._decided[device.name])) for device in devices]
        changed = [(device, setpoint) for device, setpoint in told if setpoint != device.setpoint]
        changed.sort(key=lambda one: is_rise(one[0].setpoint, one[1]))
        for device, setpoint in changed:  # rises last: nobody gets what is still in use
            self._apply(device, setpoint)
        self._tell_deal()

    def _decisions(self, claims: Claims, facts: Sequence[DeviceFacts]) -> Mapping[str, Decision]:
        now, correction = self._clock.wall(), self.correction
        return decide(claims, facts, now, correction=correction, before=self._decided)

    def _apply(self, device: SupervisedDevice, setpoint: Setpoint) -> None:
        was_running = device.setpoint.run
        device.apply(setpoint)
        if not setpoint.run and was_running:
            self.rests.told_to_rest(device.name)
        elif setpoint.run:
            self.rests.told_to_run(device.name)
            if not was_running:
                device.retry_at_once()

    def _tell_deal(self) -> None:
        """Log who runs on a budget whenever that is not who ran."""
        budget = self.budget
        if budget is None:
            self._dealt = ()
            return
        resting = [name for name, found in self._decided.items() if not found.limit.run]
        dealt = budget.claim.key, str(budget.claim.limit), tuple(resting)
        if dealt != self._dealt:
            self._dealt = dealt
            self._log.info(
                "power.dealt",
                watts=round(budget.watts, 1),
                running=len(self._decided) - len(resting),
                resting=", ".join(resting),
                reason=budget.claim.reason,
            )

    def _tell(self, event: str, claim: Claim, **fields: object) -> None:
        device, level = claim.device or "all", str(claim.level)
        self._log.info(event, level=level, device=device, reason=claim.reason, **fields)

    # -- in the background

    async def _expire(self) -> None:
        while True:
            now = self._clock.wall()
            left = self.claims.in_force(now)
            ended = [claim for claim in self.claims.claims if claim not in left.claims]
            if ended:
                for claim in ended:
                    self._tell("claim.expired", claim)
                self._take_over(left)
            if ended or self._store.is_overdue:
                await self._store.save()
            pause = self._look()
            self._changed.clear()
            until = self.claims.next_expiry()
            pause = pause if until is None else min(max(until - now, 0.0), pause)
            try:
                async with asyncio.timeout(pause):
                    await self._changed.wait()
            except TimeoutError:
                pass

    def _look(self) -> float:
        """Decide anew if devices are no longer what they were; return when to look again."""
        if not {device.name for device in self._devices()} <= self._decided.keys():
            self._decide_anew()
        if not any(depends_on_facts(claim.limit) for claim in self.claims.claims):
            return _LOOK_AGAIN
        facts = self._book.facts(self._devices(), self._clock.monotonic())
        passed = self._clock.monotonic() - self._decided_at
        if differ(self._facts, facts) or (self._dealt and passed >= DEAL_AGAIN):
            self._decide_anew()
        return LOOK_AT_FACTS

    def rows(self, claims: Claims, device: str = "") -> dict[str, object]:
        """Return what devices, or one, are to do under ``claims``, as the key ``devices``."""
        facts = self._book.facts(self._devices(), self._clock.monotonic())
        decisions = self._decisions(claims, facts)
        return {
            "devices": [
                {"device": name, "run": decision.limit.run, "reason": decision.reason}
                for name, decision in decisions.items()
                if device in {"", name}
            ]
        }
