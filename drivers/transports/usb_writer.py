"""What goes to a USB device, in order, sent by a thread: pyusb's calls block, the loop must not.

Bytes and requests share one queue, so a baud rate never overtakes the bytes written before it.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from threading import Condition, Thread

from drivers.errors import DriverError, TransportLostError

LARGEST_WRITE = 4096
"""Bytes in one transfer, so that progress on a slow line is seen."""

_STEP = 0.25  # s; a transfer that waits longer is looked at, and tried again

Request = Callable[[], None]
"""Runs in the writer's thread; raises OSError for a lost device, DriverError for the caller."""


class Writer:
    """A queue and its thread, which ends after `close`, `abort`, or the loss of the device.

    ``send`` writes some bytes within a timeout in seconds and returns how many were taken.
    ``lost`` is called with the reason when the device failed or took nothing for ``stuck_after``
    seconds; ``ended`` when nothing more will be sent. Both are called in the thread.
    """

    def __init__(
        self,
        name: str,
        *,
        send: Callable[[bytes, float], int],
        lost: Callable[[str], None],
        ended: Callable[[], None],
        limit: int,
        stuck_after: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._send = send
        self._lost = lost
        self._ended = ended
        self._limit = limit
        self._stuck_after = stuck_after
        self._changed = Condition()
        self._queue: deque[bytes | _Task] = deque()
        self._waiting = 0
        self._deadline: float | None = None
        self._thread = Thread(target=self._run, name=name)

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the thread; once it has called ``ended`` it takes no time."""
        self._thread.join()

    def write(self, data: bytes) -> bool:
        """Queue ``data``; False, and it is dropped, when too much waits already."""
        with self._changed:
            if self._waiting + len(data) > self._limit:
                return False
            if self._deadline is None and data:
                self._waiting += len(data)
                self._queue.append(data)
                self._changed.notify()
            return True

    def submit(self, request: Request) -> asyncio.Future[None]:
        """Queue ``request``; the future gets its DriverError, which nobody has to look at.

        It is done without one when the device is let go before.
        """
        task = _Task(request, self._loop)
        with self._changed:
            if self._deadline is None:
                self._queue.append(task)
                self._changed.notify()
                return task.done
        task.done.set_result(None)
        return task.done

    def close(self, within: float) -> None:
        """Send what is queued, for at most ``within`` seconds, then end; returns at once."""
        with self._changed:
            if self._deadline is None:
                self._deadline = time.monotonic() + within
                self._changed.notify()

    def abort(self) -> None:
        """Drop what is queued and end."""
        with self._changed:
            self._deadline = 0.0
            self._changed.notify()

    @property
    def waiting(self) -> int:
        """Return how many bytes are queued or under way."""
        return self._waiting

    def pause(self, seconds: float) -> bool:
        """Wait in the thread, as a request may; True when there is no time left for more."""
        until = time.monotonic() + seconds
        with self._changed:
            while not self._is_over() and (left := until - time.monotonic()) > 0:
                at_most = left if self._deadline is None else self._deadline - time.monotonic()
                self._changed.wait(max(0.0, min(left, at_most)))
            return self._is_over()

    def _run(self) -> None:
        try:
            while (job := self._next()) is not None:
                if isinstance(job, bytes):
                    self._send_all(job)
                else:
                    job.run()
        except TransportLostError as error:
            self._lost(error.reason)
        finally:
            self.abort()
            self._forget()
            self._ended()

    def _next(self) -> "bytes | _Task | None":
        """Return what to do next, bytes put together; None at the end."""
        with self._changed:
            while not self._queue and self._deadline is None:
                # the loop may be closed and never say so: nobody is left to write then
                if not self._changed.wait(_STEP) and self._loop.is_closed():
                    return None
            if not self._queue or self._is_over():
                return None
            job = self._queue.popleft()
            while isinstance(job, bytes) and self._queue:
                following = self._queue[0]
                if not isinstance(following, bytes) or len(job) + len(following) > LARGEST_WRITE:
                    break
                job += following
                self._queue.popleft()
            return job

    def _send_all(self, data: bytes) -> None:
        moved_at = time.monotonic()
        while data and not self._is_over():
            taken = self._send(data[:LARGEST_WRITE], _STEP)
            now = time.monotonic()
            if taken:
                moved_at, data = now, data[taken:]
                with self._changed:
                    self._waiting -= taken
            elif now - moved_at >= self._stuck_after:
                reason = f"has taken no data for {self._stuck_after:g} s"
                raise TransportLostError(self._thread.name, reason)

    def _is_over(self) -> bool:
        return self._deadline is not None and time.monotonic() >= self._deadline

    def _forget(self) -> None:
        with self._changed:
            tasks = [job for job in self._queue if isinstance(job, _Task)]
            self._queue.clear()
            self._waiting = 0
        for task in tasks:
            task.finish(None)


class _Task:
    """A request and the future of who asked for it."""

    def __init__(self, request: Request, loop: asyncio.AbstractEventLoop) -> None:
        self._request = request
        self._loop = loop
        self.done: asyncio.Future[None] = loop.create_future()
        self.done.add_done_callback(_look_at)

    def run(self) -> None:
        try:
            self._request()
        except TransportLostError as error:
            self.finish(error)
            raise
        except DriverError as error:
            self.finish(error)
        else:
            self.finish(None)

    def finish(self, error: DriverError | None) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._settle, error)

    def _settle(self, error: DriverError | None) -> None:
        if self.done.done():
            return
        if error:
            self.done.set_exception(error)
        else:
            self.done.set_result(None)


def _look_at(done: asyncio.Future[None]) -> None:
    """Keep asyncio from complaining of an error that nobody asked for."""
    if not done.cancelled():
        done.exception()
