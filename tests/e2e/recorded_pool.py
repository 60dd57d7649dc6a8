"""A pool that says again what a real one said: a recording played over TCP, time compressed.

Each answer waits for our client's request of the same method and gets our id; what the pool sent
unasked comes at the same place between the answers. At the place of each share that was submitted
then, ``find`` is called; our client must submit the same share before the recording goes on.
"""

import asyncio
import hashlib
import json
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

TRANSCRIPTS = Path(__file__).parent.parent / "vectors" / "transcripts"
PATIENCE = 20.0
NOT_OURS = {"mining.extranonce.subscribe", "mining.suggest_difficulty"}
"""What the recorded clients asked and ours does not."""

Message = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One recorded line; ``asked`` is the request that it answers."""

    from_client: bool
    message: Message
    asked: Message | None = None


def connections_of(file: str) -> list[list[Line]]:
    """Return the lines of each connection of a recording that came about."""
    conversations: dict[int, list[Line]] = {}
    requests: dict[tuple[int, object], Message] = {}
    for text in (TRANSCRIPTS / f"{file}.jsonl").read_text().splitlines():
        entry = json.loads(text)
        if "line" not in entry:
            continue
        number, from_client = entry["conn"], entry["dir"] == "c>p"
        try:
            message = json.loads(entry["line"])
        except ValueError:
            continue  # a probe's deliberate nonsense
        asked = None
        if from_client:
            requests[number, message["id"]] = message
        elif "method" not in message:
            asked = requests[number, message["id"]]
        line = Line(from_client=from_client, message=message, asked=asked)
        conversations.setdefault(number, []).append(line)
    return list(conversations.values())


@dataclass
class RecordedPool:
    """Plays connection after connection of a recording; ``done`` when all were played."""

    conversations: list[list[Line]]
    find: Callable[[list[str]], Awaitable[None]]
    hangs_up_on_configure: bool = False
    port: int = 0
    shares: list[list[str]] = field(default_factory=list)
    subscribes: list[list[str]] = field(default_factory=list)
    stray: list[Message] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._left = deque(self.conversations)
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.close()

    async def played(self) -> None:
        """Wait until all was played; raise what went wrong."""
        async with asyncio.timeout(4 * PATIENCE):
            await self.done

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(2 * PATIENCE):
                await self._play(reader, writer)
        except Exception as error:  # noqa: BLE001  # handed to the test, which raises it
            if not self.done.done():
                self.done.set_exception(error)
        finally:
            writer.close()

    async def _play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = json.loads(await reader.readline())
        if self.hangs_up_on_configure and first["method"] == "mining.configure":
            return
        if not self._left:
            return
        client = _Client(reader, first)
        conversation = self._left.popleft()
        judge = Judge()
        for line in conversation:
            if line.from_client:
                await self._expect(line.message, client, judge)
            elif line.asked is None:
                judge.hear(line.message)
                writer.write(json.dumps(line.message).encode() + b"\n")
            elif line.asked["method"] not in NOT_OURS:
                judge.hear(line.message)
                answer = line.message | {"id": client.taken[line.asked["id"]]}
                writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
        self.stray += client.waiting
        if not self._left and not self.done.done():
            self.done.set_result(None)
            await reader.read()  # the last connection is ended by our client

    async def _expect(self, recorded: Message, client: "_Client", judge: "Judge") -> None:
        method = recorded["method"]
        if method in NOT_OURS:
            return
        if method == "mining.submit":
            async with asyncio.timeout(PATIENCE):
                await self.find(recorded["params"])
        async with asyncio.timeout(PATIENCE):
            request = await client.request(method)
        client.taken[recorded["id"]] = request["id"]
        if method == "mining.subscribe":
            self.subscribes.append(request["params"])
        if method == "mining.submit":
            assert request["params"] == recorded["params"]
            judge.judge(request["params"])
            self.shares.append(request["params"])


class _Client:
    """What our client has sent, taken out by method."""

    def __init__(self, reader: asyncio.StreamReader, first: Message) -> None:
        self.waiting = [first]
        self.taken: dict[object, object] = {}
        self._reader = reader

    async def request(self, method: str) -> Message:
        while True:
            for message in self.waiting:
                if message["method"] == method:
                    self.waiting.remove(message)
                    return message
            line = await self._reader.readline()
            assert line, f"the client hung up while {method} was due"
            self.waiting.append(json.loads(line))


class Judge:
    """Computes shares on its own, from the recorded lines alone."""

    def __init__(self) -> None:
        self._extranonce1 = ""
        self._difficulty = Fraction(1)
        self._jobs: dict[str, tuple[list[Any], Fraction]] = {}

    def hear(self, message: Message) -> None:
        """Note what the pool said."""
        params = message.get("params", [])
        match message.get("method"):
            case "mining.notify":
                self._jobs[params[0]] = params, self._difficulty
            case "mining.set_difficulty":
                # A difficulty right after a job, before any share, is the job's own at these pools.
                self._difficulty = Fraction(params[0])
            case None if isinstance(message.get("result"), list):
                self._extranonce1 = message["result"][1]

    def judge(self, share: list[str]) -> None:
        """Raise AssertionError unless the share meets its job's difficulty."""
        _, job_id, extranonce2, ntime, nonce, *rolled = share
        job, difficulty = self._jobs[job_id]
        version = int(job[5], 16) | int(rolled[0] if rolled else "0", 16)
        root = _sha256d(bytes.fromhex(job[2] + self._extranonce1 + extranonce2 + job[3]))
        for branch in job[4]:
            root = _sha256d(root + bytes.fromhex(branch))
        wire = bytes.fromhex(job[1])
        previous = b"".join(wire[i : i + 4][::-1] for i in range(0, 32, 4))
        words = [version.to_bytes(4, "little"), previous, root]
        words += [bytes.fromhex(text)[::-1] for text in (ntime, job[6], nonce)]
        value = int.from_bytes(_sha256d(b"".join(words)), "little")
        assert value <= (0xFFFF << 208) / difficulty


def _sha256d(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
