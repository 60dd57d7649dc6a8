import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.log_lines import LogEvent, console_line, harmless, journal_line, json_line, utc

EVENT = LogEvent(
    at=1_795_437_764.25,  # 2026-11-23 12:42:44.25 UTC, by date(1)
    level="warning",
    component="pool",
    name="pool.lost",
    fields={"pool": "main", "error": 'said "no"', "retry": 3.5, "more": {"a": [1, None]}, "s": ""},
)
FAILURE = LogEvent(
    at=0.0, level="error", component="cpu", name="crashed", traceback="Trace\n  a\x1b[2J\nEnd\n"
)


def test_json_is_one_object_per_line() -> None:
    line = json_line(EVENT)

    assert line.endswith("}\n")
    assert json.loads(line) == {
        "time": "2026-11-23T12:42:44.250Z",
        "level": "warning",
        "component": "pool",
        "event": "pool.lost",
        **EVENT.fields,
    }
    assert json.loads(json_line(FAILURE))["exception"] == FAILURE.traceback


def test_a_field_does_not_pose_as_the_time_or_level() -> None:
    event = LogEvent(at=0.0, level="info", component="c", name="e", fields={"level": 1, "time": 2})

    record = json.loads(json_line(event))

    assert (record["time"], record["level"]) == ("1970-01-01T00:00:00.000Z", "info")
    assert (record["time_"], record["level_"]) == (2, 1)


def test_a_console_line_reads_from_left_to_right() -> None:
    assert console_line(EVENT, colours=False, short_time=False) == (
        "2026-11-23T12:42:44.250Z warning pool     pool.lost"
        ' pool=main error="said \\"no\\"" retry=3.5 more={"a": [1, null]} s=""\n'
    )


def test_a_terminal_shows_the_time_of_day_and_colours() -> None:
    line = console_line(EVENT, colours=True, short_time=True)

    plain = re.sub(r"\x1b\[[0-9;]*m", "", line)
    assert plain != line
    assert re.match(r"\d\d:\d\d:\d\d warning pool     pool\.lost pool=main ", plain)


def test_a_traceback_stands_below_its_line_and_is_harmless() -> None:
    assert console_line(FAILURE, colours=False, short_time=False).splitlines()[1:] == [
        "    Trace",
        "      a\\x1b[2J",
        "    End",
    ]


@pytest.mark.parametrize(
    ("level", "priority"), [("debug", 7), ("info", 6), ("warning", 4), ("error", 3)]
)
def test_journald_gets_a_priority_on_each_line_and_no_time(level: str, priority: int) -> None:
    event = LogEvent(at=0.0, level=level, component="c", name="e", fields={"a": 1}, traceback="x\n")

    assert journal_line(event) == f"<{priority}>c: e a=1\n<{priority}>    x\n"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, \u00e4\u6f22", "plain text, \u00e4\u6f22"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("\x9b2J", "\\x9b2J"),
        ("\u202egnp\u2066", "\\u202egnp\\u2066"),
        ("\u200b\u2028\ufeff", "\\u200b\\u2028\\ufeff"),
        ("\ud800", "\\ud800"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_nothing_that_a_terminal_obeys_is_left(text: str, shown: str) -> None:
    assert harmless(text) == shown


TEXTS = st.text(st.characters(codec=None, exclude_categories=())) | st.text('\x1b[]\n\r\x9b=" a')


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_any_event_is_one_printable_line(name: str, component: str, key: str, value: str) -> None:
    event = LogEvent(
        at=0.0,
        level="info",
        component=component,
        name=name,
        fields={key: value, f"{key}2": [value, {key: value}]},
    )

    for line in (
        console_line(event, colours=False, short_time=False),
        journal_line(event),
        json_line(event),
    ):
        assert line.endswith("\n")
        assert line[:-1].isprintable()
    assert json.loads(json_line(event))["event"] == name


@given(st.floats(0, 4e9))
def test_times_are_of_one_length(at: float) -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", utc(at))
