"""`stratum-client bench`: how fast this machine hashes, and how quick the path of a job is.

No pool, no device, no state. Rates compare only within one run, for machines are never quite idle.
"""

import argparse
import json
import sys

from drivers.cpu.cores import usable_cores
from drivers.hashing import kernels
from stratum_client import bench_kernels, bench_path, bench_text

EXIT_OK = 0
LONGEST = 600.0

EXPLAINED = """\
cpu: hashes per second of every kernel, on one thread and on all cores, with one midstate and
with as many as the kernel takes at a time; "x hashlib" compares with the hashlib kernel on as
many threads. path: works made per second, the time from a pool's notify to the first and the
last device's job frame, and from a nonce to the bytes of mining.submit."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `bench` takes."""
    parser.description = f"{parser.description}\n\n{EXPLAINED}"
    parser.add_argument(
        "part",
        nargs="?",
        choices=("cpu", "path", "all"),
        default="all",
        help="what to measure (default: all)",
    )
    parser.add_argument(
        "--seconds",
        metavar="S",
        type=_seconds,
        default=0.5,
        help="how long to measure each figure (default: 0.5); there are about 20",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Measure and print."""
    facts: dict[str, object] = {}
    texts = []
    if options.part in ("cpu", "all"):
        rates = bench_kernels.measure(options.seconds, sorted({1, usable_cores()}))
        missing = kernels.unavailable()
        facts |= bench_text.kernels_json(rates, missing)
        texts.append(bench_text.kernels_text(rates, missing))
    if options.part in ("path", "all"):
        report = bench_path.measure(options.seconds)
        facts |= bench_text.path_json(report)
        texts.append(bench_text.path_text(report))
    text = json.dumps(facts) if options.json else "\n\n".join(texts)
    sys.stdout.write(f"{text}\n")
    return EXIT_OK


def _seconds(text: str) -> float:
    """Return a number of seconds, for argparse."""
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"a number of seconds, more than 0, at most {LONGEST:g}")
    return seconds
