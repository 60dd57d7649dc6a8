"""What was seen of a board at one speed, and how sure that is; pure.

Chips tell of nonces, and of errors: nonces that miss the chips' own test. Both come by chance, so
every number has an uncertainty. The share of errors is known far better than the rate at which
nonces come: at 1 % errors 500 nonces leave the hash rate uncertain by 0.4 % if it is taken from
clock, cores and errors, but by 4 % if nonces are counted. So the count only has a veto: where it
disproves the clock, it is believed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from drivers.low_yield import probability_of_at_most

LEAST_NONCES = 100
"""Before so many nonces nothing is judged, whatever they are."""

SURE = 3.7
"""Standard deviations beyond which chance is out of the question: once in 10 000 times."""

METER_ERROR = 0.001
"""How far the mean of many readings of a meter may still be off, as it wavers with temperature."""

DOUBTFUL = 1.5
"""Standard deviations from a limit within which errors may well be on its other side."""

_CLOCK_ERROR = 0.03  # boards may do so much less than cores times clock for years
_DISPROVED = 4.0
_CHANCE = 1e-5
_MEMORY = 5000
_ROOM = 0.5


class Goal(StrEnum):
    """What a board is tuned for."""

    HASHRATE = "hashrate"
    EFFICIENCY = "efficiency"
    POWER = "power"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at a device: ``good`` and ``bad`` nonces since it was made, as its chips counted.

    ``hashrate`` is from clock and cores, ``pace`` the nonces a second due at it. ``is_modelled``:
    the watts were worked out, not measured.
    """

    now: float
    mhz: float
    hashrate: float
    pace: float
    good: int
    bad: int
    watts: float | None = None
    is_modelled: bool = False
    temperature: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What a board does at one speed: ``hashrate`` in H/s without what errors cost.

    ``uncertainty`` is the standard error of hash rate and of hash rate per watt, as a share of
    them. ``is_excessive``: errors are above the limit. ``at`` is wall time.
    """

    mhz: float
    hashrate: float
    watts: float | None
    error_ratio: float
    nonces: int
    uncertainty: float
    is_excessive: bool = False
    is_modelled: bool = False
    temperature: float | None = None
    at: float = 0.0

    @property
    def joules_per_terahash(self) -> float | None:
        """Return J/TH, None where watts or hash rate are not known."""
        return self.watts / self.hashrate * 1e12 if self.watts and self.hashrate > 0 else None

    def merit(self, goal: Goal) -> float:
        """Return how good the speed is for ``goal``, as a logarithm: 0.01 more is 1 % better."""
        if self.hashrate <= 0:
            return -math.inf
        if goal is Goal.EFFICIENCY:
            return math.log(self.hashrate / self.watts) if self.watts else -math.inf
        return math.log(self.hashrate)


def merged(old: Estimate, new: Estimate) -> Estimate:
    """Return both estimates of one speed as one; an old one does not weigh for ever."""
    before = min(old.nonces, _MEMORY)
    share = new.nonces / (before + new.nonces)

    def mean(one: float, other: float) -> float:
        return one + share * (other - one)

    watts = old.watts if new.watts is None else mean(old.watts or new.watts, new.watts)
    return replace(
        new,
        hashrate=mean(old.hashrate, new.hashrate),
        watts=watts,
        error_ratio=mean(old.error_ratio, new.error_ratio),
        nonces=before + new.nonces,
        uncertainty=((1 - share) ** 2 * old.uncertainty**2 + share**2 * new.uncertainty**2) ** 0.5,
        is_excessive=False,
        temperature=old.temperature if old.temperature is not None else new.temperature,
    )


def consistent(known: Mapping[float, Estimate]) -> Mapping[float, Estimate]:
    """Return estimates whose errors do not fall with speed, as no board's do but by chance.

    Neighbours that say otherwise share what was seen of their errors: pooled adjacent violators.

    Source: Barlow, Bartholomew, Bremner, Brunk, Statistical Inference under Order Restrictions
    (1972), chapter 1.
    """
    pools: list[list[Estimate]] = []
    for mhz in sorted(known):
        pools.append([known[mhz]])
        while len(pools) > 1 and _pooled_errors(pools[-2]) > _pooled_errors(pools[-1]):
            last = pools.pop()
            pools[-1] += last
    return {one.mhz: _with_errors(one, _pooled_errors(pool)) for pool in pools for one in pool}


def _pooled_errors(pool: Sequence[Estimate]) -> float:
    if len(pool) == 1:
        return pool[0].error_ratio
    weights = [max(one.nonces, 1) for one in pool]
    errors = [one.error_ratio * weight for one, weight in zip(pool, weights, strict=True)]
    return sum(errors) / sum(weights)


def _with_errors(estimate: Estimate, share: float) -> Estimate:
    if share == estimate.error_ratio or estimate.error_ratio >= 1:
        return estimate
    hashrate = estimate.hashrate * (1 - share) / (1 - estimate.error_ratio)
    return replace(estimate, error_ratio=share, hashrate=hashrate)


class Evidence:
    """Adds up what a board did at one speed since it began."""

    def __init__(self) -> None:
        self.good = self.bad = 0
        self.seconds = 0.0
        self._due = self._hashes = 0.0
        self._watts = self._watts_squared = self._weighed = 0.0
        self._looks = 0
        self._heat = self._heated = 0.0
        self._is_modelled = False
        self._last: Look | None = None

    def add(self, look: Look) -> None:
        """Count what happened since the last look; counters that went back began anew."""
        last, self._last = self._last, look
        if last is None or look.good < last.good or look.bad < last.bad or look.now <= last.now:
            return
        passed = look.now - last.now
        self.seconds += passed
        self.good += look.good - last.good
        self.bad += look.bad - last.bad
        self._due += passed * last.pace
        self._hashes += passed * last.hashrate
        if look.watts is not None and look.watts > 0:
            self._looks += 1
            self._weighed += passed
            self._watts += passed * look.watts
            self._watts_squared += passed * look.watts**2
            self._is_modelled = look.is_modelled
        if look.temperature is not None:
            self._heat += passed * look.temperature
            self._heated += passed

    @property
    def nonces(self) -> int:
        """Return how many nonces were seen, good or bad."""
        return self.good + self.bad

    @property
    def error_ratio(self) -> float:
        """Return the likely share of errors; never 0, for a few nonces prove little."""
        return (self.bad + 0.5) / (self.nonces + 1)

    def exceeds(self, limit: float) -> bool:
        """Return whether more errors than ``limit`` allows are out of the question of chance."""
        due = limit * self.nonces
        return self.bad > due and 1 - probability_of_at_most(self.bad - 1, due) < _CHANCE

    def is_doubtful(self, limit: float) -> bool:
        """Return whether more nonces may well show errors on the other side of ``limit``."""
        away = abs(self.bad - limit * self.nonces)
        return away < DOUBTFUL * math.sqrt(limit * self.nonces)

    @property
    def uncertainty(self) -> float:
        """Return the standard error of the hash rate per watt, as a share of it."""
        share = self.error_ratio
        by_errors = share / ((1 - share) * (self.nonces + 1))
        return math.sqrt(by_errors + self._by_watts() ** 2)

    def wait_for(self, uncertainty: float, *, least: int, most: int) -> float:
        """Return in how many seconds enough nonces will be there, as it looks now."""
        share = self.error_ratio
        room = max(uncertainty**2 - self._by_watts() ** 2, 1e-12)
        needed = min(max(share / ((1 - share) * room), least), most)
        pace = self._due / self.seconds if self.seconds > 0 else 0.0
        left = max(needed - self.nonces, 0.0)
        return left / pace if pace > 0 else math.inf

    def estimate(self, mhz: float, limit: float, *, at: float = 0.0) -> Estimate | None:
        """Return what it all says, None while there is nothing; errors above ``limit`` are told."""
        if not self.nonces or not self.seconds:
            return None
        hashrate, spread = self._hashrate()
        return Estimate(
            mhz=mhz,
            hashrate=hashrate,
            watts=self._watts / self._weighed if self._weighed else None,
            error_ratio=self.error_ratio,
            nonces=self.nonces,
            uncertainty=math.hypot(spread, self._by_watts()),
            is_excessive=self._is_near(limit),
            is_modelled=self._is_modelled,
            temperature=self._heat / self._heated if self._heated else None,
            at=at,
        )

    def _hashrate(self) -> tuple[float, float]:
        """Return H/s and their standard error as a share: by the errors, unless disproved."""
        nominal, found = self._hashes / self.seconds, self.nonces
        due = self._due * (1 - _CLOCK_ERROR)
        if due >= LEAST_NONCES and found < due - _DISPROVED * math.sqrt(due):
            return nominal * self.good / self._due, 1 / math.sqrt(max(self.good, 1))
        share = self.error_ratio
        return nominal * (1 - share), math.sqrt(share / ((1 - share) * (found + 1)))

    def _is_near(self, limit: float) -> bool:
        """Return whether a speed makes too many errors to begin with it: it must have some room."""
        share = self.bad / self.nonces
        return share + _ROOM * math.sqrt(share / self.nonces) > limit

    def _by_watts(self) -> float:
        """Return the standard error of the mean watts, as a share of them."""
        if self._looks < 2:
            return 0.0
        mean = self._watts / self._weighed
        variance = max(self._watts_squared / self._weighed - mean**2, 0.0)
        spread = math.sqrt(variance / self._looks) / mean
        return 0.0 if self._is_modelled else math.hypot(spread, METER_ERROR)
