"""As much of HTTP/1.1 as a scraper needs, sans-IO: one request, one reply, the end.

Source: RFC 9110 and 9112. Bodies are not read; each reply closes the connection.
"""

import re
from dataclasses import dataclass
from http import HTTPStatus

MAX_HEAD = 8192

_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,1023}) HTTP/1\.[0-9]")
_END = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked for; ``path`` without its query."""

    method: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What is answered."""

    status: HTTPStatus = HTTPStatus.OK
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"

    def encoded(self, *, with_body: bool = True) -> bytes:
        """Return the bytes of the reply; the answer to HEAD is without a body."""
        allow = "Allow: GET, HEAD\r\n" if self.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
        head = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}\r\n"
            f"Content-Type: {self.content_type}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            f"{allow}"
            "Cache-Control: no-store\r\n"
            "X-Content-Type-Options: nosniff\r\n"
            "Connection: close\r\n\r\n"
        )
        return head.encode("ascii") + (self.body if with_body else b"")


def request_in(data: bytes) -> Request | Response | None:
    """Return the request that ``data`` holds, the refusal it earns, or None: more must come."""
    data = data.lstrip(b"\r\n")
    end = _END.search(data)
    if end is None or end.start() > MAX_HEAD:
        if len(data) > MAX_HEAD:
            return plain(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too long")
        return None
    line = data[: end.start()].split(b"\n", 1)[0].removesuffix(b"\r")
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        return plain(HTTPStatus.BAD_REQUEST, "not a request of HTTP/1.1")
    method, target = (part.decode("ascii") for part in match.groups())
    if method not in {"GET", "HEAD"}:
        return plain(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD")
    return Request(method=method, path=target.partition("?")[0])


def plain(status: HTTPStatus, text: str) -> Response:
    """Return a reply of one line of text."""
    return Response(status=status, body=f"{text}\n".encode())
