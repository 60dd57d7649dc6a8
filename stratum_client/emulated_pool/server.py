"""The embedded pool on a TCP port: a thin asyncio shell around `PoolEngine`."""

import asyncio
import random as random_module
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from stratum_client.emulated_pool.engine import PoolEngine
from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.outputs import Close, Output, Send, StopReading, Stream
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import TallySnapshot

if TYPE_CHECKING:
    from drivers.api import Clock

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST and drops what is unsent."""


class _Connection(asyncio.Protocol):
    """One client's socket; calls the pool and performs its outputs in order."""

    def __init__(self, pool: "EmulatedPool") -> None:
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._outputs: deque[Output] = deque()
        self._writable = True
        self.number = 0
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._reason = "closed by the client"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._pool.joined(self, _address_text(transport.get_extra_info("peername"))):
            self.close("the pool is full", reset=False)

    def data_received(self, data: bytes) -> None:
        self._pool.received(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        if error is not None:
            self._reason = str(error)
        self.gone.set_result(None)
        self._pool.left(self, self._reason)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        self._pump()

    def perform(self, outputs: list[Output]) -> None:
        """Do ``outputs``, after those that still wait."""
        self._outputs.extend(outputs)
        self._pump()

    def close(self, reason: str, *, reset: bool) -> None:
        """End the connection."""
        if self._transport is None:
            return
        self._reason = reason
        self._outputs.clear()
        if reset:
            connected = self._transport.get_extra_info("socket")
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            self._transport.abort()
        else:
            self._transport.close()

    def _pump(self) -> None:
        while self._outputs and self._transport is not None:
            output = self._outputs[0]
            if isinstance(output, Stream):
                if not self._writable:
                    return
                self._stream(output)
                continue
            self._outputs.popleft()
            match output:
                case Send(data):
                    self._write(data)
                case StopReading():
                    self._transport.pause_reading()
                case Close(reason, reset):
                    self.close(reason, reset=reset)

    def _stream(self, stream: Stream) -> None:
        assert self._transport is not None
        self._transport.write(stream.chunk)
        if stream.count > 1:
            self._outputs[0] = Stream(stream.chunk, stream.count - 1)
        else:
            self._outputs.popleft()

    def _write(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._pool.settings.max_unsent:
            self.close("reads too slowly", reset=True)


class EmulatedPool:
    """A Stratum v1 pool for tests, demos and experiments; ``async with`` starts and ends it.

    ``clock`` dates the jobs (time itself is the event loop's); ``on_event`` is called with each
    event as it happens.
    """

    def __init__(
        self,
        settings: PoolSettings | None = None,
        *,
        clock: "Clock | None" = None,
        random: random_module.Random | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None:
        self.settings = settings or PoolSettings()
        self._wall = clock.wall if clock else time.time
        self._random = random or random_module.Random()
        self._on_event = on_event
        self._connections: dict[int, _Connection] = {}
        self._log = structlog.get_logger("emulated_pool")
        self._timer: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        self._loop = asyncio.get_running_loop()
        self._engine = PoolEngine(
            self.settings, wall=self._wall, random=self._random, now=self._loop.time()
        )
        self._server = await self._loop.create_server(
            lambda: _Connection(self), self.settings.listen_host, self.settings.listen_port
        )
        self._settle()

    @property
    def port(self) -> int:
        """Return the port it listens on."""
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every connection; returns when all are gone."""
        self._server.close()
        connections = list(self._connections.values())
        for connection in connections:
            connection.close("pool closed", reset=True)
        for connection in connections:
            await connection.gone
        if self._timer:
            self._timer.cancel()
            self._timer = None
        await self._server.wait_closed()

    def tally(self) -> TallySnapshot:
        """Return the counts as they are now."""
        return self._engine.tally()

    def new_block(self) -> None:
        """Let somebody else find a block: a clean job for every client."""
        self._engine.new_block(self._loop.time())
        self._settle()

    def new_work(self, *, clean: bool = False) -> None:
        """Give every client new work on the same block."""
        self._engine.new_work(self._loop.time(), clean=clean)
        self._settle()

    def set_difficulty(self, difficulty: float) -> None:
        """Set every client's difficulty and give it a job to which it applies."""
        self._engine.set_difficulty(difficulty, self._loop.time())
        self._settle()

    def drop_clients(self, *, reset: bool = False) -> None:
        """Close every connection, politely or with RST."""
        self._engine.drop_clients(self._loop.time(), reset=reset)
        self._settle()

    def send_raw(self, data: bytes) -> None:
        """Write ``data`` to every client as it is."""
        self._engine.send_raw(data, self._loop.time())
        self._settle()

    def joined(self, connection: _Connection, peer: str) -> bool:
        """Take in a client that just connected; return False when there is no room."""
        number = self._engine.connect(peer, self._loop.time())
        if number is None:
            return False
        connection.number = number
        self._connections[number] = connection
        self._settle()
        return True

    def received(self, connection: _Connection, data: bytes) -> None:
        """Take bytes from a client."""
        self._engine.receive_data(connection.number, data, self._loop.time())
        self._settle()

    def left(self, connection: _Connection, reason: str) -> None:
        """Forget a client that is gone."""
        self._connections.pop(connection.number, None)
        self._engine.disconnected(connection.number, reason, self._loop.time())
        self._settle()

    def _settle(self) -> None:
        """Perform what the engine wants done, and wake up when it wants more."""
        for number, outputs in self._engine.take_outputs():
            if connection := self._connections.get(number):
                connection.perform(outputs)
        for event in self._engine.take_events():
            self._log.debug("pool.event", kind=type(event).__name__, **asdict(event))
            if self._on_event:
                self._on_event(event)
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self._engine.next_due()
        if due is not None and self._server.is_serving():
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._engine.advance(self._loop.time())
        self._settle()


def _address_text(address: object) -> str:
    match address:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case _:
            return "unknown"
