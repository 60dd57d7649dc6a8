"""`stratum-client status`: what a running daemon does, once or again and again."""

import argparse
import asyncio
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

from stratum_client.api.control_client import NoDaemonError, ask
from stratum_client.live_view import LiveView
from stratum_client.verbs.asking import EXIT_OK, add_config_argument, reported, state_dir_of, tell
from stratum_client.wire import printable

EVERY = 1.0
"""Seconds between two looks with --watch, where no terminal is redrawn."""

WIDEST = 1000

_FORMAT = """\
--json prints the object that docs/control.md describes. Without a daemon: exit code 1, and the
reason on stderr; --watch waits for one instead.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `status` takes."""
    parser.epilog = f"{_FORMAT}\n{parser.epilog}"
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--watch",
        action="store_true",
        help="go on until Ctrl-C: in a terminal in place, else one after the other",
    )
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Show the status."""
    directory = state_dir_of(options)
    if not options.watch:
        return reported("stratum-client status", lambda: _once(directory, options))
    try:
        if sys.stdout.isatty() and not options.json:
            asyncio.run(LiveView(_write).run(lambda width: _in_terminal(directory, width)))
        while True:
            _again(directory, options)
            time.sleep(EVERY)
    except KeyboardInterrupt:
        return EXIT_OK


def _once(directory: Path, options: argparse.Namespace) -> int:
    if options.json:
        tell(json.dumps(ask(directory, "status")))
        return EXIT_OK
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else WIDEST
    tell("\n".join(_lines(ask(directory, "status", width=min(width, WIDEST)))))
    return EXIT_OK


def _again(directory: Path, options: argparse.Namespace) -> None:
    """Show the status once more; without a daemon, say so in the same form."""
    if not options.json:
        tell("\n".join(_lines_or_problem(directory, WIDEST)) + "\n")
        return
    try:
        tell(json.dumps(ask(directory, "status")))
    except NoDaemonError as error:
        tell(json.dumps({"error": str(error)}))


def _in_terminal(directory: Path, width: int) -> list[str]:
    height = min(shutil.get_terminal_size().lines - 1, WIDEST)
    return _lines_or_problem(directory, width, height=height)


def _lines_or_problem(directory: Path, width: int, **room: int) -> list[str]:
    try:
        return _lines(ask(directory, "status", width=min(width, WIDEST), **room))
    except NoDaemonError as error:
        return textwrap.wrap(printable(error, WIDEST), max(width, 1), break_on_hyphens=False)


def _lines(result: Mapping[str, object]) -> list[str]:
    lines = result.get("lines")
    return [str(line) for line in lines] if isinstance(lines, list) else []


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
