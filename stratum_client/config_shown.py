"""The settings in force, each with where it came from; secrets are not shown; pure."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from stratum_client.config import DEFAULT_PASSWORD, Config
from stratum_client.config_explain import NOT_SET, Explanation
from stratum_client.config_file import Draft
from stratum_client.config_reader import shown_path
from stratum_client.http_url import NOT_SHOWN
from stratum_client.setting_kinds import (
    FreeTable,
    Kind,
    Section,
    described,
    settings_of,
    with_unit,
)
from stratum_client.toml_lines import KeyPath, lines_of

DEFAULT, COMMAND_LINE = "default", "command line"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One setting: ``value`` as a configuration spells it."""

    name: str
    value: str
    origin: str


class Settings:
    """The settings of ``config``, which was read from ``draft``.

    ``known`` are the explanations of all keys; ``replaced`` the tables of the command line.
    """

    def __init__(
        self,
        config: Config,
        draft: Draft,
        known: Mapping[str, Explanation],
        replaced: frozenset[str] = frozenset(),
    ) -> None:
        self._config = config
        self._draft = draft
        self._known = known
        self._replaced = replaced
        self._lines = lines_of(draft.origins.text)

    def shown(self) -> tuple[Shown, ...]:
        """Return every setting; a pool's deadlines where they are not those of all."""
        return tuple(self._table(Config, self._config, ()))

    def _table(self, cls: type, table: object, path: KeyPath) -> Iterator[Shown]:
        defaults = {field.name: field.default for field in fields(cls)}
        for key, (name, kind) in settings_of(cls).items():
            value, here = getattr(table, name), (*path, key)
            match kind:
                case Section(into=into, many=True):
                    for index, one in enumerate(value):
                        yield from self._table(into, one, (*here, index))
                case Section(into=into) if value is not None:
                    if key != "deadlines" or not path or value != self._config.deadlines:
                        yield from self._table(into, value, here)
                case FreeTable(each=each):
                    for inner, one in value.items():
                        yield self._row((*here, inner), one, each, None)
                case Kind(source=""):
                    yield self._row(here, value, kind, defaults[name])

    def _row(self, path: KeyPath, value: object, kind: Kind, default: object) -> Shown:
        origin = self._origin(path)
        if kind.secret and value not in {None, "", DEFAULT_PASSWORD}:
            text = json.dumps(kind.hint(str(value))) if kind.hint else NOT_SHOWN
        elif isinstance(value, str):
            text = json.dumps(value, ensure_ascii=False) if value else NOT_SET
        elif origin not in {DEFAULT, COMMAND_LINE} and (raw := self._raw(path)) is not None:
            text = _spelt(raw)
        elif value == default and (one := self._known.get(_bare(path))):
            text = one.default
        else:
            text = _spelt(value, kind)
        return Shown(name=shown_path(path), value=text, origin=origin)

    def _origin(self, path: KeyPath) -> str:
        if path[0] in self._replaced:
            return COMMAND_LINE
        *table, last = path
        places = [path, *((*table, f"{last}{tail}") for tail in ("_file", "_env"))]
        if path[0] == "pool" and path[2:3] == ("deadlines",):
            places.append(path[2:])
        for place in places:
            if elsewhere := self._draft.origins.elsewhere.get(place):
                return elsewhere
            if line := self._lines.get(place):
                return f"{self._draft.origins.name}:{line}"
            if file := self._draft.origins.files.get(place):
                return file
        return DEFAULT

    def _raw(self, path: KeyPath) -> object:
        """Return what was written; None where it stands for a table of its own or elsewhere."""
        found: object = self._draft.document
        for key in path:
            if isinstance(found, dict) and isinstance(key, str):
                found = found.get(key)
            elif isinstance(found, list) and isinstance(key, int) and key < len(found):
                found = found[key]
            else:
                return None
        return found


def _bare(path: KeyPath) -> str:
    return ".".join(key for key in path if isinstance(key, str))


def _spelt(value: object, kind: Kind | None = None) -> str:
    if value is None or value == ():
        return NOT_SET
    if isinstance(value, float) and (text := with_unit(value, kind)):
        return json.dumps(text)
    if isinstance(value, str | int | float | list):
        return json.dumps(value, ensure_ascii=False)
    return described(value) if isinstance(value, dict) else json.dumps(str(value))
