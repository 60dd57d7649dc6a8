"""`stratum-client pools`: `test URL` looks at a pool without mining, the rest gives orders."""

import argparse
import asyncio
import json
import os
from pathlib import Path

from stratum_client.bitcoin_address import AddressError, script_of
from stratum_client.config import PayoutConfig, PoolConfig
from stratum_client.config_arguments import PoolArguments, with_arguments
from stratum_client.errors import ConfigError, ConnectError
from stratum_client.link_text import link_facts
from stratum_client.log_fields import Scrubber
from stratum_client.payee import address_of, network_of
from stratum_client.payout import PayoutCheck
from stratum_client.pool_probe import ProbeReport, probe
from stratum_client.units import scaled
from stratum_client.verbs.arguments import add_way_arguments
from stratum_client.verbs.pool_orders import add_orders, run_order
from stratum_client.wire import printable

EXIT_OK, EXIT_FAILED = 0, 1
MAX_SHOWN = 1000
"""Characters of one fact: what a pool sends is cut, and made harmless to a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `pools` takes."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    add_orders(actions)
    test = actions.add_parser("test", help="connect and report; no mining")
    test.set_defaults(action=_test)
    test.add_argument("url", metavar="URL", help="such as stratum+tcp://HOST:PORT")
    test.add_argument("--user", required=True, metavar="USER", help="ADDRESS.WORKER or account")
    test.add_argument("--password", metavar="PASSWORD", help="default: x")
    test.add_argument("--password-file", metavar="FILE", type=Path, help="file with the password")
    add_way_arguments(test)
    test.add_argument("--address", metavar="ADDRESS", help="whom the coinbase must pay")
    test.add_argument(
        "--min-percent", metavar="N", type=float, default=97.0, help="how much of it; default: 97"
    )
    test.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Do what was asked for."""
    return run_order(options)


def _test(options: argparse.Namespace) -> int:
    """Test a pool; the exit code says whether one could mine there."""
    arguments = PoolArguments(
        url=options.url,
        user=options.user,
        password=options.password,
        password_file=str(options.password_file) if options.password_file else None,
        proxy=options.proxy,
        pin=options.pin,
        insecure=options.insecure,
    )
    [pool] = with_arguments(None, pools=[arguments], environ=os.environ).pools
    payout = _payout_of(options)
    try:
        report = asyncio.run(probe(pool))
        facts = _facts(pool, report)
        if payout:
            facts |= _payout_facts(payout, report)
    except ConnectError as error:
        facts = {"url": str(pool.url), "ok": False, "error": str(error)}
    facts = Scrubber([pool.password]).fields(facts)  # a pool may say it again
    if options.json:
        print(json.dumps(facts))  # noqa: T201  # the terminal is our output
    else:
        for name, value in facts.items():
            print(_line(name, value))  # noqa: T201  # as above
    return EXIT_OK if facts["ok"] else EXIT_FAILED


def _payout_of(options: argparse.Namespace) -> PayoutCheck | None:
    if options.address is None:
        return None
    if not 0 <= options.min_percent <= 100:
        raise ConfigError("--min-percent", "expected a number from 0 to 100")
    try:
        config = PayoutConfig(address=options.address, min_percent=options.min_percent)
        return PayoutCheck(config)
    except AddressError as error:
        raise ConfigError("--address", str(error)) from error


def _payout_facts(payout: PayoutCheck, report: ProbeReport) -> dict[str, object]:
    """Return whether the job pays as wanted; if not, one could not mine there."""
    if not report.job or not report.coinbase:
        return {"payout": "no job was sent, so it is not known"}
    problem = payout.problem_with(report.coinbase, report.job.network_target)
    return {"ok": False, "payout": problem} if problem else {"payout": "right"}


def _facts(pool: PoolConfig, report: ProbeReport) -> dict[str, object]:
    """Return everything worth knowing, in the order of the conversation."""
    facts: dict[str, object] = {
        "url": str(pool.url),
        "ok": report.error is None,
        "connect_ms": round(1000 * report.connect_seconds, 1),
    }
    if report.link:
        facts |= link_facts(report.link)
    if report.round_trip is not None:
        facts["answer_ms"] = round(1000 * report.round_trip, 1)
    if report.extensions:
        mask = report.extensions.version_mask
        facts["version_rolling"] = f"{mask:08x}" if mask is not None else False
    elif report.round_trip is not None:
        facts["version_rolling"] = "the pool does not answer configure"
    if report.subscription:
        facts["extranonce1"] = report.subscription.extranonce1.hex()
        facts["extranonce2_size"] = report.subscription.extranonce2_size
        facts["session_id"] = report.subscription.session_id
    facts["authorized"] = report.authorized
    facts["difficulty"] = report.difficulty
    facts |= _job_facts(pool, report)
    if report.messages:
        facts["messages"] = list(report.messages)
    if report.error:
        facts["error"] = str(report.error)
    return facts


def _job_facts(pool: PoolConfig, report: ProbeReport) -> dict[str, object]:
    job, coinbase = report.job, report.coinbase
    if not job or not coinbase:
        return {}
    return {
        "job": job.job_id,
        "height": job.height,
        "transactions": "none" if not job.merkle_branch else f"{len(job.merkle_branch)} branches",
        "network_difficulty": report.network_difficulty,
        "coinbase_value_btc": coinbase.value / 1e8,
        "payees": [
            {
                "address": address_of(output.script, network_of(pool.user)),
                "script": output.script.hex(),
                "btc": output.value / 1e8,
            }
            for output in coinbase.outputs
            if output.value
        ],
        "pays_you_percent": _own_percent(pool, report),
    }


def _own_percent(pool: PoolConfig, report: ProbeReport) -> float | None:
    """Return how much of the coinbase goes to the address in the user name; None without one."""
    address = pool.user.partition(".")[0]
    try:
        mine = script_of(address)
    except AddressError:
        return None
    coinbase = report.coinbase
    if coinbase is None or not coinbase.value:
        return None
    own = sum(output.value for output in coinbase.outputs if output.script == mine)
    return round(100 * own / coinbase.value, 4)


_UNITS = {"ms": "ms", "btc": "BTC", "percent": "%", "size": "bytes"}


def _line(name: str, value: object) -> str:
    """Return a fact for people, the unit behind its number."""
    words, _, last = name.rpartition("_")
    unit = _UNITS.get(last, "")
    if value is None and last == "percent":
        value = "not known: the user name is no Bitcoin address"
    elif unit and value is not None:
        name, value = words, f"{_shown(value)} {unit}"
    return f"{name.replace('_', ' '):<20} {_shown(value)}"


def _shown(value: object) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case None:
            return "-"
        case float():
            return scaled(value) if value >= 1e6 else f"{value:g}"
        case list():
            return "; ".join(_shown(item) for item in value)
        case {"address": address, "script": script, "btc": btc}:
            return f"{btc:g} BTC to {address or script}"
        case _:
            return printable(value, MAX_SHOWN)
