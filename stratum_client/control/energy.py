"""Watts over time become watt-hours, each with its source; pure, both clocks are handed in.

Between two looks at the rig power is taken to change evenly (trapezoid), on the monotonic clock.
Half of what lies between belongs to each look's source, weighted as its reading weighs. A gap
longer than `MAX_GAP`, or a look that knows no watts, is **unmetered**: its seconds are counted, no
energy is invented for them. Work of devices whose watts nobody knows is kept apart from the rest,
or they would make the rig look better than it is.

The wall clock says to which period (local day, price) a moment belongs, nothing else. When it was
set, what lay between the last look and the one after still belongs to the time before; nothing is
lost and nothing counted twice, whatever the clock shows.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from stratum_client.control.power import RigPower, Source
from stratum_client.control.tariff import Period

MAX_GAP = 15.0
"""Seconds between two looks for which power is taken to have changed evenly."""

CLOCK_SLACK = 0.5
"""Seconds that the wall clock may drift between two looks without having been set."""

TERA = 1e12
_HOUR = 3600.0


class Ended(StrEnum):
    """Why an interval ended."""

    BORDER = "border"  # a price, a day, or a mark of the grid
    CLOCK = "clock"  # the wall clock was set
    STOP = "stop"
    RECOVERED = "recovered"  # the process was killed, and this is what was known shortly before


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """Work of one device since its start: hashes that its checked shares stand for, and shares."""

    hashes: float = 0.0
    shares: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the rig: what it takes, None where nobody knows, and what it has proven."""

    wall: float
    at: float
    power: RigPower | None
    proven: Mapping[str, Proven] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Amount:
    """What one device, or the whole rig, took and proved over some time.

    ``watt_hours`` by source; ``hashes`` and ``shares`` only while metered: what was proven at
    other times is in ``unmetered_hashes``. Seconds are ``metered`` and ``unmetered``.
    """

    watt_hours: dict[Source, float] = field(default_factory=dict)
    hashes: float = 0.0
    shares: int = 0
    metered: float = 0.0
    unmetered: float = 0.0
    unmetered_hashes: float = 0.0

    @property
    def total(self) -> float:
        """Return the watt-hours of all sources."""
        return sum(self.watt_hours.values())

    @property
    def joules_per_terahash(self) -> float | None:
        """Return what 10^12 proven hashes took; None where none were proven."""
        return self.total * _HOUR / self.hashes * TERA if self.hashes else None

    def add(self, other: "Amount") -> None:
        """Take in another amount."""
        for source, energy in other.watt_hours.items():
            self.watt_hours[source] = self.watt_hours.get(source, 0.0) + energy
        self.hashes += other.hashes
        self.shares += other.shares
        self.metered += other.metered
        self.unmetered += other.unmetered
        self.unmetered_hashes += other.unmetered_hashes


