"""A USB serial bridge as a Uart, driven directly: for chips no kernel tty serves, or serves badly.

Two threads per port, as pyusb blocks: one reads, one writes. Bytes reach the loop by
`call_soon_threadsafe`; nothing here is waited for on the loop but in `drain` and `closed`.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from drivers.errors import TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.bridges.bridge import DTR, EIGHT_N_1, RTS, Control, LineFormat
from drivers.transports.errors import LineControlError
from drivers.transports.usb_connect import Connection, connect, near_rate, perform
from drivers.transports.usb_errors import Fault, Patience, fault_of, words_of
from drivers.transports.usb_opening import open_in_thread
from drivers.transports.usb_reader import Reader
from drivers.transports.usb_writer import Writer

WRITE_LIMIT = 65536
"""Bytes that may wait for a port; a chain of 126 chips is brought up with less than 20 000."""

STUCK_AFTER = 5.0
"""A port that has taken nothing for so long is as good as unplugged."""

CLOSE_WITHIN = 0.5
"""Seconds a closing port gets to send what was written before."""

_SENT_POLL = 0.001
_SENT_SLACK = 0.1  # s beyond the computed time until a bridge must have sent all


async def open_usb_port(
    path: str,
    *,
    on_data: OnData,
    on_lost: OnLost,
    baud_rate: int = 115200,
    uart: int = 0,
    line_format: LineFormat = EIGHT_N_1,
    lines: int = DTR | RTS,
    latency_ms: int = 1,
    backend: object | None = None,
) -> "UsbBulkTransport":
    """Open UART number ``uart`` of the bridge at ``path`` (``usb:1-1.2``) in a thread.

    ``lines`` are the modem lines to raise. ``backend`` is a pyusb IBackend instead of libusb's.
    Raises PortOpenError, PortBusyError, BaudRateError, UsbLibraryMissingError.
    """

    def work() -> Connection:
        return connect(
            path,
            baud_rate=baud_rate,
            uart=uart,
            line_format=line_format,
            lines=lines,
            latency_ms=latency_ms,
            backend=backend,
        )

    connection = await open_in_thread(work, lambda connection: connection.device.close())
    return UsbBulkTransport(connection, on_data=on_data, on_lost=on_lost)


class UsbBulkTransport:
    """An open bridge; made by `open_usb_port`, or from a `Connection`.

    ``on_lost`` is called once, soon, when the device is gone, refuses a baud rate, takes no data
    for ``stuck_after`` seconds or has more than ``write_limit`` bytes waiting for it. From then on,
    as after `close`, every call is a no-op and no callback comes any more.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        on_data: OnData,
        on_lost: OnLost,
        write_limit: int = WRITE_LIMIT,
        stuck_after: float = STUCK_AFTER,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._device = connection.device
        self._bridge = connection.bridge
        self._endpoints = connection.endpoints
        self._rate, self._lines = connection.rate, connection.lines
        self._on_data, self._on_lost = on_data, on_lost
        self._open = True
        self._lost: asyncio.Handle | None = None
        self._line_errors = 0
        self._is_first = True
        self._sent_at = 0.0
        self._patience = Patience()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._reader = Reader(
            connection.device,
            connection.endpoints,
            many=connection.bridge.is_packed,
            received=self._received,
            lost=self._failed,
            is_over=self._loop.is_closed,
        )
        self._writer = Writer(
            f"usb write {connection.device.path}",
            send=self._send,
            lost=self._failed,
            ended=self._let_go,
            limit=write_limit,
            stuck_after=stuck_after,
        )
        self._reader.start()
        self._writer.start()

    @property
    def path(self) -> str:
        """Return the name the port was opened by."""
        return self._device.path

    @property
    def bridge(self) -> str:
        """Return the name of the bridge's chip."""
        return self._bridge.name

    @property
    def baud_rate(self) -> int:
        """Return the rate the bridge really makes, rounded; 0 once it is lost or closed."""
        return round(self._rate.reached) if self._open else 0

    @property
    def line_errors(self) -> int:
        """Return how many packets told of an overrun, a framing or parity error, or a break."""
        return self._line_errors

    # -- what a driver asks for

    def write(self, data: bytes) -> None:
        """Send ``data`` soon; may be called from a callback."""
        if self._open and not self._writer.write(data):
            self._lose(f"takes no more data, {self._writer.waiting} bytes are waiting")

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change the rate after what is written by now; `drain` first, the bridge has a buffer.

        Raises BaudRateError for a rate the bridge cannot make within 3 %.
        """
        if self._open:
            self._rate = near_rate(self._bridge, self.path, baud_rate)
            self._submit(self._rate.controls)

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set modem lines, None leaves one alone."""
        mask = 0
        for bit, level in ((DTR, dtr), (RTS, rts)):
            if level is not None:
                mask |= bit
                self._lines = self._lines | bit if level else self._lines & ~bit
        if self._open:
            self._submit(self._bridge.lines(self._lines, mask))

    def set_pins(self, *, mask: int, levels: int) -> asyncio.Future[None]:
        """Drive the bridge's free pins of ``mask`` to ``levels``, bit n for pin n (CBUS, GPIO).

        May be awaited: done when the bridge has done it; raises LineControlError if it has no pins
        or refuses, TransportLostError. Whoever does not wait is safe from both.
        """
        what = f"pins {mask:#x} to {levels:#x}"
        return self._submit(self._bridge.set_pins(mask=mask, levels=levels), pins=what)

    def release_pins(self) -> asyncio.Future[None]:
        """Give the pins back to their own functions; otherwise as `set_pins`."""
        return self._submit(self._bridge.release_pins(), pins="pins free")

    async def drain(self) -> None:
        """Wait until all output has left the bridge; return early when the port is lost."""
        if self._open:
            with suppress(TransportLostError):  # told to on_lost
                await asyncio.shield(self._writer.submit(self._wait_until_sent))

    def close(self) -> None:
        """Let go of the port; what was written is still sent, within `CLOSE_WITHIN`.

        Returns at once; threads end, interfaces and the kernel's driver are given back soon after.
        """
        self._open = False
        if self._lost is not None:
            self._lost.cancel()
        self._reader.stop()
        self._writer.close(CLOSE_WITHIN)

    async def closed(self) -> None:
        """Wait until the device is given back and no thread is left, after `close` or a loss."""
        await asyncio.shield(self._ended)
        self._writer.join()

    # -- on the loop

    def _deliver(self, data: bytes) -> None:
        if self._open:
            self._on_data(data)

    def _lose(self, reason: str) -> None:
        if self._open:
            self._open = False
            self._reader.stop()
            self._writer.abort()
            lost = TransportLostError(self.path, reason)
            self._lost = self._loop.call_soon(self._on_lost, lost)

    def _submit(self, controls: tuple[Control, ...], *, pins: str = "") -> asyncio.Future[None]:
        if pins and not self._bridge.pins_name:
            raise LineControlError(self.path, pins, f"a {self.bridge} has no free pins")

        def work() -> None:
            for control in controls:
                perform(self._device, control, self._patience, pins=pins)

        return self._writer.submit(work)

    # -- in the threads

    def _received(self, transfer: bytes) -> float:
        payload, errors = self._bridge.payload(transfer, self._endpoints.packet_size)
        if not self._is_first:  # the first tells of the time before the bridge was started
            self._line_errors += errors
        self._is_first = False
        if not payload:
            return self._bridge.rest(self._rate.reached)
        self._post(self._deliver, payload)
        return 0.0

    def _send(self, data: bytes, timeout: float) -> int:
        started = time.monotonic()
        try:
            taken = self._device.write(self._endpoints.outgoing, data, round(timeout * 1000))
        except OSError as error:
            self._recover(error)
            return 0
        self._patience.succeeded()
        seconds = taken * self._bridge.line_format.bits / self._rate.reached
        self._sent_at = max(started, self._sent_at) + seconds
        return taken

    def _recover(self, error: OSError) -> None:
        """Make the outgoing endpoint fit for the next write; raise TransportLostError."""
        if reason := self._patience.verdict(error):
            raise TransportLostError(self.path, reason) from error
        if fault_of(error) is Fault.STALLED:
            try:
                self._device.clear_halt(self._endpoints.outgoing)
            except OSError as second:
                raise TransportLostError(self.path, words_of(second)) from second

    def _wait_until_sent(self) -> None:
        """Wait until the bridge says it is empty, or must be by what was written."""
        query = self._bridge.sent_query()
        while query is not None and time.monotonic() < self._sent_at + _SENT_SLACK:
            try:
                answer = self._device.perform(query)
            except OSError as error:
                if reason := self._patience.verdict(error):
                    raise TransportLostError(self.path, reason) from error
                break
            if self._bridge.is_sent(answer):
                last_byte = self._bridge.line_format.bits / self._rate.reached
                self._sent_at = min(self._sent_at, time.monotonic() + last_byte)
                break
            if self._writer.pause(_SENT_POLL):
                return
        self._writer.pause(max(0.0, self._sent_at - time.monotonic()))

    def _failed(self, reason: str) -> None:
        self._post(self._lose, reason)
        self._reader.stop()
        self._writer.abort()

    def _let_go(self) -> None:
        """Give the device back; the last thing the writer's thread does."""
        self._reader.stop()
        self._reader.join()
        with suppress(OSError):
            for control in self._bridge.stop():
                self._device.perform(control)
        self._device.close()
        self._post(self._end)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody listens
            self._loop.call_soon_threadsafe(callback, *arguments)
