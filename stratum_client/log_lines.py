"""How a log event looks: as one object of JSON, as a line for people, as lines for journald.

What peers sent ends up here, so whatever a terminal would obey is written as an escape. Pure.
"""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

_PRIORITIES = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_COLOURS = {"debug": "2", "info": "32", "warning": "33", "error": "31;1", "critical": "31;1"}
_BOLD, _DIM = "1", "2"


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One event; ``at`` in seconds since 1970, UTC, ``fields`` as JSON knows them."""

    at: float
    level: str
    component: str
    name: str
    fields: Mapping[str, object] = field(default_factory=dict)
    traceback: str = ""


def json_line(event: LogEvent) -> str:
    """Return ``event`` as one object of JSON, in ASCII, with its line end."""
    record: dict[str, object] = {
        "time": utc(event.at),
        "level": event.level,
        "component": event.component,
        "event": event.name,
    }
    record |= {f"{key}_" if key in record else key: value for key, value in event.fields.items()}
    if event.traceback:
        record["exception"] = event.traceback
    return json.dumps(record) + "\n"


def console_line(event: LogEvent, *, colours: bool, short_time: bool) -> str:
    """Return ``event`` as a line for people, a traceback indented below it.

    ``short_time`` is the local time of day instead of date and time in UTC.
    """
    local = time.strftime("%H:%M:%S", time.localtime(event.at))
    columns = (
        _coloured(local if short_time else utc(event.at), _DIM, colours=colours),
        _coloured(f"{event.level:<7}", _COLOURS.get(event.level, _BOLD), colours=colours),
        f"{harmless(event.component):<8}",
        _coloured(harmless(event.name), _BOLD, colours=colours),
        *_pairs(event.fields, colours=colours),
    )
    below = "".join(f"    {harmless(line)}\n" for line in event.traceback.splitlines())
    return " ".join(columns) + "\n" + below


def journal_line(event: LogEvent) -> str:
    """Return ``event`` for journald, which adds the time and reads a priority from each line.

    Source: sd-daemon(3), the prefixes <0> to <7>.
    """
    pairs = _pairs(event.fields, colours=False)
    first = " ".join((f"{harmless(event.component)}:", harmless(event.name), *pairs))
    lines = [first, *(f"    {harmless(line)}" for line in event.traceback.splitlines())]
    return "".join(f"<{_PRIORITIES.get(event.level, 6)}>{line}\n" for line in lines)


def utc(at: float) -> str:
    """Return ``at`` as ISO 8601 in UTC, to the millisecond."""
    stamp = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    return stamp.replace("+00:00", "Z")


def harmless(text: str) -> str:
    """Return ``text`` with all that does not simply print written as an escape of Python."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _pairs(fields: Mapping[str, object], *, colours: bool) -> list[str]:
    return [
        _coloured(f"{harmless(key)}=", _DIM, colours=colours) + harmless(_shown(value))
        for key, value in fields.items()
    ]


def _shown(value: object) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if re.fullmatch(r'[^\s"=]+', value):
        return value
    return '"' + value.replace('"', '\\"') + '"'


def _coloured(text: str, colour: str, *, colours: bool) -> str:
    return f"\x1b[{colour}m{text}\x1b[0m" if colours else text
