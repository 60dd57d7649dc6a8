"""Bounded, non-blocking output to a descriptor of the event loop."""

import asyncio
import os
from collections.abc import Callable


class Outbox:
    """Writes at once what the descriptor takes and keeps the rest, up to ``limit`` bytes.

    ``on_error`` is told of a failed write, after which nothing more is written. ``on_progress``
    is called whenever the descriptor took something of what was kept.
    """

    def __init__(
        self,
        descriptor: int,
        *,
        limit: int,
        on_error: Callable[[OSError], None],
        on_progress: Callable[[], None],
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._limit = limit
        self._on_error = on_error
        self._on_progress = on_progress
        self._kept = bytearray()
        self._closed = False

    def __len__(self) -> int:
        """Return how many bytes wait for the descriptor."""
        return len(self._kept)

    def write(self, data: bytes) -> bool:
        """Send ``data`` now or soon; False, and what did not fit is dropped, beyond the limit."""
        taken = 0 if self._kept else self._write_some(data)
        rest = data[taken:]
        if not rest or self._closed:
            return True
        if not self._kept:
            self._loop.add_writer(self._descriptor, self._writable)
        room = self._limit - len(self._kept)
        self._kept += rest[:room]
        return len(rest) <= room

    def clear(self) -> None:
        """Drop what waits."""
        if self._kept:
            self._kept.clear()
            self._loop.remove_writer(self._descriptor)

    def close(self) -> None:
        """Drop what waits and write nothing more; the descriptor stays open."""
        self._closed = True
        self.clear()

    def _writable(self) -> None:
        taken = self._write_some(bytes(self._kept))
        if self._closed or not taken:
            return
        del self._kept[:taken]
        if not self._kept:
            self._loop.remove_writer(self._descriptor)
        self._on_progress()

    def _write_some(self, data: bytes) -> int:
        try:
            return 0 if self._closed else os.write(self._descriptor, data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.close()
            self._on_error(error)
            return 0
