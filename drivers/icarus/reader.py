"""Cuts received bytes into answers where nothing marks them; sans-IO, takes the time as ``now``.

A lost or added byte shifts all that follows. What is right is known only by what an answer means,
so the caller parses, and where a frame is not right a right one is looked for within it.
"""

from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

PAUSE = 0.05
"""Seconds without a byte after which what was begun is not gone on with."""


class AnswerReader(Generic[T]):
    """Reads answers of ``size`` bytes; ``parse`` returns None for bytes that are not right.

    ``dropped`` counts bytes that belonged to no frame.
    """

    def __init__(self, size: int, parse: Callable[[bytes], T | None]) -> None:
        self.dropped = 0
        self._size = size
        self._parse = parse
        self._buffer = bytearray()
        self._heard_at = 0.0

    @property
    def deadline(self) -> float | None:
        """Return when `look` has something to do if nothing is heard until then."""
        return self._heard_at + PAUSE if self._buffer else None

    def feed(self, data: bytes, now: float) -> list[T | bytes]:
        """Return what ``data`` completes, in order: as parsed, or the bytes of a wrong frame.

        A wrong frame waits for what follows, or for a pause: see `look`.
        """
        found = self.look(now)
        self._buffer += data
        self._heard_at = now
        return found + self._complete()

    def look(self, now: float) -> list[T | bytes]:
        """Return a wrong frame that nothing followed; drop what a pause has left incomplete."""
        deadline = self.deadline
        if deadline is None or now < deadline:
            return []
        rest = bytes(self._buffer)
        self._buffer.clear()
        if len(rest) < self._size:
            self.dropped += len(rest)
            return []
        self.dropped += len(rest) - self._size
        return [rest[: self._size]]

    def reset(self) -> None:
        """Forget what was begun."""
        self._buffer.clear()

    def _complete(self) -> list[T | bytes]:
        found: list[T | bytes] = []
        while len(self._buffer) >= self._size:
            frame = bytes(self._buffer[: self._size])
            parsed = self._parse(frame)
            if parsed is None and len(self._buffer) < 2 * self._size - 1:
                break
            if parsed is None and (offset := self._offset()):
                del self._buffer[:offset]
                self.dropped += offset
                continue
            del self._buffer[: self._size]
            found.append(frame if parsed is None else parsed)
        return found

    def _offset(self) -> int:
        """Return where within the first frame a right one begins, 0 if nowhere."""
        for offset in range(1, self._size):
            if self._parse(bytes(self._buffer[offset : offset + self._size])) is not None:
                return offset
        return 0
