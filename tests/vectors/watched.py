"""Vectors that notice what of them a test looks at, so that none of them goes unproven."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tests.vectors.load import document

WORDS = {"about", "source", "note", "name", "device"}
"""Keys that are for people."""


class Entry:
    """One vector; ``unread`` are the keys that nobody has asked for yet."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content
        self.unread = set(content) - WORDS

    def __getitem__(self, key: str) -> Any:
        self.unread.discard(key)
        return self._content[key]

    def get(self, key: str, default: Any = None) -> Any:
        self.unread.discard(key)
        return self._content.get(key, default)

    def __contains__(self, key: str) -> bool:
        return key in self._content


Check = Callable[[Entry], None]
"""Proves one vector on one of the two sides; raises AssertionError."""


def sections(file: str) -> dict[str, list[Entry]]:
    """Return every list of a file, by its path in it, with its entries."""
    return {
        name: entries
        for key, value in document(file).items()
        if key not in WORDS
        for name, entries in _lists(key, value)
    }


def _lists(name: str, value: Any) -> Iterator[tuple[str, list[Entry]]]:
    if isinstance(value, list):
        yield name, [Entry(row) for row in value]
        return
    if "cases" in value:
        assert set(value) - WORDS == {"cases"}, f"{name} holds more than its cases"
        yield name, [Entry(row) for row in value["cases"]]
    elif "commands" in value:
        commands = value["commands"].items()
        yield f"{name}.commands", [Entry({"what": key, "bytes": text}) for key, text in commands]
        yield from _lists(f"{name}.conversions", value["conversions"])
        assert set(value) - WORDS == {"commands", "conversions"}, f"{name} holds more"
    else:
        yield name, [Entry(value)]


def prove(entries: list[Entry], *checks: Check | None) -> None:
    """Put every entry to all checks; each of its keys must be looked at by one of them."""
    assert entries
    for entry in entries:
        for check in checks:
            if check is not None:
                check(entry)
        assert not entry.unread, f"nobody looks at {entry.unread}"
