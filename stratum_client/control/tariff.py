"""What a kilowatt-hour costs, and when: rules by day and hour; pure, money is Decimal.

Each rule has weekly hours, read as operating windows are (see `local_time`). **Of rules that fit at
the same moment the first holds**, so what is special stands above what is general; where none fits
the price is unknown, and nothing is guessed.

Time is cut into periods: inside one neither the price nor the local day changes, and none is longer
than `GRID`, whose marks are those of the UTC clock. So an account made of periods agrees with any
other that is kept by quarters of an hour.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta, tzinfo
from decimal import Decimal

from stratum_client.control.local_time import SECONDS, first_moment, shown_at
from stratum_client.control.schedule import Schedule, Span, Window

GRID = 300.0
"""Seconds between two marks at which a period ends, whatever else happens."""

ZERO = Decimal(0)
_WATT_HOURS = Decimal(1000)  # in a kWh
_JOULES = Decimal(3_600_000)  # in a kWh
_CENT = Decimal("0.000001")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """The price of a kWh, in a currency of any name."""

    price: Decimal
    currency: str

    def cost_of(self, watt_hours: Decimal) -> Decimal:
        """Return what an energy costs, to a millionth of the currency."""
        return (watt_hours * self.price / _WATT_HOURS).quantize(_CENT)

    def per_terahash(self, joules_per_terahash: Decimal) -> Decimal:
        """Return what 10^12 hashes cost."""
        return joules_per_terahash * self.price / _JOULES

    def __str__(self) -> str:
        """Return the rate as people say it: ``11.2 KZT/kWh``."""
        return f"{self.price} {self.currency}/kWh"


@dataclass(frozen=True, slots=True, kw_only=True)
class TariffRule:
    """One rate and the weekly hours in which it holds."""

    hours: Window
    rate: Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """From ``start`` until before ``end`` it is one local day, and one price holds, or none."""

    day: date
    start: float
    end: float
    rate: Rate | None

    def holds(self, at: float) -> bool:
        """Return whether ``at`` is in it."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Tariff:
    """All rules of a rig, the first of highest rank; without any no price is known."""

    rules: tuple[TariffRule, ...]
    zone: tzinfo

    def rate_at(self, at: float) -> Rate | None:
        """Return the rate that holds at an instant."""
        return self.period_at(at).rate

    def period_at(self, at: float) -> Period:
        """Return the period that an instant is in."""
        whole, mark = self.stretch_at(at), at // GRID * GRID
        return replace(whole, start=max(whole.start, mark), end=min(whole.end, mark + GRID))

    def stretch_at(self, at: float) -> Period:
        """Return the same, as long as neither the price nor the day changes."""
        day = shown_at(at, self.zone).date()
        borders = self._borders(day)
        if not borders[0] <= at < borders[1]:  # clocks went back over midnight
            day += timedelta(days=1 if at >= borders[1] else -1)
            borders = self._borders(day)
        spans = list(self._spans(day))
        edges = {*borders, *(edge for span, _ in spans for edge in (span.start, span.end))}
        return Period(
            day=day,
            start=max(edge for edge in edges if edge <= at),
            end=min(edge for edge in edges if edge > at),
            rate=next((rate for span, rate in spans if span.holds(at)), None),
        )

    def _borders(self, day: date) -> tuple[float, float]:
        """Return when a local day begins and ends."""
        first, last = (first_moment(day + timedelta(days=n), 0, self.zone) for n in (0, 1))
        return first, last

    def _spans(self, day: date) -> Iterator[tuple[Span, Rate]]:
        """Yield when each rule holds that may do so on ``day``, the first rule first."""
        for rule in self.rules:
            for number in (-2, -1, 0, 1):
                span = rule.hours.span(day + timedelta(days=number), self.zone)
                if span and span.start < span.end:
                    yield span, rule.rate


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanPrice:
    """What running costs on average: the mean of each currency, over the hours that run a day.

    ``priced`` is the part of these hours (0 to 1) whose price is known.
    """

    rates: tuple[Rate, ...]
    hours: float
    priced: float


def mean_price(
    tariff: Tariff, schedule: Schedule | None, start: float, *, days: int = 7
) -> MeanPrice:
    """Return the mean price of the time in which ``schedule`` lets the rig run."""
    end = start + days * SECONDS
    ran, priced = 0.0, 0.0
    seconds: dict[str, float] = {}
    money: dict[str, Decimal] = {}
    for begin, until in _running(schedule, start, end):
        ran += until - begin
        at = begin
        while at < until:
            period = tariff.stretch_at(at)
            stay = min(period.end, until) - at
            if rate := period.rate:
                name = rate.currency
                seconds[name] = seconds.get(name, 0.0) + stay
                money[name] = money.get(name, ZERO) + rate.price * Decimal(stay)
                priced += stay
            at += stay
    rates = tuple(
        Rate(price=(money[name] / Decimal(time)).quantize(_CENT), currency=name)
        for name, time in seconds.items()
    )
    return MeanPrice(rates=rates, hours=ran / days / 3600, priced=priced / ran if ran else 0.0)


def _running(schedule: Schedule | None, start: float, end: float) -> Sequence[tuple[float, float]]:
    if schedule is None:
        return [(start, end)]
    return [
        (change.at, change.until or end)
        for change in schedule.changes(start, end)
        if change.mode.run
    ]
