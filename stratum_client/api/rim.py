"""The small HTTP server of /metrics and /healthz: it may fail, and mining goes on.

Bounded in connections, in what a request may be, and in how long each side may take; replies are
made in a thread, so that a scrape costs the event loop next to nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from ipaddress import ip_address

from drivers.api import Log
from stratum_client.api.http_lines import Request, Response, plain, request_in

MAX_CONNECTIONS = 16

REQUEST_LIMIT = 5.0
"""Seconds for a request to arrive whole."""

REPLY_LIMIT = 10.0
"""Seconds for a reply to be made, and again to be taken."""

TRY_AGAIN = 30.0
"""Seconds between attempts to listen at an address that others have."""

Page = Callable[[], Awaitable[Response]]


class Rim:
    """Serves ``pages`` by their paths, at ``host`` and ``port``, from `run` to its end."""

    def __init__(self, host: str, port: int, pages: Mapping[str, Page], log: Log) -> None:
        self.connections: set[_Connection] = set()
        self.port = port
        self._host = host
        self._pages = pages
        self._log = log

    async def run(self) -> None:
        """Serve until cancelled; an address in use is tried again and again."""
        try:
            server = await self._listening()
            self.port = server.sockets[0].getsockname()[1]
            self._log.info("metrics.ready", address=self._host, port=self.port)
            if not ip_address(self._host).is_loopback:
                advice = "whoever reaches this machine may read the metrics"
                self._log.warning("metrics.open", address=self._host, advice=advice)
            async with server:
                await server.serve_forever()
        finally:
            for connection in list(self.connections):
                connection.abort()

    async def answer(self, request: Request) -> Response:
        """Return the page that is asked for, or why there is none."""
        page = self._pages.get(request.path)
        if page is None:
            return plain(HTTPStatus.NOT_FOUND, f"there are {' and '.join(self._pages)}")
        try:
            async with asyncio.timeout(REPLY_LIMIT):
                return await page()
        except Exception as error:  # noqa: BLE001  # our bug must cost this request only
            self._log.error("metrics.crashed", path=request.path, exc_info=error)
            return plain(HTTPStatus.INTERNAL_SERVER_ERROR, "failed; the log says why")

    async def _listening(self) -> asyncio.Server:
        loop, is_told = asyncio.get_running_loop(), False
        while True:
            try:
                return await loop.create_server(lambda: _Connection(self), self._host, self.port)
            except OSError as error:
                if not is_told:
                    reason = error.strerror or str(error)
                    self._log.warning(
                        "metrics.unavailable",
                        address=self._host,
                        port=self.port,
                        error=reason,
                        again_every=TRY_AGAIN,
                    )
                    is_told = True
            await asyncio.sleep(TRY_AGAIN)


class _Connection(asyncio.Protocol):
    """One client: one request, one reply."""

    def __init__(self, server: Rim) -> None:
        self._server = server
        self._data = b""
        self._task: asyncio.Task[None] | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        is_full = len(self._server.connections) >= MAX_CONNECTIONS
        self._server.connections.add(self)
        if is_full:
            self._say(plain(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections"))
        else:
            self._allow(REQUEST_LIMIT)

    def data_received(self, data: bytes) -> None:
        assert self._transport
        self._data += data
        found = request_in(self._data)
        if found is None:
            return
        self._transport.pause_reading()
        if isinstance(found, Response):
            self._say(found)
            return
        self._allow(2 * REPLY_LIMIT)
        self._task = asyncio.create_task(self._answer(found), name=f"http {found.path[:40]}")

    def eof_received(self) -> bool:
        """Keep the connection: who has said all may still listen."""
        return self._task is not None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # a client may go
        self._server.connections.discard(self)
        if self._deadline:
            self._deadline.cancel()
        if self._task:
            self._task.cancel()

    def abort(self) -> None:
        """Hang up at once."""
        if self._transport:
            self._transport.abort()

    async def _answer(self, request: Request) -> None:
        response = await self._server.answer(request)
        self._say(response, with_body=request.method != "HEAD")

    def _say(self, response: Response, *, with_body: bool = True) -> None:
        assert self._transport
        if self._transport.is_closing():
            return
        self._transport.write(response.encoded(with_body=with_body))
        self._transport.close()
        self._allow(REPLY_LIMIT)

    def _allow(self, seconds: float) -> None:
        if self._deadline:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(seconds, self.abort)
