"""`stratum-client profit`: what each device costs and earns in a day, and where it breaks even.

Made of the energy ledger, the tariff and the windows; no daemon needed.
"""

import argparse
import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path

from stratum_client.clock import SystemClock
from stratum_client.config_file import find_config, load_config
from stratum_client.control.energy_records import IntervalRecord
from stratum_client.control.energy_report import Report, table, together
from stratum_client.control.io.energy_ledger import FOLDER, intervals_so_far
from stratum_client.control.local_time import SECONDS
from stratum_client.control.profit import Profit
from stratum_client.control.schedule import Change, Schedule
from stratum_client.control.tariff import MeanPrice, Rate, mean_price
from stratum_client.energy_desk import tariff_of
from stratum_client.schedule_source import schedule_of
from stratum_client.units import plain
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    complain,
    state_dir_of,
    tell,
)
from stratum_client.verbs.energy import days_argument

_HEADS = (
    *("", "W", "TH/s", "J/TH", "COST/day", "REVENUE/day", "PROFIT/day"),
    *("EVEN AT kWh", "EVEN AT TH/day"),
)
_LARGEST = Decimal(10) ** 9

_NOTES = """\
J/TH, W and TH/s are those of the energy ledger's newest day, or --days, while the windows let the
rig run. A day has the hours in which they do, and power costs what the tariff says of these hours
on average; what a rig takes at rest is in `energy report`.
--hashprice is what 1 TH/s earns in a day, in the currency of the tariff. Keys of --json:
docs/energy.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `profit` takes."""
    parser.epilog = f"{_NOTES}\n{parser.epilog}"
    parser.add_argument(
        "--hashprice", metavar="MONEY", type=_money, help="default: energy.hashprice"
    )
    parser.add_argument(
        "--price", metavar="MONEY", type=_money, help="of a kWh, in place of the tariff"
    )
    parser.add_argument("--days", metavar="N", type=days_argument, default=1, help="default: 1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Show what mining costs and earns."""
    config = load_config(options.config or find_config())
    now = SystemClock().wall()
    folder = state_dir_of(options) / FOLDER
    schedule = schedule_of(config, now=now)
    written = replace(schedule, lag=0.0) if schedule else None
    lately = _lately(folder, options.days, written)
    if lately is None:
        complain(
            f"stratum-client profit: no energy is recorded in {folder}: a running daemon writes"
            " every ten seconds, where watts are known (docs/power.md)"
        )
        return EXIT_FAILED
    mean = mean_price(tariff_of(config), written, now)
    rate = _rate(options, mean)
    hashprice = options.hashprice if options.hashprice is not None else config.energy.hashprice
    rows = [
        Profit(
            name=name,
            lately=one,
            hours=Decimal(mean.hours),
            price=rate.price if rate else None,
            hashprice=hashprice,
        )
        for name, one in (("rig", lately.rig), *sorted(lately.devices.items()))
    ]
    if options.json:
        tell(json.dumps(_json(rows, mean, rate, hashprice)))
    else:
        tell("\n".join(_lines(rows, mean, rate, hashprice)))
    return EXIT_OK


def _lately(folder: Path, days: int, schedule: Schedule | None) -> Report | None:
    """Return what the ledger's newest intervals come to, None if it has none.

    Of those in which ``schedule`` let the rig run, if there are any: a day has only these hours.
    """
    is_open = _Openings(schedule)
    newest, running = deque[IntervalRecord](), deque[IntervalRecord]()
    for record in intervals_so_far(folder):
        _keep(newest, record, days)
        if is_open.at(record.start.timestamp()):
            _keep(running, record, days)
    reports = (together(records, "rig") for records in (running, newest))
    return next((found for found in reports if found.rig.metered), None)


def _keep(newest: deque[IntervalRecord], record: IntervalRecord, days: int) -> None:
    newest.append(record)
    while record.end.timestamp() - newest[0].start.timestamp() > days * SECONDS:
        newest.popleft()


class _Openings:
    """Says whether a rig might run at some time; quick for times in order."""

    def __init__(self, schedule: Schedule | None) -> None:
        self._schedule = schedule
        self._found: Change | None = None

    def at(self, at: float) -> bool:
        """Return whether a window was open."""
        if self._schedule is None:
            return True
        found = self._found
        if found is None or at < found.at or (found.until is not None and at >= found.until):
            self._found = found = self._schedule.at(at)
        return found.mode.run


def _rate(options: argparse.Namespace, mean: MeanPrice) -> Rate | None:
    """Return the price of a kWh: the one given, else that of the tariff if it has one currency."""
    currency = mean.rates[0].currency if len(mean.rates) == 1 else ""
    if options.price is not None:
        return Rate(price=options.price, currency=currency)
    return mean.rates[0] if len(mean.rates) == 1 else None


def _json(
    rows: Sequence[Profit], mean: MeanPrice, rate: Rate | None, hashprice: Decimal | None
) -> Mapping[str, object]:
    return {
        "hours_per_day": mean.hours,
        "priced_ratio": mean.priced,
        "price": None if rate is None else float(rate.price),
        "currency": rate.currency or None if rate else None,
        "hashprice": None if hashprice is None else float(hashprice),
        "rig": rows[0].json(),
        "devices": [row.json() for row in rows[1:]],
    }


def _lines(
    rows: Sequence[Profit], mean: MeanPrice, rate: Rate | None, hashprice: Decimal | None
) -> Iterator[str]:
    yield from table([_HEADS, *(_cells(row) for row in rows)])
    yield ""
    currency = f" {rate.currency}" if rate and rate.currency else ""
    yield f"a day has {mean.hours:.2f} h in which the rig may run"
    if rate:
        yield f"a kWh costs {_shown(rate.price)}{currency} in these hours"
    elif len(mean.rates) > 1:
        yield "the tariff has several currencies: say --price"
    else:
        yield "no price is known: there is no [[tariff]] for these hours; or say --price"
    if rate and mean.priced < 1 and mean.rates:
        yield f"for {1 - mean.priced:.0%} of them no price is known"
    if hashprice is None:
        yield "what 1 TH/s earns in a day is not known: say --hashprice, or energy.hashprice"
    else:
        yield f"1 TH/s earns {hashprice}{currency} in a day"


def _cells(row: Profit) -> Sequence[str]:
    lately = row.lately
    money = (row.cost, row.revenue, row.profit, row.break_even_price, row.break_even_hashprice)
    return (
        row.name,
        _shown(lately.watts),
        _shown(row.terahashes_per_second),
        _shown(lately.joules_per_terahash),
        *(_shown(value) for value in money),
    )


def _shown(value: Decimal | None) -> str:
    return "-" if value is None else plain(float(value))


def _money(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f'"{text}" is no number') from error
    if not found.is_finite() or abs(found) > _LARGEST:
        raise argparse.ArgumentTypeError(f'"{text}" is no price')
    return found
