"""The fields of a log event made plain, short and free of secrets.

Hidden is what a key calls a secret, every registered secret wherever it turns up (also as JSON
writes it), and user and password inside an address. Pure.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping

HIDDEN = "***"

_SECRET_KEY = re.compile(
    r"(?:^|_)(?:pass|passwd|password|passphrase|secret|token|cookie|authorization"
    r"|api_key|private_key|credential)s?$"
)
_IN_ADDRESS = re.compile(r"(?<=://)[^/\s@\"]*:[^/\s@\"]*@")
_SHORTEST_SECRET = 4
_LONG_SECRET = 8
_LONGEST_INPUT = 1 << 16
_LONGEST = 1000
_MOST_ENTRIES = 50
_DEEPEST = 4


class Scrubber:
    """Turns fields of any type into what JSON knows, without secrets.

    A secret of up to 3 characters is hidden only where a key names it, one of up to 7 only where
    it is a word of its own: ``main`` as password must not blacken the log.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = sorted({form for secret in secrets for form in _forms_of(secret)}, key=len)
        patterns = [_pattern_of(form) for form in reversed(forms)]
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def fields(self, fields: Mapping[str, object]) -> dict[str, object]:
        """Return ``fields`` made plain, at most as many and as deep as a line can bear."""
        return self._mapping(fields, 0)

    def text(self, text: str, longest: int = _LONGEST) -> str:
        """Return ``text`` without secrets, cut to ``longest`` characters."""
        text = text[:_LONGEST_INPUT]
        if self._secrets:
            text = self._secrets.sub(HIDDEN, text)
        if "@" in text:
            text = _IN_ADDRESS.sub(f"{HIDDEN}@", text)
        return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"

    def _mapping(self, mapping: Mapping[str, object], depth: int) -> dict[str, object]:
        plain: dict[str, object] = {}
        for key, value in list(mapping.items())[:_MOST_ENTRIES]:
            name = self.text(str(key))
            plain[name] = HIDDEN if _SECRET_KEY.search(name.lower()) else self._value(value, depth)
        return plain

    def _value(self, value: object, depth: int) -> object:
        match value:
            case str():
                return self.text(str(value))
            case None | bool():
                return value
            case int() | float():
                return _number(value)
            case bytes() | bytearray():
                return self.text(value[:_LONGEST_INPUT].decode("utf-8", "backslashreplace"))
            case Mapping() | list() | tuple() | set() | frozenset() if depth < _DEEPEST:
                return self._container(value, depth + 1)
        return self.text(str(value))

    def _container(self, value: object, depth: int) -> object:
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        assert isinstance(value, list | tuple | set | frozenset)
        return [self._value(entry, depth) for entry in list(value)[:_MOST_ENTRIES]]


def _number(value: float) -> object:
    if isinstance(value, int):
        return int(value) if value.bit_length() <= 256 else hex(value)[:_LONGEST]
    return value if math.isfinite(value) else str(value)


def _forms_of(secret: str) -> set[str]:
    """Return ``secret`` as it stands in text, in JSON and in a repr."""
    if len(secret) < _SHORTEST_SECRET:
        return set()
    in_json = json.dumps(secret)[1:-1]
    return {secret, in_json, json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]}


def _pattern_of(form: str) -> str:
    pattern = re.escape(form)
    return pattern if len(form) >= _LONG_SECRET else rf"(?<!\w){pattern}(?!\w)"
