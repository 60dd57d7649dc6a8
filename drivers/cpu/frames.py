"""The frames between the software hasher's device and its worker processes, sans-IO.

A frame is one length byte, then that many bytes: a kind byte and fixed little-endian fields. Both
ends are of one version and one machine, so there is no negotiation; a frame that is not exactly
right is a fault of ours and ends the worker.

To the worker: `Assignment`, `Stop`, `Limits`. From it: `Ready`, `Found`, `Progress`, `Exhausted`.
"""

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

MAX_NONCES = 1 << 32
HEADER_PREFIX_SIZE = 76
"""Header bytes up to the nonce."""

_MAX_NAME = 64
_ASSIGNMENT = struct.Struct("<Q76sI32sIIQ")
_LIMITS = struct.Struct("<BH")
_FOUND = struct.Struct("<QII")
_PROGRESS = struct.Struct("<QQ?")
_EXHAUSTED = struct.Struct("<Q")


class FrameError(Exception):
    """Bytes that are no frame, or a frame that makes no sense."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Search this, and nothing older; replaces what the worker searches now.

    ``prefix`` is the 76 header bytes before the nonce, all bits of ``version_mask`` 0. The nth
    version has the bits of n put into the mask's bits, lowest first. Every version is tried with
    ``nonces`` nonces from ``first_nonce`` on, modulo 2^32; the versions from ``first_version``
    (an index) on, modulo their number. ``sequence`` grows with each assignment, from 1.
    """

    sequence: int
    prefix: bytes
    version_mask: int
    target: int
    first_version: int = 0
    first_nonce: int = 0
    nonces: int = MAX_NONCES


@dataclass(frozen=True, slots=True)
class Stop:
    """Search nothing until the next assignment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Use at most ``duty`` percent (1 to 100) of a core, report ``solutions`` a second (1 or more).

    The worker's parent sends this before the first assignment.
    """

    duty: int
    solutions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """The worker can search, with this kernel; sent again when it changes to another."""

    kernel: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A header of the assignment ``sequence`` at or below its target; ``version`` is whole."""

    sequence: int
    nonce: int
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """``hashes`` done since the last such frame, the newest ones for ``sequence``.

    ``held_back`` says that the limit of solutions made the worker wait.
    """

    sequence: int
    hashes: int
    held_back: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """All of the assignment has been searched."""

    sequence: int


Frame = Assignment | Stop | Limits | Ready | Found | Progress | Exhausted


def encode(frame: Frame) -> bytes:
    """Return the bytes of ``frame``, length byte included."""
    body = _body(frame)
    return bytes([len(body)]) + body


class FrameReader:
    """Cuts a stream of bytes into frames; keeps less than one frame between calls."""

    def __init__(self) -> None:
        self._buffer = b""

    def receive_data(self, data: bytes) -> Iterator[Frame]:
        """Yield the frames that ``data`` completes; FrameError at the first that is none.

        To be iterated to its end; after an error the stream is lost.
        """
        self._buffer += data
        while self._buffer and len(self._buffer) > (size := self._buffer[0]):
            body, self._buffer = self._buffer[1 : size + 1], self._buffer[size + 1 :]
            yield _frame(body)


def _body(frame: Frame) -> bytes:
    match frame:
        case Assignment():
            body = b"A" + _ASSIGNMENT.pack(
                frame.sequence,
                frame.prefix,
                frame.version_mask,
                frame.target.to_bytes(32, "little"),
                frame.first_version,
                frame.first_nonce,
                frame.nonces,
            )
        case Stop():
            body = b"S"
        case Limits():
            body = b"L" + _LIMITS.pack(frame.duty, frame.solutions)
        case Ready():
            body = b"R" + frame.kernel.encode("ascii")
        case Found():
            body = b"F" + _FOUND.pack(frame.sequence, frame.nonce, frame.version)
        case Progress():
            body = b"P" + _PROGRESS.pack(frame.sequence, frame.hashes, frame.held_back)
        case Exhausted():
            body = b"E" + _EXHAUSTED.pack(frame.sequence)
    return body


def _frame(body: bytes) -> Frame:
    kind, fields = body[:1], body[1:]
    decode = _DECODERS.get(kind)
    if decode is None:
        raise FrameError(f"no frame has kind {kind!r}")
    try:
        return decode(fields)
    except (struct.error, ValueError) as error:
        raise FrameError(f"bad frame of kind {kind!r}: {error}") from error


def _assignment(fields: bytes) -> Assignment:
    sequence, prefix, mask, target, version, nonce, nonces = _ASSIGNMENT.unpack(fields)
    if not 1 <= nonces <= MAX_NONCES:
        raise ValueError(f"{nonces} nonces")
    if version >> mask.bit_count():
        raise ValueError(f"version {version} of mask {mask:08x}")
    return Assignment(
        sequence=sequence,
        prefix=prefix,
        version_mask=mask,
        target=int.from_bytes(target, "little"),
        first_version=version,
        first_nonce=nonce,
        nonces=nonces,
    )


def _stop(fields: bytes) -> Stop:
    if fields:
        raise ValueError(f"{len(fields)} bytes too many")
    return Stop()


def _limits(fields: bytes) -> Limits:
    duty, solutions = _LIMITS.unpack(fields)
    if not 1 <= duty <= 100 or not solutions:
        raise ValueError(f"duty {duty}, {solutions} solutions")
    return Limits(duty=duty, solutions=solutions)


def _ready(fields: bytes) -> Ready:
    name = fields.decode("ascii")
    if not 1 <= len(name) <= _MAX_NAME or not name.isprintable():
        raise ValueError("unfit name of a kernel")
    return Ready(kernel=name)


def _found(fields: bytes) -> Found:
    sequence, nonce, version = _FOUND.unpack(fields)
    return Found(sequence=sequence, nonce=nonce, version=version)


def _progress(fields: bytes) -> Progress:
    sequence, hashes, held_back = _PROGRESS.unpack(fields)
    return Progress(sequence=sequence, hashes=hashes, held_back=held_back)


def _exhausted(fields: bytes) -> Exhausted:
    (sequence,) = _EXHAUSTED.unpack(fields)
    return Exhausted(sequence=sequence)


_DECODERS: dict[bytes, Callable[[bytes], Frame]] = {
    b"A": _assignment,
    b"S": _stop,
    b"L": _limits,
    b"R": _ready,
    b"F": _found,
    b"P": _progress,
    b"E": _exhausted,
}
