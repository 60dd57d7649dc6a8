"""Settings from environment variables: ``SC_LOG_LEVEL``, ``SC_POOL_1_PASSWORD``.

A variable is called ``SC_`` and the path of its key in capitals, joined by ``_``; pools and devices
are counted from 1. A url of the pool after the last makes a new pool, a driver, match or port of
the device after the last a new device.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from stratum_client.config import Config
from stratum_client.errors import ConfigError
from stratum_client.setting_kinds import Bare, FreeTable, Kind, Section, settings_of
from stratum_client.toml_lines import KeyPath

_PREFIX = "SC_"
_BEGINNINGS = {"url", "driver", "match", "port"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """One setting of the environment."""

    variable: str
    path: KeyPath
    value: Bare = field(repr=False)

    @property
    def place(self) -> str:
        """Return how errors name it."""
        return f"environment variable {self.variable}"

    @property
    def stray_warning(self) -> str:
        """Return what to say when what it belongs to does not exist."""
        section, index, *_ = self.path
        return f"{self.place}: there is no {section} {int(index) + 1}"


def overrides_in(environ: Mapping[str, str]) -> tuple[list[Override], list[str]]:
    """Return the settings in ``environ`` in the order of their paths, and warnings.

    Raises ConfigError for a misspelt key of a known section; a variable that only happens to begin
    with ``SC_`` is worth a warning.
    """
    overrides, warnings = [], []
    sections = {key.split("_")[0] for key in settings_of(Config)}
    for variable, value in environ.items():
        if not variable.startswith(_PREFIX):
            continue
        rest = variable.removeprefix(_PREFIX).lower()
        if path := _path_of(Config, rest):
            overrides.append(Override(variable=variable, path=path, value=Bare(value)))
        elif rest.split("_")[0] in sections:
            raise ConfigError(f"environment variable {variable}", _unknown(variable))
        else:
            warnings.append(f"environment variable {variable}: {_unknown(variable)}")
    return sorted(overrides, key=_order), warnings


def strays_among(overrides: list[Override], document: dict[str, object]) -> list[Override]:
    """Return those of a pool or device that is neither in ``document`` nor made by another.

    Such as a password for the pool that the command line will name.
    """
    made = {override.path[:2] for override in overrides if {*override.path[2:3]} & _BEGINNINGS}
    strays = []
    for override in overrides:
        section, index, *_ = (*override.path, None)
        entries = document.get(str(section), [])
        if isinstance(index, int) and isinstance(entries, list) and index >= len(entries):
            strays += [override] if override.path[:2] not in made else []
    return strays


def put_into(
    document: dict[str, object], overrides: list[Override], *, stronger: bool
) -> dict[KeyPath, str]:
    """Write ``overrides`` into ``document``; return where each value of theirs came from.

    Unless ``stronger``, what ``document`` has already stays. Where ``document`` is built wrongly it
    is left alone: its reader will say so. Raises ConfigError for a gap in the numbers, and for a
    secret that is given in two ways.
    """
    places: dict[KeyPath, str] = {}
    for override in overrides:
        table = _table_for(document, override, places)
        if table is None:
            continue
        rivals = _rivals(override.path[-1]) & table.keys()
        if stronger or not rivals:
            for rival in rivals:
                if place := places.get((*override.path[:-1], rival)):
                    raise ConfigError(override.place, f"{place} is set too: leave one out")
                del table[rival]
            table[str(override.path[-1])] = override.value
            places[override.path] = override.place
    return places


def _order(override: Override) -> list[str]:
    return [f"{key:05}" if isinstance(key, int) else key for key in override.path]


def _path_of(cls: type, rest: str) -> KeyPath | None:
    """Return the path of the key that ``rest`` spells, such as ``pool_1_password``."""
    for key, (_, kind) in settings_of(cls).items():
        if rest == key and isinstance(kind, Kind):
            return (key,)
        tail = rest.removeprefix(f"{key}_")
        if tail == rest or isinstance(kind, Kind):
            continue
        if isinstance(kind, FreeTable):
            return (key, tail)
        if inner := _path_in(kind, tail):
            return (key, *inner)
    return None


def _path_in(section: Section, rest: str) -> KeyPath | None:
    if not section.many:
        return _path_of(section.into, rest)
    count, _, rest = rest.partition("_")
    if not re.fullmatch("[1-9][0-9]{0,3}", count):
        return None
    inner = _path_of(section.into, rest)
    return inner and (int(count) - 1, *inner)


def _table_for(
    document: dict[str, object], override: Override, places: dict[KeyPath, str]
) -> dict[str, object] | None:
    """Return the table in which the key of ``override`` stands, made if it must be."""
    table: object = document
    for depth, key in enumerate(override.path[:-1]):
        if isinstance(table, list) and isinstance(key, int):
            if key > len(table):
                problem = f"there is no {override.path[0]} {key}: they are counted without gaps"
                raise ConfigError(override.place, problem)
            if key == len(table):
                table.append({})
                places[override.path[: depth + 1]] = "environment"
            table = table[key]
        elif isinstance(table, dict):
            table = table.setdefault(key, [] if isinstance(override.path[depth + 1], int) else {})
        else:
            return None
    return table if isinstance(table, dict) else None


def _rivals(key: str | int) -> set[str]:
    """Return the keys of which a table holds one at most: ``password``, ``password_file``..."""
    name = str(key).removesuffix("_file").removesuffix("_env")
    return {str(key), name, f"{name}_file", f"{name}_env"}


def _unknown(variable: str) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - slow, and needed for errors only

    generic = re.sub("_[0-9]+_", "_1_", variable)
    near = get_close_matches(generic, _names(Config, _PREFIX), n=1, cutoff=0.75)
    return "no such setting" + (f", did you mean {near[0]}?" if near else "")


def _names(cls: type, prefix: str) -> Iterator[str]:
    for key, (_, kind) in settings_of(cls).items():
        name = prefix + key.upper()
        if isinstance(kind, Section):
            yield from _names(kind.into, f"{name}_1_" if kind.many else f"{name}_")
        else:
            yield name
