"""What the energy ledger holds: intervals, totals of days, when a daemon began and ended; pure.

Every number that may have a fraction is a Decimal, and a text in the ledger: a line says what it
says in any language and for ever. Energy is in Wh to the millionth, time in seconds to the
thousandth, work in 10^12 hashes (TH), money to a millionth of its currency.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation

from stratum_client.control.energy import TERA, Amount, Ended, Interval
from stratum_client.control.power import Source
from stratum_client.control.tariff import ZERO, Rate

Fields = Mapping[str, object]

_ENERGY, _TIME = Decimal("0.000001"), Decimal("0.001")
_JOULES = Decimal(3600)  # in a Wh
_LARGEST = Decimal(10) ** 24
_SOURCES = tuple(Source)


class RecordError(ValueError):
    """A line says something that no line of this ledger says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EnergySum:
    """What one device or the whole rig took and proved; see `energy.Amount`."""

    watt_hours: Mapping[Source, Decimal] = field(default_factory=dict)
    terahashes: Decimal = ZERO
    shares: int = 0
    metered: Decimal = ZERO
    unmetered: Decimal = ZERO
    unmetered_terahashes: Decimal = ZERO

    @property
    def total(self) -> Decimal:
        """Return the watt-hours of all sources."""
        return sum(self.watt_hours.values(), ZERO)

    @property
    def modelled(self) -> Decimal:
        """Return the watt-hours that nobody has measured."""
        doubtful = (Source.MODEL, Source.MIXED)
        return sum((self.watt_hours.get(source, ZERO) for source in doubtful), ZERO)

    @property
    def watts(self) -> Decimal | None:
        """Return the mean power while it was metered."""
        return self.total * _JOULES / self.metered if self.metered else None

    @property
    def joules_per_terahash(self) -> Decimal | None:
        """Return what 10^12 proven hashes took; None where none were proven."""
        return self.total * _JOULES / self.terahashes if self.terahashes else None

    @property
    def uncertainty(self) -> Decimal | None:
        """Return the standard error of J/TH as a fraction of it: n shares prove it to 1/sqrt(n)."""
        return 1 / Decimal(self.shares).sqrt() if self.shares else None

    def plus(self, *others: "EnergySum") -> "EnergySum":
        """Return all together."""
        each = (self, *others)
        energies: dict[Source, Decimal] = {}
        for one in each:
            for source, energy in one.watt_hours.items():
                energies[source] = energies.get(source, ZERO) + energy
        return EnergySum(
            watt_hours={source: energies[source] for source in _SOURCES if source in energies},
            terahashes=sum([one.terahashes for one in each], ZERO),
            shares=sum([one.shares for one in each]),
            metered=sum([one.metered for one in each], ZERO),
            unmetered=sum([one.unmetered for one in each], ZERO),
            unmetered_terahashes=sum([one.unmetered_terahashes for one in each], ZERO),
        )

    def json(self) -> dict[str, object]:
        """Return it as a line has it."""
        return {
            "wh": {str(source): str(energy) for source, energy in self.watt_hours.items()},
            "th": str(self.terahashes),
            "shares": self.shares,
            "metered": str(self.metered),
            "unmetered": str(self.unmetered),
            "th_unmetered": str(self.unmetered_terahashes),
        }


