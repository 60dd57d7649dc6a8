"""Peers of transport tests: bare servers on loopback that keep what they hear."""

import asyncio
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from stratum_client.config import Deadlines, PoolConfig, TlsConfig
from stratum_client.pool_url import parse_pool_url

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

PATIENCE = 30.0
"""Seconds for what must come about on a machine that has much else to do."""


@dataclass(slots=True)
class Peer:
    """A server; ``heard`` has what each connection said, in order."""

    port: int = 0
    heard: list[bytearray] = field(default_factory=list)


@asynccontextmanager
async def serving(
    talk: Talk | None = None, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Peer]:
    """Serve on loopback: note what comes, after ``talk`` has had its turn."""
    peer = Peer()
    open_now: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = bytearray()
        peer.heard.append(heard)
        open_now.add(writer)
        try:
            if talk:
                await talk(reader, writer)
            while data := await reader.read(65536):
                heard += data
        except (ConnectionError, ssl.SSLError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    peer.port = server.sockets[0].getsockname()[1]
    try:
        yield peer
    finally:
        server.close()
        for writer in open_now:
            writer.transport.abort()
        await asyncio.sleep(0)


class Collector(asyncio.Protocol):
    """The pool's side of a dialled connection: keeps what comes, tells when it is over."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.data = b""
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()

    def close(self) -> None:
        if self.transport:
            self.transport.abort()


def pool_at(url: str, tls: TlsConfig | None = None, **more: Any) -> PoolConfig:
    """Return the settings of a pool, with deadlines that no test runs into."""
    deadlines = more.pop("deadlines", None) or replace(Deadlines(), connect=PATIENCE, tls=PATIENCE)
    return PoolConfig(
        name=more.pop("name", "pool"),
        url=parse_pool_url(url),
        user="alice.rig",
        tls=tls,
        deadlines=deadlines,
        **more,
    )


def free_port() -> int:
    """Return a port that nobody listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def program(*command: str) -> Iterator[None]:
    """Let another program run for a while."""
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        running.terminate()
        running.wait(PATIENCE)


async def listening(port: int) -> None:
    """Return when somebody listens at ``port``."""

    async def try_it() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except ConnectionRefusedError:
            return False
        writer.close()
        await writer.wait_closed()
        return True

    async with asyncio.timeout(PATIENCE):
        while not await try_it():  # noqa: ASYNC110 - another process tells nobody when it listens
            await asyncio.sleep(0.01)


async def until(condition: Callable[[], object]) -> None:
    """Return when ``condition`` holds, with a generous limit."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - for what has no event
            await asyncio.sleep(0.005)
