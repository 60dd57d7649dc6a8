"""The embedded pool over real loopback TCP, driven by a bare socket client."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings


class Client:
    """A few lines of Stratum, written for these tests alone."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, **message: object) -> None:
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def read(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            message: dict[str, Any] = json.loads(await self.reader.readline())
        return message

    async def close(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
async def pool() -> AsyncIterator[EmulatedPool]:
    async with EmulatedPool(PoolSettings(difficulty=2.0**-24)) as pool:
        yield pool


@pytest.fixture
async def client(pool: EmulatedPool) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", pool.port))
    yield client
    await client.close()


async def test_a_share_that_is_found_by_hashing_is_accepted(
    pool: EmulatedPool, client: Client
) -> None:
    client.send(id=1, method="mining.subscribe", params=["test/1"])
    client.send(id=2, method="mining.authorize", params=["user.worker", "x"])
    subscribed = await client.read()
    assert (await client.read())["result"] is True
    assert (await client.read())["params"] == [2.0**-24]
    job = (await client.read())["params"]

    nonce = mine(job, subscribed["result"][1], bytes(8))
    client.send(
        id=3,
        method="mining.submit",
        params=["user.worker", job[0], "00" * 8, job[7], f"{nonce:08x}"],
    )

    assert await client.read() == {"id": 3, "result": True, "error": None}
    assert pool.tally().total.accepted == 1


def mine(job: list[Any], extranonce1: str, extranonce2: bytes) -> int:
    coinbase = bytes.fromhex(job[2] + extranonce1) + extranonce2 + bytes.fromhex(job[3])
    root = twice(coinbase)
    for sibling in job[4]:
        root = twice(root + bytes.fromhex(sibling))
    words = bytes.fromhex(job[1])
    prev_hash = b"".join(words[i : i + 4][::-1] for i in range(0, 32, 4))
    for nonce in range(1 << 16):
        header = (
            bytes.fromhex(job[5])[::-1]
            + prev_hash
            + root
            + bytes.fromhex(job[7])[::-1]
            + bytes.fromhex(job[6])[::-1]
            + nonce.to_bytes(4, "little")
        )
        if int.from_bytes(twice(header), "little") <= (0xFFFF << 208) << 24:
            return nonce
    raise AssertionError("no share in 65536 nonces")


def twice(data: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(data).digest()).digest()
