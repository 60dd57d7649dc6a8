"""`stratum-client reload`: let a running daemon read its configuration again."""

import argparse
import json

from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    asked,
    complain,
    reported,
    tell,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `reload` takes."""
    parser.epilog = (
        "SIGHUP does the same. A file with an error changes nothing: the error is told, and the "
        "exit code is 1.\nWhat did not change is left alone, connections above all.\n\n"
        f"{parser.epilog}"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Reload."""
    return reported("stratum-client reload", lambda: _reload(options))


def _reload(options: argparse.Namespace) -> int:
    result = asked(options, "reload", dry_run=options.dry_run or None)
    changes, rest, problems = (_lines(result.get(key)) for key in _KEYS)
    if options.json:
        tell(json.dumps(result))
        return EXIT_FAILED if problems else EXIT_OK
    for line in (*changes, *(f"not taken over, it {line}" for line in rest)):
        tell(line)
    if not changes and not rest:
        tell("nothing has changed")
    elif options.dry_run:
        tell("nothing was done")
    for line in problems:
        complain(line)
    return EXIT_FAILED if problems else EXIT_OK


_KEYS = ("changes", "needs_restart", "problems")


def _lines(value: object) -> list[str]:
    return [str(line) for line in value] if isinstance(value, list) else []
