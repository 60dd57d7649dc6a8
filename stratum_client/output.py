"""Text to a terminal or pipe that can never hold up the daemon.

A terminal stopped with Ctrl-S, or a reader that sleeps, blocks whoever writes; so a thread of its
own does, and what it cannot get rid of in time is dropped and counted.
"""

import contextlib
import os
import queue
import threading
from typing import TextIO

MAX_WAITING = 1000
"""Pieces of text, about as many log lines."""

CLOSE_WAIT = 1.0


class BackgroundWriter:
    """Writes text in order; `write` returns at once."""

    def __init__(self, stream: TextIO) -> None:
        self.dropped = 0
        self._stream = stream
        self._waiting: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Queue ``text``; drop it when too much waits already."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Write what waits, for a second at most."""
        try:
            self._waiting.put(None, timeout=CLOSE_WAIT)
        except queue.Full:
            return
        self._thread.join(CLOSE_WAIT)

    def _run(self) -> None:
        reported = 0
        while (text := self._waiting.get()) is not None:
            if self.dropped > reported:
                text = f"({self.dropped - reported} lines lost: nobody was reading)\n{text}"
                reported = self.dropped
            try:
                self._stream.write(text)
                if self._waiting.empty():
                    self._stream.flush()
            except (OSError, ValueError):
                self._divert()

    def _divert(self) -> None:
        """Write to nowhere from now on: whoever read us has gone for good."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
