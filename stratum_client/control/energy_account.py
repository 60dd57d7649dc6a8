"""What the energy account says of now, the last hour and today, for status and metrics; pure.

It is made of the records that go into the ledger, and of the interval that goes on: so what is
shown is what will be written. "Now" is the last five to ten minutes, "the hour" the last 60 minutes
that the account covers, "today" the time since local midnight.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from stratum_client.control.energy_records import NOTHING, EnergySum, IntervalRecord
from stratum_client.control.tariff import GRID, ZERO, Period, Rate

HOUR = Decimal(3600)
_NOW = Decimal(int(GRID))
_KILO = Decimal(1000)
_DAYS_KEPT = 3  # a clock that was set may come back to the day before


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyOf:
    """One device's energy, or the whole rig's."""

    now: EnergySum = NOTHING
    hour: EnergySum = NOTHING
    today: EnergySum = NOTHING
    total: EnergySum = NOTHING

    def json(self) -> dict[str, object]:
        """Return it as docs/control.md describes it."""
        sums = {"now": self.now, "hour": self.hour, "today": self.today}
        return {
            "today_wh": float(self.today.total),
            "modelled_wh": float(self.today.modelled),
            "unmetered_seconds": float(self.today.unmetered),
            "joules_per_terahash": {
                name: _float(one.joules_per_terahash) for name, one in sums.items()
            },
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEnd:
    """Where the ledger ends: worth noting elsewhere, for it proves all that is before it."""

    line: int
    digest: str
    key: str = ""
    problem: str = ""

    def json(self) -> dict[str, object]:
        """Return it as docs/control.md describes it."""
        return {
            "line": self.line,
            "digest": self.digest,
            "key": self.key or None,
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergyStats:
    """The account at one moment. ``costs`` are today's by currency, ``watts`` those of now."""

    rig: EnergyOf = field(default_factory=EnergyOf)
    devices: Mapping[str, EnergyOf] = field(default_factory=dict)
    rate: Rate | None = None
    costs: Mapping[str, Decimal] = field(default_factory=dict)
    total_costs: Mapping[str, Decimal] = field(default_factory=dict)
    watts: Decimal | None = None
    ledger: LedgerEnd | None = None

    @property
    def cost_per_hour(self) -> Decimal | None:
        """Return what the power drawn now costs in an hour; None where that is not known."""
        if self.rate is None or self.watts is None:
            return None
        return self.rate.price * self.watts / _KILO

    @property
    def cost_per_terahash(self) -> Decimal | None:
        """Return what 10^12 hashes cost now, by the J/TH of the last hour."""
        efficiency = self.rig.hour.joules_per_terahash
        if self.rate is None or efficiency is None:
            return None
        return self.rate.per_terahash(efficiency)

    def json(self) -> dict[str, object]:
        """Return it as docs/control.md describes it."""
        rate = self.rate
        return {
            **self.rig.json(),
            "price": {"per_kwh": float(rate.price), "currency": rate.currency} if rate else None,
            "cost_per_hour": _float(self.cost_per_hour),
            "cost_per_terahash": _float(self.cost_per_terahash),
            "cost_today": {name: float(cost) for name, cost in self.costs.items()},
            "ledger": self.ledger.json() if self.ledger else None,
        }


class EnergyAccount:
    """Takes records as they are made."""

    def __init__(self) -> None:
        self._recent: deque[IntervalRecord] = deque()
        self._days: dict[date, _Sums] = {}
        self._day: date | None = None
        self._total = _Sums()
        self._hour = _Sums()
        self._now = _Sums()

    def restore(self, records: Iterable[IntervalRecord]) -> None:
        """Take in what an earlier process wrote of the newest day; no total counts it."""
        for record in records:
            self._take(record)

    def add(self, record: IntervalRecord) -> None:
        """Take in a record."""
        self._take(record)
        self._total.add(record)

    def stats(
        self, open_now: IntervalRecord | None, period: Period | None, watts: Decimal | None
    ) -> EnergyStats:
        """Return what the account says; ``open_now`` is the interval that goes on in ``period``."""
        more = [open_now] if open_now else []
        now = _Sums.of(more, self._now)
        day = period.day if period else self._day
        today = _Sums.of(more, self._days.get(day) if day else None)
        total, hour = _Sums.of(more, self._total), _Sums.of(more, self._hour)
        names = sorted({*today.devices, *total.devices, *hour.devices})
        return EnergyStats(
            rig=EnergyOf(now=now.rig, hour=hour.rig, today=today.rig, total=total.rig),
            devices={
                name: EnergyOf(
                    now=now.devices.get(name, NOTHING),
                    hour=hour.devices.get(name, NOTHING),
                    today=today.devices.get(name, NOTHING),
                    total=total.devices.get(name, NOTHING),
                )
                for name in names
            },
            rate=period.rate if period else None,
            costs=today.costs,
            total_costs=total.costs,
            watts=watts,
        )

    def _take(self, record: IntervalRecord) -> None:
        self._day = record.day
        self._days.setdefault(record.day, _Sums()).add(record)
        if len(self._days) > _DAYS_KEPT:
            del self._days[next(iter(self._days))]
        self._recent.append(record)
        while sum((_seconds(one) for one in self._recent), ZERO) - _seconds(self._recent[0]) > HOUR:
            self._recent.popleft()
        self._hour = _Sums.of(self._newest(HOUR))
        self._now = _Sums.of(self._newest(_NOW))

    def _newest(self, seconds: Decimal) -> list[IntervalRecord]:
        """Return the newest records that together cover so many seconds."""
        found: list[IntervalRecord] = []
        for record in reversed(self._recent):
            if sum((_seconds(one) for one in found), ZERO) >= seconds:
                break
            found.append(record)
        return found


@dataclass(slots=True, kw_only=True)
class _Sums:
    rig: EnergySum = NOTHING
    devices: dict[str, EnergySum] = field(default_factory=dict)
    costs: dict[str, Decimal] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Iterable[IntervalRecord], before: "_Sums | None" = None) -> "_Sums":
        """Return records summed up, and what was ``before`` them."""
        found, first = list(records), before or cls()
        if not found:
            return first
        names = {*first.devices, *(name for record in found for name in record.devices)}
        costs = dict(first.costs)
        for record in found:
            _add_costs(costs, record.costs)
        return cls(
            rig=first.rig.plus(*(record.rig for record in found)),
            devices={
                name: first.devices.get(name, NOTHING).plus(
                    *(record.devices[name] for record in found if name in record.devices)
                )
                for name in names
            },
            costs=costs,
        )

    def add(self, record: IntervalRecord) -> None:
        """Take in a record."""
        self.rig = self.rig.plus(record.rig)
        for name, one in record.devices.items():
            self.devices[name] = self.devices.get(name, NOTHING).plus(one)
        _add_costs(self.costs, record.costs)


def _add_costs(costs: dict[str, Decimal], more: Mapping[str, Decimal]) -> None:
    for currency, cost in more.items():
        costs[currency] = costs.get(currency, ZERO) + cost


def _seconds(record: IntervalRecord) -> Decimal:
    return record.rig.metered + record.rig.unmetered


def _float(value: Decimal | None) -> float | None:
    return None if value is None else float(value)
