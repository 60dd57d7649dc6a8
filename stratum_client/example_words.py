"""What config/example.toml says of each key: its comment, its line, and whether it shows a default.

The file is the one place where keys are put into words; everybody else asks here. Its form, which
a test keeps to: a comment stands above the key, or above the first of several that belong together;
a key that is switched off begins with "#" and no blank; an empty line ends what was begun.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

Words = tuple[str, ...]
"""A key without the numbers of its tables: ``("pool", "user")``."""

_HEADER = re.compile(r"#?\[\[?([a-z_.]+)\]\]?$")
_KEY = re.compile(r"(#?)([a-z_]+) = (.*)$")
_REMARK = re.compile(r"^((?:\"[^\"]*\"|[^\"#])*?)\s*#\s*(.*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One key as the example has it; ``default`` is empty where its value is no default."""

    words: Words
    comment: str
    line: str
    default: str


def example_text() -> str:
    """Return the example."""
    return files("stratum_client").joinpath("example.toml").read_text(encoding="utf-8")


def entries_of(text: str) -> dict[Words, Entry]:
    """Return the first entry of each key in ``text``."""
    entries: dict[Words, Entry] = {}
    for entry in _entries(text):
        entries.setdefault(entry.words, entry)
    return entries


def _entries(text: str) -> Iterator[Entry]:
    table: Words = ()
    comment: list[str] = []
    is_open = False  # the last line was of a comment, so the next one belongs to it
    for line in text.splitlines():
        if header := _HEADER.match(line):
            table = tuple(header[1].split("."))
            comment = comment if is_open else []
        elif key := _KEY.match(line):
            off, name, written = key.groups()
            value, remark = _value_and_remark(written)
            is_default = not off and remark != "no default"
            yield Entry(
                words=(*table, name),
                comment=" ".join(comment),
                line=f"{name} = {value}",
                default=value if is_default else "",
            )
            is_open = False
        elif said := _said(line):
            comment, is_open = ([*comment, said] if is_open else [said]), True
        else:
            comment, is_open = [], False


def _value_and_remark(written: str) -> tuple[str, str]:
    remark = _REMARK.match(written)
    return (remark[1], remark[2]) if remark else (written, "")


def _said(line: str) -> str:
    """Return the text of a comment; empty for a rule between parts, and for what is none."""
    text = line.removeprefix("# ") if line.startswith("# ") else ""
    return "" if text.startswith("---") else text.strip()
