"""Lines from a client, and lines to it; whatever a client sends ends in a value or a close."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class BadLineError(Exception):
    """A line is not a message; ``problem`` says why."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request or a notification (``id`` None) from the client."""

    id: Json
    method: str
    params: list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The client's answer to a request of the pool."""

    id: Json
    result: Json
    error: Json


class LineReader:
    """Cuts a stream into lines of at most ``limit`` bytes, however it arrives."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that ``data`` completes, blank ones left out.

        Raises BadLineError when a line is too long; the lines before it are lost.
        """
        if b"\n" not in data:
            self._rest += data
            lines = []
        else:
            *lines, rest = (bytes(self._rest) + data).split(b"\n")
            self._rest = bytearray(rest)
        if len(self._rest) > self._limit or any(len(line) > self._limit for line in lines):
            raise BadLineError(f"line longer than {self._limit} bytes")
        return [line for line in lines if line.strip()]


def read_message(line: bytes) -> Request | Answer:
    """Return what ``line`` says; raises BadLineError when it says nothing."""
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadLineError(f"not JSON: {error}") from error
    if not isinstance(message, dict):
        raise BadLineError("not a JSON object")
    identifier, method = message.get("id"), message.get("method")
    if isinstance(identifier, list | dict):
        raise BadLineError("id is neither number nor text")
    if method is None and ("result" in message or "error" in message):
        return Answer(id=identifier, result=message.get("result"), error=message.get("error"))
    if not isinstance(method, str):
        raise BadLineError("no method")
    params = message.get("params", [])
    if not isinstance(params, list):
        raise BadLineError("params is not an array")
    return Request(id=identifier, method=method, params=params)


def encode(message: Mapping[str, object]) -> bytes:
    """Return ``message`` as one line, as compact as pools write it."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


def number_on_wire(number: float) -> int | float:
    """Return ``number`` as pools print it: whole numbers without a fraction."""
    return int(number) if number == int(number) else number
