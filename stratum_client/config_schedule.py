"""The settings of operating windows: when the rig may run, and how hard."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from stratum_client.control.modes import REST, Mode, ModeError, parse_mode
from stratum_client.control.schedule import DAYS
from stratum_client.setting_kinds import (
    BOOLEAN,
    FILE,
    Kind,
    NotAllowedError,
    or_auto,
    read_as,
    seconds,
)

LEAD = 90.0

_HOUR = seconds(0, 3600)

_LOCAL_TIME = Path("/etc/localtime")


def _days(value: object) -> object:
    """Return the names of days, Monday first; an array, or a text with commas between them."""
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise NotAllowedError
    wanted = {name.strip().lower() for name in names}
    if not wanted or wanted - set(DAYS):
        raise NotAllowedError
    return tuple(day for day in DAYS if day in wanted)


def _hours(value: object) -> object:
    """Return the minutes of the day at which a window opens and closes."""
    if isinstance(value, str) and re.fullmatch(r"\d\d:[0-5]\d ?- ?\d\d:[0-5]\d", value.strip()):
        start, end = (int(h) * 60 + int(m) for h, m in re.findall(r"(\d\d):(\d\d)", value))
        if start == end:
            raise ValueError('a whole day is written "00:00-24:00"')
        if start < 1440 >= end:
            return start, end
    raise NotAllowedError


def _mode(value: object) -> object:
    if not isinstance(value, str):
        raise NotAllowedError
    try:
        return parse_mode(value.strip())
    except ModeError as error:
        raise NotAllowedError from error


def _zone(value: object) -> object:
    if isinstance(value, str) and is_zone(value):
        return value
    raise NotAllowedError


DAY_NAMES = Kind('an array of days, as in ["mon", "tue"]', _days)
HOURS = Kind('two times of day from 00:00 to 24:00, as in "22:00-06:00"', _hours)
MODE = Kind('"full", "eco", "idle", a share as in "70%" or a power as in "800W"', _mode)
ZONE = Kind('the name of a time zone, as in "Asia/Almaty"', _zone)


def is_zone(name: str) -> bool:
    """Return whether a time zone of this name is known here."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def local_zone(environ: Mapping[str, str] = os.environ, link: Path = _LOCAL_TIME) -> str:
    """Return the name of this machine's time zone: of $TZ, else of /etc/localtime, else UTC."""
    name = environ.get("TZ", "").removeprefix(":")
    if not name and link.is_symlink():
        name = str(link.readlink()).rpartition("zoneinfo/")[2]
    return name if name and is_zone(name) else "UTC"


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowConfig:
    """One weekly window; ``hours`` are the minutes of the day at which it opens and closes."""

    days: tuple[str, ...] = field(default=DAYS, metadata=read_as(DAY_NAMES))
    hours: tuple[int, int] = field(metadata=read_as(HOURS))
    mode: Mode = field(default=Mode(), metadata=read_as(MODE))


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarConfig:
    """A file of iCalendar events; while one lasts, ``mode`` takes the place of all windows."""

    file: Path = field(metadata=read_as(FILE))
    mode: Mode = field(default=REST, metadata=read_as(MODE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleConfig:
    """What holds for all windows; ``lead`` and ``lag`` in seconds before one opens and closes.

    ``lag`` "auto" is what devices were seen to take to come to rest, and some seconds to spare.
    """

    outside: Mode = field(default=REST, metadata=read_as(MODE))
    lead: float = field(default=LEAD, metadata=read_as(_HOUR))
    lag: float | Literal["auto"] = field(default="auto", metadata=read_as(or_auto(_HOUR)))
    trust_clock: bool = field(default=False, metadata=read_as(BOOLEAN))
