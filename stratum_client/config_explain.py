"""Each key of the configuration in words; pure.

What it takes and its default come from the settings dataclasses, what it does from the comments of
config/example.toml.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields
from difflib import get_close_matches

from stratum_client.config import Config
from stratum_client.config_diff import LIVE_DEVICE_KEYS, LIVE_POOL_KEYS, LIVE_SECTIONS
from stratum_client.example_words import Entry, Words, entries_of
from stratum_client.setting_kinds import (
    AnyKind,
    FreeTable,
    Kind,
    Section,
    settings_of,
    shown_seconds,
)

ANY_NAME = "NAME"
"""Stands for a key that may be chosen: ``log.levels.NAME``."""

NOT_SET, MUST_BE_GIVEN = "not set", "none: it must be given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """One key: ``name`` with dots, ``does`` in sentences, the rest on a line each."""

    name: str
    does: str
    takes: str
    default: str
    example: str
    variable: str
    change: str

    def json(self) -> dict[str, str]:
        """Return the fields by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def explanations(example: str) -> dict[str, Explanation]:
    """Return every key by its name; ``example`` is the text of config/example.toml."""
    entries = entries_of(example)
    return {one.name: one for one in _explanations(Config, (), (), entries)}


def matching(asked: str, known: Mapping[str, Explanation]) -> list[Explanation]:
    """Return what ``asked`` means: a key, a variable, a table, or the end of a key's name."""
    name = re.sub(r"\[\d*\]|\.\d+(?=\.|$)", "", asked.strip().strip("[].")).lower()
    if name.startswith("sc_"):
        bare = re.sub(r"_\d+_", "_1_", name.upper())
        return [one for one in known.values() if one.variable == bare]
    exact = [one for key, one in known.items() if key.lower() == name]
    free = [one for key, one in known.items() if _is_free(key, name)]
    inside = [one for key, one in known.items() if key.startswith(f"{name}.")]
    ending = [one for key, one in known.items() if key.endswith(f".{name}")]
    return exact or free or inside or ending


def nearest(asked: str, known: Mapping[str, Explanation]) -> list[str]:
    """Return the names that look like ``asked``, the nearest first."""
    whole = get_close_matches(asked.lower(), known, n=3, cutoff=0.6)
    last = asked.lower().rpartition(".")[2]
    by_end = {name.rpartition(".")[2]: name for name in reversed(list(known))}
    ends = [by_end[end] for end in get_close_matches(last, by_end, n=2, cutoff=0.7)]
    return list(dict.fromkeys([*whole, *ends]))


def _is_free(key: str, name: str) -> bool:
    table, _, last = key.rpartition(".")
    return last == ANY_NAME and bool(re.fullmatch(re.escape(table) + r"\.[a-z0-9_]+", name))


def _explanations(
    cls: type, path: Words, variable: Sequence[str], entries: Mapping[Words, Entry]
) -> Iterator[Explanation]:
    by_name = {field.name: field for field in fields(cls)}
    for key, (name, kind) in settings_of(cls).items():
        here, word = (*path, key), [*variable, key.upper()]
        if isinstance(kind, Section):
            inner = [*word, "1"] if kind.many else word
            yield from _explanations(kind.into, here, inner, entries)
            continue
        entry = _entry_for(here, entries)
        shown = (*here, ANY_NAME) if isinstance(kind, FreeTable) else here
        yield Explanation(
            name=".".join(shown),
            does=entry.comment if entry else "",
            takes=_takes(kind),
            default=_default(by_name[name], kind, entry if entry and entry.words == here else None),
            example=entry.line if entry else "",
            variable="_".join(["SC", *word, *([ANY_NAME] if shown != here else [])]),
            change=_change(here),
        )


def _entry_for(path: Words, entries: Mapping[Words, Entry]) -> Entry | None:
    """Return the entry of a key, of one inside it, of the table it stands in, or of its like."""
    if path in entries:
        return entries[path]
    inside = (entry for words, entry in entries.items() if words[: len(path)] == path)
    like = entries.get(path[1:]) if path[:2] == ("pool", "deadlines") else None
    return like or next(inside, None) or entries.get(path[:-1])


def _takes(kind: AnyKind) -> str:
    if isinstance(kind, FreeTable):
        return kind.each.allowed if kind.each.allowed != "anything" else "what its driver takes"
    assert isinstance(kind, Kind)
    return kind.allowed


def _default(field: "Field[object]", kind: AnyKind, entry: Entry | None) -> str:
    if isinstance(kind, FreeTable) or (isinstance(kind, Kind) and kind.source):
        return NOT_SET
    if field.default is MISSING:
        return MUST_BE_GIVEN if field.default_factory is MISSING else NOT_SET
    if entry and entry.default:
        return entry.default
    assert isinstance(kind, Kind)
    return _shown(field.default, kind)


def _shown(value: object, kind: Kind) -> str:
    if isinstance(value, float) and kind.allowed.startswith("a time"):
        return json.dumps(shown_seconds(value))
    if isinstance(value, float) and kind.allowed.startswith("a power"):
        return json.dumps(f"{value:.10g}W")
    if isinstance(value, bool | int | float | str) and value != "":
        return json.dumps(value)
    return NOT_SET


def _change(path: Words) -> str:
    """Return what a change of the key needs in a running daemon."""
    match path:
        case ("pool", "deadlines", *_) | ("deadlines", *_):
            return "reload; from the next session with a pool on"
        case ("pool", key) if key in LIVE_POOL_KEYS:
            return "reload; without a new session"
        case ("pool" | "network", *_):
            return "reload; a new session with the pool"
        case ("device", key, *_):
            goes_on = key in LIVE_DEVICE_KEYS
            return f"reload; {'the device goes on' if goes_on else 'this device is started anew'}"
        case (section, *_) if section in LIVE_SECTIONS or f"{section}s" in LIVE_SECTIONS:
            is_way = path[0] == "mqtt" and path[1] not in {"groups", "telemetry"}
            return "reload; a new connection to the broker" if is_way else "reload"
    return "restart"
