"""The control port of a QAxe-like board: one request under way, each with a deadline."""

import asyncio
from itertools import cycle

from drivers.bm13xx.qaxe_messages import Operation, Reply, ReplyReader, request
from drivers.errors import DriverError, TransportLostError, TransportTimeoutError
from drivers.peripherals.errors import ControlRefusedError, RequestAbandonedError
from drivers.transports.base import Transport

REPLY_TIMEOUT = 0.5
_ONE_BYTE_IDS = range(1, 128)


class QaxeChannel:
    """Asks one board's controller, in order; twice if there is no answer.

    Raises TransportTimeoutError, ControlRefusedError, RequestAbandonedError, TransportLostError.
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._transport: Transport | None = None
        self._reader = ReplyReader()
        self._ids = cycle(_ONE_BYTE_IDS)
        self._turn = asyncio.Lock()
        self._waiting: tuple[int, asyncio.Future[Reply | DriverError]] | None = None
        self._lost: TransportLostError | None = None
        self._abandoned = 0

    def attach(self, transport: Transport) -> None:
        """Use ``transport`` from now on."""
        self._transport = transport

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the transport; its ``on_data`` callback."""
        for reply in self._reader.feed(data):
            if self._waiting and self._waiting[0] == reply.request_id:
                self._answer(reply)

    def lost(self, error: TransportLostError) -> None:
        """Fail the request under way and all later ones; the ``on_lost`` callback."""
        self._lost = error
        self._answer(error)

    def abandon(self) -> None:
        """Make the request under way and those queued give up; later ones are served again."""
        self._abandoned += 1
        self._answer(RequestAbandonedError(self._port, "request"))

    def send_now(self, operation: Operation) -> None:
        """Write a request at once; nobody waits for the reply."""
        if self._transport and not self._lost:
            self._transport.write(request(operation, next(self._ids)))

    async def ask(self, operation: Operation, parameters: bytes | None = None) -> bytes:
        """Return the results of a request."""
        abandoned = self._abandoned
        async with self._turn:
            for _ in range(2):
                if self._lost:
                    raise self._lost
                if self._transport is None:
                    raise TransportLostError(self._port, "not open")
                if self._abandoned != abandoned:
                    raise RequestAbandonedError(self._port, operation.name.lower())
                answer = await self._attempt(self._transport, operation, parameters)
                if answer is not None:
                    return self._results(operation, answer)
        waited_for = f"reply to {operation.name.lower()}"
        raise TransportTimeoutError(self._port, waited_for=waited_for, seconds=REPLY_TIMEOUT)

    async def _attempt(
        self, transport: Transport, operation: Operation, parameters: bytes | None
    ) -> Reply | DriverError | None:
        request_id = next(self._ids)
        waiting: asyncio.Future[Reply | DriverError] = asyncio.get_running_loop().create_future()
        self._waiting = request_id, waiting
        self._reader.reset()
        given = () if parameters is None else (parameters,)
        transport.write(request(operation, request_id, *given))
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                return await waiting
        except TimeoutError:
            return None
        finally:
            self._waiting = None

    def _results(self, operation: Operation, answer: Reply | DriverError) -> bytes:
        if isinstance(answer, DriverError):
            raise answer
        if answer.error:
            name = operation.name.lower()
            raise ControlRefusedError(self._port, name, code=answer.error, text="")
        return answer.results

    def _answer(self, answer: Reply | DriverError) -> None:
        if self._waiting and not self._waiting[1].done():
            self._waiting[1].set_result(answer)
