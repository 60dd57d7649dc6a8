"""A smart plug on loopback: a small HTTP server that answers as told, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Answer = Callable[[], bytes]


def page(body: bytes, status: str = "200 OK") -> bytes:
    """Return a whole answer of HTTP."""
    fields = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return fields.encode() + b"\r\n\r\n" + body


class PlugServer:
    """Answers each request with ``answer()``; ``pause`` seconds lie between two of its bytes."""

    def __init__(self, answer: Answer, pause: float = 0.0) -> None:
        self.answer = answer
        self.requests: list[str] = []
        self.port = 0
        self._pause = pause

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head.decode())
            answer = self.answer()
            if not self._pause:
                writer.write(answer)
            for byte in answer if self._pause else b"":
                writer.write(bytes([byte]))
                await asyncio.sleep(self._pause)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def plug_server(answer: Answer, pause: float = 0.0) -> AsyncIterator[PlugServer]:
    """Serve until the block ends."""
    plug = PlugServer(answer, pause)
    server = await asyncio.start_server(plug.serve, "127.0.0.1", 0)
    plug.port = server.sockets[0].getsockname()[1]
    try:
        yield plug
    finally:
        server.close()
        await server.wait_closed()