NOTHING = EnergySum()


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalRecord:
    """A stretch of time inside one local day with one price, or none.

    ``run`` and ``number`` tell it from all others: a daemon's run, and a count. ``start`` and
    ``end`` are what the wall clock showed, ``idle_after`` the seconds that orders to rest took.
    """

    run: str
    number: int
    day: date
    start: datetime
    end: datetime
    ended: Ended
    rig: EnergySum
    devices: Mapping[str, EnergySum]
    rate: Rate | None = None
    idle_after: tuple[Decimal, ...] = ()

    @property
    def costs(self) -> Mapping[str, Decimal]:
        """Return the cost by currency; nothing where no price is known."""
        return {self.rate.currency: self.rate.cost_of(self.rig.total)} if self.rate else {}

    @property
    def unpriced(self) -> Decimal:
        """Return the watt-hours whose price is not known."""
        return ZERO if self.rate else self.rig.total

    def json(self) -> dict[str, object]:
        """Return it as a line has it."""
        rate = self.rate
        money = (
            {
                "price": str(rate.price),
                "currency": rate.currency,
                "cost": str(rate.cost_of(self.rig.total)),
            }
            if rate
            else {}
        )
        waits = {"idle_after": [str(wait) for wait in self.idle_after]} if self.idle_after else {}
        return {
            "kind": "interval",
            "run": self.run,
            "n": self.number,
            "day": self.day.isoformat(),
            "start": _stamp(self.start),
            "end": _stamp(self.end),
            "ended": str(self.ended),
            **money,
            "rig": self.rig.json(),
            "devices": {name: one.json() for name, one in self.devices.items()},
            **waits,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DayTotal:
    """The sum of all intervals since the total before it, all of one local day."""

    day: date
    intervals: int
    rig: EnergySum
    devices: Mapping[str, EnergySum]
    costs: Mapping[str, Decimal]
    unpriced: Decimal

    def json(self) -> dict[str, object]:
        """Return it as a line has it."""
        return {
            "kind": "day",
            "day": self.day.isoformat(),
            "intervals": self.intervals,
            "rig": self.rig.json(),
            "devices": {name: one.json() for name, one in self.devices.items()},
            "cost": {currency: str(cost) for currency, cost in self.costs.items()},
            "wh_unpriced": str(self.unpriced),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNote:
    """The daemon began ("start") or ended ("stop"); ``fields`` say more."""

    kind: str
    fields: Fields

    def json(self) -> dict[str, object]:
        """Return it as a line has it."""
        return {"kind": self.kind, **self.fields}


Record = IntervalRecord | RunNote


def summed(records: Iterable[IntervalRecord]) -> DayTotal | None:
    """Return the total of intervals, with the day of the first; None of none."""
    found = list(records)
    if not found:
        return None
    rig, unpriced = NOTHING, ZERO
    devices: dict[str, EnergySum] = {}
    costs: dict[str, Decimal] = {}
    for record in found:
        rig, unpriced = rig.plus(record.rig), unpriced + record.unpriced
        for name, one in record.devices.items():
            devices[name] = devices.get(name, NOTHING).plus(one)
        for currency, cost in record.costs.items():
            costs[currency] = costs.get(currency, ZERO) + cost
    return DayTotal(
        day=found[0].day,
        intervals=len(found),
        rig=rig,
        devices=devices,
        costs=costs,
        unpriced=unpriced,
    )


def record_of(
    interval: Interval, *, run: str, number: int, zone: tzinfo, idle_after: Iterable[float] = ()
) -> IntervalRecord:
    """Return an interval as the ledger keeps it."""
    return IntervalRecord(
        run=run,
        number=number,
        day=interval.period.day,
        start=moment(interval.start, zone),
        end=moment(interval.end, zone),
        ended=interval.ended,
        rig=_exact(interval.rig),
        devices={name: _exact(amount) for name, amount in sorted(interval.devices.items())},
        rate=interval.period.rate,
        idle_after=tuple(Decimal(wait).quantize(_TIME) for wait in idle_after),
    )


def moment(at: float, zone: tzinfo) -> datetime:
    """Return an instant as clocks in ``zone`` show it, to the millisecond."""
    return datetime.fromtimestamp(round(at, 3), UTC).astimezone(zone)


def interval_in(fields: Fields) -> IntervalRecord:
    """Return the interval that a line says; raise RecordError for what is none."""
    match fields:
        case {
            "kind": "interval",
            "run": str(run),
            "n": int(number),
            "day": str(day),
            "start": str(start),
            "end": str(end),
            "ended": str(ended),
            "rig": dict(rig),
            "devices": dict(devices),
            **more,
        }:
            try:
                record = IntervalRecord(
                    run=run,
                    number=number,
                    day=date.fromisoformat(day),
                    start=_moment_in(start),
                    end=_moment_in(end),
                    ended=Ended(ended),
                    rig=sum_in(rig),
                    devices={str(name): sum_in(one) for name, one in devices.items()},
                    rate=_rate_in(more),
                    idle_after=tuple(decimal_in(wait) for wait in _list(more.get("idle_after"))),
                )
                record.json()
            except ArithmeticError as error:
                raise RecordError("a number out of bounds") from error
            except ValueError as error:
                raise RecordError(str(error)) from error
            return record
    raise RecordError("no interval")


def sum_in(fields: object) -> EnergySum:
    """Return the sum that a part of a line says; raise RecordError."""
    match fields:
        case {
            "wh": dict(energies),
            "th": terahashes,
            "shares": int(shares),
            "metered": metered,
            "unmetered": unmetered,
            "th_unmetered": unmetered_terahashes,
        } if set(energies) <= set(Source) and shares >= 0:
            return EnergySum(
                watt_hours={Source(name): decimal_in(one) for name, one in energies.items()},
                terahashes=decimal_in(terahashes),
                shares=shares,
                metered=decimal_in(metered),
                unmetered=decimal_in(unmetered),
                unmetered_terahashes=decimal_in(unmetered_terahashes),
            )
    raise RecordError("no sum of energy")


def decimal_in(value: object) -> Decimal:
    """Return the number that a text of a line says; raise RecordError."""
    try:
        found = Decimal(value) if isinstance(value, str) and len(value) <= 40 else None
    except InvalidOperation:
        found = None
    if found is None or not found.is_finite() or abs(found) > _LARGEST:
        raise RecordError("no number, as a text")
    return found


def _exact(amount: Amount) -> EnergySum:
    return EnergySum(
        watt_hours={
            source: Decimal(amount.watt_hours[source]).quantize(_ENERGY)
            for source in _SOURCES
            if source in amount.watt_hours
        },
        terahashes=Decimal(amount.hashes / TERA).quantize(_ENERGY),
        shares=amount.shares,
        metered=Decimal(amount.metered).quantize(_TIME),
        unmetered=Decimal(amount.unmetered).quantize(_TIME),
        unmetered_terahashes=Decimal(amount.unmetered_hashes / TERA).quantize(_ENERGY),
    )


def _rate_in(fields: Fields) -> Rate | None:
    if "price" not in fields:
        return None
    currency = fields.get("currency")
    if not isinstance(currency, str):
        raise RecordError("a price without a currency")
    return Rate(price=decimal_in(fields["price"]), currency=currency)


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _moment_in(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise RecordError("a time without its offset")
    return found


def _list(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise RecordError("no array")
