"""One connection to a pool, TCP or TLS: bytes between a transport and a Session, nothing else.

The call chain from the kernel to the miner and back is one call stack; there is no writer task.
"""

import asyncio
from collections.abc import Callable

from stratum_client.errors import ConnectionLostError, StratumError
from stratum_client.session import Session
from stratum_client.session_events import Event, Failed

MAX_UNSENT = 1 << 20
"""Bytes that may wait for a pool to read them: thousands of shares."""

GENTLE_CLOSE = 0.3
TLS_RECORDS = (0x15, 0x16)
"""The first byte of a TLS alert and of a handshake: never that of a line of JSON."""


class Connection(asyncio.Protocol):
    """Feeds a Session and sends what it has to say; ``lost`` tells how it ended.

    ``address`` is where it leads.
    """

    def __init__(
        self,
        session: Session,
        address: str,
        take_event: Callable[[Event], None],
        now: Callable[[], float],
        write_timeout: float,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.session = session
        self.lost: asyncio.Future[StratumError] = loop.create_future()
        self.address = address
        self._take_event = take_event
        self._now = now
        self._write_timeout = write_timeout
        self._transport: asyncio.Transport | None = None
        self._stuck: asyncio.TimerHandle | None = None
        self._heard = False

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session with the first bytes on the wire."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.session.start(self._now())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session and its events to the pool, in one call stack."""
        if not self._heard:
            self._heard = True
            if data[0] in TLS_RECORDS:
                problem = "it speaks TLS: the address begins with stratum+ssl://"
                self.close(ConnectionLostError(self.address, problem))
                return
        self._process(self.session.receive_data(data, self._now()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; the first reason stays."""
        self._end(ConnectionLostError(self.address, str(exc or self._closed())))

    def pause_writing(self) -> None:
        """Give the pool some seconds to read what it was sent."""
        loop = asyncio.get_running_loop()
        error = ConnectionLostError(self.address, "the pool does not read what we send")
        self._stuck = loop.call_later(self._write_timeout, self.close, error)

    def resume_writing(self) -> None:
        """Note that the pool reads again."""
        if self._stuck:
            self._stuck.cancel()
            self._stuck = None

    # --- called by the pool ---

    def check(self) -> None:
        """Let the session look at its deadlines."""
        self._process(self.session.check(self._now()))

    def flush(self) -> None:
        """Write what the session has queued; one write, maybe many lines."""
        transport = self._transport
        if transport and not transport.is_closing() and (data := self.session.data_to_send()):
            transport.write(data)
            if transport.get_write_buffer_size() > MAX_UNSENT:
                self.close(ConnectionLostError(self.address, "the pool reads nothing we send"))

    def close(self, reason: StratumError) -> None:
        """End the connection; bytes still unsent are dropped."""
        self._end(reason)
        if self._transport:
            self._transport.abort()

    async def finish(self) -> None:
        """Close gently: what was written may still leave, for a moment."""
        if self._transport and not self._transport.is_closing():
            self._transport.close()
            await asyncio.wait([self.lost], timeout=GENTLE_CLOSE)
        self.close(ConnectionLostError(self.address, "closed by us"))

    def _process(self, events: list[Event]) -> None:
        for event in events:
            self._take_event(event)
        self.flush()
        if events and isinstance(events[-1], Failed):
            self.close(events[-1].error)

    def _closed(self) -> str:
        is_plain = self._transport and self._transport.get_extra_info("ssl_object") is None
        if self._heard or not is_plain:
            return "closed by the pool"
        return (
            "closed by the pool before it said a word; if that port is for TLS, the address"
            " begins with stratum+ssl://"
        )

    def _end(self, reason: StratumError) -> None:
        self.resume_writing()
        if not self.lost.done():
            self.lost.set_result(reason)
