"""`stratum-client tune`: what the tuner knows of each board, what it will do next, and why."""

import argparse
import json
from collections.abc import Mapping

from stratum_client.control.tuning_words import minutes, percent
from stratum_client.units import scaled
from stratum_client.verbs.asking import (
    EXIT_OK,
    add_config_argument,
    asked,
    complain,
    reported,
    tell,
    told_if_not_durable,
)

EXIT_USAGE = 2

GOALS = ("hashrate", "efficiency", "power", "off", "config")

_NOTES = """\
Without a goal nothing is changed. A goal is kept with the board, by its serial number; "config"
goes by the configuration again. `tune reset DEVICE` forgets what was learnt. See docs/tuning.md.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `tune` takes."""
    parser.epilog = f"{_NOTES}\n{parser.epilog}"
    parser.add_argument("words", metavar="[reset] DEVICE", nargs="*", help="default: all devices")
    parser.add_argument("--goal", choices=GOALS, help="tune for this from now on")
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Show, or order."""
    match options.words:
        case []:
            device, is_reset = None, False
        case ["reset"]:
            complain("stratum-client tune: reset needs the name of a device")
            return EXIT_USAGE
        case ["reset", device]:
            is_reset = True
        case [device]:
            is_reset = False
        case _:
            complain("stratum-client tune: one device at a time, or none for all")
            return EXIT_USAGE
    if is_reset and options.goal:
        complain("stratum-client tune: reset takes no --goal: reset first, then set it")
        return EXIT_USAGE
    return reported("stratum-client tune", lambda: _tune(options, device, is_reset=is_reset))


def _tune(options: argparse.Namespace, device: str | None, *, is_reset: bool) -> int:
    dry_run = options.dry_run or None
    if is_reset:
        result = asked(options, "tune.reset", device=device, dry_run=dry_run)
    else:
        result = asked(options, "tune", device=device, goal=options.goal, dry_run=dry_run)
    if options.json:
        tell(json.dumps(result))
        return EXIT_OK
    rows = result.get("devices")
    for row in rows if isinstance(rows, list) else ():
        for line in _lines(row):
            tell(line)
    if options.dry_run:
        tell("nothing was done")
    elif is_reset or options.goal:
        told_if_not_durable(result)
    return EXIT_OK


def _lines(row: Mapping[str, object]) -> list[str]:
    """Return what is known of one device."""
    goal = f"{row.get('goal')}{' (its own)' if row.get('own_goal') else ''}"
    device, board = str(row.get("device")), str(row.get("board"))
    known = "known by this name" if board == f"device {device}" else f"board {board}"
    lines = [f"{device}: goal {goal}, {known}"]
    phase, text = row.get("phase"), row.get("text")
    lines.append(f"  now: {phase}" + ("" if text == phase else f": {text}"))
    steps = row.get("steps")
    lines += [f"  step: {step}" for step in (steps if isinstance(steps, list) else ())]
    if row.get("plan"):
        wait = row.get("wait_seconds")
        when = f" in about {minutes(wait)}" if isinstance(wait, int | float) else ""
        lines.append(f"  next{when}: {row.get('plan')}")
    if row.get("last_step"):
        lines.append(f"  last step: {row.get('last_step')}")
    lines += [_estimate(one, row.get("best_mhz")) for one in _rows(row, "estimates")]
    lines += [_failure(one) for one in _rows(row, "failures")]
    if row.get("ageing"):
        lines.append(f"  ageing: {row.get('ageing')}")
    return lines


def _rows(row: Mapping[str, object], key: str) -> list[Mapping[str, object]]:
    found = row.get(key)
    return [one for one in (found if isinstance(found, list) else ()) if isinstance(one, dict)]


def _estimate(one: Mapping[str, object], best: object) -> str:
    parts = [f"{_number(one, 'mhz'):g} MHz", scaled(_number(one, "hashrate"), "H/s")]
    if one.get("watts") is not None:
        modelled = " (modelled)" if one.get("is_modelled") else ""
        parts.append(f"{_number(one, 'watts'):.1f} W{modelled}")
    if one.get("joules_per_terahash") is not None:
        parts.append(scaled(_number(one, "joules_per_terahash"), "J/TH"))
    parts.append(f"{percent(_number(one, 'error_ratio'))} errors")
    parts.append(f"±{percent(_number(one, 'uncertainty_ratio'))}")
    mark = "*" if one.get("mhz") == best else " "
    return f"  {mark} {' · '.join(parts)}"


def _failure(one: Mapping[str, object]) -> str:
    mhz = f"{_number(one, 'mhz'):g} MHz"
    return f"  ! not from {mhz} up until {one.get('until')}: {one.get('reason')}"


def _number(row: Mapping[str, object], key: str) -> float:
    value = row.get(key)
    return float(value) if isinstance(value, int | float) else 0.0
