"""Between instants and what clocks in a named zone show; pure.

A zone's clocks may jump over a time of day or show it twice. One rule covers both: a time of day
stands for the **first moment at which clocks show it or a later one**. What is jumped over is the
moment of the jump; what is shown twice is the first of the two.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAY = 1440
"""Minutes."""

SECONDS = 86_400.0
"""In a day whose clocks do not jump."""

_NEAR = 6 * SECONDS
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def shown_at(at: float, zone: tzinfo) -> datetime:
    """Return what clocks in ``zone`` show at an instant, without the zone."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).replace(tzinfo=None, fold=0)


def first_moment(day: date, minutes: float, zone: tzinfo) -> float:
    """Return the first instant at which clocks show ``minutes`` into ``day``, or later."""
    wall = datetime.combine(day, time()) + timedelta(minutes=minutes)
    high = wall.replace(tzinfo=zone, fold=0).timestamp()
    if shown_at(high, zone) == wall:
        return high
    low = wall.replace(tzinfo=zone, fold=1).timestamp()
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if shown_at(middle, zone) >= wall else (middle, high)
    return high


def instant_of(given: datetime, zone: tzinfo) -> float:
    """Return the instant of ``given``, which is of ``zone`` if it names none of its own."""
    if given.tzinfo is not None:
        return given.timestamp()
    midnight = datetime.combine(given.date(), time())
    return first_moment(given.date(), (given - midnight) / timedelta(minutes=1), zone)


def iso(at: float, zone: tzinfo) -> str:
    """Return an instant to the second, with its offset: ``2026-12-05T07:59:00+05:00``."""
    return datetime.fromtimestamp(at, UTC).astimezone(zone).isoformat(timespec="seconds")


def stamp(at: float, zone: tzinfo, *, now: float) -> str:
    """Return an instant in short words: ``Mon 00:00``, with the date if it is not this week's."""
    shown = shown_at(at, zone)
    day = _DAYS[shown.weekday()]
    date_too = f"{shown:%Y-%m-%d} " if abs(at - now) > _NEAR else ""
    return f"{day} {date_too}{shown:%H:%M}" + (f":{shown:%S}" if shown.second else "")
