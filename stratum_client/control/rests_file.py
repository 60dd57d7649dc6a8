"""What a daemon leaves to the next one: that it ran, and which devices rest since when; pure.

Two files of JSON. ``running.json`` is there while a daemon runs: ``boot_id`` of the kernel and
``since``. ``rests.json``: ``format`` (1), ``boot_id``, and ``devices`` by name, each with
``off_since``, ``is_soft`` and ``not_before``. Times are seconds since 1970.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from stratum_client.control.soft_restart import Rest

FORMAT = 1
MAX_DEVICES = 4096
_LONGEST = 256
_LARGEST = 32_503_680_000.0  # the year 3000


class RestsFileError(ValueError):
    """A text is not what a daemon leaves behind."""


class Ending(StrEnum):
    """How the last daemon ended."""

    CLEAN = "clean"  # or there was none
    KILLED = "killed"  # it alone: the machine runs on
    POWER_LOST = "power lost"  # or the machine crashed


@dataclass(frozen=True, slots=True, kw_only=True)
class Leavings:
    """What the last daemon left behind; ``boot_id`` is empty where there is none.

    ``is_lost``: there was something, but nobody can read it.
    """

    boot_id: str = ""
    is_lost: bool = False
    rests: Mapping[str, Rest] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beginning:
    """What a daemon begins with; ``unseen`` is for devices of which nothing is known.

    In the file it has the name "".
    """

    rests: Mapping[str, Rest]
    unseen: Rest | None


def marker_text(boot_id: str, since: float) -> bytes:
    """Return the content of the file that is there while a daemon runs."""
    return json.dumps({"boot_id": boot_id, "since": since}).encode() + b"\n"


def ending_told_by(marker: bytes | None, boot_id: str) -> Ending:
    """Return how the last daemon ended; a marker that says nothing is not that of this boot."""
    if marker is None:
        return Ending.CLEAN
    try:
        document = json.loads(marker)
    except (ValueError, RecursionError):
        document = None
    told = document.get("boot_id") if isinstance(document, dict) else None
    return Ending.KILLED if told == boot_id else Ending.POWER_LOST


def text_of(boot_id: str, rests: Mapping[str, Rest]) -> bytes:
    """Return what rests as the content of a file."""
    rows = {
        name: {
            "off_since": rest.off_since,
            "is_soft": rest.is_soft,
            "not_before": rest.not_before,
        }
        for name, rest in rests.items()
    }
    return json.dumps({"format": FORMAT, "boot_id": boot_id, "devices": rows}).encode() + b"\n"


def leavings_in(data: bytes) -> Leavings:
    """Return what is in a file's content; raise RestsFileError, for nothing is guessed."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RestsFileError("not JSON") from error
    match document:
        case {"format": 1, "boot_id": str(boot_id), "devices": dict(rows)} if (
            len(boot_id) <= _LONGEST and len(rows) <= MAX_DEVICES
        ):
            return Leavings(
                boot_id=boot_id, rests={_name(name): _rest(row) for name, row in rows.items()}
            )
    raise RestsFileError("not the rests of devices, or of a format not known here")


def beginning(
    left: Leavings,
    ending: Ending,
    *,
    boot_id: str,
    booted: float,
    wait_until: float,
    now: float,
) -> Beginning:
    """Return what devices begin with, on a machine that was ``booted`` at some time.

    On the same boot only what rested rests on. After another boot, all start in their slot, and
    after a loss of power not before ``wait_until``; boards were off at the boot, if not before. A
    time to come, by a clock that was set back meanwhile, becomes ``now``. What is lost may have
    told of devices that had just come to rest.
    """
    booted = max(booted, 0.0)  # a machine without a clock of its own begins at 1970
    if left.is_lost and ending is not Ending.POWER_LOST:
        return Beginning(rests={}, unseen=Rest(off_since=now))
    if ending is not Ending.POWER_LOST and (left.boot_id == boot_id or not left.rests):
        rests = {
            name: replace(rest, off_since=min(rest.off_since, now))
            for name, rest in left.rests.items()
        }
        return Beginning(rests=rests, unseen=rests.pop("", None))
    not_before = wait_until if ending is Ending.POWER_LOST else 0.0
    unseen = Rest(off_since=booted, not_before=not_before)
    known = {
        name: replace(unseen, off_since=min(rest.off_since, booted))
        for name, rest in left.rests.items()
        if name
    }
    return Beginning(rests=known, unseen=unseen)


def _name(name: object) -> str:
    if isinstance(name, str) and len(name) <= _LONGEST and name.isprintable():
        return name
    raise RestsFileError("not the name of a device")


def _rest(row: object) -> Rest:
    match row:
        case {
            "off_since": int() | float() as off_since,
            "is_soft": bool(is_soft),
            "not_before": int() | float() as not_before,
        } if _is_time(off_since) and _is_time(not_before):
            return Rest(off_since=float(off_since), is_soft=is_soft, not_before=float(not_before))
    raise RestsFileError("not the rest of a device")


def _is_time(value: float) -> bool:
    is_number = not isinstance(value, bool) and abs(value) <= _LARGEST
    return is_number and math.isfinite(value) and value >= 0
