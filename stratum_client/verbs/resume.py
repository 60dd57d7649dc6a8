"""`stratum-client resume`: end what `pause` began."""

import argparse
import json

from stratum_client.verbs.asking import (
    EXIT_OK,
    add_config_argument,
    asked,
    reported,
    tell,
    told_if_not_durable,
)
from stratum_client.verbs.pause import rows_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `resume` takes."""
    parser.epilog = (
        "Devices that were disabled rest on until `devices enable`, and so do those that something "
        f"else holds; the\nreason is told.\n\n{parser.epilog}"
    )
    parser.add_argument("--device", metavar="NAME", help="end the pause of this device alone")
    parser.add_argument(
        "--now",
        action="store_true",
        help="do not wait for the rig's slot of a soft restart; boards still stay off for min_off",
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be done")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Resume."""
    return reported("stratum-client resume", lambda: _resume(options))


def _resume(options: argparse.Namespace) -> int:
    flags = {"now": options.now or None, "dry_run": options.dry_run or None}
    result = asked(options, "resume", device=options.device, **flags)
    if options.json:
        tell(json.dumps(result))
        return EXIT_OK
    released = result.get("released")
    if not released:
        tell("nothing was paused")
    for reason in released if isinstance(released, list) else ():
        tell(f"{'would end' if options.dry_run else 'ended'}: {reason}")
    rows = rows_of(result)
    names = [name for name, run, _ in rows if run]
    if names and released:
        tell(f"{'would mine' if options.dry_run else 'told to mine'}: {', '.join(names)}")
    for name, _, reason in [row for row in rows if not row[1]]:
        tell(f"{name}: rests on, for another reason: {reason}")
    told_if_not_durable(result)
    return EXIT_OK
