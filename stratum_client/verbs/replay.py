"""`stratum-client replay FILE`: whether the program still does what it did then."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from stratum_client.recording.reader import RecordingError, Run, read_recording
from stratum_client.replay.outcome import Outcome, replayed

EXIT_SAME, EXIT_DIFFERENT, EXIT_NO_RECORDING = 0, 1, 2


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `replay` takes."""
    parser.add_argument("file", metavar="FILE", type=Path, help="a recording, of run --record FILE")
    parser.add_argument(
        "--speed",
        metavar="N",
        type=_speed,
        default=None,
        help="so many times as fast as it was, 1 for as it was (default: max)",
    )
    parser.add_argument(
        "--run", metavar="N", type=int, default=0, help="which run of the file (default: the last)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(options: argparse.Namespace) -> int:
    """Replay a recording; the exit code says whether all was the same."""
    try:
        outcome = replayed(_chosen(options.file, options.run), speed=options.speed)
    except RecordingError as error:
        print(f"stratum-client replay: {error}", file=sys.stderr)  # noqa: T201  # the terminal is our output
        return EXIT_NO_RECORDING
    lines = [json.dumps(outcome.json())] if options.json else _lines(outcome)
    print("\n".join(lines))  # noqa: T201  # as above
    return EXIT_SAME if outcome.is_same else EXIT_DIFFERENT


def _chosen(file: Path, number: int) -> Run:
    """Return the run with this number, counted from 1; the last one for 0."""
    runs = read_recording(file)
    if not 0 <= number <= len(runs):
        raise RecordingError(str(file), f"there is no run {number}, the last one is {len(runs)}")
    return runs[number - 1]


def _lines(outcome: Outcome) -> Iterator[str]:
    yield f"{outcome.entries} entries, {outcome.seconds:.1f} s"
    if outcome.ends_early:
        yield f"the recording ends early: {outcome.ends_early}"
    yield f"shares then: {_counts(outcome.then)}"
    yield f"shares now:  {_counts(outcome.now)}"
    for name, verdict in outcome.drivers.items():
        yield f"driver of {name}: {verdict}"
    if outcome.is_same:
        yield "the same"
        return
    first, *others = outcome.differences
    yield f"DIFFERENT: {first.whose}, line {first.line}, {first.at:.3f} s after the start"
    yield f"  then: {first.then}"
    yield f"  now:  {first.now}"
    yield "what led there:"
    yield from (f"  {line}" for line in first.context)
    for one in others:
        yield f"also different: {one.whose}, from line {one.line} on"


def _counts(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in shares.items() if count) or "none"


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed <= 1e6:
        raise argparse.ArgumentTypeError(f'"{text}" is neither "max" nor a number from 0 to 1e6')
    return speed or None
