"""A TCP proxy that treats its connections badly: delays, fragments, stalls, half-opens, cuts.

Nothing is changed, reordered or sent twice: what a peer receives is a prefix of what was sent.
"""

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass
from random import Random
from types import TracebackType
from typing import Self

KINDS = ("calm", "slow", "crumbs", "stall", "half-open")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mood:
    """How one connection is treated until it is cut; times in seconds."""

    kind: str
    life: float
    reset: bool
    deaf_after: float


class ChaosProxy:
    """Listens on loopback and passes connections on to ``port``; ``async with`` runs it."""

    def __init__(self, port: int, random: Random, *, longest_life: float) -> None:
        self.port = 0
        self.seen: Counter[str] = Counter()
        self._target = port
        self._random = random
        self._longest_life = longest_life
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._joined, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._server
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        finally:
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mood = self._mood()
        self.seen[mood.kind] += 1
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        pumps = asyncio.gather(
            self._pump(reader, back, mood), self._pump(there, writer, mood), return_exceptions=True
        )
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(mood.life):
                    await pumps
        finally:
            for end in (writer, back):
                if mood.reset:
                    end.transport.abort()
                else:
                    end.close()

    def _mood(self) -> Mood:
        random = self._random
        life = random.uniform(0.05, self._longest_life)
        return Mood(
            kind=random.choice(KINDS),
            life=life,
            reset=random.random() < 0.5,
            deaf_after=random.uniform(0.0, life),
        )

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, mood: Mood
    ) -> None:
        """Pass bytes on, as the mood has it, until the sender ends."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        while data := await reader.read(65536):
            deaf = loop.time() - started > mood.deaf_after
            match mood.kind:
                case "half-open" if deaf:
                    continue
                case "stall" if deaf:
                    await asyncio.sleep(self._random.uniform(0.0, 1.0))
                    writer.write(data)
                case "slow":
                    await asyncio.sleep(self._random.uniform(0.0, 0.1))
                    writer.write(data)
                case "crumbs":
                    await self._crumble(data, writer)
                case _:
                    writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()

    async def _crumble(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        for byte in data:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
