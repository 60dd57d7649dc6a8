"""One client's socket at the embedded pool: an asyncio protocol that performs outputs in order."""

import asyncio
import socket
import struct
from collections import deque
from typing import Protocol

from stratum_client.emulated_pool.outputs import Close, Output, Send, StopReading, Stream

RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds: closing sends RST and drops what is unsent."""


class Host(Protocol):
    """What a connection asks of its pool."""

    def joined(self, connection: "Connection", peer: str) -> bool:
        """Take in a new client; return False when there is no room."""
        ...

    def received(self, connection: "Connection", data: bytes) -> None:
        """Take bytes from a client."""
        ...

    def left(self, connection: "Connection", reason: str) -> None:
        """Forget a client that is gone."""
        ...


class Connection(asyncio.Protocol):
    """Calls its host with what comes in; writes what the host orders, in order.

    A client that leaves more than ``max_unsent`` bytes unread is dropped. ``gone`` is done when
    the socket is closed.
    """

    def __init__(self, host: Host, *, max_unsent: int) -> None:
        self._host = host
        self._max_unsent = max_unsent
        self._transport: asyncio.Transport | None = None
        self._outputs: deque[Output] = deque()
        self._writable = True
        self._reason = "closed by the client"
        self.number = 0
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the socket and join the pool."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        connected = transport.get_extra_info("socket")
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if not self._host.joined(self, address_text(transport.get_extra_info("peername"))):
            self.close("the pool is full", reset=False)

    def data_received(self, data: bytes) -> None:
        """Hand bytes to the pool."""
        self._host.received(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        """Leave the pool."""
        self._transport = None
        if error is not None:
            self._reason = str(error)
        if not self.gone.done():
            self.gone.set_result(None)
        self._host.left(self, self._reason)

    def pause_writing(self) -> None:
        """Hold back what can wait: the client reads more slowly than we write."""
        self._writable = False

    def resume_writing(self) -> None:
        """Go on with what was held back."""
        self._writable = True
        self._pump()

    def perform(self, outputs: list[Output]) -> None:
        """Do ``outputs``, after those that still wait."""
        self._outputs.extend(outputs)
        self._pump()

    def close(self, reason: str, *, reset: bool) -> None:
        """End the connection: with RST, or politely after what is written."""
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

    def abandon(self, reason: str) -> None:
        """End the connection without waiting for a client that does not read."""
        if self._transport is not None:
            unread = self._transport.get_write_buffer_size() > 0
            self.close(reason, reset=unread)

    def _pump(self) -> None:
        while self._outputs and self._transport is not None:
            output = self._outputs[0]
            if isinstance(output, Stream) and not self._writable:
                return
            self._outputs.popleft()
            self._perform(output)

    def _perform(self, output: Output) -> None:
        assert self._transport is not None
        match output:
            case Send(data):
                self._transport.write(data)
                if self._transport.get_write_buffer_size() > self._max_unsent:
                    self.close("reads too slowly", reset=True)
            case Stream(chunk, count):
                self._transport.write(chunk)
                if count > 1:
                    self._outputs.appendleft(Stream(chunk, count - 1))
            case StopReading():
                self._transport.pause_reading()
            case Close(reason, reset):
                self.close(reason, reset=reset)


def address_text(address: object) -> str:
    """Return a socket address as ``host:port``."""
    match address:
        case (str(host), int(port), *_):
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        case _:
            return "unknown"
