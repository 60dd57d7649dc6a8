"""What is known of boards as a text that outlives the daemon; pure.

One JSON object: ``format`` (1) and ``boards``, by serial number or name: ``device``, ``goal``
(null: as configured), ``tuned`` (goal, mhz, explored_at, estimates, bars) and ``trend``, a list of
[first day, last day, seconds, MHz x seconds, [[good, bad], ...]]. Times in seconds since 1970.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace

from stratum_client.control.tuning_evidence import Estimate, Goal
from stratum_client.control.tuning_profile import MAX_BARS, MAX_ESTIMATES, Bar, Profile
from stratum_client.control.tuning_trend import DAYS, MONTHS, Span

FORMAT = 1

MAX_BOARDS = 256
"""Boards that were seen last are kept."""

LARGEST = 900_000
"""Bytes; where there is more, the oldest days of all boards are left out."""

_HIGHEST = 1e15
_YEAR_3000 = 32_503_680_000.0
_MOST_CHIPS = 512
_LONGEST = 300


class TuningFileError(ValueError):
    """A text is no record of tuned boards, or not of a format known here."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One board: the ``device`` it was last, a goal of its own, what was learnt, how it ages."""

    device: str = ""
    goal: Goal | None = None
    tuned: Profile = field(default_factory=Profile)
    trend: tuple[Span, ...] = ()


def text_of(records: Mapping[str, Record]) -> bytes:
    """Return ``records`` as the content of a file; those seen last come last."""
    kept = dict(list(records.items())[-MAX_BOARDS:])
    while True:
        boards = {key: _row(record) for key, record in kept.items()}
        data = json.dumps({"format": FORMAT, "boards": boards}, separators=(",", ":")).encode()
        longest = max((len(record.trend) for record in kept.values()), default=0)
        if len(data) <= LARGEST or longest == 0:
            return data + b"\n"
        kept = {key: _shortened(one, longest // 2) for key, one in kept.items()}


def records_in(data: bytes) -> dict[str, Record]:
    """Return the records in a file's content; raise TuningFileError, for nothing is guessed."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise TuningFileError("not JSON") from error
    match document:
        case {"format": int(number), "boards": dict(rows)} if number is not True:
            if number != FORMAT:
                raise TuningFileError(f"format {number} is not known here, only {FORMAT}")
            if len(rows) > MAX_BOARDS:
                raise TuningFileError(f"more than {MAX_BOARDS} boards")
            return {_text(key): _record(row) for key, row in rows.items()}
    raise TuningFileError("no record of tuned boards")


def _shortened(record: Record, days: int) -> Record:
    return replace(record, trend=record.trend[-days:] if days else ())


def _row(record: Record) -> Mapping[str, object]:
    tuned = record.tuned
    return {
        "device": record.device,
        "goal": None if record.goal is None else str(record.goal),
        "tuned": {
            "goal": str(tuned.goal),
            "mhz": tuned.mhz,
            "explored_at": tuned.explored_at,
            "estimates": [asdict(one) for one in tuned.estimates],
            "bars": [asdict(bar) for bar in tuned.bars],
        },
        "trend": [
            [span.first, span.last, round(span.seconds), round(span.mhz_seconds), span.chips]
            for span in record.trend
        ],
    }


def _record(row: object) -> Record:
    match row:
        case {"device": str(device), "goal": goal, "tuned": tuned, "trend": list(trend)}:
            if len(trend) > DAYS + MONTHS:
                raise TuningFileError("a trend of too many days")
            return Record(
                device=_text(device),
                goal=None if goal is None else _goal(goal),
                tuned=_profile(tuned),
                trend=tuple(_span(span) for span in trend),
            )
    raise TuningFileError("a board that lacks a field")


def _profile(row: object) -> Profile:
    match row:
        case {
            "goal": goal,
            "mhz": mhz,
            "explored_at": at,
            "estimates": list(estimates),
            "bars": list(bars),
        } if len(estimates) <= MAX_ESTIMATES and len(bars) <= MAX_BARS:
            return Profile(
                goal=_goal(goal),
                mhz=None if mhz is None else _number(mhz),
                explored_at=_number(at, highest=_YEAR_3000),
                estimates=tuple(_estimate(one) for one in estimates),
                bars=tuple(_bar(one) for one in bars),
            )
    raise TuningFileError("a tuned board that lacks a field")


def _estimate(row: object) -> Estimate:
    if not isinstance(row, dict):
        raise TuningFileError("an estimate that is none")
    return Estimate(
        mhz=_number(row.get("mhz")),
        hashrate=_number(row.get("hashrate"), highest=1e30),
        watts=_number_or_nothing(row.get("watts")),
        error_ratio=_number(row.get("error_ratio"), highest=1.0),
        nonces=_whole(row.get("nonces")),
        uncertainty=_number(row.get("uncertainty")),
        is_excessive=row.get("is_excessive") is True,
        is_modelled=row.get("is_modelled") is True,
        temperature=_number_or_nothing(row.get("temperature"), lowest=-300.0),
        at=_number(row.get("at"), highest=_YEAR_3000),
    )


def _bar(row: object) -> Bar:
    match row:
        case {"mhz": mhz, "why": str(why), "at": at, "until": until, "times": times}:
            return Bar(
                mhz=_number(mhz),
                why=_text(why),
                at=_number(at, highest=_YEAR_3000),
                until=_number(until, highest=_YEAR_3000),
                times=_whole(times),
            )
    raise TuningFileError("a failure that lacks a field")


def _span(row: object) -> Span:
    match row:
        case [first, last, seconds, mhz_seconds, list(chips)] if len(chips) <= _MOST_CHIPS:
            return Span(
                first=_day(first),
                last=_day(last),
                seconds=_number(seconds),
                mhz_seconds=_number(mhz_seconds),
                chips=tuple(_chip(chip) for chip in chips),
            )
    raise TuningFileError("a day that lacks a field")


def _day(value: object) -> int:
    return int(_number(_whole(value), highest=_YEAR_3000 / 86_400))


def _chip(row: object) -> tuple[int, int]:
    match row:
        case [good, bad]:
            return _whole(good), _whole(bad)
    raise TuningFileError("a chip's day that is no pair")


def _goal(value: object) -> Goal:
    try:
        return Goal(str(value))
    except ValueError as error:
        raise TuningFileError("a goal that is none") from error


def _text(value: str) -> str:
    if value.isprintable() and len(value) <= _LONGEST:
        return value
    raise TuningFileError("a text that is too long, or not printable")


def _whole(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST:
        return value
    raise TuningFileError("a count that is none, or out of bounds")


def _number_or_nothing(value: object, *, lowest: float = 0.0) -> float | None:
    return None if value is None else _number(value, lowest=lowest)


def _number(value: object, *, lowest: float = 0.0, highest: float = _HIGHEST) -> float:
    match value:
        case bool():
            pass
        case int() | float() if lowest <= value <= highest and math.isfinite(value):
            return float(value)
    raise TuningFileError("a number that is none, or out of bounds")
