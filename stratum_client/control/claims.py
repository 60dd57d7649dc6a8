"""Who wants what of the devices: every claim is a limit, and all of them hold; pure.

Levels never make a limit weaker: they only say who may release whose claim, and whose reason is
shown when several claims hold a device equally. What follows from all claims for each device is
worked out in one place, `governor.decide`. Times are wall time, seconds since 1970.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum

from drivers.api import OperatingPoint, Setpoint

_YEAR_3000 = 32_503_680_000.0


class Level(IntEnum):
    """Who states a claim, the mightiest first."""

    TRIP = 6
    ORDER = 5
    WINDOW = 4
    PRICE = 3
    USER = 2
    TUNER = 1

    def __str__(self) -> str:
        """Return the level as status, logs and files write it."""
        return self.name.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What a device may do at most; without any field it is free.

    ``watts`` and ``mhz`` are of one device, ``eco`` is its most efficient speed. ``rig_watts`` is
    of all devices that a claim concerns together, and ``share`` (0 to 1) of the power that all of
    them take at full speed: `governor.decide` deals those two out.
    """

    run: bool = True
    watts: float | None = None
    mhz: float | None = None
    rig_watts: float | None = None
    share: float | None = None
    eco: bool = False

    def __str__(self) -> str:
        """Return the limit in words."""
        if not self.run:
            return "idle"
        watts = "" if self.watts is None else f"at most {self.watts:g} W"
        mhz = "" if self.mhz is None else f"at most {self.mhz:g} MHz"
        rig = "" if self.rig_watts is None else f"at most {self.rig_watts:g} W of the whole rig"
        share = "" if self.share is None else f"at most {100 * self.share:g}% of full power"
        eco = "at most the most efficient speed" if self.eco else ""
        return ", ".join(filter(None, (watts, mhz, rig, share, eco))) or "free"

    def tightened(self, other: "Limit") -> "Limit":
        """Return what both limits allow."""
        return Limit(
            run=self.run and other.run,
            watts=_lower(self.watts, other.watts),
            mhz=_lower(self.mhz, other.mhz),
            rig_watts=_lower(self.rig_watts, other.rig_watts),
            share=_lower(self.share, other.share),
            eco=self.eco or other.eco,
        )


FREE = Limit()
IDLE = Limit(run=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One say in what devices do; a later one of the same level, issuer and device replaces it.

    ``device`` "" means all. ``cause`` says what was done by whom ("paused by user miner"),
    ``remark`` why, in the issuer's words. It holds until ``until``, None: until it is released.
    """

    level: Level
    issuer: str
    device: str = ""
    limit: Limit
    cause: str
    remark: str = ""
    since: float
    until: float | None = None

    @property
    def key(self) -> tuple[Level, str, str]:
        """Return what tells claims apart."""
        return self.level, self.issuer, self.device

    @property
    def reason(self) -> str:
        """Return the sentence that status, logs and metrics show.

        A window's cause says by itself until when, in the rig's zone.
        """
        if self.level is Level.WINDOW:
            return self.cause
        until = "" if self.until is None else f", until {utc(self.until)}"
        remark = f": {self.remark}" if self.remark else ""
        return f"{self.cause}, {utc(self.since)}{until}{remark}"

    def concerns(self, device: str) -> bool:
        """Return whether the claim is about ``device``."""
        return self.device in {"", device}

    def holds(self, now: float) -> bool:
        """Return whether the claim has not expired."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What one device may do, and the claims that bind it, the mightiest first.

    ``limit`` is of this device: its part of what the claims leave to the rig, without ``rig_watts``
    and ``share``. ``note`` says what became of a limit that the device cannot keep as stated.

    Where power is dealt out, ``planned`` is the operating point that was chosen, None for rest, and
    ``dealt_at`` the time since which that is a point, or rest; None where nothing is dealt out.
    """

    limit: Limit = FREE
    binding: tuple[Claim, ...] = ()
    note: str = ""
    planned: OperatingPoint | None = None
    dealt_at: float | None = None

    @property
    def reason(self) -> str:
        """Return why, empty if the device is free."""
        return "; ".join(filter(None, (*(claim.reason for claim in self.binding), self.note)))

    @property
    def stated(self) -> str:
        """Return the limits that bind, in the words of their claims."""
        return "; ".join(dict.fromkeys(str(claim.limit) for claim in self.binding)) or str(FREE)

    @property
    def shed_at(self) -> float | None:
        """Return since when the device rests so that others run; None if it does not."""
        return self.dealt_at if self.planned is None else None

    @property
    def setpoint(self) -> Setpoint:
        """Return what to tell the device."""
        limit = self.limit
        return Setpoint(run=limit.run, reason=self.reason, watts=limit.watts, mhz=limit.mhz)


UNBOUND = Decision()


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims in force, one of each key; each change returns a new collection."""

    claims: tuple[Claim, ...] = ()

    def stated(self, claim: Claim) -> "Claims":
        """Return the claims with ``claim``, which replaces its issuer's older one."""
        others = self._without(lambda old: old.key == claim.key)
        return Claims((*others.claims, claim))

    def withdrawn(self, level: Level, issuer: str, device: str) -> "Claims":
        """Return the claims after an issuer has released his own."""
        return self._without(lambda claim: claim.key == (level, issuer, device))

    def overridden(self, claim: Claim, *, by: Level) -> "Claims":
        """Return the claims after a forced release from ``by``; raise ValueError if it may not."""
        if not may_release(by, claim):
            raise ValueError(f"a claim of level {claim.level} is not released by level {by}")
        return self._without(lambda other: other.key == claim.key)

    def in_force(self, now: float) -> "Claims":
        """Return the claims that have not expired."""
        return self._without(lambda claim: not claim.holds(now))

    def next_expiry(self) -> float | None:
        """Return when the next claim ends by itself, None if none does."""
        return min((c.until for c in self.claims if c.until is not None), default=None)

    def _without(self, leaves: Callable[[Claim], bool]) -> "Claims":
        return Claims(tuple(claim for claim in self.claims if not leaves(claim)))


def may_release(by: Level, claim: Claim) -> bool:
    """Return whether ``by`` may force the release of a claim; a trip ends by cooling alone."""
    return claim.level is not Level.TRIP and by >= claim.level


def utc(at: float) -> str:
    """Return a wall time in words, to the second."""
    if not 0 <= at < _YEAR_3000:
        return "an unbelievable time"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _lower(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
