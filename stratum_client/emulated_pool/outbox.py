"""What waits to be written to one client, and the ways a fault has it written."""

from collections.abc import Callable

from stratum_client.emulated_pool.agenda import Agenda
from stratum_client.emulated_pool.outputs import Close, Output, Send, StopReading, Stream

MAX_WAITING = 1 << 20
"""Bytes that a slow pace may hold back before the client is dropped."""


class Outbox:
    """Collects the outputs of one session until the shell takes them.

    Normally each line is one write. The faults change that: `silence`, `cut_next_line`,
    `end_lines_with`, `pace`. ``wake`` is called whenever there is something to take.
    """

    def __init__(self, agenda: Agenda, wake: Callable[[], None]) -> None:
        self._agenda = agenda
        self._wake = wake
        self._outputs: list[Output] = []
        self._silent = False
        self._cuts_next_line = False
        self._before_line = b""
        self._line_end = b"\n"
        self._pace: tuple[int, float] | None = None
        self._waiting = bytearray()
        self.closed = False

    def line(self, line: bytes) -> bool:
        """Queue one line, without its end; return False when the client will not get it."""
        if self.closed or self._silent:
            return False
        if self._cuts_next_line:
            self._emit(line[: len(line) // 2])
            self._silent = True
            return False
        self._emit(self._before_line + line + self._line_end)
        return True

    def raw(self, data: bytes) -> None:
        """Queue bytes as they are."""
        if not self.closed and not self._silent:
            self._emit(data)

    def stream(self, chunk: bytes, count: int) -> None:
        """Queue ``chunk`` many times over, as one endless line; nothing follows it."""
        if not self.closed and not self._silent:
            self._put(Stream(chunk, count))
            self._silent = True

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End the connection after what is queued; nothing can be queued any more."""
        if self.closed:
            return
        if self._waiting:
            self._put(Send(bytes(self._waiting)))
            self._waiting.clear()
        self._put(Close(reason, reset))
        self.closed = True

    def abandon(self) -> None:
        """Forget everything: the connection is gone."""
        self.closed = True
        self._outputs.clear()
        self._waiting.clear()

    def take(self) -> list[Output]:
        """Return what is to be done now and forget it."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def silence(self, *, hang: bool = False) -> None:
        """Write nothing more; with ``hang`` read nothing more either."""
        self._silent = True
        if hang and not self.closed:
            self._put(StopReading())

    def cut_next_line(self) -> None:
        """Write only half of the next line, and nothing after it."""
        self._cuts_next_line = True

    def end_lines_with(self, end: bytes, *, before: bytes = b"") -> None:
        """End each line with ``end`` and put ``before`` in front of it."""
        self._line_end, self._before_line = end, before

    def pace(self, size: int, seconds: float) -> None:
        """Write at most ``size`` bytes at a time, with ``seconds`` before each write."""
        self._pace = (size, seconds)

    def _emit(self, data: bytes) -> None:
        if self._pace is None:
            self._put(Send(data))
            return
        size, seconds = self._pace
        if seconds <= 0:
            for start in range(0, len(data), size):
                self._put(Send(data[start : start + size]))
            return
        if not self._waiting:
            self._agenda.after(seconds, self._drip)
        self._waiting += data
        if len(self._waiting) > MAX_WAITING:
            self.close("asks for more than the pace allows", reset=True)

    def _drip(self) -> None:
        if self.closed or self._pace is None:
            return
        size, seconds = self._pace
        self._put(Send(bytes(self._waiting[:size])))
        del self._waiting[:size]
        if self._waiting:
            self._agenda.after(seconds, self._drip)

    def _put(self, output: Output) -> None:
        self._outputs.append(output)
        self._wake()
