"""Soft restarts in force: what rested starts in its slot, and a loss of power is recognised.

While a daemon runs a marker with the kernel's boot id is in the state directory; a clean end
removes it. So the next daemon knows whether the last one ended, was killed, or lost its machine.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Protocol
from zoneinfo import ZoneInfo

from drivers.api import Clock, Log
from stratum_client.boot import Boot
from stratum_client.config import Config
from stratum_client.control import soft_raise, soft_restart
from stratum_client.control.claims import Claim, Claims, Level
from stratum_client.control.rests_file import (
    Beginning,
    Ending,
    Leavings,
    RestsFileError,
    beginning,
    ending_told_by,
    leavings_in,
    marker_text,
    text_of,
)
from stratum_client.control.soft_raise import Raises
from stratum_client.control.soft_restart import (
    RestartRules,
    Restarts,
    restart_claims,
    wish_of,
)
from stratum_client.device_control import DeviceControl
from stratum_client.start_gate import Decide
from stratum_client.state_file import StateFile

MARKER_NAME, RESTS_NAME = "running.json", "rests.json"

ISSUERS = frozenset({soft_restart.ISSUER, soft_raise.ISSUER})
"""Of the claims that are stated here."""

LOOK_AGAIN = 30.0
"""Seconds after which a wall clock that was set is noticed, and a full disk is tried again."""

JUMP = 1.0
"""Seconds by which a wall clock was set rather than slewed."""

LAST_WRITE = 1.0
"""Seconds that a clean end waits for the disk."""


class Kept(Protocol):
    """A small file that outlives the daemon; what it does raises OSError."""

    @property
    def path(self) -> Path:
        """Return where it is."""
        ...

    def read(self) -> bytes | None:
        """Return the content, None if there is no such file."""
        ...

    def put_aside(self) -> Path:
        """Give a damaged file another name."""
        ...

    async def write(self, data: bytes) -> None:
        """Return when ``data`` is on the disk."""
        ...

    async def remove(self) -> None:
        """Return when the file is gone."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What one daemon leaves to the next one: that it runs, and what rests since when."""

    marker: Kept
    rests: Kept


def left_in(state_dir: Path) -> Left:
    """Return the files in a state directory."""
    return Left(marker=StateFile(state_dir / MARKER_NAME), rests=StateFile(state_dir / RESTS_NAME))


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
        self._files = left
        self._boot = boot
        self._clock = clock
        self._log = log
        self._ahead = clock.wall() - clock.monotonic()
        self._devices: tuple[str, ...] = ()
        self._told: tuple[Claim, ...] = ()
        self._changed = asyncio.Event()
        self._saved: bytes | None = None
        self._failed: set[str] = set()
        rules = _rules(config)
        begun = self._begin(rules, random)
        self._restarts = Restarts(rules, begun.rests, begun.unseen)
        self._raises = Raises()
        self._tell_slots()
        self._ramp = _ramp(config)
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
        if ours != self._told or self._text() != self._saved:
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
            await self._mark()
            while True:
                self._changed.clear()
                await self._save(self._text())
                try:
                    async with asyncio.timeout(LOOK_AGAIN):
                        await self._changed.wait()
                except TimeoutError:
                    if self._has_jumped():
                        self._ask()
        finally:
            await self._end()

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

    # -- from one daemon to the next

    def _begin(self, rules: RestartRules, random: Random) -> Beginning:
        """Return what devices begin with, as the last daemon ended."""
        now = self._clock.wall()
        marker = self._read(self._files.marker) if self._files else None
        ending = ending_told_by(marker, self._boot.id)
        wait = random.uniform(*rules.wait) if ending is Ending.POWER_LOST else 0.0
        if ending is Ending.POWER_LOST:
            reason = "the machine went down while a daemon ran"
            self._log.warning("power.lost", reason=reason, wait=round(wait, 1))
        elif ending is Ending.KILLED:
            self._log.warning("daemon.was_killed", reason="the last daemon ended without its end")
        return beginning(
            self._left(),
            ending,
            boot_id=self._boot.id,
            booted=now - self._boot.uptime,
            wait_until=now + wait,
            now=now,
        )

    def _left(self) -> Leavings:
        file = self._files.rests if self._files else None
        data = self._read(file) if file else None
        if data is None or file is None:
            return Leavings()
        try:
            return leavings_in(data)
        except RestsFileError as error:
            aside = str(file.put_aside())
            self._log.error("rests.damaged", path=str(file.path), error=str(error), kept_as=aside)
            return Leavings()

    def _read(self, file: Kept) -> bytes | None:
        try:
            return file.read()
        except OSError as error:
            problem = error.strerror or str(error)
            self._log.error("rests.unreadable", path=str(file.path), error=problem)
            return None

    async def _mark(self) -> None:
        if self._files:
            await self._write(self._files.marker, marker_text(self._boot.id, self._clock.wall()))

    def _text(self) -> bytes:
        return text_of(self._boot.id, self._restarts.remembered)

    async def _save(self, text: bytes) -> None:
        if self._files and text != self._saved:
            self._saved = text if await self._write(self._files.rests, text) else None

    async def _end(self) -> None:
        """Write down since when devices are off, then that this was a clean end."""
        rests = self._restarts.ended(self._devices, self._clock.wall())
        try:
            async with asyncio.timeout(LAST_WRITE):
                await self._save(text_of(self._boot.id, rests))
                if self._files:
                    await self._files.marker.remove()
        except (OSError, TimeoutError) as error:
            self._log.warning("rests.not_saved", error=str(error) or "the disk took too long")

    async def _write(self, file: Kept, data: bytes) -> bool:
        """Return whether ``data`` is on the disk; that it is not is told once."""
        try:
            await file.write(data)
        except OSError as error:
            problem = f"{file.path}: {error.strerror or error}"
            if problem not in self._failed:
                self._failed.add(problem)
                self._log.error("rests.not_saved", error=problem, again_in=LOOK_AGAIN)
            return False
        return True


def _rules(config: Config) -> RestartRules:
    inrush = config.power.inrush
    return inrush.rules(config.rig.name) if inrush else RestartRules()


def _ramp(config: Config) -> float | None:
    """Return the seconds from rest to full speed, None where boards take their own time."""
    inrush = config.power.inrush
    return (inrush.ramp or None) if inrush else None


def _is_ours(claim: Claim) -> bool:
    return claim.level is Level.WINDOW and claim.issuer in ISSUERS
