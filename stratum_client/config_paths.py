"""The files that settings name: relative ones begin at the configuration's directory; pure."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from stratum_client.setting_kinds import FILE, Section, settings_of
from stratum_client.toml_lines import KeyPath

T = TypeVar("T")


def with_paths_in(settings: T, directory: Path) -> T:
    """Return a settings dataclass with all that it names placed in ``directory``."""
    placed: dict[str, object] = {}
    for name, kind in settings_of(type(settings)).values():
        value = getattr(settings, name)
        if isinstance(value, Path):
            placed[name] = directory / value
        elif isinstance(kind, Section) and kind.many:
            placed[name] = tuple(with_paths_in(one, directory) for one in value)
        elif isinstance(kind, Section) and value is not None:
            placed[name] = with_paths_in(value, directory)
    changed = {name: value for name, value in placed.items() if value != getattr(settings, name)}
    return replace(settings, **changed) if changed else settings  # type: ignore[type-var]  # as settings_of demands


def files_in(settings: object, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Path]]:
    """Yield the files that are to be read, each with its key."""
    for key, (name, kind) in settings_of(type(settings)).items():
        value, here = getattr(settings, name), (*path, key)
        if kind is FILE and isinstance(value, Path):
            yield here, value
        elif isinstance(kind, Section) and kind.many:
            for index, one in enumerate(value):
                yield from files_in(one, (*here, index))
        elif isinstance(kind, Section) and value is not None:
            yield from files_in(value, here)
