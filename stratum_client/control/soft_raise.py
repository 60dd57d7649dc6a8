"""Limits of the site that are released or loosened: each rig takes more from its slot on; pure.

Rigs that ran at 400 W each and may run at full power again are a rise of the site like any other.
So what they were allowed before holds on until their slot.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import tzinfo

from stratum_client.control.claims import FREE, Claim, Claims, Level, Limit
from stratum_client.control.local_time import shown_at
from stratum_client.control.start_slots import Slots

ISSUER = "restart limit"

Key = tuple[Level, str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """A limit as it was, since when it is held on, and until when."""

    claim: Claim
    since: float
    start: float


class Raises:
    """Sees which limits of the site are loosened; times are wall time, seconds since 1970."""

    def __init__(self) -> None:
        self._before: Mapping[Key, Claim] = {}
        self._held: dict[Key, _Held] = {}

    def look(self, claims: Claims, slots: Slots, zone: tzinfo, now: float) -> tuple[Claim, ...]:
        """Take note of the claims that others state; return what is to hold on."""
        stated = {claim.key: claim.limit for claim in claims.in_force(now).claims}
        start = slots.next_start(now)
        for key, old in self._before.items():
            is_loose = not _is_as_tight(stated.get(key, FREE), old.limit)
            if is_loose and start > now:
                held = self._held.get(key) or _Held(claim=old, since=now, start=start)
                limit = held.claim.limit.tightened(old.limit)  # it may have been tightened between
                self._held[key] = replace(held, claim=replace(held.claim, limit=limit))
        self._before = {c.key: c for c in claims.claims if _is_partial(c) and c.holds(now)}
        self._held = {key: held for key, held in self._held.items() if held.start > now}
        return self._claims(slots, zone)

    def shift(self, slots: Slots, now: float) -> None:
        """Go by a wall clock that was set."""
        start = slots.next_start(now)
        self._held = {
            key: replace(held, since=now, start=start) for key, held in self._held.items()
        }

    def let_go(self) -> None:
        """Hold nothing on, as somebody mightier wants."""
        self._held = {}

    def _claims(self, slots: Slots, zone: tzinfo) -> tuple[Claim, ...]:
        """Return one claim for each device that is concerned, or for all of them."""
        limits: dict[str, tuple[Limit, float, float]] = {}
        for held in self._held.values():
            device = held.claim.device
            limit, since, start = limits.get(device, (FREE, held.since, held.start))
            limits[device] = (
                limit.tightened(held.claim.limit),
                min(since, held.since),
                min(start, held.start),
            )
        return tuple(
            Claim(
                level=Level.WINDOW,
                issuer=ISSUER,
                device=device,
                limit=limit,
                cause=f"soft restart: {limit} until slot {slots.own} of {slots.count},"
                f" at {shown_at(start, zone):%H:%M:%S}",
                since=since,
                until=start,
            )
            for device, (limit, since, start) in limits.items()
        )


def _is_partial(claim: Claim) -> bool:
    """Return whether a claim of the site lets devices run, but not as hard as they can."""
    return claim.level >= Level.PRICE and claim.limit.run and claim.limit != FREE


def _is_as_tight(limit: Limit, old: Limit) -> bool:
    return not limit.run or old.tightened(limit) == limit
