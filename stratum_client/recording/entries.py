"""The entries of a recording and their lines: one JSON object each; pure.

The format is described in docs/recordings.md; change both together, and `FORMAT` with them.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

LARGEST = 1e300
"""No number of a recording comes near it."""

FORMAT = 1

_KEYS = {"t", "rim", "name", "what", "text", "hex"}


class Rim(StrEnum):
    """Where something happened."""

    POOL = "pool"  # a pool's socket and what the pool's shell waits for
    MINER = "miner"  # work given to a device, what it claims, what it is told
    PORT = "port"  # a device's ports
    DAEMON = "daemon"  # the whole program
    LOG = "log"  # what was logged, for those who read along


class What(StrEnum):
    """What happened; who is asked and who answers is said in docs/recordings.md."""

    IN = "in"
    OUT = "out"
    # pool
    DIAL = "dial"
    OPEN = "open"
    CONNECTED = "connected"
    REFUSED = "refused"
    ENDED = "ended"
    TICK = "tick"
    HASHRATE = "hashrate"
    PAUSED = "paused"
    RESUMED = "resumed"
    CLOSING = "closing"
    HANG_UP = "hang_up"
    LOST = "lost"
    STOP = "stop"
    # miner
    TOLD = "told"
    APPLIED = "applied"
    WORK = "work"
    NO_WORK = "no_work"
    FOUND = "found"
    # port
    DEVICE = "device"
    OPENING = "opening"
    BAUD_RATE = "baud_rate"
    LINES = "lines"
    DRAIN = "drain"
    DRAINED = "drained"
    PINS = "pins"
    PINS_SET = "pins_set"
    PINS_ASKED = "pins_asked"
    PINS_READ = "pins_read"
    CLOSE = "close"
    # daemon
    SHARES = "shares"
    CONFIGURED = "configured"
    ORDER = "order"
    MOMENT = "moment"
    HASHRATES = "hashrates"
    STOPPING = "stopping"
    GAP = "gap"
    END = "end"
    # log
    LOGGED = "logged"


class EntryError(ValueError):
    """A line is no entry; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Something that happened at a rim, ``at`` seconds after the start; ``name`` says whose."""

    at: float
    rim: Rim
    what: What
    name: str = ""
    data: bytes = b""
    fields: Mapping[str, object] = field(default_factory=dict)

    def number(self, key: str) -> int:
        """Return a field as an integer, 0 where there is none; raise EntryError."""
        value = self.fields.get(key, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            raise EntryError(f'"{key}" is not a whole number')
        return value

    def real(self, key: str) -> float:
        """Return a field as a number, 0 where there is none; raise EntryError."""
        value = self.fields.get(key, 0.0)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise EntryError(f'"{key}" is not a number')
        if not abs(value) < LARGEST:
            raise EntryError(f'"{key}" is not a finite number')
        return value

    def flag(self, key: str) -> bool:
        """Return whether a field is true; raise EntryError."""
        value = self.fields.get(key, False)
        if not isinstance(value, bool):
            raise EntryError(f'"{key}" is neither true nor false')
        return value

    def text(self, key: str) -> str:
        """Return a field as text, empty where there is none; raise EntryError."""
        value = self.fields.get(key, "")
        if not isinstance(value, str):
            raise EntryError(f'"{key}" is not a text')
        return value


def line_of(entry: Entry) -> bytes:
    """Return ``entry`` as a line with its end; bytes are text where they are UTF-8."""
    content: dict[str, object] = {
        "t": round(entry.at, 6),
        "rim": entry.rim,
        **({"name": entry.name} if entry.name else {}),
        "what": entry.what,
        **entry.fields,
    }
    if entry.data:
        content |= _shown(entry)
    return encoded(content)


def encoded(content: Mapping[str, object]) -> bytes:
    """Return an object as a line with its end."""
    return (
        json.dumps(content, separators=(",", ":"), ensure_ascii=False, default=str).encode(
            errors="backslashreplace"
        )
        + b"\n"
    )


def decoded(line: bytes) -> dict[str, object]:
    """Return the object in a line; raise EntryError."""
    try:
        content = json.loads(line)
    except RecursionError as error:
        raise EntryError("nested too deeply") from error
    except ValueError as error:
        raise EntryError("not JSON") from error
    if not isinstance(content, dict):
        raise EntryError("not an object")
    return content


def entry_of(content: Mapping[str, object]) -> Entry:
    """Return the entry that an object stands for; raise EntryError."""
    at, name = content.get("t"), content.get("name", "")
    if isinstance(at, bool) or not isinstance(at, int | float) or not _is_time(at):
        raise EntryError('"t" is not a number of seconds')
    if not isinstance(name, str):
        raise EntryError('"name" is not a text')
    return Entry(
        at=float(at),
        rim=Rim(_word(content, "rim", Rim)),
        what=What(_word(content, "what", What)),
        name=name,
        data=_data_of(content),
        fields={key: value for key, value in content.items() if key not in _KEYS},
    )


def _is_time(at: float) -> bool:
    return at < 1e9 and math.isfinite(at) and at >= 0


def _word(content: Mapping[str, object], key: str, words: type[StrEnum]) -> str:
    word = content.get(key)
    if not isinstance(word, str) or word not in set(words):
        raise EntryError(f'"{key}" is none of {", ".join(words)}')
    return word


def _shown(entry: Entry) -> dict[str, object]:
    """Return bytes as they are easiest to read: what ports carry is never text."""
    if entry.rim is Rim.POOL:
        try:
            return {"text": entry.data.decode()}
        except UnicodeDecodeError:
            pass
    return {"hex": entry.data.hex()}


def _data_of(content: Mapping[str, object]) -> bytes:
    text, digits = content.get("text", ""), content.get("hex", "")
    if not isinstance(text, str) or not isinstance(digits, str):
        raise EntryError("bytes are not a text")
    try:
        return text.encode() + bytes.fromhex(digits)
    except ValueError as error:
        raise EntryError("bytes that cannot be") from error
