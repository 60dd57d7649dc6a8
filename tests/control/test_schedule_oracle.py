"""Random windows against an oracle that looks at the clock on the wall, minute by minute.

The oracle knows nothing of instants, spans or folds: it watches a clock of the zone, and takes no
notice of it while it shows again what it has shown before.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from random import Random
from zoneinfo import ZoneInfo

import pytest

from stratum_client.control.modes import FULL, REST, Mode
from stratum_client.control.schedule import Schedule, Window

MINUTE, DAY = 60, 1440
LONGEST_LAG = 7

CHANGING = [
    ("Europe/Berlin", 2026, (80, 292)),  # days of the year shortly before clocks are changed
    ("America/New_York", 2026, (59, 298)),
    ("Asia/Almaty", 2024, (55, 200)),
    ("Australia/Lord_Howe", 2026, (88, 270)),  # by half an hour
    ("Pacific/Apia", 2011, (91, 358)),  # left out a day
    ("Africa/Casablanca", 2026, (42, 75)),
]
MODES = [FULL, FULL, REST, Mode(share=0.5), Mode(share=0.7), Mode(watts=400), Mode(watts=800)]


def a_schedule(random: Random, zone: ZoneInfo) -> Schedule:
    step = random.choice([1, 15, 30])
    windows = []
    for _ in range(random.randint(1, 4)):
        start = random.randrange(0, DAY, step)
        if random.random() < 0.5:
            start = random.randrange(0, 240, step)  # when clocks are changed
        end = random.choice([DAY, random.randrange(0, DAY, step), start + 45])
        end = end if 0 <= end <= DAY and end != start else DAY
        days = frozenset(random.sample(range(7), random.randint(1, 7)))
        windows.append(Window(days=days, start=start, end=end, mode=random.choice(MODES)))
    lag = random.choice([0, 0, 1, LONGEST_LAG]) * MINUTE
    outside = random.choice([REST, REST, Mode(share=0.3)])
    return Schedule(windows=tuple(windows), zone=zone, lag=lag, outside=outside)


@lru_cache(maxsize=2)
def clock_faces(zone: tzinfo, first: int, minutes: int) -> list[int]:
    """Return what the clock shows each minute, as minutes since Monday, never going back."""
    newest = datetime(1, 1, 1)  # noqa: DTZ001  # what a clock shows has no zone
    faces = []
    start = datetime.fromtimestamp(first, UTC)
    for number in range(-180, minutes):
        shown = (start + timedelta(minutes=number)).astimezone(zone).replace(tzinfo=None)
        newest = max(newest, shown)
        if number >= 0:
            faces.append(newest.weekday() * DAY + newest.hour * 60 + newest.minute)
    return faces


def is_open(window: Window, face: int) -> bool:
    weekday, minute = divmod(face, DAY)
    today, yesterday = weekday in window.days, (weekday - 1) % 7 in window.days
    if window.start < window.end:
        return today and window.start <= minute < window.end
    return (today and minute >= window.start) or (yesterday and minute < window.end)


def mode_for(schedule: Schedule, face: int) -> tuple[float, float]:
    """Return the share and the watts allowed, 0 for idle."""
    free = 1.0, 1e9
    modes = [window.mode for window in schedule.windows if is_open(window, face)]
    found = [pair(mode) for mode in modes] or [pair(schedule.outside)]
    if (0.0, 0.0) in found:
        return 0.0, 0.0
    if free in found:
        return free
    shares = [share for share, _ in found if share < 1]
    watts = [power for _, power in found if power < 1e9]
    return max(shares, default=1.0), max(watts, default=1e9)


def pair(mode: Mode) -> tuple[float, float]:
    if not mode.run:
        return 0.0, 0.0
    return mode.share or 1.0, mode.watts or 1e9


def brute_force(schedule: Schedule, first: int, minutes: int) -> list[tuple[float, float]]:
    """Return what holds each minute: of all that holds from then on until the lag has passed."""
    lag = int(schedule.lag) // MINUTE
    faces = clock_faces(schedule.zone, first, minutes + LONGEST_LAG)[: minutes + lag]
    week = [mode_for(schedule, face) for face in range(7 * DAY)]
    shares, watts = ([week[face][part] for face in faces] for part in (0, 1))
    return list(zip(least_ahead(shares, lag), least_ahead(watts, lag), strict=True))


def least_ahead(values: list[float], lag: int) -> list[float]:
    """Return for each value, but the last ``lag``, the least of it and the ``lag`` after it."""
    ends = len(values) - lag
    return list(map(min, *(values[n : ends + n] for n in range(lag + 1)))) if lag else values


def from_changes(schedule: Schedule, first: int, minutes: int) -> list[tuple[float, float]]:
    found: list[tuple[float, float]] = []
    end = first + minutes * MINUTE
    for change in schedule.changes(first, end):
        until = change.until or end
        assert change.at % MINUTE == 0
        found += [pair(change.mode)] * int((until - change.at) // MINUTE)
    return found


@pytest.mark.parametrize(("name", "year", "days"), CHANGING, ids=str)
def test_it_is_what_clocks_on_the_wall_say(
    name: str, year: int, days: tuple[int, int], soaking: bool
) -> None:
    zone, random = ZoneInfo(name), Random(f"{name} {year}")
    new_year = int(datetime(year, 1, 1, tzinfo=UTC).timestamp())
    for day in (0,) if soaking else days:
        first, minutes = new_year + day * 86_400, (365 if soaking else 8) * DAY
        for _ in range(50 if soaking else 3):
            schedule = a_schedule(random, zone)

            assert from_changes(schedule, first, minutes) == brute_force(schedule, first, minutes)


def test_at_is_what_changes_says_at_any_moment() -> None:
    random = Random(6)
    for _ in range(12):
        schedule = a_schedule(random, ZoneInfo(random.choice(CHANGING)[0]))
        first = 1_790_000_000 + random.randrange(86_400 * 90)
        changes = list(schedule.changes(first, first + 20 * 86_400))
        for change in changes[:-1]:
            assert change.until
            for at in (change.at, change.until - 0.5, random.uniform(change.at, change.until)):
                now = schedule.at(at)
                assert (now.mode, now.until) == (change.mode, change.until)
