"""Following a series of prices: rest while power is dear, with patience both ways; pure.

A price holds from its start until its end: its own, the next one's start, or for so long as the
configuration says. Whether the rig rests is worked out anew from all prices known up to now, so a
restart changes nothing that the series itself tells. After ``stop_confirmations`` prices in a row
above one limit it rests, after ``start_confirmations`` below another it runs again; one in between
breaks the row. No price is ever guessed: with none for now the series is **stale**, nothing is
claimed, and windows alone hold.
"""

import csv
import io
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from itertools import pairwise

from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.control.local_time import SECONDS, instant_of, stamp

ISSUER = "price"

LARGEST = 1 << 20
"""Bytes of a series that are read: a year of quarters of an hour."""

KEPT = 8 * SECONDS
"""How long prices that have passed are remembered."""

_LARGEST_PRICE = Decimal(10) ** 9
_MILLISECONDS = 1e11  # a count of seconds since 1970 this large would be in the year 5138
_YEAR_2000, _YEAR_3000 = 946_684_800.0, 32_503_680_000.0
_MOST_POINTS = 20_000


_Told = tuple[float, float | None, Decimal]  # start, end if it is told, price


class SeriesError(ValueError):
    """A text is no series of prices; the message says what is wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricePoint:
    """The price of a kWh from ``start`` until before ``end`` (wall time)."""

    start: float
    end: float
    price: Decimal

    def holds(self, at: float) -> bool:
        """Return whether it holds at a moment."""
        return self.start <= at < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesForm:
    """How a series is written: see `config_energy.PriceConfig`."""

    zone: tzinfo = UTC
    rows: str = ""
    start_key: str = "start"
    end_key: str = "end"
    price_key: str = "price"
    factor: Decimal = Decimal(1)
    add: Decimal = Decimal(0)
    lasts: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceRules:
    """When to rest, and when to run again."""

    stop_above: Decimal
    start_below: Decimal
    stop_confirmations: int = 1
    start_confirmations: int = 1
    currency: str = "EUR"


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceState:
    """What a series says of now: ``point`` is None where it is stale.

    ``since`` is when the price began that made the rig rest, ``row`` how many speak for a change.
    """

    point: PricePoint | None = None
    rests: bool = False
    since: float = 0.0
    row: int = 0


def state_at(points: Sequence[PricePoint], rules: PriceRules, now: float) -> PriceState:
    """Return what the prices up to now come to; ``points`` in order of time."""
    rests, since, row = False, 0.0, 0
    last: PricePoint | None = None
    for point in points:
        if point.start > now:
            break
        if last and point.start > last.end:
            rests, row = False, 0  # nobody knows what was between
        dear, cheap = point.price > rules.stop_above, point.price < rules.start_below
        if rules.start_below >= rules.stop_above:
            cheap = not dear
        row = row + 1 if (cheap if rests else dear) else 0
        needed = rules.start_confirmations if rests else rules.stop_confirmations
        if row >= needed:
            rests, since, row = not rests, point.start, 0
        last = point
    if last is None or not last.holds(now):
        return PriceState()
    return PriceState(point=last, rests=rests, since=since, row=row)


def claims_for(state: PriceState, rules: PriceRules, zone: tzinfo, now: float) -> tuple[Claim, ...]:
    """Return what to state: that the rig rests, or nothing."""
    if not state.rests or state.point is None:
        return ()
    since = stamp(state.since, zone, now=now)
    below = f"until below {rules.start_below} {rules.currency}/kWh"
    cause = f"price: above {rules.stop_above} {rules.currency}/kWh since {since}, {below}"
    return (Claim(level=Level.PRICE, issuer=ISSUER, limit=IDLE, cause=cause, since=state.since),)


def merged(
    old: Iterable[PricePoint], new: Iterable[PricePoint], now: float
) -> tuple[PricePoint, ...]:
    """Return both series as one: the newer says more, and what passed long ago is forgotten."""
    newer = sorted(new, key=lambda point: point.start)
    starts = [point.start for point in newer]
    by_start = {point.start: point for point in newer}
    for point in old:
        before = bisect_right(starts, point.start)
        if not before or not newer[before - 1].holds(point.start):
            by_start[point.start] = point
    ordered = [by_start[start] for start in sorted(by_start) if by_start[start].end > now - KEPT]
    cut = [
        PricePoint(start=one.start, end=min(one.end, after.start), price=one.price)
        for one, after in pairwise(ordered)
    ]
    return (*cut, *ordered[-1:])


# --- reading a series ---


def series_in(data: bytes, form: SeriesForm) -> tuple[PricePoint, ...]:
    """Return the prices that a text states, as JSON or CSV; raise SeriesError.

    JSON: an array of objects, or an object of arrays of the same length, under the key ``rows``.
    CSV: a first line with names, commas or semicolons. Times are ISO 8601, in the form's zone where
    they name none, or seconds or milliseconds since 1970.
    """
    if len(data) > LARGEST:
        raise SeriesError(f"it has more than {LARGEST} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SeriesError("it is no text in UTF-8") from error
    rows = _json_rows(text, form) if text.lstrip()[:1] in {"[", "{"} else _csv_rows(text)
    if not rows:
        raise SeriesError("there is no price in it")
    if len(rows) > _MOST_POINTS:
        raise SeriesError(f"it has more than {_MOST_POINTS} prices")
    found: list[_Told] = []
    for row in rows:
        found.append(_row(row, form, found[-1][0] if found else -math.inf))
    return points_of(found, form)


def points_of(rows: Iterable[_Told], form: SeriesForm) -> tuple[PricePoint, ...]:
    """Return starts, ends (None: not told) and prices of the series as points, in order."""
    ordered = sorted(rows, key=lambda row: row[0])
    nexts: list[float | None] = [row[0] for row in ordered[1:]]
    points = []
    for (start, end, price), after in zip(ordered, [*nexts, None], strict=True):
        if after == start:
            raise SeriesError("two prices begin at the same time")
        until = start + form.lasts if end is None else end
        until = until if after is None else min(until, after)
        if until <= start:
            raise SeriesError("a price ends before it begins")
        points.append(PricePoint(start=start, end=until, price=price * form.factor + form.add))
    return tuple(points)


def _json_rows(text: str, form: SeriesForm) -> Sequence[Mapping[str, object]]:
    try:
        found = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError, InvalidOperation) as error:
        raise SeriesError("it is neither JSON nor CSV") from error
    for key in form.rows.split(".") if form.rows else ():
        if not isinstance(found, dict) or key not in found:
            raise SeriesError(f'there is no "{key}" in it, where rows says "{form.rows}"')
        found = found[key]
    if isinstance(found, dict):
        columns = {
            key: found[key]
            for key in (form.start_key, form.end_key, form.price_key)
            if isinstance(found.get(key), list)
        }
        if len({len(column) for column in columns.values()}) != 1:
            raise SeriesError("it is no array of objects; rows says where that is")
        found = [
            dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)
        ]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise SeriesError("it is no array of objects; rows says where that is")
    return found


def _csv_rows(text: str) -> Sequence[Mapping[str, object]]:
    first = text.partition("\n")[0]
    try:
        reader = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in first else ",")
        return [{str(key).strip(): value for key, value in row.items()} for row in reader]
    except csv.Error as error:
        raise SeriesError("it is neither JSON nor CSV") from error


def _row(row: Mapping[str, object], form: SeriesForm, before: float) -> _Told:
    """Return what a row tells that stands behind one of ``before``."""
    for key in (form.start_key, form.price_key):
        if row.get(key) in (None, ""):
            raise SeriesError(f'a price without "{key}"')
    start = _moment(row[form.start_key], form.zone, before)
    end = row.get(form.end_key)
    return (
        start,
        None if end in (None, "") else _moment(end, form.zone, start),
        _price(row[form.price_key]),
    )


def _moment(value: object, zone: tzinfo, before: float) -> float:
    """Return a moment: of two that clocks show alike the first one after ``before``.

    So a series in local time has its hour twice in autumn.
    """
    number = _number(value)
    if number is not None:
        at = float(number)
        at = at / 1000 if abs(at) > _MILLISECONDS else at
    else:
        try:
            shown = datetime.fromisoformat(str(value).strip())
            at = instant_of(shown, zone)
            if at <= before and shown.tzinfo is None:
                at = max(at, shown.replace(tzinfo=zone, fold=1).timestamp())
        except (ValueError, OverflowError) as error:
            raise SeriesError("a time that is no time") from error
    if not (math.isfinite(at) and _YEAR_2000 <= at < _YEAR_3000):
        raise SeriesError("a time that is no time")
    return at


def _price(value: object) -> Decimal:
    number = _number(value)
    if number is None or abs(number) > _LARGEST_PRICE:
        raise SeriesError("a price that is no number")
    return number


def _number(value: object) -> Decimal | None:
    """Return a number as JSON has it, or as a text; a comma may stand for the point."""
    match value:
        case bool():
            return None
        case int() | Decimal():
            found = Decimal(value)
        case str() if len(value) <= 40:
            try:
                found = Decimal(value.strip().replace(",", "."))
            except InvalidOperation:
                return None
        case _:
            return None
    return found if found.is_finite() else None
