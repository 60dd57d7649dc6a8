"""The one decision point: from all claims to what each device may do, and because of whom; pure.

Every claim is a limit and the most restrictive one holds. Limits of one device are taken as they
are. A limit of the whole rig is dealt out: each device gets so many watts that all together hash
the most (`dealing`), and rests where resting loses the least.

What a device cannot keep as stated:

| device | a share | watts of the rig |
|---|---|---|
| with operating points | dealt out | dealt out |
| that tells its watts | that share of its frequency | all that was seen, or rest |
| with a frequency alone | that share of its frequency | rest |
| with neither | full speed, and it is said | rest |

So a limit in watts holds whatever is plugged in. A device that is not plugged in rests beforehand:
it gets its part when it is there. One that fails to come up gets enough for its slowest speed.

Plans last: one that still fits is kept while another would gain less than `WORTH`. A device that
was told to rest for others does so for `REST`. And when somebody has been stopped or started, each
further one counts as a loss, `SWITCH` of what the device does at full speed, that fades in `CALM`:
so a budget that wavers makes devices slower and faster, and hardly stops and starts them.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from types import MappingProxyType

from drivers.api import OperatingPoint
from stratum_client.control.claims import FREE, IDLE, UNBOUND, Claim, Claims, Decision, Limit
from stratum_client.control.dealing import SLACK, Dealing, most_efficient, shared_out, usable

WORTH = 0.008
"""The part of the hash rate for whose gain a plan is changed."""

REST = 60.0
"""Seconds for which a device rests at least that rests for the others."""

SWITCH = 0.2
"""The part of a device's hash rate that stopping or starting it counts as, at first."""

CALM = 300.0
"""Seconds in which that fades."""

ECO_SHARE = 0.7
"""The share of full frequency that "eco" is where no operating points are known."""

UNPLUGGED = "it gets its part of the power when it is plugged in"
UNCOUNTED = (
    "a limit in percent instead of watts would let it run: its power is not known, so it rests"
)
SHED = "the rig hashes most while it rests"
TOO_LITTLE = "its slowest speed takes more"
UNTUNED = "it has no power model: full speed or rest"

_NOBODY: Mapping[str, Decision] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What is known of a device.

    ``points`` are those of its own power model, the last is full speed. Of a device without one,
    ``seen`` is the most it was seen to take, and ``full_mhz`` the highest frequency it was seen at.
    ``rest_watts`` is what it was seen to take at rest. ``is_here``: it is plugged in; ``is_known``:
    it has been seen mining; ``is_failing``: it has not come up for a while, and keeps trying.
    """

    name: str
    points: tuple[OperatingPoint, ...] = ()
    seen: OperatingPoint | None = None
    full_mhz: float | None = None
    rest_watts: float = 0.0
    is_here: bool = True
    is_known: bool = True
    is_failing: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The ``watts`` that all devices together may take, and the claim that says so.

    ``is_hard``: watts were stated, so nobody runs whose power is unknown. Else it is a share, and
    only of those whose full power is known.
    """

    watts: float
    is_hard: bool
    claim: Claim


@dataclass(frozen=True, slots=True)
class _Part:
    """What a claim comes to for one device, and what to say of that."""

    claim: Claim
    limit: Limit
    note: str = ""


def decide(
    claims: Claims,
    devices: Sequence[DeviceFacts],
    now: float,
    *,
    correction: float = 1.0,
    before: Mapping[str, Decision] = _NOBODY,
) -> Mapping[str, Decision]:
    """Return what each device may do at ``now``, and because of whom.

    ``correction`` is the part of a budget that devices may plan with, as a meter has shown;
    ``before`` is what was decided last.
    """
    in_force = claims.in_force(now)
    own = {device.name: _own_parts(in_force, device) for device in devices}
    budget = budget_of(in_force, devices)
    if budget is None:
        return {name: _decision(parts) for name, parts in own.items()}
    dealer = _Dealer(budget, correction, before, now)
    return dealer.deal(sorted(devices, key=lambda device: device.name), own)


