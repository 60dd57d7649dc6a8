"""`stratum-client energy`: the account of energy in the state directory; no daemon needed."""

import argparse
import csv
import json
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from stratum_client.clock import SystemClock
from stratum_client.config import Config
from stratum_client.config_file import find_config, load_config
from stratum_client.control.energy_records import EnergySum, IntervalRecord
from stratum_client.control.energy_report import by_day, report_lines, together
from stratum_client.control.energy_verify import Verdict
from stratum_client.control.io.energy_ledger import (
    FOLDER,
    intervals_in,
    intervals_so_far,
    ledger_files,
    verify,
)
from stratum_client.control.io.signing_key import (
    KEY_NAME,
    SigningError,
    make_key,
    read_key,
    signature_check,
)
from stratum_client.control.local_time import shown_at
from stratum_client.errors import ConfigError
from stratum_client.help_text import ParagraphFormatter
from stratum_client.units import counted
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    complain,
    state_dir_of,
    tell,
)

MOST_DAYS = 3660

_NOTES = """\
The ledger is in the folder "energy" of the state directory, also while a daemon writes it. What a
verdict of "verify" proves and what it cannot, and the keys of --json: docs/energy.md.

Exit code 0: done; the ledger is as it was written. 1: there is none, it cannot be read, or "verify"
found something; what that is stands on stderr. 2: wrong arguments.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare `report`, `verify`, `export` and `key`."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    add = partial(actions.add_parser, epilog=_NOTES, formatter_class=ParagraphFormatter)
    report = add("report", help="kWh, J/TH and cost by day", description="Show energy by day.")
    export = add("export", help="all intervals as a table", description="Print all intervals.")
    check = add(
        "verify", help="find any edit of the ledger", description="Find any edit of the ledger."
    )
    key = add("key", help="show or make the key that signs", description="Show the signing key.")
    report.add_argument("--json", action="store_true", help="print one JSON object")
    export.add_argument("--csv", action="store_true", help="the one form there is")
    for action in (report, export):
        _add_days(action)
    _add_verify(check)
    key.add_argument("--make", action="store_true", help="make one; it is never replaced")
    for action in (report, export, check, key):
        add_config_argument(action)


def _add_days(parser: argparse.ArgumentParser) -> None:
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--day", metavar="DATE", type=_day, help="one day, with its devices")
    which.add_argument(
        "--days", metavar="N", type=days_argument, help="the last N days (default: 7)"
    )
    which.add_argument("--month", metavar="YYYY-MM", type=_month, help="one month")


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=Path,
        help="a folder, or one of its files (default: the daemon's ledger)",
    )
    parser.add_argument(
        "--key", metavar="HEX|FILE", default="", help="believe signatures of this public key alone"
    )
    parser.add_argument(
        "--head", metavar="SHA256", default="", help="the ledger must have the line of this digest"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Show, export or verify the ledger, or see to its key."""
    actions = {"report": _report, "export": _export, "verify": _verify, "key": _key}
    try:
        return actions[options.action](options)
    except FileNotFoundError as error:
        complain(
            f"stratum-client energy: {error.filename or error} is not there: has a daemon run with"
            " this state_dir? --config FILE says which is meant"
        )
    except OSError as error:
        complain(f"stratum-client energy: {error.filename}: {error.strerror}")
    except SigningError as error:
        complain(f"stratum-client energy: {error.problem}")
    return EXIT_FAILED


# --- report and export ---


def _report(options: argparse.Namespace) -> int:
    config = _config_if_readable(options)
    damaged: list[str] = []
    records = list(_chosen(options, config, damaged, so_far=True))
    grams = config.energy.carbon if config else None
    carbon = None if grams is None else Decimal(str(grams))
    days = by_day(records)
    total = together(records, "total")
    if options.json:
        found = {"days": [day.json(carbon) for day in days], "total": total.json(carbon)}
        tell(json.dumps({**found, "damaged_lines": len(damaged)}))
    elif not records:
        tell(_NOTHING if options.day or options.month else _NOTHING + _NOT_YET)
    else:
        shown = days if len(days) == 1 else [*days, total]
        tell("\n".join(report_lines(shown, devices=True, carbon=carbon)))
    return _told_of(damaged)


_NOTHING = "nothing is recorded of this time"
_NOT_YET = "; a running daemon notes what it takes every ten seconds, where watts are known"

_COLUMNS = (
    *("day", "start", "end", "ended", "device", "measured_wh", "modelled_wh", "metered_seconds"),
    *("unmetered_seconds", "terahashes", "shares", "price_per_kwh", "currency", "cost"),
)


def _export(options: argparse.Namespace) -> int:
    damaged: list[str] = []
    writer = csv.writer(sys.stdout)
    writer.writerow(_COLUMNS)
    every = options.day is options.days is options.month is None
    records = _all(options, damaged) if every else _chosen(options, None, damaged)
    for record in records:
        rate = record.rate
        money = (rate.price, rate.currency, rate.cost_of(record.rig.total)) if rate else ("",) * 3
        writer.writerow((*_about(record), "", *_cells(record.rig), *money))
        for name, one in record.devices.items():
            writer.writerow((*_about(record), name, *_cells(one), "", "", ""))
    return _told_of(damaged)


def _about(record: IntervalRecord) -> tuple[str, ...]:
    moments = (at.isoformat(timespec="milliseconds") for at in (record.start, record.end))
    return (record.day.isoformat(), *moments, str(record.ended))


