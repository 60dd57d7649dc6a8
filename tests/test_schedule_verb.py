"""`stratum-client schedule`, and the settings and calendars behind it."""

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from stratum_client.cli import main
from stratum_client.config_diff import difference, is_applicable
from stratum_client.config_file import load_config, read_config
from stratum_client.config_schedule import local_zone
from stratum_client.errors import ConfigError

SITE = """
[rig]
timezone = "Asia/Almaty"
[[window]]
days = ["mon", "tue", "wed", "thu", "fri"]
hours = "00:00-08:00"
mode = "full"
[[window]]
days = ["sat", "sun"]
hours = "00:00-24:00"
"""

# A weekly maintenance on Wednesdays 02:00-04:00 local time with one exclusion (9 December), a whole
# holiday, and one that was called off.
CALENDAR = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//a test//EN
BEGIN:VEVENT
UID:maintenance
DTSTART;TZID=Asia/Almaty:20261202T020000
DTEND;TZID=Asia/Almaty:20261202T040000
RRULE:FREQ=WEEKLY;COUNT=4
EXDATE;TZID=Asia/Almaty:20261209T020000
SUMMARY:Transformer
END:VEVENT
BEGIN:VEVENT
UID:holiday
DTSTART;VALUE=DATE:20261216
DTEND;VALUE=DATE:20261217
SUMMARY:Independence Day
END:VEVENT
BEGIN:VEVENT
UID:off
DTSTART:20261204T010000
DTEND:20261204T020000
STATUS:CANCELLED
SUMMARY:Never
END:VEVENT
END:VCALENDAR
""".replace("\n", "\r\n")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    path = tmp_path / "rig.toml"
    path.write_text(SITE)
    return path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["schedule", *words]) == 0
    return capsys.readouterr().out


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    return json.loads(said(capsys, *words, "--json"))


def rows(preview: Any) -> list[tuple[str, str]]:
    assert all(row["at"].endswith(":00+05:00") for row in preview["changes"])
    return [(row["at"][:16], row["mode"]) for row in preview["changes"]]


def test_two_weeks_of_the_site(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("show", "--config", str(site), "--days", "14", "--from", "2026-11-23T00:00")

    preview = asked(capsys, *words)
    shown = said(capsys, *words).splitlines()

    nights = ["11-24", "11-25", "11-26", "11-27"], ["12-01", "12-02", "12-03", "12-04"]
    by_hand = [("2026-11-23T00:00", "full"), ("2026-11-23T08:00", "idle")]
    for week, saturday, monday in ((nights[0], "11-28", "11-30"), (nights[1], "12-05", "")):
        for day in week:
            by_hand += [(f"2026-{day}T00:00", "full"), (f"2026-{day}T08:00", "idle")]
        by_hand.append((f"2026-{saturday}T00:00", "full"))
        by_hand += [(f"2026-{monday}T08:00", "idle")] if monday else []
    assert rows(preview) == by_hand
    assert preview["timezone"] == "Asia/Almaty"
    assert shown[1].split() == [
        *("Mon", "2026-11-23", "00:00", "Mon", "2026-11-23", "08:00", "8h00m", "full"),
        *("window", "Mon-Fri", "00:00-08:00"),
    ]
    assert len(shown) == 1 + len(by_hand)


def test_each_opening_says_when_this_rig_starts(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text(f"{SITE}[power]\ninrush = {{ start_slots = 600, index = 17 }}\n")
    words = ("show", "--config", str(site), "--days", "7", "--from", "2026-11-23T00:00")

    shown = said(capsys, *words).splitlines()

    told = [line.partition("; ")[2] for line in shown[2:]]
    assert told == [
        "" if " idle " in line else "starts 00:00:17, in slot 17 of 600" for line in shown[2:]
    ]
    assert told.count("") == 5
    assert "starts" not in shown[1], "it was open before"


def test_one_moment_is_told_with_its_reason(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = ("--config", str(site))

    friday = asked(capsys, "test", "--at", "2026-12-04T07:59", *config)
    closing = asked(capsys, "test", "--at", "2026-12-04T07:59:57", *config)
    outside = asked(capsys, "test", "--at", "2026-12-04T03:00:00Z", *config)

    assert friday == {
        "at": "2026-12-04T07:59:00+05:00",
        "mode": "full",
        "reason": "window Mon-Fri 00:00-08:00",
        "until": "2026-12-04T08:00:00+05:00",
    }
    assert closing["mode"] == "full"
    assert closing["reason"].endswith(
        "devices are at idle by now: outside all windows from Fri 08:00"
    )
    assert (outside["mode"], outside["reason"]) == ("idle", "outside all windows")
    assert outside["until"] == "2026-12-05T00:00:00+05:00"
    assert said(capsys, "test", "--at", "2026-12-05T07:59", *config) == (
        "Sat 2026-12-05 07:59 Asia/Almaty: full until Mon 2026-12-07 08:00: "
        "window Sat, Sun 00:00-24:00\n"
    )


def test_exceptions_come_from_a_calendar(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (site.parent / "site.ics").write_bytes(CALENDAR.encode())
    site.write_text(SITE + '[[calendar]]\nfile = "site.ics"\n')
    config = ("--config", str(site))

    first = asked(capsys, "show", "--from", "2026-12-02T00:00", "--days", "1", *config)
    excluded = asked(capsys, "show", "--from", "2026-12-09T00:00", "--days", "1", *config)
    holiday = asked(capsys, "show", "--from", "2026-12-15T12:00", "--days", "2", *config)
    cancelled = asked(capsys, "test", "--at", "2026-12-04T01:30", *config)

    assert rows(first) == [
        ("2026-12-02T00:00", "full"),
        ("2026-12-02T02:00", "idle"),
        ("2026-12-02T04:00", "full"),
        ("2026-12-02T08:00", "idle"),
    ]
    assert first["changes"][1]["reason"] == "calendar: Transformer"
    assert rows(excluded) == [("2026-12-09T00:00", "full"), ("2026-12-09T08:00", "idle")]
    assert rows(holiday) == [
        ("2026-12-15T12:00", "idle"),
        ("2026-12-17T00:00", "full"),
        ("2026-12-17T08:00", "idle"),
    ]
    assert cancelled["mode"] == "full"


def test_without_the_extra_a_calendar_is_an_error_with_the_command(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "icalendar", None)
    site.write_text(SITE + '[[calendar]]\nfile = "site.ics"\n')

    code = main(["schedule", "show", "--config", str(site)])

    assert code == 2
    told = capsys.readouterr().err
    assert "calendar[1].file" in told
    assert "pip install 'stratum-client[calendar]'" in told


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", CALENDAR.replace("FREQ=WEEKLY", "FREQ=SOMETIMES").encode(), b"\xff\xfe\0"],
)
def test_what_is_no_calendar_is_refused(
    site: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    (site.parent / "site.ics").write_bytes(content)
    site.write_text(SITE + '[[calendar]]\nfile = "site.ics"\n')

    assert main(["schedule", "show", "--config", str(site)]) == 2
    assert "calendar[1].file" in capsys.readouterr().err


def test_without_windows_it_runs_at_any_time(
    site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site.write_text('[rig]\ntimezone = "Asia/Almaty"\n')
    config = ("--config", str(site))

    assert asked(capsys, "test", "--at", "2026-12-05T07:59", *config) == {
        "at": "2026-12-05T07:59:00+05:00",
        "mode": "full",
        "reason": "no window and no calendar: it runs at any time",
        "until": None,
    }
    assert [row["mode"] for row in asked(capsys, "show", *config)["changes"]] == ["full"]


def test_a_time_of_day_is_the_next_one(site: Path, capsys: pytest.CaptureFixture[str]) -> None:
    now = datetime.fromisoformat(asked(capsys, "test", "--at", "now", "--config", str(site))["at"])
    for hours in ("00:00", "07:59", "23:59"):
        row = asked(capsys, "test", "--at", hours, "--config", str(site))
        at = datetime.fromisoformat(row["at"])
        assert f"{at:%H:%M:%S}" == f"{hours}:00"
        assert at.utcoffset() == timedelta(hours=5)
        assert timedelta(minutes=-1) < at - now <= timedelta(days=1, minutes=1)
    for wrong in ("24:00", "7:59", "12:60", "29:00"):
        with pytest.raises(SystemExit):
            main(["schedule", "test", "--at", wrong, "--config", str(site)])
        assert "is no time" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('hours = "08:00-08:00"', 'a whole day is written "00:00-24:00"'),
        ('hours = "24:00-08:00"', "two times of day"),
        ('hours = "08:00-25:00"', "two times of day"),
        ('hours = "8-9"', "two times of day"),
        ('hours = "00:00-08:00"\ndays = []', "an array of days"),
        ('hours = "00:00-08:00"\ndays = ["fry"]', "an array of days"),
        ('hours = "00:00-08:00"\nmode = "fast"', 'or a power as in "800W"'),
    ],
)
def test_a_window_that_cannot_be_is_refused(line: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_config(f"[[window]]\n{line}\n".encode(), name="f.toml", environ={})


def test_the_environment_may_set_windows() -> None:
    environ = {"SC_WINDOW_1_DAYS": "sat, sun", "SC_RIG_TIMEZONE": "Europe/Berlin"}
    text = b'[[window]]\nhours = "22:00-06:00"\n'

    config = read_config(text, name="f.toml", environ=environ)

    assert config.windows[0].days == ("sat", "sun")
    assert config.windows[0].hours == (22 * 60, 6 * 60)
    assert config.rig.timezone == "Europe/Berlin"


def test_other_windows_are_taken_over_while_it_runs(site: Path) -> None:
    old = load_config(site, {})
    site.write_text(SITE.replace("08:00", "07:00"))

    [change] = difference(old, load_config(site, {}))

    assert is_applicable(change)
    assert str(change) == "windows"


def test_the_clock_cannot_be_trusted_without_a_daemon(
    site: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SC_STATE_DIR", str(site.parent))

    assert main(["schedule", "trust-clock", "--config", str(site)]) == 1
    assert "no daemon" in capsys.readouterr().err


def test_the_zone_of_the_machine(tmp_path: Path) -> None:
    link = tmp_path / "localtime"
    link.symlink_to("/usr/share/zoneinfo/Europe/Berlin")

    assert local_zone({"TZ": ":America/New_York"}, link) == "America/New_York"
    assert local_zone({}, link) == "Europe/Berlin"
    assert local_zone({"TZ": "<+05>-5"}, link) == "UTC"
    assert local_zone({}, tmp_path / "nothing") == "UTC"
