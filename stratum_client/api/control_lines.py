"""The control socket's conversation, sans-IO: one JSON object a line, one reply to each.

Request: ``{"do": "device.disable", "device": "cpu"}``. Reply: ``{"ok": true, "result": ...}`` or
``{"ok": false, "error": "in words"}``. Any line gets a reply and the conversation goes on, but for
one that is too long, or too many at once: those get the last reply.
"""

import json
from collections.abc import Callable, Mapping
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


Handler = Callable[[Order], Mapping[str, object]]
"""Follows an order; returns what JSON can say. Raises OrderError."""


class ControlSession:
    """One conversation; ``closed`` says that its last word has been said."""

    def __init__(self, follow: Callable[[str, Mapping[str, object]], Mapping[str, object]]) -> None:
        self.closed = False
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
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        replies: list[bytes] = []
        for line in lines[:MAX_LINES_AT_ONCE]:
            if len(line) > MAX_LINE:
                return b"".join([*replies, self._last_word(f"a line is longer than {MAX_LINE}")])
            if line.strip():
                replies.append(self._reply_to(line))
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
                    return _line({"ok": True, "result": self._follow(what, fields)})
                except OrderError as error:
                    return refusal(str(error))
        return refusal('not an object with "do"')


def refusal(error: str) -> bytes:
    """Return the reply that says no."""
    return _line({"ok": False, "error": error})


def _line(reply: Mapping[str, object]) -> bytes:
    return json.dumps(reply, default=str).encode() + b"\n"
