"""Lines from a client, and lines to it; whatever a client sends ends in a value or a close."""

import json
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


def read_message(line: bytes, *, strict: bool = False) -> Request | Answer:
    """Return what ``line`` says; raises BadLineError when it says nothing.

    With ``strict`` an integer id and the parameters must be there, and no key twice.
    """
    try:
        message = json.loads(line, object_pairs_hook=_without_repeats if strict else None)
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
    if strict and (type(identifier) is not int or "params" not in message):
        raise BadLineError("no integer id, or no params")
    params = message.get("params", [])
    if not isinstance(params, list):
        raise BadLineError("params is not an array")
    return Request(id=identifier, method=method, params=params)


def _without_repeats(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    if len(dict(pairs)) < len(pairs):
        raise BadLineError("a key stands there twice")
    return dict(pairs)


def encode(message: object) -> bytes:
    """Return ``message`` as JSON on one line without its end, as compact as pools write it."""
    return json.dumps(message, separators=(",", ":")).encode()


def number_on_wire(number: float) -> int | float:
    """Return ``number`` as pools print it: whole numbers without a fraction."""
    return int(number) if number == int(number) else number
