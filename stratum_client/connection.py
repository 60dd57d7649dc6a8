"""One TCP (or TLS) connection to a pool: bytes between a socket and a Session, nothing else.

The call chain from the kernel to the miner and back is one call stack; there is no writer task.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from stratum_client.dialling import connected_socket
from stratum_client.errors import ConnectError, ConnectionLostError, StratumError
from stratum_client.pool_url import PoolUrl
from stratum_client.session import Session
from stratum_client.session_events import Event, Failed

MAX_UNSENT = 1 << 20
"""Bytes that may wait for a pool to read them: thousands of shares."""

GENTLE_CLOSE = 0.3
KEEPALIVE = (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 3))


class Connection(asyncio.Protocol):
    """Feeds a Session and sends what it has to say; ``lost`` tells how it ended."""

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
        self._address = address
        self._take_event = take_event
        self._now = now
        self._write_timeout = write_timeout
        self._transport: asyncio.Transport | None = None
        self._stuck: asyncio.TimerHandle | None = None

    # --- called by asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the session with the first bytes on the wire."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        _tune(transport.get_extra_info("socket"))
        self.session.start(self._now())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the session and its events to the pool, in one call stack."""
        self._process(self.session.receive_data(data, self._now()))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note the end; the first reason stays."""
        self._end(ConnectionLostError(self._address, str(exc or "closed by the pool")))

    def pause_writing(self) -> None:
        """Give the pool some seconds to read what it was sent."""
        loop = asyncio.get_running_loop()
        error = ConnectionLostError(self._address, "the pool does not read what we send")
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
                self.close(ConnectionLostError(self._address, "the pool reads nothing we send"))

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
        self.close(ConnectionLostError(self._address, "closed by us"))

    def _process(self, events: list[Event]) -> None:
        for event in events:
            self._take_event(event)
        self.flush()
        if events and isinstance(events[-1], Failed):
            self.close(events[-1].error)

    def _end(self, reason: StratumError) -> None:
        self.resume_writing()
        if not self.lost.done():
            self.lost.set_result(reason)


async def dial(url: PoolUrl, connection: asyncio.Protocol, seconds: float) -> None:
    """Connect to ``url``, all its addresses tried side by side; raise ConnectError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(seconds):
            is_tls = url.transport == "tls"
            await loop.create_connection(
                lambda: connection,
                sock=await connected_socket(url.host, url.port),
                ssl=_tls_context() if is_tls else None,
                server_hostname=url.host if is_tls else None,
            )
    except TimeoutError:
        raise ConnectError(url.address, f"no connection within {seconds:g} s") from None
    except (OSError, UnicodeError) as error:
        raise ConnectError(url.address, _plain_reason(error)) from error


def _tls_context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _plain_reason(error: Exception) -> str:
    """Return why dialling failed, in words; several addresses give several errors."""
    if isinstance(error, ConnectionRefusedError):
        return "connection refused: nothing listens there"
    if isinstance(error, socket.gaierror):
        return f"the name cannot be resolved ({error.strerror})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"TLS: the certificate is not trusted ({error.verify_message})"
    return str(error) or type(error).__name__


def _tune(sock: socket.socket | None) -> None:
    """Send at once, and let the kernel notice a dead peer. Either may be refused, harmlessly."""
    if sock is None:
        return
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in KEEPALIVE:
            if option := getattr(socket, name, None):
                sock.setsockopt(socket.IPPROTO_TCP, option, value)
