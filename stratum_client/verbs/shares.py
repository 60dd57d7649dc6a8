"""`stratum-client shares`: what became of every share, as the ledger has it."""

import argparse
import json
import time
from collections import deque
from datetime import datetime
from pathlib import Path

from stratum_client.ledger import FOLDER
from stratum_client.ledger_reading import Findings, Selection, Sum, blocks_in, shares_in
from stratum_client.share_ledger import LedgerShare
from stratum_client.shares_listing import (
    block_lines,
    block_object,
    share_lines,
    share_object,
    sum_lines,
    sum_object,
)
from stratum_client.units import UnitError, parse_duration
from stratum_client.verbs.asking import (
    EXIT_FAILED,
    EXIT_OK,
    add_config_argument,
    complain,
    state_dir_of,
    tell,
)

SHOWN = 40

_FORMATS = """\
--json prints one object per line: "share" objects as they ended (kind, id, time, pool, session,
job, height, difficulty, share_difficulty, device, nonce, ntime, version, extranonce2, block, fate,
reason, ended_at; fate is null while it is open), then one "summary". With --blocks: "block" objects
with header, coinbase and all that is needed to hand one in again. Times are seconds since 1970.

Exit code 0: the ledger was read; lines that are damaged are named on stderr, and counted.
Exit code 1: there is no ledger, or it cannot be read.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `shares` takes."""
    parser.epilog = f"{_FORMATS}\n{parser.epilog}"
    parser.add_argument(
        "--since",
        metavar="TIME|DURATION",
        type=_since,
        default=0.0,
        help="only shares found since then, such as 2h, 2026-05-01 or 2026-05-01T14:30",
    )
    parser.add_argument("--pool", metavar="NAME", default="", help="only this pool's")
    parser.add_argument("--device", metavar="NAME", default="", help="only this device's")
    parser.add_argument("--blocks", action="store_true", help="block solutions, of all times")
    parser.add_argument(
        "--last",
        metavar="N",
        type=_count,
        default=SHOWN,
        help=f"lines of the table (default: {SHOWN}; 0 is all); the summary is of all",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    add_config_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Show the ledger."""
    folder = state_dir_of(options) / FOLDER
    wanted = Selection(since=options.since, pool=options.pool, device=options.device)
    findings = Findings()
    try:
        (_show_blocks if options.blocks else _show_shares)(folder, wanted, findings, options)
    except FileNotFoundError:
        complain(
            f"stratum-client shares: there is no ledger in {folder}: has a daemon run with this"
            " state_dir? --config FILE says which is meant"
        )
        return EXIT_FAILED
    except OSError as error:
        complain(f"stratum-client shares: {folder} cannot be read: {error.strerror}")
        return EXIT_FAILED
    _tell_damage(findings)
    return EXIT_OK


def _show_shares(
    folder: Path, wanted: Selection, findings: Findings, options: argparse.Namespace
) -> None:
    total = Sum()
    newest: deque[LedgerShare] = deque(maxlen=options.last or None)
    for share in shares_in(folder, wanted, findings):
        total.add(share)
        if options.json:
            tell(json.dumps(share_object(share)))
        else:
            newest.append(share)
    if options.json:
        tell(json.dumps(sum_object(total, findings)))
        return
    if newest:
        tell("\n".join(share_lines(newest)) + "\n")
    if total.count > len(newest):
        tell(f"the last {len(newest)} of {total.count}; --last 0 shows all\n")
    tell("\n".join(sum_lines(total, findings)))


def _show_blocks(
    folder: Path, wanted: Selection, findings: Findings, options: argparse.Namespace
) -> None:
    if not folder.is_dir():
        raise FileNotFoundError(folder)
    blocks = blocks_in(folder, wanted, findings)
    if options.json:
        for block in blocks:
            tell(json.dumps(block_object(block)))
    else:
        tell("\n".join(block_lines(blocks)) if blocks else "no blocks")


def _tell_damage(findings: Findings) -> None:
    for place in findings.places:
        complain(f"stratum-client shares: {place} is damaged and was passed over")
    if findings.damaged > len(findings.places):
        complain(f"stratum-client shares: {findings.damaged} lines are damaged in all")


def _since(text: str) -> float:
    """Return a time as seconds since 1970; one without a zone is local."""
    try:
        return time.time() - parse_duration(text)
    except UnitError:
        pass
    try:
        return datetime.fromisoformat(text).astimezone().timestamp()
    except (ValueError, OverflowError, OSError) as error:
        raise argparse.ArgumentTypeError(
            f"{text!r} is no time: write 90m, 2d, 2026-05-01 or 2026-05-01T14:30"
        ) from error


def _count(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise argparse.ArgumentTypeError("expected a whole number, 0 for all")
    return int(text)
