"""Stratum v1 lines: bytes to typed messages and back; nothing here keeps state.

A pool is not trusted: nesting, number lengths, the count of values and duplicate keys are refused
before anything is done with a line. NaN and infinities, which are no JSON, are read and count as
no number.

Source: the Stratum v1 documentation; JSON-RPC forms as real pools send them.
"""

import json
import math
from dataclasses import dataclass

from stratum_client.errors import PoolProtocolError

MAX_DEPTH = 8
MAX_NUMBER_DIGITS = 100
MAX_VALUES = 2000
"""Values in a line; a job has under 50. A megabyte of empty lists would cost a second."""

MAX_TEXT = 1 << 16
"""Characters of a text that are looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What the pool asks or tells us; ``rpc_id`` is None for a notification."""

    method: str
    params: list[object]
    rpc_id: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why the pool refused a request; ``code`` is None where it gave only a text."""

    code: int | None
    message: str

    def __str__(self) -> str:
        return self.message if self.code is None else f"{self.code} {self.message}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The pool's answer to one of our requests, or an error that names none (``rpc_id`` None)."""

    rpc_id: object
    result: object
    failure: Failure | None

    @property
    def number(self) -> int | None:
        """Return the id as the integer we sent; some pools send it back as text or as 4.0."""
        match self.rpc_id:
            case bool():
                return None
            case int():
                return self.rpc_id
            case float() if self.rpc_id.is_integer():
                return int(self.rpc_id)
            case str() if self.rpc_id.isascii() and self.rpc_id.isdigit() and len(self.rpc_id) < 20:
                return int(self.rpc_id)
            case _:
                return None


def parse_line(line: bytes) -> Request | Reply:
    """Return the message in one line; raise PoolProtocolError if it holds none."""
    message = _decode(line)
    if not isinstance(message, dict):
        raise PoolProtocolError("not a JSON object", line)
    method, params = message.get("method"), message.get("params")
    if isinstance(method, str):
        return Request(
            method=method,
            params=params if isinstance(params, list) else [],
            rpc_id=message.get("id"),
        )
    if "result" in message or "error" in message:
        result = message.get("result")
        return Reply(rpc_id=message.get("id"), result=result, failure=_failure_in(message))
    raise PoolProtocolError("neither a request nor a reply", line)


def encode_request(rpc_id: int, method: str, params: list[object]) -> bytes:
    """Return one line, newline included."""
    return _encode({"id": rpc_id, "method": method, "params": params})


def encode_reply(rpc_id: object, result: object, failure: Failure | None = None) -> bytes:
    """Return one line that answers a request of the pool, its id echoed as it came.

    Raises ValueError for an id that is no JSON: NaN and infinities.
    """
    error = None if failure is None else [failure.code, failure.message, None]
    return _encode({"id": rpc_id, "result": result, "error": error})


def printable(text: object, limit: int) -> str:
    """Return ``text`` as one harmless line: no control characters, at most ``limit`` long."""
    shown = str(text)[: 4 * limit]
    if not shown.isprintable():
        shown = "".join(c if c.isprintable() else " " for c in shown)
    return " ".join(shown.split())[:limit]


def number_in(value: object) -> float | int | None:
    """Return a finite JSON number, also one written as text; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= MAX_NUMBER_DIGITS:
        try:
            value = float(value)
        except ValueError:
            return None
    if isinstance(value, int):
        return value
    return value if isinstance(value, float) and math.isfinite(value) else None


def _encode(message: dict[str, object]) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def _decode(line: bytes) -> object:
    if line.count(b",") >= MAX_VALUES:
        raise PoolProtocolError(f"more than {MAX_VALUES} values in a line", line)
    try:
        message = _DECODER.decode(line.decode())
    except RecursionError:
        raise PoolProtocolError("JSON nested too deeply", line) from None
    except ValueError as error:
        raise PoolProtocolError(f"not JSON ({printable(error, 80)})", line) from None
    if line.count(b"[") + line.count(b"{") > MAX_DEPTH and not _is_flat(message, MAX_DEPTH):
        raise PoolProtocolError("JSON nested too deeply", line)
    return message


def _is_flat(value: object, depth: int) -> bool:
    match value:
        case list():
            return depth > 0 and all(_is_flat(item, depth - 1) for item in value)
        case dict():
            return depth > 0 and all(_is_flat(item, depth - 1) for item in value.values())
        case _:
            return True


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    message = dict(pairs)
    if len(message) != len(pairs):
        raise ValueError("duplicate key")
    return message


def _bounded_int(digits: str) -> int:
    if len(digits) > MAX_NUMBER_DIGITS:
        raise ValueError("integer too long")
    return int(digits)


def _bounded_float(digits: str) -> float:
    if len(digits) > MAX_NUMBER_DIGITS:
        raise ValueError("number too long")
    return float(digits)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_int=_bounded_int, parse_float=_bounded_float
)


def _failure_in(message: dict[str, object]) -> Failure | None:
    """Return the refusal in a reply, in any of the shapes pools use; an empty one is none."""
    error, reason = message.get("error") or None, message.get("reject-reason")
    match error:
        case None:
            if message.get("result") is not False:
                return None
            return Failure(code=None, message=_text(reason or "refused without a reason"))
        case [code, text, *_]:
            return Failure(code=_code(code), message=_text(text))
        case [text]:
            return Failure(code=None, message=_text(text))
        case dict() if "message" in error:
            return Failure(code=_code(error.get("code")), message=_text(error["message"]))
        case _:
            return Failure(code=None, message=_text(error))


def _code(value: object) -> int | None:
    number = number_in(value)
    return int(number) if number is not None and abs(number) < 1 << 31 else None


def _text(value: object) -> str:
    return printable(value, MAX_TEXT)
