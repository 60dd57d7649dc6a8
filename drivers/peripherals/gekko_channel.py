"""The UART of a telemetry micro: one request under way, its reply known by length and silence.

Source: kanoi/cgminer driver-gekko.c, which gives the micro 100 ms after each request and again
after each reply.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from drivers.errors import DriverError, TransportLostError, TransportTimeoutError
from drivers.peripherals.errors import ControlOutOfStepError, RequestAbandonedError
from drivers.transports.base import Transport

REPLY_TIMEOUT = 0.2
"""Seconds until the last byte of a reply must be there."""

GAP = 0.1
"""Seconds of silence between a reply and the next request."""

_MOST_KEPT = 64


@dataclass(slots=True, kw_only=True)
class MicroCounts:
    """What has happened on a micro's line since the channel was made.

    ``garbled`` replies have a length that none has, ``stray_bytes`` came unasked.
    """

    requests: int = 0
    timeouts: int = 0
    garbled: int = 0
    stray_bytes: int = 0


class MicroChannel:
    """Asks one micro, in order, by itself twice if the reply is none that fits.

    Make it, open the transport with `receive_data` and `lost` as callbacks, `attach`. A request
    that fails raises TransportTimeoutError, ControlOutOfStepError, RequestAbandonedError or
    TransportLostError.
    """

    def __init__(self, port: str, counts: MicroCounts) -> None:
        self.counts = counts
        self._port = port
        self._transport: Transport | None = None
        self._turn = asyncio.Lock()
        self._news = asyncio.Event()
        self._is_asking = False
        self._received = b""
        self._lost: TransportLostError | None = None
        self._abandoned = 0

    def attach(self, transport: Transport) -> None:
        """Use ``transport`` from now on."""
        self._transport = transport

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the transport; its ``on_data`` callback."""
        if self._is_asking:
            self._received = (self._received + data)[:_MOST_KEPT]
        else:
            self.counts.stray_bytes += len(data)
        self._news.set()

    def lost(self, error: TransportLostError) -> None:
        """Fail the request under way and all later ones; the ``on_lost`` callback."""
        self._lost = error
        self._news.set()

    def abandon(self) -> None:
        """Make the request under way and those queued give up; later ones are served again."""
        self._abandoned += 1
        self._news.set()

    def send_now(self, request: bytes) -> None:
        """Write ``request`` at once; nobody waits for the reply."""
        if self._transport and not self._lost:
            self._transport.write(request)

    async def tell(self, request: bytes) -> None:
        """Send ``request``, whose reply says nothing and may not come."""
        abandoned = self._abandoned
        async with self._turn:
            self._check(request, abandoned)
            await self._exchange(request, 1, abandoned)

    async def ask(self, request: bytes, sizes: range, *, tries: int = 2) -> bytes:
        """Return the reply to ``request``, of a length in ``sizes``: what has come in time."""
        abandoned = self._abandoned
        async with self._turn:
            reply = b""
            for _ in range(tries):
                self._check(request, abandoned)
                self.counts.requests += 1
                reply = await self._exchange(request, sizes[-1], abandoned)
                if len(reply) in sizes:
                    return reply
                if reply:
                    self.counts.garbled += 1
                else:
                    self.counts.timeouts += 1
        if reply:
            raise ControlOutOfStepError(self._port, _shown(request), reply)
        waited_for = f"reply to {_shown(request)}"
        raise TransportTimeoutError(self._port, waited_for=waited_for, seconds=REPLY_TIMEOUT)

    async def _exchange(self, request: bytes, size: int, abandoned: int) -> bytes:
        """Send ``request``; return all that came until the line had been left alone for a while."""
        assert self._transport
        self._received, self._is_asking = b"", True
        try:
            self._transport.write(request)
            await self._until(REPLY_TIMEOUT, lambda: len(self._received) >= size, abandoned)
            await self._until(GAP, lambda: False, abandoned)
        finally:
            self._is_asking = False
        self._check(request, abandoned)
        return self._received

    async def _until(self, seconds: float, done: Callable[[], bool], abandoned: int) -> None:
        """Wait until ``done``, for so long at most, or until nobody wants it any more."""
        try:
            async with asyncio.timeout(seconds):
                while not (done() or self._lost or self._abandoned != abandoned):
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return

    def _check(self, request: bytes, abandoned: int) -> None:
        if problem := self._problem(request, abandoned):
            raise problem

    def _problem(self, request: bytes, abandoned: int) -> DriverError | None:
        if self._lost:
            return self._lost
        if self._transport is None:
            return TransportLostError(self._port, "not open")
        if self._abandoned != abandoned:
            return RequestAbandonedError(self._port, _shown(request))
        return None


def _shown(request: bytes) -> str:
    return f"request {request.hex(' ')}"