def budget_of(claims: Claims, devices: Iterable[DeviceFacts]) -> Budget | None:
    """Return what ``claims``, all in force, leave to the rig; None where no claim is of the rig."""
    full = sum(device.points[-1].watts for device in devices if device.points and device.is_here)
    found = [
        Budget(watts=watts, is_hard=is_hard, claim=claim)
        for claim in sorted(claims.claims, key=_standing)
        if not claim.device and claim.limit.run
        for watts, is_hard in (
            (claim.limit.rig_watts, True),
            (None if claim.limit.share is None else claim.limit.share * full, False),
        )
        if watts is not None
    ]
    if not found:
        return None
    if not full:  # a share of what nobody knows says nothing beside watts; frequency keeps it
        found = [budget for budget in found if budget.is_hard] or found
    least = min(found, key=lambda budget: budget.watts)
    return replace(least, is_hard=any(budget.is_hard for budget in found))


# --- what is stated of one device ---


def _own_parts(claims: Claims, device: DeviceFacts) -> list[_Part]:
    """Return what each claim on a device limits, but for what is dealt out among all."""
    concerned = [claim for claim in claims.claims if claim.concerns(device.name)]
    return [part for claim in concerned for part in _translated(claim, device)]


def _translated(claim: Claim, device: DeviceFacts) -> Iterable[_Part]:
    """Yield a claim's limit in watts and MHz of this device."""
    limit = claim.limit
    if not limit.run:
        yield _Part(claim, Limit(run=False, watts=limit.watts, mhz=limit.mhz))
        return
    if limit.watts is not None or limit.mhz is not None:
        is_deaf = limit.watts is not None and device.is_known and not _tells_watts(device)
        note = f"{device.name} does not know its watts and keeps no limit" if is_deaf else ""
        yield _Part(claim, Limit(watts=limit.watts, mhz=limit.mhz), note)
    if limit.eco:
        yield _eco(claim, device)
    if claim.device and limit.rig_watts is not None:
        yield _Part(claim, Limit(watts=limit.rig_watts))
    if limit.share is not None and not device.points:
        yield _slower(claim, limit.share, device)
    elif limit.share is not None and claim.device:
        yield _Part(claim, Limit(watts=limit.share * device.points[-1].watts))


def _eco(claim: Claim, device: DeviceFacts) -> _Part:
    best = most_efficient(device.points)
    return _Part(claim, Limit(mhz=best.mhz)) if best else _slower(claim, ECO_SHARE, device)


def _slower(claim: Claim, share: float, device: DeviceFacts) -> _Part:
    """Return a share of frequency, for a device whose power is not known."""
    if device.full_mhz is not None:
        note = f"{device.name} has no power model: {100 * share:g}% of its frequency"
        return _Part(claim, Limit(mhz=share * device.full_mhz), note)
    note = f"{device.name} has no frequency to lower and runs at full speed"
    return _Part(claim, FREE, note if device.is_known else "")


def _tells_watts(device: DeviceFacts) -> bool:
    return bool(device.points) or device.seen is not None


# --- what is dealt out ---


