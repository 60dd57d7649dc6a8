"""`stratum-client schedule`: when the rig may run, as its configuration says; no daemon needed.

Only `trust-clock` is an order to a running one.
"""

import argparse
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, time, timedelta, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.config_file import find_config, load_config
from stratum_client.control.local_time import SECONDS, instant_of, iso, shown_at
from stratum_client.control.schedule import Change, Schedule
from stratum_client.control.start_slots import Slots
from stratum_client.help_text import ParagraphFormatter
from stratum_client.schedule_source import schedule_of
from stratum_client.units import duration
from stratum_client.verbs.asking import EXIT_OK, add_config_argument, asked, reported, tell

MOST_DAYS = 366

_NOTES = """\
A TIME without an offset, as in 2026-12-05T07:59, is one of the rig's time zone (rig.timezone); one
without a date, as in 07:59, the next one there.
Windows are shown as they are written; devices come to rest schedule.lag before one closes.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `show` and `test`."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    show = actions.add_parser(
        "show",
        help="what holds when, over the next days",
        description="Show what holds when, over the next days.",
        epilog=_NOTES,
        formatter_class=ParagraphFormatter,
    )
    show.add_argument(
        "--days", metavar="N", type=_days, default=14, help="how many days (default: 14)"
    )
    show.add_argument("--from", dest="start", metavar="TIME", type=_time, help="default: now")
    test = actions.add_parser(
        "test",
        help="what holds at one moment, and why",
        description="Tell what holds at one moment, why, and until when.",
        epilog=_NOTES,
        formatter_class=ParagraphFormatter,
    )
    test.add_argument("--at", dest="start", metavar="TIME", type=_time, help="default: now")
    trust = actions.add_parser(
        "trust-clock",
        help="let a running daemon believe a clock that nobody has synchronized",
        description="Let a running daemon believe its clock, until it ends.",
    )
    trust.add_argument("--dry-run", action="store_true", help="only say what would be done")
    add_config_argument(trust)
    for action in (show, test):
        action.add_argument("--config", metavar="FILE", type=Path, help="settings, as for run")
        action.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Show the schedule, or what it says of one moment; or give the one order."""
    if options.action == "trust-clock":
        return reported("stratum-client schedule", lambda: _trust(options))
    now = SystemClock().wall()
    config = load_config(options.config or find_config())
    zone = ZoneInfo(config.rig.timezone)
    at = _instant(options.start, zone, now)
    schedule = _schedule(config, at)
    if options.action == "show":
        _show(schedule, at, options, _slots(config))
    else:
        _test(schedule, at, options)
    return EXIT_OK


def _trust(options: argparse.Namespace) -> int:
    result = asked(options, "schedule.trust_clock", dry_run=options.dry_run or None)
    tell(str(result.get("reason")))
    if options.dry_run:
        tell("nothing was done")
    return EXIT_OK


def _schedule(config: Config, now: float) -> Schedule:
    free = Schedule(windows=(), zone=ZoneInfo(config.rig.timezone))
    return schedule_of(config, now=now) or free


def _slots(config: Config) -> Slots:
    inrush = config.power.inrush
    return inrush.rules(config.rig.name).slots if inrush else Slots()


def _show(schedule: Schedule, start: float, options: argparse.Namespace, slots: Slots) -> None:
    zone, end = schedule.zone, start + options.days * SECONDS
    changes = list(replace(schedule, lag=0.0).changes(start, end))
    if options.json:
        rows = [_row(change, zone) for change in changes]
        about = {"timezone": str(zone), "from": iso(start, zone), "to": iso(end, zone)}
        tell(json.dumps({**about, "changes": rows}))
        return
    tell(f"{'FROM':<20} {'UNTIL':<20} {'LENGTH':<7} {'MODE':<6} WHY ({zone})")
    rests = False
    for change in changes:
        until = change.until or end
        length = duration(until - change.at)
        shown = _short(change.at, zone), _short(change.until, zone)
        why = change.reason + (_start(slots, change, zone) if rests else "")
        tell(f"{shown[0]:<20} {shown[1]:<20} {length:<7} {change.mode!s:<6} {why}")
        rests = not change.mode.run


def _start(slots: Slots, change: Change, zone: tzinfo) -> str:
    """Return when this rig starts in a window that opens, empty if that is at once."""
    if not (slots.cycle and change.mode.run):
        return ""
    start = shown_at(max(slots.next_start(change.at), change.at), zone)
    return f"; starts {start:%H:%M:%S}, in slot {slots.own} of {slots.count}"


def _test(schedule: Schedule, at: float, options: argparse.Namespace) -> None:
    zone = schedule.zone
    written, kept = replace(schedule, lag=0.0).at(at), schedule.at(at)
    if kept.mode != written.mode:
        reason = f"{written.reason}; devices are at {kept.mode} by now: {kept.reason}"
        written = replace(written, reason=reason)
    if options.json:
        tell(json.dumps(_row(written, zone)))
        return
    until = f" until {_short(written.until, zone)}" if written.until else ""
    tell(f"{_short(at, zone)} {zone}: {written.mode}{until}: {written.reason}")


def _row(change: Change, zone: tzinfo) -> Mapping[str, object]:
    return {
        "at": iso(change.at, zone),
        "mode": str(change.mode),
        "reason": change.reason,
        "until": None if change.until is None else iso(change.until, zone),
    }


def _short(at: float | None, zone: tzinfo) -> str:
    return "" if at is None else shown_at(at, zone).strftime("%a %Y-%m-%d %H:%M")


def _instant(given: datetime | time | None, zone: tzinfo, now: float) -> float:
    """Return the instant that is meant: a time of day is the next one, nothing is now."""
    if isinstance(given, datetime):
        return instant_of(given, zone)
    if given is None:
        return now
    today = shown_at(now, zone).date()
    at = instant_of(datetime.combine(today, given), zone)
    if at > now:
        return at
    return instant_of(datetime.combine(today + timedelta(days=1), given), zone)


def _time(text: str) -> datetime | time | None:
    if text == "now":
        return None
    if re.fullmatch("([01][0-9]|2[0-3]):[0-5][0-9]", text):
        return time.fromisoformat(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no time, as in 2026-12-05T07:59') from error
    if not 1971 <= found.year < 3000:
        raise argparse.ArgumentTypeError(f'"{text}" is too far away')
    return found


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= len(text) <= 3):
        raise argparse.ArgumentTypeError(f'"{text}" is not a number of days')
    if not 1 <= int(text) <= MOST_DAYS:
        raise argparse.ArgumentTypeError(f"from 1 to {MOST_DAYS} days can be shown")
    return int(text)
