"""Parts of a configuration in files of their own, conf.d/*.toml beside it; pure.

They are read in the order of their names. What a later one says comes before what an earlier one
says, and what the configuration itself says before all of them; pools, devices and other tables of
which there may be many add up, unless the configuration has its own.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stratum_client.toml_lines import KeyPath, lines_of

FOLDER = "conf.d"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """The content of one of the files, called ``name`` in errors."""

    name: str
    data: bytes = field(repr=False)


@dataclass(slots=True, kw_only=True)
class Joined:
    """Tables put together; ``places`` are the file and line of each key."""

    document: dict[str, object] = field(default_factory=dict)
    places: dict[KeyPath, str] = field(default_factory=dict)

    def add(self, document: Mapping[str, object], text: str, name: str) -> None:
        """Put what a file says over what was said before."""
        lines = {path: f"{name}:{line}" for path, line in lines_of(text).items()}
        self._put(self.document, document, (), (), lines)

    def put_under(self, document: dict[str, object]) -> dict[KeyPath, str]:
        """Add to ``document`` what it does not say; return where that came from."""
        taken = _put_under(document, self.document, ())
        return {
            path: place
            for path, place in self.places.items()
            if any(path[: len(top)] == top for top in taken)
        }

    def _put(
        self,
        onto: dict[str, object],
        table: Mapping[str, object],
        there: KeyPath,
        here: KeyPath,
        lines: Mapping[KeyPath, str],
    ) -> None:
        """Put ``table``, which is at ``there`` in its file, onto the one at ``here``."""
        for key, value in table.items():
            source, target, before = (*there, key), (*here, key), onto.get(key)
            if isinstance(value, dict) and isinstance(before, dict):
                self._put(before, value, source, target, lines)
                continue
            shift = 0
            if isinstance(value, list) and isinstance(before, list) and _are_tables(value, before):
                shift = len(before)
                before.extend(copy.deepcopy(value))
            else:
                onto[key] = copy.deepcopy(value)
                self.places = {
                    path: place
                    for path, place in self.places.items()
                    if path[: len(target)] != target
                }
            self._note(source, target, shift, lines)

    def _note(
        self, source: KeyPath, target: KeyPath, shift: int, lines: Mapping[KeyPath, str]
    ) -> None:
        for path, place in lines.items():
            if path[: len(source)] == source:
                rest = path[len(source) :]
                if rest and isinstance(rest[0], int):
                    rest = (rest[0] + shift, *rest[1:])
                self.places[*target, *rest] = place


def _put_under(
    document: dict[str, object], lower: Mapping[str, object], path: KeyPath
) -> Sequence[KeyPath]:
    """Add what ``document`` lacks; return the tops of what was added."""
    taken: list[KeyPath] = []
    for key, value in lower.items():
        there = document.get(key)
        if key not in document:
            document[key] = value
            taken.append((*path, key))
        elif isinstance(there, dict) and isinstance(value, dict):
            taken += _put_under(there, value, (*path, key))
    return taken


def _are_tables(*values: Sequence[object]) -> bool:
    return all(isinstance(one, dict) for value in values for one in value)
