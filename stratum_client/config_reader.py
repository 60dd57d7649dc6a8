"""Tables of TOML into settings dataclasses, with errors that say where, what, and what instead.

What each key accepts stands in `config`; what several keys must fulfil together, in
`config_checks`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import TypeVar

from stratum_client.config_secrets import SecretError, Secrets
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import (
    AnyKind,
    FreeTable,
    Kind,
    Section,
    described,
    printable,
    problem_with,
    read_value,
    settings_of,
)
from stratum_client.toml_lines import KeyPath, lines_of

T = TypeVar("T")

_WORD = "[a-z][a-z0-9_]{0,62}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Where each value was written: on a line of the file, or elsewhere, such as ``--user``.

    ``files`` are the file and line of what stands in other files.
    """

    name: str
    text: str = ""
    elsewhere: Mapping[KeyPath, str] = field(default_factory=dict)
    files: Mapping[KeyPath, str] = field(default_factory=dict)

    def error(self, path: KeyPath, problem: str) -> ConfigError:
        """Return the error that names the place of ``path``, or of what it stands in."""
        lines = _lines_of(self.text)
        if path not in lines and (inside := self._place_inside(path)):
            return ConfigError(inside, f"{shown_path(path)}: {problem}", path)
        for length in range(len(path), 0, -1):
            prefix = path[:length]
            if place := self.elsewhere.get(prefix):
                is_key = prefix == path and isinstance(path[-1], str)
                shown = "" if is_key else f"{shown_path(path)}: "
                return ConfigError(place, shown + problem, path)
            line = lines.get(prefix)
            if place := f"{self.name}:{line}" if line else self.files.get(prefix):
                return ConfigError(place, f"{shown_path(path)}: {problem}", path)
        return ConfigError(self.name, f"{shown_path(path)}: {problem}" if path else problem, path)

    def _place_inside(self, path: KeyPath) -> str:
        """Return where something in the table ``path`` came from, if the file has no such table."""
        if not path or path in self.elsewhere:
            return ""
        places = (place for at, place in self.elsewhere.items() if at[: len(path)] == path)
        return next(places, "")


def _lines_of(text: str) -> dict[KeyPath, int]:
    try:
        return lines_of(text)
    except RecursionError:
        return {}


def shown_path(path: KeyPath) -> str:
    """Return ``path`` as people say it: ``pool[2].user``, counted from 1."""
    shown = "".join(f"[{key + 1}]" if isinstance(key, int) else f".{_shown(key)}" for key in path)
    return shown.removeprefix(".")


def _shown(key: str) -> str:
    return key if re.fullmatch("[A-Za-z0-9_-]{1,60}", key) else f'"{printable(key)}"'


class SettingsReader:
    """Reads one configuration."""

    def __init__(self, origins: Origins, secrets: Secrets) -> None:
        self._origins = origins
        self._secrets = secrets

    def read(self, cls: type[T], table: object, path: KeyPath = ()) -> T:
        """Return ``table`` as a ``cls``; raise ConfigError for the first thing wrong with it."""
        if not isinstance(table, dict):
            raise self._origins.error(path, f"expected a table, found {described(table)}")
        known = settings_of(cls)
        for key in table:
            if key not in known:
                raise self._origins.error((*path, key), _unknown(key, known))
        values: dict[str, object] = {}
        for key, (name, kind) in known.items():
            if key in table:
                if name in values:
                    raise self._origins.error((*path, key), f"{name} is given twice: leave one out")
                values[name] = self._value(kind, table[key], (*path, key))
                if isinstance(kind, Kind) and kind.source:
                    plain = known[key.removesuffix(kind.source)][1]
                    values[name] = self._value(plain, values[name], (*path, key))
        self._check_complete(cls, values, path)
        return cls(**values)

    def _check_complete(self, cls: type, values: Iterable[str], path: KeyPath) -> None:
        required = {
            entry.name
            for entry in fields(cls)
            if entry.default is MISSING and entry.default_factory is MISSING
        }
        for key, (name, kind) in settings_of(cls).items():
            if name in required and name not in values:
                allowed = f": {kind.allowed}" if isinstance(kind, Kind) else ""
                raise self._origins.error(path, f"{key} is missing{allowed}")

    def _value(self, kind: AnyKind, value: object, path: KeyPath) -> object:
        if isinstance(kind, Section):
            return self._section(kind, value, path)
        if isinstance(kind, FreeTable):
            return self._free_table(kind, value, path)
        try:
            read = read_value(kind, value)
        except ValueError as error:
            raise self._origins.error(path, problem_with(value, kind, error)) from error
        return self._secret(kind.source, str(read), path) if kind.source else read

    def _section(self, section: Section, value: object, path: KeyPath) -> object:
        if not section.many:
            return self.read(section.into, value, path)
        if not isinstance(value, list):
            problem = f"found {described(value)}: write [[{path[-1]}]], with two brackets"
            raise self._origins.error(path, problem)
        return tuple(
            self.read(section.into, table, (*path, index)) for index, table in enumerate(value)
        )

    def _free_table(self, table: FreeTable, value: object, path: KeyPath) -> object:
        if not isinstance(value, dict):
            raise self._origins.error(path, f"expected a table, found {described(value)}")
        for key in value:
            if not re.fullmatch(_WORD, key):
                problem = 'a key here is made of small letters, digits and "_"'
                raise self._origins.error((*path, key), problem)
        return {key: self._value(table.each, inner, (*path, key)) for key, inner in value.items()}

    def _secret(self, source: str, name: str, path: KeyPath) -> str:
        try:
            if source == "_env":
                return self._secrets.from_environment(name)
            return self._secrets.from_file(name)
        except SecretError as error:
            raise self._origins.error(path, str(error)) from error


def _unknown(key: str, known: Iterable[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow, and needed for errors only

    near = get_close_matches(key.lower(), known, n=1)
    guess = f'did you mean "{near[0]}"? ' if near else ""
    hint = "; what its driver is to know goes under settings" if "settings" in known else ""
    return f"no such key; {guess}known here: {', '.join(known)}{hint}"