def _cells(one: EnergySum) -> tuple[object, ...]:
    measured = one.total - one.modelled
    return (measured, one.modelled, one.metered, one.unmetered, one.terahashes, one.shares)


def _all(
    options: argparse.Namespace, damaged: list[str], *, so_far: bool = False
) -> Iterator[IntervalRecord]:
    folder = state_dir_of(options) / FOLDER
    if not ledger_files(folder):
        raise FileNotFoundError(folder)
    read = intervals_so_far if so_far else intervals_in
    return read(folder, damaged=damaged.append)


def _chosen(
    options: argparse.Namespace, config: Config | None, damaged: list[str], *, so_far: bool = False
) -> Iterator[IntervalRecord]:
    """Yield the intervals of the days that were asked for, with ``so_far`` what goes on too."""
    if options.day:
        first, last = options.day, options.day
    elif options.month:
        first = options.month
        last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    else:
        zone = ZoneInfo((config or Config()).rig.timezone)
        last = shown_at(SystemClock().wall(), zone).date()
        first = last - timedelta(days=(options.days or 7) - 1)
    records = _all(options, damaged, so_far=so_far)
    return (record for record in records if first <= record.day <= last)


def _config_if_readable(options: argparse.Namespace) -> Config | None:
    """Return the configuration, for its zone and its g/kWh; who may not read it sees the rest."""
    try:
        return load_config(options.config or find_config())
    except ConfigError:
        return None


def _told_of(damaged: list[str]) -> int:
    if damaged:
        complain(
            f"stratum-client energy: {len(damaged)} lines are damaged and were left out, the first"
            f" is {damaged[0]}: see stratum-client energy verify"
        )
    return EXIT_FAILED if damaged else EXIT_OK


# --- verify and key ---


def _verify(options: argparse.Namespace) -> int:
    path = options.path
    if path is None or (str(path) == "ledger" and not path.exists()):
        path = state_dir_of(options) / FOLDER
    key = options.key
    if key and Path(key).is_file():
        key = Path(key).read_text(encoding="ascii", errors="replace").strip()
    verdict = verify(path, check=signature_check(), key=key.lower(), noted=options.head.lower())
    if options.json:
        tell(json.dumps(_verdict_json(verdict)))
    else:
        tell("\n".join(_verdict_lines(verdict, whole=path.is_dir())))
    for problem in verdict.problems:
        complain(f"stratum-client energy: {problem}")
    if verdict.count > len(verdict.problems):
        complain(f"stratum-client energy: {verdict.count} problems in all")
    return EXIT_OK if verdict.is_good else EXIT_FAILED


def _verdict_lines(verdict: Verdict, *, whole: bool) -> Iterator[str]:
    days = f", {verdict.first_day} to {verdict.last_day}" if verdict.first_day else ""
    yield f"{counted(verdict.lines, 'line')}, {counted(verdict.intervals, 'interval')}{days}"
    yield f"newest: line {verdict.last_seq}, digest {verdict.last_digest}"
    if verdict.signers:
        yield f"signed up to line {verdict.sealed_to} by {', '.join(sorted(verdict.signers))}"
    else:
        yield "not signed: note the digest elsewhere, or who may write the files may write all anew"
    if not whole:
        yield "one file by itself: nobody can tell whether lines before or behind it are missing"
    if verdict.unsealed:
        yield f"{verdict.unsealed} lines behind the head: a daemon was killed, or is writing"
    if verdict.torn:
        yield "the last line has no end: a daemon was killed, or is writing"
    yield "as it was written" if verdict.is_good else f"NOT as it was written: {verdict.count}"


def _verdict_json(verdict: Verdict) -> dict[str, object]:
    return {
        "good": verdict.is_good,
        "lines": verdict.lines,
        "intervals": verdict.intervals,
        "first_day": verdict.first_day and verdict.first_day.isoformat(),
        "last_day": verdict.last_day and verdict.last_day.isoformat(),
        "line": verdict.last_seq,
        "digest": verdict.last_digest,
        "signed_to": verdict.sealed_to,
        "signers": sorted(verdict.signers),
        "behind_head": verdict.unsealed,
        "torn": verdict.torn,
        "problems": verdict.problems,
        "problem_count": verdict.count,
    }


def _key(options: argparse.Namespace) -> int:
    config = _config_if_readable(options)
    given = config.energy.key_file if config else None
    path = given or state_dir_of(options) / FOLDER / KEY_NAME
    if options.make:
        try:
            made = make_key(path)
        except FileExistsError:
            complain(f"stratum-client energy: {path} is there already; it is never replaced")
            return EXIT_FAILED
        tell(f"made {path}; the daemon signs with it from its next start on. Its public key:")
        tell(made.key)
        return EXIT_OK
    try:
        tell(read_key(path).key)
    except FileNotFoundError:
        complain(
            f"stratum-client energy: there is no key {path}; stratum-client energy key --make makes"
            " one"
        )
        return EXIT_FAILED
    return EXIT_OK


# --- arguments ---


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no date, as in 2026-12-05') from error


def _month(text: str) -> date:
    try:
        return date.fromisoformat(f"{text}-01")
    except ValueError as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no month, as in 2026-12') from error


def days_argument(text: str) -> int:
    """Return a number of days; raise argparse.ArgumentTypeError."""
    if text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= MOST_DAYS:
        return int(text)
    raise argparse.ArgumentTypeError(f"from 1 to {MOST_DAYS} days can be shown")
