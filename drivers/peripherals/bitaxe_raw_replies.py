"""The bitaxe-raw control protocol, the replies: three framings, told apart by a probe.

A reply is read knowing the request: in format A its length means the payload in a success and the
whole frame in an error, so only the expected payload size tells the two apart.

Source: as in `bitaxe_raw`. An error's id byte overwrites the marker that mujina's PROTOCOL.md
shows before the code, so there is no marker.
"""

from dataclasses import dataclass
from enum import StrEnum

from drivers.peripherals.bitaxe_raw import NO_ID, Request, gpio_read

LONGEST_REPLY = 64
"""Bytes: the firmware answers in one USB packet."""

ERROR_CODES = frozenset({0x10, 0x11, 0x12, 0x13, 0xFF})
"""Timeout, invalid, buffer overflow (Bonanza: denied, fault), and ff: a text follows."""

_TEXTS = (b"\xffI2C Read Error", b"\xffI2C WriteRead Error")


class ResponseFormat(StrEnum):
    """How a firmware frames its replies. Errors are ``LEN ID code text`` in all three.

    A: ``LEN ID payload``, LEN counts the payload (but the whole frame in an error).
    B: ``LEN ID payload``, LEN counts the whole frame.
    C: ``LEN ID 00 payload``, LEN counts the whole frame.
    """

    A = "A"
    B = "B"
    C = "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """The request was carried out."""

    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The firmware reports an error; ``text`` may be empty."""

    code: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Garbled:
    """The bytes are no reply to this request: drain the line, then ask again."""

    data: bytes


Outcome = Success | Refused | Garbled


class ReplyReader:
    """Reads the reply to one request, however the stream is cut.

    ``excess`` counts the bytes that came behind the reply; there should be none.
    """

    def __init__(self, response_format: ResponseFormat, request: Request, request_id: int) -> None:
        if request.payload_size is None:
            raise ValueError(f"{request.name} has no reply")
        self.excess = 0
        self._format = response_format
        self._request = request
        self._size = request.payload_size
        self._id = request_id
        self._buffer = b""

    def feed(self, data: bytes) -> Outcome | None:
        """Return what the reply says once it is complete, None before."""
        self._buffer += data
        if len(self._buffer) < 3:
            return None
        length = int.from_bytes(self._buffer[:2], "little")
        own = self._buffer[2] == self._id
        end = length + 3 if self._counts_payload(length, own=own) else length
        if not 3 <= end <= LONGEST_REPLY or not (own or self._buffer[2] == NO_ID):
            return Garbled(data=self._buffer[:LONGEST_REPLY])
        if len(self._buffer) < end:
            return None
        self.excess = len(self._buffer) - end
        return self._outcome(self._buffer[:end], own=own)

    def expire(self) -> Outcome | None:
        """Return what the bytes so far amount to now that no more will come.

        In format A an error of n bytes looks like the start of a success with n payload bytes.
        """
        whole = int.from_bytes(self._buffer[:2], "little") == len(self._buffer) >= 4
        return _refused(self._buffer[3:]) if whole and self._buffer[3] in ERROR_CODES else None

    def _counts_payload(self, length: int, *, own: bool) -> bool:
        return own and self._format is ResponseFormat.A and length == self._size

    def _outcome(self, frame: bytes, *, own: bool) -> Outcome:
        length, body = int.from_bytes(frame[:2], "little"), frame[3:]
        payload = self._payload(length, body) if own else None
        if payload is not None and self._request.allows(payload):
            return Success(payload=payload)
        if length == len(frame) and body and body[0] in ERROR_CODES:
            return _refused(body)
        return Garbled(data=frame)

    def _payload(self, length: int, body: bytes) -> bytes | None:
        """Return what a success would carry, None if ``body`` cannot be one."""
        match self._format:
            case ResponseFormat.A if length != self._size:
                return None
            case ResponseFormat.B if body in _TEXTS:
                return None
            case ResponseFormat.C if body[:1] != b"\x00":
                return None
            case ResponseFormat.C:
                body = body[1:]
        return body if len(body) == self._size else None


class ProbeReader:
    """Tells the format by the reply to `PROBE`; its first byte differs in all three."""

    def __init__(self) -> None:
        self.excess = 0
        self._buffer = b""

    def feed(self, data: bytes) -> ResponseFormat | Garbled | None:
        """Return the format once the reply is complete, Garbled if it can be none of the three."""
        self._buffer += data
        for response_format, head in _PROBE_HEADS.items():
            if self._buffer[:-1] == head and self._buffer[-1] <= 1:
                return response_format
            if head.startswith(self._buffer):
                return None
        return Garbled(data=self._buffer[:LONGEST_REPLY])

    def expire(self) -> None:
        """Return None: an incomplete answer tells nothing."""


def _refused(body: bytes) -> Refused:
    return Refused(code=body[0], text=body[1:].decode("ascii", "replace"))


PROBE_ID = 0x5A
PROBE = gpio_read(0)
"""Send this with id PROBE_ID once after opening: it has no side effect on any board."""

_PROBE_HEADS = {
    ResponseFormat.A: bytes([1, 0, PROBE_ID]),
    ResponseFormat.B: bytes([4, 0, PROBE_ID]),
    ResponseFormat.C: bytes([5, 0, PROBE_ID, 0]),
}
