"""The embedded pool over real loopback TCP, driven by a bare socket client."""

import asyncio
import contextlib
import json
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any

import pytest

from stratum_client.emulated_pool.events import Event
from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from tests.emulated_pool.rig import EASY, Work

ANSWER = 5.0
"""Seconds after which a test gives up waiting for the pool."""


class Client:
    """A few lines of Stratum over a socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.job: list[Any] = []
        self.extranonce1 = ""
        self.shares = 0

    def send(self, identifier: int, method: str, *params: object) -> None:
        message = {"id": identifier, "method": method, "params": params}
        self.writer.write(json.dumps(message).encode() + b"\n")

    async def line(self) -> bytes:
        async with asyncio.timeout(ANSWER):
            return await self.reader.readline()

    async def read(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self.line())
        if message.get("method") == "mining.notify":
            self.job = message["params"]
        return message

    async def read_until(self, **wanted: object) -> dict[str, Any]:
        """Return the first message with these members."""
        while True:
            message = await self.read()
            if all(message.get(key) == value for key, value in wanted.items()):
                return message

    async def handshake(self) -> None:
        self.send(1, "mining.subscribe", "test/1")
        self.send(2, "mining.authorize", "account.worker", "x")
        self.extranonce1 = (await self.read_until(id=1))["result"][1]
        await self.read_until(method="mining.notify")

    def submit(self) -> None:
        self.shares += 1
        extranonce2 = f"{self.shares:016x}"
        work = Work(params=self.job, extranonce1=self.extranonce1, extranonce2=extranonce2)
        share = [self.job[0], extranonce2, self.job[7], f"{work.solve(EASY):08x}"]
        self.send(100 + self.shares, "mining.submit", "account.worker", *share)

    async def ended(self) -> bytes:
        """Return what is left when the pool ends the connection."""
        async with asyncio.timeout(ANSWER):
            return await self.reader.read()

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


async def connect(pool: EmulatedPool) -> Client:
    return Client(*await asyncio.open_connection("127.0.0.1", pool.port))


@pytest.fixture
async def pool() -> AsyncIterator[EmulatedPool]:
    async with EmulatedPool(PoolSettings(difficulty=EASY)) as pool:
        yield pool


@pytest.fixture
async def client(pool: EmulatedPool) -> AsyncIterator[Client]:
    client = await connect(pool)
    yield client
    await client.close()


async def test_shares_found_by_hashing_are_accepted(pool: EmulatedPool, client: Client) -> None:
    await client.handshake()
    for _ in range(3):
        client.submit()

    for number in (101, 102, 103):
        assert await client.read() == {"id": number, "result": True, "error": None}
    assert pool.tally().total.accepted == 3


async def test_many_clients_mine_at_once(pool: EmulatedPool) -> None:
    clients = [await connect(pool) for _ in range(20)]
    for client in clients:
        await client.handshake()
        client.submit()

    async with asyncio.timeout(ANSWER):
        await pool.wait_for(lambda tally: tally.total.accepted == 20)
    assert pool.clients == 20
    assert len({client.extranonce1 for client in clients}) == 20
    for client in clients:
        await client.close()


async def test_orders_reach_the_clients(pool: EmulatedPool, client: Client) -> None:
    await client.handshake()
    client.send(3, "mining.extranonce.subscribe")
    client.send(4, "mining.configure", ["version-rolling"], {})
    await client.read_until(id=4)

    pool.new_block()
    assert (await client.read_until(method="mining.notify"))["params"][8] is True
    pool.new_work()
    assert (await client.read_until(method="mining.notify"))["params"][8] is False
    pool.set_difficulty(64, with_job=False)
    assert (await client.read())["params"] == [64]
    assert pool.set_extranonce(size=6) == 1
    assert len((await client.read_until(method="mining.set_extranonce"))["params"][0]) == 12
    assert pool.set_version_mask(0x6000) == 1
    assert (await client.read_until(method="mining.set_version_mask"))["params"] == ["00006000"]
    pool.ask("client.show_message", "hello")
    assert (await client.read())["params"] == ["hello"]
    pool.send_raw(b"raw\n")
    assert await client.line() == b"raw\n"


async def test_blocks_come_by_themselves() -> None:
    async with EmulatedPool(PoolSettings(block_every=0.01)) as pool:
        client = await connect(pool)
        await client.handshake()

        tips = {(await client.read_until(method="mining.notify"))["params"][1] for _ in range(3)}

        assert len(tips) == 3
        await client.close()


@pytest.mark.parametrize("reset", [False, True])
async def test_clients_are_dropped_politely_or_with_a_reset(
    pool: EmulatedPool, client: Client, reset: bool
) -> None:
    await client.handshake()

    pool.drop_clients(reset=reset)

    if reset:
        with pytest.raises(ConnectionResetError):
            await client.ended()
    else:
        assert await client.ended() == b""


async def test_a_client_that_was_dropped_may_come_back(pool: EmulatedPool, client: Client) -> None:
    await client.handshake()
    pool.restart()
    assert await client.ended() == b""

    again = await connect(pool)
    await again.handshake()
    again.submit()

    assert (await again.read())["result"] is True
    assert again.job[0] == "1"
    await again.close()


async def test_a_closed_pool_leaves_nothing_open() -> None:
    pool = EmulatedPool(PoolSettings())
    await pool.start()
    idle, busy = await connect(pool), await connect(pool)
    await busy.handshake()

    await pool.close()

    assert await idle.ended() == await busy.ended() == b""
    assert pool.clients == 0
    with pytest.raises(ConnectionRefusedError):
        await connect(pool)
    await idle.close()
    await busy.close()


async def test_a_pool_may_refuse_connections_for_a_while(pool: EmulatedPool) -> None:
    port = pool.port
    pool.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await connect(pool)

    await pool.listen_again()

    client = await connect(pool)
    await client.handshake()
    assert pool.port == port
    await client.close()


async def test_a_taken_port_is_an_error(pool: EmulatedPool) -> None:
    other = EmulatedPool(PoolSettings(listen_port=pool.port))

    with pytest.raises(OSError, match="in use"):
        await other.start()


async def test_a_full_pool_hangs_up() -> None:
    async with EmulatedPool(PoolSettings(max_clients=1)) as pool:
        first = await connect(pool)
        await first.handshake()
        second = await connect(pool)

        assert await second.ended() == b""
        await first.close()
        await second.close()


async def test_events_are_handed_out_as_they_happen() -> None:
    events: list[Event] = []
    async with EmulatedPool(PoolSettings(difficulty=EASY), on_event=events.append) as pool:
        client = await connect(pool)
        await client.handshake()
        client.submit()
        await client.read()
        await client.close()

    assert [type(event).__name__ for event in events] == [
        "ClientConnected",
        "ClientAuthorized",
        "ShareJudged",
        "ClientGone",
    ]


async def test_a_client_that_reads_too_slowly_is_dropped() -> None:
    async with EmulatedPool(PoolSettings(max_unsent=100_000)) as pool:
        client = await connect(pool)
        await client.handshake()

        pool.send_raw(bytes(20 << 20))

        with pytest.raises(ConnectionResetError):
            await client.ended()
        await client.close()


async def test_a_giant_line_costs_little_memory(pool: EmulatedPool, client: Client) -> None:
    await client.handshake()
    size, received = 32 << 20, 0
    tracemalloc.start()
    try:
        pool.inject(f"giant-line={size}")
        while received < size:
            async with asyncio.timeout(ANSWER):
                chunk = await client.reader.read(1 << 16)
            assert b"\n" not in chunk
            received += len(chunk)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5 << 20


async def test_a_hanging_pool_leaves_bytes_in_the_kernel(
    pool: EmulatedPool, client: Client
) -> None:
    await client.handshake()
    pool.inject("hang")

    client.writer.write(b"x" * 100_000)  # a line too long, for which a reading pool hangs up
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await client.reader.read()

    assert pool.clients == 1
    client.writer.transport.abort()


async def test_single_bytes_add_up_to_the_same_lines() -> None:
    settings = PoolSettings(difficulty=EASY, faults=(fault_of("segments"), fault_of("crlf")))
    async with EmulatedPool(settings) as pool:
        client = await connect(pool)
        await client.handshake()
        client.submit()

        assert await client.line() == b'{"id":101,"result":true,"error":null}\r\n'
        await client.close()


async def test_a_reset_after_shares_comes_after_their_answers() -> None:
    settings = PoolSettings(difficulty=EASY, faults=(fault_of("close,shares=2"),))
    async with EmulatedPool(settings) as pool:
        client = await connect(pool)
        await client.handshake()
        client.submit()
        client.submit()

        assert [(await client.read())["result"] for _ in range(2)] == [True, True]
        assert await client.ended() == b""
        assert pool.tally().total.unanswered == 0
        await client.close()


async def test_a_paced_stream_is_written_by_the_clock() -> None:
    settings = PoolSettings(faults=(fault_of("segments=5,gap=1ms"),))
    async with EmulatedPool(settings) as pool:
        client = await connect(pool)
        client.send(1, "mining.ping")

        assert (await client.read())["result"] == "pong"
        await client.close()


async def test_one_may_wait_for_the_tally(pool: EmulatedPool, client: Client) -> None:
    await client.handshake()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(pool.wait_for(lambda tally: tally.total.accepted == 2))
        client.submit()
        assert (await client.read())["result"] is True
        early = waiting.done()
        client.submit()

    assert not early
    assert pool.tally().total.accepted == 2


async def test_a_pool_that_closes_stops_those_who_wait_for_its_tally() -> None:
    pool = EmulatedPool(PoolSettings())
    await pool.start()
    async with asyncio.TaskGroup() as tasks:
        waiting = tasks.create_task(pool.wait_for(lambda tally: tally.total.accepted > 0))
        await asyncio.sleep(0)
        await pool.close()

    assert waiting.cancelled()
