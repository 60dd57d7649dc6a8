"""The control socket's conversation, sans-IO: one JSON object a line, one reply to each.

Request: ``{"do": "device.disable", "device": "cpu"}``. Reply: ``{"ok": true, "result": ...}`` or
``{"ok": false, "error": "in words"}``. Any line gets a reply and the conversation goes on, but for
one that is too long, or too many at once: those get the last reply. Replies keep the order of the
requests: while one takes its time, those behind it wait.
"""

import json
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

MAX_LINE = 16_384
MAX_LINES_AT_ONCE = 64


class OrderError(Exception):
    """An order cannot be followed; the text says why, for whoever gave it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A request: ``fields`` are its other keys, ``by`` says who gave it ("user miner")."""

    fields: Mapping[str, object]
    by: str

    def text(self, key: str) -> str:
        """Return a field that has to be a text; raise OrderError."""
        value = self.fields.get(key)
        if not isinstance(value, str) or not value:
            raise OrderError(f'"{key}" is missing or no text')
        return value

    def table(self, key: str) -> dict[str, object]:
        """Return a field that has to be an object with something in it; raise OrderError."""
        value = self.fields.get(key)
        if not isinstance(value, dict) or not value:
            raise OrderError(f'"{key}" is missing or no object')
        return value

    def text_or_nothing(self, key: str, longest: int = 200) -> str:
        """Return a field that is a printable text, empty if it is missing; raise OrderError."""
        value = self.fields.get(key)
        if value is None:
            return ""
        if not isinstance(value, str) or not value.isprintable() or len(value) > longest:
            raise OrderError(f'"{key}" is no printable text of up to {longest} characters')
        return value.strip()

    def number_or_nothing(self, key: str, low: float, high: float) -> float | None:
        """Return a field that is a number in these bounds, None if missing; raise OrderError."""
        match self.fields.get(key):
            case None:
                return None
            case bool():
                pass
            case int() | float() as value if math.isfinite(value) and low <= value <= high:
                return float(value)
        raise OrderError(f'"{key}" is no number from {low:g} to {high:g}')

    def flag(self, key: str) -> bool:
        """Return a field that is true or false, False if it is missing; raise OrderError."""
        value = self.fields.get(key, False)
        if not isinstance(value, bool):
            raise OrderError(f'"{key}" is neither true nor false')
        return value


Reply = Mapping[str, object]
Handler = Callable[[Order], Reply | Awaitable[Reply]]
"""Follows an order; returns what JSON can say, or will when it is awaited. Raises OrderError."""


class ControlSession:
    """One conversation; ``closed`` says that its last word has been said.

    ``follow`` returns the result of a request, or None when `answer` will bring the reply later.
    """

    def __init__(self, follow: Callable[[str, Mapping[str, object]], Reply | None]) -> None:
        self.closed = False
        self.is_waiting = False
        self._follow = follow
        self._buffer = b""

    @property
    def is_within_line(self) -> bool:
        """Return whether a line has begun and not ended."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> bytes:
        """Return the replies to the requests that ``data`` completes, each of them one line."""
        if self.closed:
            return b""
        self._buffer += data
        return b"" if self.is_waiting else self._replies()

    def answer(self, result: Reply | OrderError) -> bytes:
        """Return the reply that was waited for, and those to the requests behind it."""
        assert self.is_waiting
        self.is_waiting = False
        return _reply(result) + self._replies()

    def _replies(self) -> bytes:
        *lines, self._buffer = self._buffer.split(b"\n")
        replies: list[bytes] = []
        for number, line in enumerate(lines[:MAX_LINES_AT_ONCE]):
            if len(line) > MAX_LINE:
                return b"".join([*replies, self._last_word(f"a line is longer than {MAX_LINE}")])
            if line.strip():
                replies.append(self._reply_to(line))
            if self.is_waiting:
                self._buffer = b"\n".join([*lines[number + 1 :], self._buffer])
                return b"".join(replies)
        if len(lines) > MAX_LINES_AT_ONCE:
            replies.append(self._last_word(f"more than {MAX_LINES_AT_ONCE} requests at once"))
        elif len(self._buffer) > MAX_LINE:
            replies.append(self._last_word(f"a line is longer than {MAX_LINE}"))
        return b"".join(replies)

    def _last_word(self, error: str) -> bytes:
        self.closed, self._buffer = True, b""
        return refusal(error)

    def _reply_to(self, line: bytes) -> bytes:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError):
            return refusal("not JSON")
        match request:
            case {"do": str(what)}:
                fields = {key: value for key, value in request.items() if key != "do"}
                try:
                    result = self._follow(what, fields)
                except OrderError as error:
                    return _reply(error)
                self.is_waiting = result is None
                return b"" if result is None else _reply(result)
        return refusal('not an object with "do"')


def refusal(error: str) -> bytes:
    """Return the reply that says no."""
    return _line({"ok": False, "error": error})


def _reply(result: Reply | OrderError) -> bytes:
    if isinstance(result, OrderError):
        return refusal(str(result))
    return _line({"ok": True, "result": result})


def _line(reply: Mapping[str, object]) -> bytes:
    return json.dumps(reply, default=str).encode() + b"\n"
