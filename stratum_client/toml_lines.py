"""On which line of a TOML text each key stands; tomllib keeps no such thing.

The text has been read by tomllib before, so only its outline is followed here: headers, keys, and
where values end. Tables and arrays inside a value are looked into down to ``_DEEPEST`` levels.

Source: TOML v1.0.0.
"""

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator

KeyPath = tuple[str | int, ...]
"""Keys from the root; the tables of an array are counted from 0."""

_TOKEN = (
    r'(?P<multiline>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5})'
    r'|(?P<quoted>"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\')'
    r"|(?P<comment>\#[^\n]*)"
    r"|(?P<punctuation>[\[\]{}=,.\n])"
    r"|(?P<bare>[^\s\[\]{}=,.\"'\#]+)"
)
_DEEPEST = 16


def lines_of(text: str) -> dict[KeyPath, int]:
    """Return the line, counted from 1, of every key and every table of the valid TOML ``text``."""
    return _Outline(text).lines


class _Outline:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._line_ends = [match.start() for match in re.finditer("\n", text)]
        self._tokens = _tokens(text)
        self._counts: dict[KeyPath, int] = {}
        self._next()
        table: KeyPath = ()
        while self._token:
            if self._token == "\n":
                self._next()
            elif self._token == "[":
                table = self._header()
            else:
                self._pair(table)

    def _next(self) -> None:
        self._token, self._position = next(self._tokens, ("", 0))

    def _skip_newlines(self) -> None:
        while self._token == "\n":
            self._next()

    def _mark(self, path: KeyPath, position: int) -> None:
        self.lines.setdefault(path, bisect_right(self._line_ends, position - 1) + 1)

    def _header(self) -> KeyPath:
        position = self._position
        self._next()
        if many := self._token == "[":
            self._next()
        path = self._key((), position)
        if many:
            count = self._counts[path] = self._counts.get(path, 0) + 1
            path = (*path, count - 1)
            self._mark(path, position)
        while self._token == "]":
            self._next()
        return path

    def _key(self, table: KeyPath, position: int) -> KeyPath:
        """Return the full path of the dotted key that begins here, and mark its parts."""
        path = table
        while self._token not in {"]", "=", ""}:
            if self._token != ".":
                if count := self._counts.get(path):
                    path = (*path, count - 1)
                path = (*path, _name_of(self._token))
                self._mark(path, position)
            self._next()
        return path

    def _pair(self, table: KeyPath) -> None:
        path = self._key(table, self._position)
        self._next()
        self._value(path)

    def _value(self, path: KeyPath) -> None:
        if len(path) > _DEEPEST:
            self._skip_value()
        elif self._token == "[":
            self._array(path)
        elif self._token == "{":
            self._inline_table(path)
        else:
            self._skip_value()

    def _array(self, path: KeyPath) -> None:
        index = 0
        self._next()
        self._skip_newlines()
        while self._token not in {"]", ""}:
            self._mark((*path, index), self._position)
            self._value((*path, index))
            index += 1
            while self._token in {",", "\n"}:
                self._next()
        self._next()

    def _inline_table(self, path: KeyPath) -> None:
        self._next()
        while self._token not in {"}", ""}:
            self._pair(path)
            while self._token in {",", "\n"}:
                self._next()
        self._next()

    def _skip_value(self) -> None:
        depth = 0
        while self._token and (depth or self._token not in {",", "]", "}", "\n"}):
            depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(self._token, 0)
            self._next()


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    for match in re.finditer(_TOKEN, text, re.DOTALL):
        if match.lastgroup == "multiline":
            yield "'multiline'", match.start()
        elif match.lastgroup != "comment":
            yield match[0], match.start()


def _name_of(token: str) -> str:
    if token.startswith("'"):
        return token[1:-1]
    if token.startswith('"'):
        return str(tomllib.loads(f"name = {token}")["name"])
    return token
