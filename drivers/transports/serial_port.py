"""A serial port as a Transport: its descriptor sits on the event loop, no thread, no queue."""

import asyncio
import errno
import fcntl
import os
import struct
import termios
from contextlib import suppress
from threading import Thread

from drivers.errors import TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.baud_rate import baud_rate_of
from drivers.transports.errors import LineControlError
from drivers.transports.open_port import change_baud_rate, open_port, unlock
from drivers.transports.outbox import Outbox

WRITE_LIMIT = 65536
"""Bytes that may wait for a port; a chain of 126 chips is brought up with less than 20 000."""

STUCK_AFTER = 5.0
"""A port that has taken nothing for so long is as good as unplugged."""

_READ_SIZE = 65536
_DRAIN_POLL = 0.001
_NO_SUCH_LINE = {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}


async def open_serial_port(
    path: str,
    *,
    on_data: OnData,
    on_lost: OnLost,
    baud_rate: int = 115200,
) -> "SerialPort":
    """Open ``path`` in a thread and return it as a Transport.

    Raises PortOpenError, PortBusyError, BaudRateError.
    """
    opening = asyncio.get_running_loop().run_in_executor(None, open_port, path, baud_rate)
    try:
        descriptor = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_late)
        raise
    return SerialPort(descriptor, path, on_data=on_data, on_lost=on_lost)


class SerialPort:
    """An open serial port; made by `open_serial_port`, or from a descriptor of `open_port`.

    ``on_lost`` is called once, soon, when the device hangs up, fails, takes no data for
    ``stuck_after`` seconds or has more than ``write_limit`` bytes waiting for it. From then on,
    as after `close`, every call is a no-op and no callback comes any more.
    """

    def __init__(
        self,
        descriptor: int,
        path: str,
        *,
        on_data: OnData,
        on_lost: OnLost,
        write_limit: int = WRITE_LIMIT,
        stuck_after: float = STUCK_AFTER,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor
        self._path = path
        self._on_data = on_data
        self._on_lost = on_lost
        self._stuck_after = stuck_after
        self._stuck: asyncio.TimerHandle | None = None
        self._lost: asyncio.Handle | None = None
        self._open = True
        self._outbox = Outbox(
            descriptor, limit=write_limit, on_error=self._failed, on_progress=self._progressed
        )
        self._loop.add_reader(descriptor, self._readable)

    @property
    def path(self) -> str:
        """Return the name the port was opened by."""
        return self._path

    @property
    def baud_rate(self) -> int:
        """Return the rate the port runs at, as the kernel says; 0 once it is lost or closed."""
        with suppress(OSError):
            return baud_rate_of(self._descriptor) if self._open else 0
        return 0

    def write(self, data: bytes) -> None:
        """Send ``data``, now as far as the port takes it; may be called from a callback."""
        if not self._open:
            return
        if not self._outbox.write(data):
            self._lose(f"takes no more data, {len(self._outbox)} bytes are waiting")
        elif self._outbox and self._stuck is None:
            self._progressed()

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change the rate at once, waiting for nothing; `drain` first if output may be under way.

        Raises BaudRateError when the port then runs at another rate.
        """
        if self._open:
            try:
                change_baud_rate(self._descriptor, self._path, baud_rate)
            except OSError as error:
                self._failed(error)

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set modem lines, None leaves one alone; raise LineControlError where there are none."""
        for line, bit, level in (("DTR", termios.TIOCM_DTR, dtr), ("RTS", termios.TIOCM_RTS, rts)):
            if level is None or not self._open:
                continue
            request = termios.TIOCMBIS if level else termios.TIOCMBIC
            try:
                fcntl.ioctl(self._descriptor, request, struct.pack("=I", bit))
            except OSError as error:
                if error.errno not in _NO_SUCH_LINE:
                    self._failed(error)
                    return
                problem = f"the port has no such line ({error.strerror})"
                raise LineControlError(self._path, line, problem) from error

    async def drain(self) -> None:
        """Wait until all output has left the port; returns early when the port is lost."""
        while self._unsent():  # noqa: ASYNC110 - the kernel has no event for it
            await asyncio.sleep(_DRAIN_POLL)
        if self._open:
            with suppress(termios.error):  # lost meanwhile: the reader will notice
                await asyncio.to_thread(termios.tcdrain, self._descriptor)

    def close(self) -> None:
        """Give the port back; the kernel still sends what it has taken. May be called twice."""
        self._release()
        if self._lost is not None:
            self._lost.cancel()

    def _readable(self) -> None:
        try:
            data = os.read(self._descriptor, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._failed(error)
            return
        if data:
            self._on_data(data)
        else:
            self._lose("hung up; was it unplugged?")

    def _progressed(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None
        if self._outbox:
            reason = f"has taken no data for {self._stuck_after:g} s"
            self._stuck = self._loop.call_later(self._stuck_after, self._lose, reason)

    def _failed(self, error: OSError) -> None:
        self._lose(error.strerror or str(error))

    def _lose(self, reason: str) -> None:
        if self._open:
            self._release()
            lost = TransportLostError(self._path, reason)
            self._lost = self._loop.call_soon(self._on_lost, lost)

    def _release(self) -> None:
        if not self._open:
            return
        self._open = False
        self._loop.remove_reader(self._descriptor)
        self._outbox.close()
        if self._stuck is not None:
            self._stuck.cancel()
        unlock(self._descriptor)
        if _bytes_in_kernel(self._descriptor):
            # close() waits for a wedged device up to 30 s in the kernel
            name = f"close {self._path}"
            Thread(target=os.close, args=(self._descriptor,), name=name, daemon=True).start()
        else:
            os.close(self._descriptor)

    def _unsent(self) -> int:
        if not self._open:
            return 0
        return len(self._outbox) + _bytes_in_kernel(self._descriptor)


def _bytes_in_kernel(descriptor: int) -> int:
    """Return how many bytes the kernel still has to send; 0 when the port is gone."""
    try:
        return int(struct.unpack("=i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))[0])
    except OSError:
        return 0


def _close_late(opening: asyncio.Future[int]) -> None:
    """Close the descriptor of a port that opened after everyone stopped waiting for it."""
    if not opening.cancelled() and opening.exception() is None:
        unlock(opening.result())
        os.close(opening.result())
