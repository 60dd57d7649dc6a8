"""A real Mosquitto on loopback for one test, and a plain client to stand beside the rig."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from aiomqtt import Client

from tests.certificates import needs
from tests.tls_peers import PATIENCE, free_port, listening, program


@asynccontextmanager
async def broker(folder: Path, *more: str, port: int | None = None) -> AsyncIterator[int]:
    """Run a broker; return its port. ``more`` are lines of its configuration.

    It keeps its sessions and retained messages in ``folder``, so that it can be run again.
    """
    command, port = needs("mosquitto", "mosquitto"), port or free_port()
    settings = folder / "mosquitto.conf"
    lines = more or ("allow_anonymous true",)
    store = ("persistence true", f"persistence_location {folder}/", "autosave_interval 1")
    listener = (f"listener {port} 127.0.0.1", "per_listener_settings false", "user root")
    settings.write_text("\n".join((*listener, *lines, *store)) + "\n")
    with program(command, "-c", str(settings)):
        await listening(port)
        yield port


class Site:
    """Whoever stands on the other side of the broker: publishes, and keeps what it hears."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.heard: list[tuple[str, bytes, bool]] = []
        self._changed = asyncio.Event()

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            self.heard.append((str(message.topic), message.payload, bool(message.retain)))
            self._changed.set()

    async def hears(self, what: Callable[[str, bytes], bool], *, after: int = 0) -> bytes:
        """Return the first payload of which ``what`` is true, once it is there."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for topic, payload, _ in self.heard[after:]:
                    if what(topic, payload):
                        return payload
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def site_at(port: int, *patterns: str) -> AsyncIterator[Site]:
    """Return a client at the broker that hears ``patterns``, by default all."""
    async with Client("127.0.0.1", port) as client:
        for pattern in patterns or ("#",):
            await client.subscribe(pattern, 1)
        site = Site(client)
        listening_task = asyncio.create_task(site.listen())
        try:
            yield site
        finally:
            listening_task.cancel()
            await asyncio.wait([listening_task])