class _Dealer:
    """Deals a budget out once."""

    def __init__(
        self, budget: Budget, correction: float, before: Mapping[str, Decision], now: float
    ) -> None:
        self._budget = budget
        self._watts = budget.watts * correction
        self._before = before
        self._now = now
        self._rest: dict[str, float] = {}

    def deal(
        self, devices: Sequence[DeviceFacts], own: Mapping[str, Sequence[_Part]]
    ) -> Mapping[str, Decision]:
        """Return what each device may do; ``own`` is what is stated of each alone."""
        self._rest = {device.name: device.rest_watts for device in devices if device.is_here}
        decided = {}
        choices: dict[str, tuple[OperatingPoint, ...]] = {}
        modelled = {device.name for device in devices if device.points}
        for device in devices:
            parts = own[device.name]
            limit, points = _limit(parts), self._points(device)
            if limit.run and device.is_here and points:
                within = _within(points, limit) if device.points else points
                choices[device.name] = within[:1] if device.is_failing else within
            else:
                decided[device.name] = self._without_power(device, parts)
        self._watts -= sum(self._given_up(device, choices.get(device.name)) for device in devices)
        planned = self._planned(choices)
        resting = (rest for name, rest in self._rest.items() if not planned.get(name))
        watts = shared_out(planned, choices, self._watts - sum(resting))
        for name, point in planned.items():
            dealt = watts.get(name) if name in modelled else None
            decided[name] = self._dealt(name, own[name], choices[name], point, dealt)
        return decided

    def _given_up(self, device: DeviceFacts, choices: Sequence[OperatingPoint] | None) -> float:
        """Return the watts that a device leaves to others as it is failing from now on.

        Whoever measures has lent them already, and takes that back with the next correction.
        """
        planned = self._before.get(device.name, UNBOUND).planned
        if planned is None or not device.is_failing or (choices and planned.mhz <= choices[0].mhz):
            return 0.0
        return max(planned.watts - self._rest.get(device.name, 0.0), 0.0)

    def _points(self, device: DeviceFacts) -> tuple[OperatingPoint, ...]:
        if device.points or not self._budget.is_hard:
            return device.points
        return (device.seen,) if device.seen else ()

    def _without_power(self, device: DeviceFacts, parts: Sequence[_Part]) -> Decision:
        """Return what holds for a device that nothing can be dealt to."""
        claim = self._budget.claim
        if not _limit(parts).run:
            return _decision(parts)
        if not device.is_here:
            return _decision([*parts, _Part(claim, IDLE, UNPLUGGED)])
        if self._budget.is_hard:
            return _decision([*parts, _Part(claim, IDLE, UNCOUNTED)])
        return _decision(parts)

    def _dealt(
        self,
        name: str,
        parts: Sequence[_Part],
        choices: Sequence[OperatingPoint],
        point: OperatingPoint | None,
        watts: float | None,
    ) -> Decision:
        """Return what holds for a device that was dealt ``watts``, or rest without a ``point``."""
        claim = self._budget.claim
        since = self._before.get(name, UNBOUND)
        is_news = since.dealt_at is None or (since.planned is None) != (point is None)
        dealt_at = self._now if is_news else since.dealt_at
        if point:
            limit = FREE if watts is None else Limit(watts=_rounded(watts, point.watts))
            part = _Part(claim, limit, UNTUNED if watts is None else "")
            decision = _decision([*parts, part])
        elif not choices:
            return _decision(parts)  # its own limit is too low for it: it rests by itself
        else:
            others = sum(self._rest.values()) - self._rest[name]
            note = TOO_LITTLE if choices[0].watts > self._watts - others else SHED
            decision = _decision([*parts, _Part(claim, IDLE, note)])
        return replace(decision, planned=point, dealt_at=dealt_at)

    def _planned(
        self, choices: Mapping[str, tuple[OperatingPoint, ...]]
    ) -> Mapping[str, OperatingPoint | None]:
        """Return a point for each device: as before where that is about as good as can be."""
        bonus = {name: self._bonus(name, points) for name, points in choices.items()}
        fresh = {name: () if self._must_rest(name) else points for name, points in choices.items()}
        dealing = Dealing(
            list(fresh.values()),
            self._watts - sum(self._rest.values()),
            bonus=list(bonus.values()),
            rest=[self._rest[name] for name in fresh],
        )
        kept = self._kept(choices)
        if kept is not None and _worth(kept, bonus) >= dealing.bound * (1 - WORTH):
            return kept
        best = dict(zip(choices, dealing.plan(), strict=True))
        is_kept = kept is not None and _worth(kept, bonus) >= _worth(best, bonus) * (1 - WORTH)
        return kept if kept is not None and is_kept else best

    def _bonus(self, name: str, points: Sequence[OperatingPoint]) -> float:
        """Return what it is worth, in H/s, that a device runs on, or rests on if negative."""
        before = self._before.get(name, UNBOUND)
        if before.dealt_at is None or not points:
            return 0.0
        worth = self._unrest * SWITCH * points[-1].hashrate
        return worth if before.planned else -worth

    @property
    def _unrest(self) -> float:
        """Return 1 right after somebody was stopped or started, 0 when that is long ago."""
        found = [one.dealt_at for one in self._before.values() if one.dealt_at is not None]
        passed = self._now - max(found, default=-inf)
        return 1 - passed / CALM if 0 <= passed < CALM else 0.0

    def _kept(
        self, choices: Mapping[str, Sequence[OperatingPoint]]
    ) -> Mapping[str, OperatingPoint | None] | None:
        """Return the plan of before with the watts of now; None if it is no longer possible."""
        kept: dict[str, OperatingPoint | None] = {}
        for name, points in choices.items():
            planned = self._before.get(name, UNBOUND).planned
            same = [point for point in points if planned and point.mhz == planned.mhz]
            if not same and self._before.get(name, UNBOUND).shed_at is None:
                return None
            kept[name] = same[0] if same else None
        running = {name: point.watts for name, point in kept.items() if point}
        spent = sum((self._rest | running).values())
        return kept if spent <= self._watts * (1 + SLACK) else None

    def _must_rest(self, name: str) -> bool:
        shed_at = self._before.get(name, UNBOUND).shed_at
        return shed_at is not None and 0 <= self._now - shed_at < REST


