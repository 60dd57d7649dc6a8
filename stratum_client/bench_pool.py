"""A pool in memory: the far side of the real client's connection, without a socket.

It grants everything, accepts every share, finds blocks on order, and notes when bytes reached it.
"""

import asyncio
import json
import socket
import time
from itertools import count
from random import Random
from typing import Any

from stratum_client.emulated_pool.chain import Chain, ChainSettings
from stratum_client.emulated_pool.jobs import IssuedJob
from stratum_client.terms import EASIEST
from stratum_client.wire import encode_reply

EXTRANONCE1 = bytes.fromhex("4128064f")
EXTRANONCE2_SIZE = 8


class MemoryPool(asyncio.Transport):
    """What the client holds as its transport; every hash is a share, so that none has to be found.

    Jobs have ``branches`` hashes in their merkle branch.
    """

    def __init__(self, client: asyncio.Protocol, branches: int) -> None:
        super().__init__()
        self.written_at = 0
        self._client = client
        self._unread = b""
        self._closing = False
        numbers = count(1)
        self._chain = Chain(
            ChainSettings(branches=branches, network_difficulty=1e14),
            wall=time.time,
            random=Random(0),
            next_job_id=lambda: f"{next(numbers):x}",
        )

    # --- called by the client ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes and note the time, in nanoseconds of the performance counter."""
        self.written_at = time.perf_counter_ns()
        self._unread += data

    def get_write_buffer_size(self) -> int:
        """Return 0: everything is read at once."""
        return 0

    def is_closing(self) -> bool:
        """Return whether the connection has ended."""
        return self._closing

    def close(self) -> None:
        """End the connection."""
        if not self._closing:
            self._closing = True
            self._client.connection_lost(None)

    def abort(self) -> None:
        """End the connection."""
        self.close()

    # --- called by the benchmark ---

    def open(self) -> None:
        """Answer the opening requests and set the easiest difficulty there is."""
        self.answer()
        self.send(_notification("mining.set_difficulty", [EASIEST]))

    def new_block(self) -> bytes:
        """Return the line that tells of a job on a new block."""
        job = IssuedJob(
            template=self._chain.extend(),
            extranonce1=EXTRANONCE1,
            extranonce2_size=EXTRANONCE2_SIZE,
            difficulty=EASIEST,
            clean=True,
            issued_at=0.0,
        )
        return _notification("mining.notify", job.params())

    def send(self, line: bytes) -> None:
        """Hand bytes to the client, which deals with them within this call."""
        self._client.data_received(line)

    def answer(self) -> None:
        """Say yes to all that the client has asked since the last time."""
        lines, self._unread = self._unread.splitlines(), b""
        for line in lines:
            request = json.loads(line)
            self.send(encode_reply(request["id"], _result_of(request["method"])))


class MemoryLoop(asyncio.SelectorEventLoop):
    """An event loop whose next connection ends at a `MemoryPool`, if it is made to `address`."""

    def __init__(self, branches: int) -> None:
        super().__init__()
        self.connected: asyncio.Future[MemoryPool] = self.create_future()
        self._branches = branches
        # Dialling opens a socket first; it has to find somebody.
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"

    async def create_connection(self, protocol_factory: Any, *_: Any, **options: Any) -> Any:  # noqa: ANN401 - as asyncio has it
        """Connect ``protocol_factory()`` to a pool in memory; `connected` says to which."""
        if sock := options.get("sock"):
            sock.close()
        client = protocol_factory()
        pool = MemoryPool(client, self._branches)
        client.connection_made(pool)
        self.connected.set_result(pool)
        return pool, client

    def close(self) -> None:
        """Close the loop, and the address."""
        self._listener.close()
        super().close()


def _notification(method: str, params: list[object]) -> bytes:
    return json.dumps({"id": None, "method": method, "params": params}).encode() + b"\n"


def _result_of(method: str) -> object:
    match method:
        case "mining.configure":
            return {"version-rolling": True, "version-rolling.mask": "1fffe000"}
        case "mining.subscribe":
            return [[["mining.notify", "1"]], EXTRANONCE1.hex(), EXTRANONCE2_SIZE]
        case _:
            return True