@dataclass(slots=True, kw_only=True)
class Interval:
    """What was taken between two moments of the wall clock, inside one period."""

    period: Period
    start: float
    end: float
    rig: Amount = field(default_factory=Amount)
    devices: dict[str, Amount] = field(default_factory=dict)
    ended: Ended = Ended.BORDER

    def add(self, part: "Part", end: float) -> None:
        """Take in what happened until ``end``."""
        self.rig.add(part.rig)
        for name, amount in part.devices.items():
            self.devices.setdefault(name, Amount()).add(amount)
        self.end = max(self.end, end)

    @property
    def seconds(self) -> float:
        """Return how long it lasted."""
        return self.rig.metered + self.rig.unmetered


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A piece of the time between two looks."""

    rig: Amount
    devices: Mapping[str, Amount]


class EnergyMeter:
    """Turns looks into intervals; ``period_at`` says what each moment of the wall clock is in.

    ``max_gap`` are the seconds between two looks beyond which nobody knows what was between.
    """

    def __init__(self, period_at: Callable[[float], Period], *, max_gap: float = MAX_GAP) -> None:
        self.open: Interval | None = None
        self._period_at = period_at
        self.max_gap = max_gap
        self._last: Look | None = None

    def look(self, look: Look) -> list[Interval]:
        """Take in a look; return the intervals that ended before it."""
        last, self._last = self._last, look
        if last is None:
            self._begin(look.wall)
            return []
        passed = look.at - last.at
        span = look.wall - last.wall
        was_set = abs(span - passed) > CLOCK_SLACK
        between = _Between(last, look, passed, known=passed <= self.max_gap)
        ended = self._spread(between, last.wall, passed if was_set else span)
        if was_set:
            ended += self._close(Ended.CLOCK)
            self._begin(look.wall)
        return ended

    def change_periods(self, period_at: Callable[[float], Period]) -> list[Interval]:
        """Go by other periods from now on; return the interval that this ends."""
        self._period_at = period_at
        ended = self._close(Ended.BORDER)
        if self._last:
            self._begin(self._last.wall)
        return ended

    def close(self) -> list[Interval]:
        """Return what is open, at the end of all; the next look begins anew."""
        self._last = None
        return self._close(Ended.STOP)

    def _begin(self, wall: float) -> None:
        period = self._period_at(wall)
        self.open = Interval(period=period, start=wall, end=wall)

    def _close(self, why: Ended) -> list[Interval]:
        interval, self.open = self.open, None
        if interval is None or not interval.seconds:
            return []
        interval.ended = why
        return [interval]

    def _spread(self, between: "_Between", start: float, span: float) -> list[Interval]:
        """Deal what lies between two looks to the periods it is in; return those that ended."""
        ended: list[Interval] = []
        done, at, end = 0.0, start, start + span
        while done < 1.0:
            interval = self.open
            assert interval
            if at < interval.period.start:  # the clock was slewed back over a border
                ended += self._close(Ended.BORDER)
                self._begin(at)
                continue
            until = min(interval.period.end, end)
            share = 1.0 if until >= end else (until - start) / span
            interval.add(between.part(done, share), until)
            done, at = share, until
            if until >= interval.period.end:
                ended += self._close(Ended.BORDER)
                self._begin(until)
        return ended


class _Between:
    """What lies between two looks, ``passed`` seconds apart on the monotonic clock."""

    def __init__(self, last: Look, look: Look, passed: float, *, known: bool) -> None:
        self._last, self._look, self._passed, self._known = last, look, passed, known
        self._names = {
            *(last.power.devices if last.power else ()),
            *(look.power.devices if look.power else ()),
            *look.proven,
        }

    def part(self, begin: float, end: float) -> Part:
        """Return the piece between two fractions of the time."""
        last, look = self._last.power, self._look.power
        devices = {}
        for name in sorted(self._names):
            first, second = (_of_device(power, name) for power in (last, look))
            devices[name] = self._amount(first, second, self._proven(name), begin, end)
        first, second = _by_source(last), _by_source(look)
        rig = self._amount(first, second, self._all_proven(), begin, end)
        if rig.metered:
            rig.unmetered_hashes += self._apart() * (end - begin)
        return Part(rig=rig, devices=devices)

    def _amount(
        self,
        first: Mapping[Source, float] | None,
        second: Mapping[Source, float] | None,
        proven: Proven,
        begin: float,
        end: float,
    ) -> Amount:
        seconds = self._passed * (end - begin)
        hashes = proven.hashes * (end - begin)
        shares = proven.shares if end >= 1.0 else 0  # whole ones: to the last piece
        if first is None or second is None or not self._known:
            return Amount(unmetered=seconds, unmetered_hashes=hashes)
        later = (end**2 - begin**2) / 2
        weights = ((first, end - begin - later), (second, later))
        energy: dict[Source, float] = {}
        for watts, weight in weights:
            for source, value in watts.items():
                share = value * weight * self._passed / _HOUR
                energy[source] = energy.get(source, 0.0) + share
        return Amount(watt_hours=energy, hashes=hashes, shares=shares, metered=seconds)

    def _all_proven(self) -> Proven:
        """Return the work of all devices whose watts are in the total, or of all if none is."""
        each = [self._proven(name) for name in self._look.proven if self._is_within(name)]
        return Proven(hashes=sum(p.hashes for p in each), shares=sum(p.shares for p in each))

    def _apart(self) -> float:
        """Return the hashes of devices whose watts are in no total."""
        names = (name for name in self._look.proven if not self._is_within(name))
        return sum(self._proven(name).hashes for name in names)

    def _is_within(self, name: str) -> bool:
        """Return whether a device's watts are in the total: a plug's, or a sum with its own."""
        powers = [power for power in (self._last.power, self._look.power) if power]
        return all(p.total.source is Source.PLUG or name in p.devices for p in powers)

    def _proven(self, name: str) -> Proven:
        """Return what a device has proven between the looks; it counts from 0 when it comes."""
        before = self._last.proven.get(name, Proven())
        now = self._look.proven.get(name, before)
        if now.hashes < before.hashes:
            return Proven()
        return Proven(hashes=now.hashes - before.hashes, shares=now.shares - before.shares)


def _of_device(power: RigPower | None, name: str) -> Mapping[Source, float] | None:
    reading = power.devices.get(name) if power else None
    return {reading.source: reading.watts} if reading else None


def _by_source(power: RigPower | None) -> Mapping[Source, float] | None:
    """Return the rig's watts by source; a mixed sum is parted as its devices' readings are."""
    if power is None:
        return None
    total, readings = power.total, power.devices.values()
    known = sum(reading.watts for reading in readings)
    if total.source is not Source.MIXED or known <= 0:
        return {total.source: total.watts}
    found: dict[Source, float] = {}
    for reading in readings:
        part = total.watts * reading.watts / known
        found[reading.source] = found.get(reading.source, 0.0) + part
    return found
