"""The answer of an HTTP server that is asked for one page, as far as it has come; pure.

Source: RFC 9112, sections 4 to 7: status line, fields, and the three ways a body may end.
"""

import re
from dataclasses import dataclass

LARGEST_HEAD = 16_384

MOST_PIECES = 10_000
"""Pieces of one answer: they are looked at anew with all that comes, on the event loop."""

_CHALLENGE = b"www-authenticate"
"""The field that may be there more than once."""

_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: [^\r\n]*)?")


class HttpAnswerError(Exception):
    """What came is no answer of HTTP, or breaks off; ``problem`` says how."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A whole answer; ``challenge`` is what it wants to know of us: all of WWW-Authenticate."""

    status: int
    body: bytes
    challenge: str = ""


def answer_in(data: bytes, *, ended: bool, largest: int) -> HttpAnswer | None:
    """Return the answer that ``data`` is, None while more must come.

    ``ended`` says that nothing more comes, ``largest`` how many bytes a body may have. Raises
    HttpAnswerError; no data may be fed after that.
    """
    head, found, rest = data.partition(b"\r\n\r\n")
    if not found:
        if len(data) > LARGEST_HEAD or ended:
            raise HttpAnswerError("it broke off" if ended and data else "it is no HTTP server")
        return None
    status, fields = _head(head)
    if b"chunked" in fields.get(b"transfer-encoding", b"").lower():
        body = _chunks(rest, largest)
    else:
        body = _counted(rest, fields, largest, ended=ended)
    if body is None and ended:
        raise HttpAnswerError("its answer broke off")
    if body is None:
        return None
    challenge = fields.get(_CHALLENGE, b"").decode("utf-8", "replace")
    return HttpAnswer(status=status, body=body, challenge=challenge)


def _head(head: bytes) -> tuple[int, dict[bytes, bytes]]:
    first, *lines = head.split(b"\r\n")
    status = _STATUS.fullmatch(first)
    if not status or len(head) > LARGEST_HEAD:
        raise HttpAnswerError("it is no HTTP server")
    fields: dict[bytes, bytes] = {}
    for name, _, value in (line.partition(b":") for line in lines):
        key, before = name.strip().lower(), b""
        if key == _CHALLENGE and key in fields:
            before = fields[key] + b", "
        fields[key] = before + value.strip()
    return int(status[1]), fields


def _counted(rest: bytes, fields: dict[bytes, bytes], largest: int, *, ended: bool) -> bytes | None:
    """Return a body whose size is told, or that ends with the connection."""
    given = fields.get(b"content-length")
    if given is not None and not re.fullmatch(b"[0-9]{1,18}", given):
        raise HttpAnswerError("it gives no length that can be read")
    size = None if given is None else int(given)
    if len(rest if size is None else rest[:size]) > largest or (size or 0) > largest:
        raise HttpAnswerError(f"its answer has more than {largest} bytes")
    if size is None:
        return rest if ended else None
    return rest[:size] if len(rest) >= size else None


def _chunks(rest: bytes, largest: int) -> bytes | None:
    """Return a body that comes in pieces, each with its size in hexadecimal digits before it."""
    pieces: list[bytes] = []
    at = done = 0
    while len(pieces) <= MOST_PIECES:
        end = rest.find(b"\r\n", at, at + LARGEST_HEAD)
        if end < 0 and len(rest) - at < LARGEST_HEAD:
            return None
        given = rest[at : max(end, at)].partition(b";")[0].strip()
        if not re.fullmatch(b"[0-9A-Fa-f]{1,8}", given):
            raise HttpAnswerError("its answer is in pieces of no readable size")
        size, begin = int(given, 16), end + 2
        if size == 0:
            return b"".join(pieces)
        done += size
        if done > largest:
            raise HttpAnswerError(f"its answer has more than {largest} bytes")
        at = begin + size + 2
        if len(rest) < at:
            return None
        pieces.append(rest[begin : begin + size])
    raise HttpAnswerError(f"its answer is in more than {MOST_PIECES} pieces")
