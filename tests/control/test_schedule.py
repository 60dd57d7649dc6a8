"""Operating windows: instants, not wall-clock arithmetic; each rule against a table by hand."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from stratum_client.control.local_time import first_moment, iso
from stratum_client.control.modes import FULL, REST, Mode, ModeError, allowed_by, parse_mode
from stratum_client.control.schedule import Schedule, Span, Window, days_text

ALMATY = ZoneInfo("Asia/Almaty")
BERLIN = ZoneInfo("Europe/Berlin")
NEW_YORK = ZoneInfo("America/New_York")

WEEKDAYS, WEEKEND = frozenset(range(5)), frozenset({5, 6})
SITE = (
    Window(days=WEEKDAYS, start=0, end=8 * 60),
    Window(days=WEEKEND, start=0, end=24 * 60),
)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def daily(start: str, end: str, mode: Mode = FULL) -> Window:
    first, last = (int(text[:2]) * 60 + int(text[3:]) for text in (start, end))
    return Window(days=frozenset(range(7)), start=first, end=last, mode=mode)


def table(schedule: Schedule, start: str, end: str) -> list[tuple[str, str]]:
    """Return when what begins, in UTC."""
    changes = schedule.changes(utc(start), utc(end))
    return [(iso(change.at, UTC)[:16], str(change.mode)) for change in changes]


# By hand: Almaty is UTC+5, so its midnight is 19:00 UTC of the day before, 08:00 is 03:00 UTC.
# 23 November 2026 is a Monday.
BY_HAND = [
    ("2026-11-22T19:00", "full"),  # Monday 00:00, here the start of the preview
    ("2026-11-23T03:00", "idle"),
    ("2026-11-23T19:00", "full"),  # Tuesday
    ("2026-11-24T03:00", "idle"),
    ("2026-11-24T19:00", "full"),  # Wednesday
    ("2026-11-25T03:00", "idle"),
    ("2026-11-25T19:00", "full"),  # Thursday
    ("2026-11-26T03:00", "idle"),
    ("2026-11-26T19:00", "full"),  # Friday
    ("2026-11-27T03:00", "idle"),
    ("2026-11-27T19:00", "full"),  # Saturday, Sunday and Monday until 08:00
    ("2026-11-30T03:00", "idle"),
    ("2026-11-30T19:00", "full"),  # Tuesday
    ("2026-12-01T03:00", "idle"),
    ("2026-12-01T19:00", "full"),
    ("2026-12-02T03:00", "idle"),
    ("2026-12-02T19:00", "full"),
    ("2026-12-03T03:00", "idle"),
    ("2026-12-03T19:00", "full"),
    ("2026-12-04T03:00", "idle"),
    ("2026-12-04T19:00", "full"),  # the second week-end
]


def test_two_weeks_of_the_site_are_the_table_made_by_hand() -> None:
    schedule = Schedule(windows=SITE, zone=ALMATY, lag=0)

    assert table(schedule, "2026-11-22T19:00", "2026-12-06T19:00") == BY_HAND


def test_the_week_has_88_hours_in_5_starts() -> None:
    schedule = Schedule(windows=SITE, zone=ALMATY, lag=0)
    start = utc("2026-11-24T12:00")

    week = list(schedule.changes(start, start + 7 * 86_400))

    starts = [change for change in week if change.mode == FULL]
    lengths = [change.until - change.at for change in starts if change.until]
    assert len(starts) == len(lengths) == 5
    assert sum(lengths) == 88 * 3600


def test_the_state_at_a_moment_says_why_and_until_when() -> None:
    schedule = Schedule(windows=SITE, zone=ALMATY, lag=0)

    night = schedule.at(utc("2026-12-04T02:59:59"))
    day = schedule.at(utc("2026-11-27T03:00"))

    assert (night.mode, night.reason) == (FULL, "window Mon-Fri 00:00-08:00")
    assert night.until == utc("2026-12-04T03:00")
    assert (day.mode, day.until) == (REST, utc("2026-11-27T19:00"))
    assert schedule.sentence(day) == "window: outside all windows until Sat 00:00"


def test_boards_rest_when_the_window_closes() -> None:
    schedule = Schedule(windows=SITE, zone=ALMATY, lag=30)

    found = [schedule.at(utc(f"2026-11-23T{at}")).mode for at in ("02:59:29", "02:59:30", "03:00")]
    closing = schedule.at(utc("2026-11-23T02:59:30"))

    assert found == [FULL, REST, REST]
    assert closing.reason == "outside all windows from Mon 08:00"
    assert schedule.at(utc("2026-11-22T19:00")).mode == FULL, "opens at the stroke"
    assert schedule.at(utc("2026-11-28T19:00")).mode == FULL, "windows that touch leave no gap"


def test_almaty_put_its_clocks_back_on_the_first_of_march_2024() -> None:
    """At 24:00 of 29 February, UTC+6, clocks were put to 23:00, UTC+5."""
    schedule = Schedule(windows=(daily("23:30", "00:30"),), zone=ALMATY, lag=0)
    nights = Schedule(windows=SITE, zone=ALMATY, lag=0)

    assert table(schedule, "2024-02-28T00:00", "2024-03-02T00:00") == [
        ("2024-02-28T00:00", "idle"),
        ("2024-02-28T17:30", "full"),  # 23:30 +06
        ("2024-02-28T18:30", "idle"),
        ("2024-02-29T17:30", "full"),  # 23:30 +06, the first of two
        ("2024-02-29T19:30", "idle"),  # 00:30 +05
        ("2024-03-01T18:30", "full"),  # 23:30 +05
        ("2024-03-01T19:30", "idle"),
    ]
    assert table(nights, "2024-02-28T12:00", "2024-03-01T18:00") == [
        ("2024-02-28T12:00", "idle"),
        ("2024-02-28T18:00", "full"),  # Thursday 00:00 +06
        ("2024-02-29T02:00", "idle"),
        ("2024-02-29T19:00", "full"),  # Friday 00:00 +05
        ("2024-03-01T03:00", "idle"),
    ]


@pytest.mark.parametrize(
    ("zone", "hours", "start", "times"),
    [
        # spring: Berlin jumps from 02:00 to 03:00 at 01:00 UTC, New York at 07:00 UTC
        (BERLIN, ("01:00", "04:00"), "2026-03-29T00:00", ("00:00", "02:00")),
        (BERLIN, ("02:30", "04:00"), "2026-03-29T00:00", ("01:00", "02:00")),
        (BERLIN, ("01:00", "02:30"), "2026-03-29T00:00", ("00:00", "01:00")),
        (NEW_YORK, ("00:00", "08:00"), "2026-03-08T00:00", ("05:00", "12:00")),
        (NEW_YORK, ("02:30", "03:30"), "2026-03-08T06:00", ("07:00", "07:30")),
        # autumn: Berlin from 03:00 back to 02:00 at 01:00 UTC, New York at 06:00 UTC
        (BERLIN, ("00:00", "08:00"), "2026-10-24T12:00", ("22:00", "07:00")),
        (BERLIN, ("02:15", "02:45"), "2026-10-25T00:00", ("00:15", "00:45")),
        (BERLIN, ("02:30", "03:30"), "2026-10-25T00:00", ("00:30", "02:30")),
        (NEW_YORK, ("00:00", "08:00"), "2026-11-01T00:00", ("04:00", "13:00")),
        (NEW_YORK, ("01:30", "02:00"), "2026-11-01T05:00", ("05:30", "07:00")),
    ],
)
def test_clocks_that_are_put_forward_or_back(
    zone: ZoneInfo, hours: tuple[str, str], start: str, times: tuple[str, str]
) -> None:
    schedule = Schedule(windows=(daily(*hours),), zone=zone, lag=0)

    changes = list(schedule.changes(utc(start), utc(start) + 20 * 3600))

    opened = next(change for change in changes if change.mode == FULL)
    assert opened.until
    assert (iso(opened.at, UTC)[11:16], iso(opened.until, UTC)[11:16]) == times


def test_a_window_wholly_in_what_clocks_jump_over_does_not_open() -> None:
    schedule = Schedule(windows=(daily("02:10", "02:50"),), zone=BERLIN, lag=0)

    assert table(schedule, "2026-03-28T12:00", "2026-03-29T12:00") == [("2026-03-28T12:00", "idle")]


def test_a_day_that_clocks_jump_over_is_the_moment_of_the_jump() -> None:
    """Samoa left out 30 December 2011: after the 29th, 24:00 (-10), came the 31st (+14)."""
    apia = ZoneInfo("Pacific/Apia")

    assert first_moment(date(2011, 12, 30), 600, apia) == utc("2011-12-30T10:00")
    assert first_moment(date(2011, 12, 31), 0, apia) == utc("2011-12-30T10:00")


def test_of_open_windows_the_most_permissive_holds_but_idle_closes_all() -> None:
    eco, half, watts = parse_mode("eco"), parse_mode("50%"), parse_mode("800W")
    windows = (
        daily("00:00", "12:00", half),
        daily("02:00", "10:00", eco),
        daily("04:00", "08:00"),
        daily("05:00", "06:00", REST),
    )
    schedule = Schedule(windows=windows, zone=ZoneInfo("UTC"), lag=0)

    assert table(schedule, "2026-01-01T00:00", "2026-01-02T00:00") == [
        ("2026-01-01T00:00", "50%"),
        ("2026-01-01T02:00", "eco"),
        ("2026-01-01T04:00", "full"),
        ("2026-01-01T05:00", "idle"),
        ("2026-01-01T06:00", "full"),
        ("2026-01-01T08:00", "eco"),
        ("2026-01-01T10:00", "50%"),
        ("2026-01-01T12:00", "idle"),
    ]
    assert allowed_by([half, watts]) == Mode(share=0.5, watts=800)
    assert str(allowed_by([half, watts])) == "50%, 800W"


def test_an_exception_takes_the_place_of_all_windows() -> None:
    class Maintenance:
        def between(self, start: float, end: float) -> list[Span]:
            del start, end
            day = utc("2026-11-24T18:00"), utc("2026-11-24T20:00")
            return [
                Span(start=day[0], end=day[1], mode=REST, reason="grid work", is_exception=True)
            ]

    schedule = Schedule(windows=SITE, zone=ALMATY, lag=0, calendars=(Maintenance(),))
    alone = Schedule(windows=(), zone=ALMATY, lag=0, calendars=(Maintenance(),))

    assert table(schedule, "2026-11-24T17:00", "2026-11-25T03:00") == [
        ("2026-11-24T17:00", "idle"),
        ("2026-11-24T20:00", "full"),
    ]
    assert schedule.at(utc("2026-11-24T19:00")).reason == "grid work"
    assert table(alone, "2026-11-24T17:00", "2026-11-25T03:00") == [
        ("2026-11-24T17:00", "full"),
        ("2026-11-24T18:00", "idle"),
        ("2026-11-24T20:00", "full"),
    ], "without any window a rig is free"


def test_what_never_changes_has_no_end() -> None:
    schedule = Schedule(windows=(daily("00:00", "24:00"),), zone=BERLIN)

    found = schedule.at(utc("2026-11-24T19:00"))

    assert (found.mode, found.until) == (FULL, None)
    assert schedule.sentence(found) == "window: window Mon-Sun 00:00-24:00"


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("full", FULL),
        ("100%", FULL),
        ("idle", REST),
        ("70%", Mode(share=0.7)),
        ("eco", Mode(share=0.7, eco=True)),
        ("800W", Mode(watts=800)),
        ("1.2 kW", Mode(watts=1200)),
    ],
)
def test_modes_are_read_as_people_write_them(text: str, mode: Mode) -> None:
    assert parse_mode(text) == mode
    assert parse_mode(str(mode)) == mode


@pytest.mark.parametrize("text", ["", "0%", "101%", "0W", "800", "-5W", "fast", "9999999kW", "1%W"])
def test_what_is_no_mode_is_refused(text: str) -> None:
    with pytest.raises(ModeError, match="as in 70%"):
        parse_mode(text)


def test_days_are_told_in_runs() -> None:
    assert days_text({0, 1, 2, 3, 4}) == "Mon-Fri"
    assert days_text({5, 6}) == "Sat, Sun"
    assert days_text({0, 2, 3, 4, 6}) == "Mon, Wed-Fri, Sun"
