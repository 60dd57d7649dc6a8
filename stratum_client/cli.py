"""The command line: which verb is meant, and what its exit code says.

Only the module of the verb that was asked for is imported, so that every verb starts quickly.
Exit codes: 0 done; 1 it did not work out, the reason is on stderr; 2 wrong arguments or
configuration; 3 there was no pool for too long (where work.no_pool_action is "exit"); 130 stopped
at once by a second signal.
"""

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from types import ModuleType
from typing import NoReturn

from stratum_client import __version__
from stratum_client.errors import ConfigError
from stratum_client.help_text import ParagraphFormatter

EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130

_UNWRITABLE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EIO)

VERBS = {
    "run": "mine at a pool until stopped",
    "demo": "mine at an embedded pool, no network needed",
    "bench": "measure hash rates and the path from job to share",
    "pool": "run the embedded pool by itself",
    "pools": "look at pools (pools test URL --user USER); order those of a running daemon about",
    "devices": "show what is plugged in and known; order devices of a running daemon about",
    "status": "show what a running daemon does: rates, shares, pools, devices, limits",
    "shares": "show what became of every share and block, from the ledger",
    "reload": "let a running daemon read its configuration again",
    "pause": "let devices of a running daemon rest, until resume or for a while",
    "resume": "let devices mine again that were paused",
    "curtail": "limit the power of the rig by an order: curtail --power 400W --until 18:00",
    "config": "write a first configuration, check and show one, explain its keys",
    "service": "let systemd run the daemon: service install|remove|status",
    "tune": "show what boards are tuned for and what was learnt; tune for something else",
    "schedule": "show when the rig may run: schedule show --days 14, schedule test --at TIME",
    "energy": "the account of energy: energy report|verify|export|key",
    "profit": "show what devices cost and earn in a day, and where they break even",
    "doctor": "check what is there to mine with, and say what puts it right",
    "record": "mine as run does, and record what passes, for replay and bug reports",
    "replay": "run the real core on a recording, and say whether it still does the same",
    "emulate": "emulate a board or chain on a serial port: emulate device NAME",
}
"""What there is; each verb is a module of `stratum_client.verbs`."""

EPILOG = """\
exit codes: 0 done, 1 it did not work out (the reason is on stderr), 2 wrong arguments or
configuration, 3 there was no pool for too long (where work.no_pool_action is "exit"), 130 stopped
at once by a second signal.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the verb in ``arguments`` (default: the command line's) and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    verb = next((word for word in words if not word.startswith("-")), "")
    if words[:1] == [verb] and verb not in VERBS:
        _refuse("stratum-client", _unknown_verb(verb))
    parser, module = _parser_for(verb)
    options, unknown = parser.parse_known_args(words)
    if unknown:
        program = f"{parser.prog} {verb}".strip()
        _refuse(program, f"not understood: {' '.join(unknown)}; see {program} --help")
    if module is None:
        parser.print_help()
        return EXIT_USAGE
    try:
        exit_code = int(module.run(options))
        sys.stdout.flush()
    except ConfigError as error:
        return _complain(parser.prog, str(error), EXIT_USAGE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except OSError as error:
        if error.errno not in _UNWRITABLE or error.filename is not None:
            raise
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno != errno.EPIPE:  # else whoever read it has gone, as `head` does
            _complain(parser.prog, f"the output cannot be written: {error.strerror}", EXIT_FAILED)
        return EXIT_FAILED
    return exit_code


def _parser_for(verb: str) -> tuple[argparse.ArgumentParser, ModuleType | None]:
    """Return the whole parser, but with the arguments of ``verb`` alone, and its module."""
    parser = argparse.ArgumentParser(
        prog="stratum-client",
        description="Mine bitcoin at a Stratum v1 pool with ASIC miners or the CPU.",
        epilog=EPILOG,
        formatter_class=ParagraphFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    verbs = parser.add_subparsers(title="verbs", metavar="VERB")
    chosen = None
    for name, text in VERBS.items():
        sub = verbs.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            epilog=EPILOG,
            formatter_class=ParagraphFormatter,
        )
        if name == verb:
            chosen = importlib.import_module(f"stratum_client.verbs.{name}")
            chosen.add_arguments(sub)
    return parser, chosen


def _unknown_verb(verb: str) -> str:
    near = get_close_matches(verb, VERBS, n=2)
    guess = f"; did you mean {' or '.join(near)}?" if near else ""
    return f'there is no verb "{verb}"{guess}\nthere are: {", ".join(VERBS)}'


def _refuse(program: str, problem: str) -> NoReturn:
    """End as argparse does, in fewer words."""
    raise SystemExit(_complain(program, problem, EXIT_USAGE))


def _complain(program: str, problem: str, exit_code: int) -> int:
    print(f"{program}: {problem}", file=sys.stderr)  # noqa: T201  # the terminal is our output
    return exit_code
