"""`stratum-client curtail`: limit what the rig takes by an order, end one, show all."""

import argparse
import json
import time
from collections.abc import Mapping

from stratum_client.verbs import curtail_order
from stratum_client.verbs.arguments import add_curtail_arguments, duration
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    asked,
    reported,
    tell,
    told_if_not_durable,
)
from stratum_client.verbs.pause import awake_after, rows_of, seen_idle

_NOTES = """\
An order holds until --until or --for, else until it is released; it outlives the daemon, a crash
and a reboot. One of a user is released by himself, all others by --force, which is written to
audit.jsonl. `resume` ends none. With --idle it waits until the devices rest; exit code 1 if one
does not. See docs/curtailment.md for orders by MQTT and from a contact.
"""


_AS_BEFORE = argparse.SUPPRESS
"""What stood before the action stays: `curtail --dry-run release` must end nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `curtail` takes."""
    parser.epilog = f"{_NOTES}\n{parser.epilog}"
    what = parser.add_mutually_exclusive_group()
    add_curtail_arguments(what)
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--until", metavar="TIME", help="such as 18:00, or 2026-12-05T18:00")
    end.add_argument("--for", dest="duration", metavar="DURATION", type=duration, help="as in 2h")
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who look at the status")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)
    parser.set_defaults(action=_curtail, parser=parser)
    actions = parser.add_subparsers(title="actions", metavar="ACTION")
    _add_release(actions)
    for name in ("list", "status"):
        text = "show all orders in force, their last numbers and how soon they were followed"
        shown = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
        _add_common(shown)
        shown.set_defaults(action=_list)
    curtail_order.add_arguments(actions)


def run(options: argparse.Namespace) -> int:
    """Order, release or show."""
    return reported("stratum-client curtail", lambda: int(options.action(options)))


def _add_release(actions: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    text = "end an order of one's own, or with --force any"
    release = actions.add_parser("release", help=text, description=f"{text.capitalize()}.")
    release.add_argument("--force", action="store_true", help="others' orders too; it is audited")
    release.add_argument("--issuer", metavar="NAME", help="the order of this issuer alone")
    release.add_argument(
        "--reason", metavar="TEXT", default=_AS_BEFORE, help="why, for the audit trail"
    )
    release.add_argument(
        "--dry-run", action="store_true", default=_AS_BEFORE, help="only say what would be done"
    )
    _add_common(release)
    release.set_defaults(action=_release)


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", default=_AS_BEFORE, help="print one JSON object"
    )
    add_config_argument(parser, default=_AS_BEFORE)


def _curtail(options: argparse.Namespace) -> int:
    if not options.idle and options.power is None and options.percent is None:
        options.parser.error("one of --idle, --power and --percent says what is ordered")
    began = time.monotonic()
    result = asked(
        options,
        "curtail",
        idle=options.idle or None,
        watts=options.power,
        percent=options.percent,
        until=options.until,
        seconds=options.duration,
        reason=options.reason,
        dry_run=options.dry_run or None,
    )
    resting = [name for name, run, _ in rows_of(result) if not run]
    if options.json:
        waits = result.get("limit") == "idle" and not options.dry_run
        awake = awake_after(options, set(resting), began) if waits else set()
        tell(json.dumps({**result, "awake": sorted(awake)}))
        return EXIT_FAILED if awake else EXIT_OK
    if options.dry_run:
        tell(f"would be: {result.get('limit')}; at rest: {', '.join(resting) or 'no device'}")
        return EXIT_OK
    tell(f"{result.get('limit')}: {result.get('reason')}")
    told_if_not_durable(result)
    if result.get("limit") == "idle":
        return seen_idle(options, resting, began)
    tell(f"at rest: {', '.join(resting) or 'no device'}")
    return EXIT_OK


def _release(options: argparse.Namespace) -> int:
    result = asked(
        options,
        "curtail.release",
        force=options.force or None,
        issuer=options.issuer,
        reason=options.reason,
        dry_run=options.dry_run or None,
    )
    if options.json:
        tell(json.dumps(result))
        return EXIT_OK
    for reason in _texts(result, "released"):
        tell(f"{'would end' if options.dry_run else 'ended'}: {reason}")
    if not result.get("released"):
        tell("nothing of yours was ordered" if not options.force else "nothing was ordered")
    for reason in _texts(result, "held"):
        tell(f"still ordered by somebody else (--force ends it): {reason}")
    told_if_not_durable(result)
    return EXIT_OK


def _list(options: argparse.Namespace) -> int:
    result = asked(options, "curtail.list")
    if options.json:
        tell(json.dumps(result))
        return EXIT_OK
    orders = result.get("orders")
    for row in orders if isinstance(orders, list) else []:
        gone = f" · {row.get('issuer')} is gone: release --force ends it"
        tell(f"{row.get('limit')}: {row.get('reason')}{gone if row.get('issuer_gone') else ''}")
    if not orders:
        tell("nothing is ordered")
    counts = result.get("counts")
    if isinstance(counts, Mapping):
        last = counts.get("idle_last_seconds")
        rest = "" if last is None else f"; last idle after {last:.2f} s"
        tell(f"obeyed {counts.get('obeyed')}, late {counts.get('late')}{rest}")
    tell(f"broker: {result.get('broker')}; contact: {result.get('contact')}")
    return EXIT_OK


def _texts(result: Mapping[str, object], key: str) -> list[str]:
    found = result.get(key)
    return [str(text) for text in found] if isinstance(found, list) else []