def _within(points: Sequence[OperatingPoint], limit: Limit) -> tuple[OperatingPoint, ...]:
    if limit.watts is None and limit.mhz is None:
        return usable(points)
    watts = inf if limit.watts is None else limit.watts
    mhz = inf if limit.mhz is None else limit.mhz
    return usable(point for point in points if point.watts <= watts and point.mhz <= mhz)


def _worth(plan: Mapping[str, OperatingPoint | None], bonus: Mapping[str, float]) -> float:
    return sum(point.hashrate + bonus[name] for name, point in plan.items() if point)


def _rounded(watts: float, least: float) -> float:
    """Return watts to the milliwatt, never more, and never less than the point that was chosen."""
    return max(int(watts * 1000) / 1000, least)


# --- what binds ---


def _limit(parts: Iterable[_Part]) -> Limit:
    limit = FREE
    for part in parts:
        limit = part.limit if limit is FREE else limit.tightened(part.limit)
    return limit


def _decision(parts: Sequence[_Part]) -> Decision:
    """Return what all parts allow together, and of each limit the mightiest claim that sets it."""
    limit = _limit(parts)
    ordered = sorted(parts, key=lambda part: _standing(part.claim)) if len(parts) > 1 else parts
    if not limit.run:
        part = next(part for part in ordered if not part.limit.run)
        return Decision(limit=limit, binding=(part.claim,), note=part.note)
    told = [part for part in ordered if part.note and part.limit == FREE]
    if limit.watts is not None:
        told.append(next(part for part in ordered if part.limit.watts == limit.watts))
    if limit.mhz is not None:
        told.append(next(part for part in ordered if part.limit.mhz == limit.mhz))
    binding = [part for part in ordered if any(part is one for one in told)]
    return Decision(
        limit=limit,
        binding=tuple(dict.fromkeys(part.claim for part in binding)),
        note="; ".join(dict.fromkeys(part.note for part in binding if part.note)),
    )


def _standing(claim: Claim) -> tuple[int, float, float, str, str]:
    """Return a sorting key: the mightiest, then what holds longest, then the oldest."""
    until = float("inf") if claim.until is None else claim.until
    return -claim.level, -until, claim.since, claim.issuer, claim.device
