"""`stratum-client pause`: let devices rest until they are told otherwise."""

import argparse
import json
import time
from collections.abc import Mapping, Sequence

from drivers.api import AT_REST
from stratum_client.api.control_client import devices_at
from stratum_client.verbs.arguments import duration
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    asked,
    complain,
    reported,
    state_dir_of,
    tell,
    told_if_not_durable,
)

IDLE_WAIT = 15.0
"""Seconds to wait for devices to come to rest, five times what they are to need."""

_LOOK_EVERY = 0.05


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `pause` takes."""
    parser.epilog = (
        "The pause outlives the daemon, a crash and a reboot: it ends with `resume`, or after "
        "--for.\nPools stay connected. It waits until the devices rest; exit code 1 if one does "
        f"not.\n\n{parser.epilog}"
    )
    parser.add_argument("--device", metavar="NAME", help="this device alone (default: all)")
    parser.add_argument("--reason", metavar="TEXT", help="why, for those who look at the status")
    parser.add_argument(
        "--for",
        dest="duration",
        metavar="DURATION",
        type=duration,
        help="resume by itself after this time, such as 30m; time goes on while nothing runs",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Pause and see the devices come to rest."""
    return reported("stratum-client pause", lambda: _pause(options))


def _pause(options: argparse.Namespace) -> int:
    began = time.monotonic()
    result = asked(
        options,
        "pause",
        device=options.device,
        reason=options.reason,
        seconds=options.duration,
        dry_run=options.dry_run or None,
    )
    names = [name for name, run, _ in rows_of(result) if not run]
    if options.json:
        awake = set() if options.dry_run else awake_after(options, set(names), began)
        tell(json.dumps({**result, "awake": sorted(awake)}))
        return EXIT_FAILED if awake else EXIT_OK
    if options.dry_run:
        tell(f"would rest: {', '.join(names) or 'no device'}; nothing was done")
        return EXIT_OK
    tell(str(result.get("reason")))
    told_if_not_durable(result)
    return seen_idle(options, names, began)


def seen_idle(options: argparse.Namespace, names: Sequence[str], began: float) -> int:
    """Wait for devices to rest, since ``began`` on the monotonic clock; return the exit code."""
    awake = awake_after(options, set(names), began)
    if awake:
        complain(f"told to rest, but not idle yet: {', '.join(sorted(awake))}")
        return EXIT_FAILED
    tell(f"idle: {', '.join(names) or 'no device'} (after {time.monotonic() - began:.1f} s)")
    return EXIT_OK


def rows_of(result: Mapping[str, object]) -> list[tuple[str, bool, str]]:
    """Return name, run and reason of the devices in a reply."""
    rows = result.get("devices")
    return [
        (str(row.get("device")), row.get("run") is True, str(row.get("reason")))
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, dict)
    ]


def awake_after(options: argparse.Namespace, names: set[str], began: float) -> set[str]:
    """Return which devices do not rest, once all do or time is up since ``began``."""
    directory = state_dir_of(options)
    while True:
        states = {str(row.get("name")): row.get("state") for row in devices_at(directory)}
        awake = {name for name in names if states.get(name, "absent") not in AT_REST}
        if not awake or time.monotonic() - began > IDLE_WAIT:
            return awake
        time.sleep(_LOOK_EVERY)
