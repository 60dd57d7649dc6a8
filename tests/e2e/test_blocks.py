"""Blocks whose session is gone, at the real embedded pool: tried everywhere, counted once."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from random import Random

import pytest

from drivers.api import Solution, Work
from stratum_client.block_rescue import MAX_ATTEMPTS, BlockRescue
from stratum_client.clock import SystemClock
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.stats import PoolState
from tests.e2e.rig import DIFFICULTY, SHORT, config_for
from tests.stand_ins import RecordingLog, RecordingWitness


def settings(*, resume: bool = True) -> PoolSettings:
    chain = ChainSettings(network_difficulty=DIFFICULTY, branches=2)
    return PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain, resume=resume)


@dataclass
class Client:
    """A client of one pool or several, without devices: blocks are found when the test says so."""

    miner: Miner = field(default_factory=lambda: Miner(SystemClock()))
    log: RecordingLog = field(default_factory=RecordingLog)
    pools: list[Pool] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.blocks = BlockRescue(self.miner, clock=SystemClock(), log=self.log)

    def add(self, server: EmulatedPool, name: str) -> Pool:
        self.pools.append(
            Pool(
                config_for(server, name=name, deadlines=replace(SHORT, silence=20.0)),
                self.miner,
                clock=SystemClock(),
                random=Random(3),
                log=self.log,
                hashrate=lambda: 0.0,
                blocks=self.blocks,
            )
        )
        return self.pools[-1]

    def find(self, work: Work) -> None:
        """Find a block in ``work``."""
        for nonce in count():
            solution = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
            if solution.hash() <= work.target:
                self.miner.seat("device").found(solution)
                return

    def events(self, name: str) -> int:
        return len(self.log.named(name))

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():  # noqa: ASYNC110  # two sides to watch, no one event
                await asyncio.sleep(0.005)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(pool.run()) for pool in self.pools]
            await self.until(lambda: all(p.state is PoolState.MINING for p in self.pools))
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
        self.blocks.give_up()


async def away(client: Client, pool: Pool, server: EmulatedPool) -> None:
    """Let a pool go away, and the client notice."""
    server.stop_listening()
    server.drop_clients()
    await client.until(lambda: pool.shares.connection is None)


def work_of(client: Client) -> Work:
    work = client.miner.next_work()
    assert work
    return work


async def test_a_block_found_while_the_pool_is_away_is_taken_when_the_session_resumes() -> None:
    client = Client()
    async with EmulatedPool(settings()) as server:
        pool = client.add(server, "pool")
        async with client.running():
            work = work_of(client)
            await away(client, pool, server)
            client.find(work)
            assert client.events("BLOCK.WAITING") == 1
            await server.listen_again()
            await client.until(lambda: client.events("BLOCK.ACCEPTED"))

        assert server.tally().total.blocks == 1
        assert client.miner.tally.fates[Fate.ACCEPTED] == 1
        assert sum(client.miner.tally.fates.values()) == 1


async def test_a_block_whose_answer_is_lost_is_sent_again_and_if_stale_its_fate_is_open() -> None:
    client = Client()
    async with EmulatedPool(settings()) as server:
        client.add(server, "pool")
        async with client.running():
            server.inject("reply=drop,method=mining.submit")
            client.find(work_of(client))
            await client.until(lambda: client.events("BLOCK.NOT_TAKEN"))

        assert server.tally().total.blocks == 1, "which is what made its job stale"
    assert client.miner.tally.fates == {**dict.fromkeys(Fate, 0), Fate.UNANSWERED: 1}
    [lost] = client.log.named("BLOCK.NOT_TAKEN")
    assert "answer was lost" in str(lost["reason"])


async def test_a_session_that_is_not_resumed_is_tried_once_and_the_next_one_too() -> None:
    client = Client()

    def tried(session: int) -> bool:
        refused = client.events("BLOCK.REFUSED_ELSEWHERE")
        return (
            refused == min(session, MAX_ATTEMPTS)
            and client.events("pool.authorized") == session + 1
        )

    async with EmulatedPool(settings(resume=False)) as server:
        pool = client.add(server, "pool")
        async with client.running():
            work = work_of(client)
            await away(client, pool, server)
            client.find(work)
            await server.listen_again()
            for session in range(1, MAX_ATTEMPTS + 3):
                await client.until(partial(tried, session))
                server.drop_clients()
            await client.until(lambda: pool.state is PoolState.MINING)

        assert server.tally().total.refused == MAX_ATTEMPTS
    [lost] = client.log.named("BLOCK.NOT_TAKEN")
    assert {"header", "coinbase", "params", "hash"} <= set(lost)
    assert client.miner.tally.fates == {**dict.fromkeys(Fate, 0), Fate.DISCARDED: 1}
    assert not client.log.named("share.rejected")


async def test_another_connection_to_the_same_host_is_tried_at_once() -> None:
    client = Client()
    async with EmulatedPool(settings()) as server, EmulatedPool(settings()) as other:
        pool = client.add(server, "pool")
        client.add(other, "other")
        async with client.running():
            work = work_of(client)
            await away(client, pool, server)
            client.find(work)
            await client.until(lambda: client.events("BLOCK.REFUSED_ELSEWHERE"))
            await server.listen_again()
            await client.until(lambda: client.events("BLOCK.ACCEPTED"))

        assert server.tally().total.blocks == 1
        assert (other.tally().total.refused, other.tally().total.accepted) == (1, 0)
        assert client.pools[1].tally.fates[Fate.ACCEPTED] == 0
        assert client.pools[0].tally.fates[Fate.ACCEPTED] == 1


@pytest.mark.parametrize("ledger", [True, False])
async def test_a_block_that_still_waits_at_the_end_stays_open_in_the_ledger(ledger: bool) -> None:
    client, witness = Client(), RecordingWitness()
    client.miner.witness = witness if ledger else None
    async with EmulatedPool(settings()) as server:
        pool = client.add(server, "pool")
        async with client.running():
            work = work_of(client)
            await away(client, pool, server)
            client.find(work)

    assert [note for note, _ in witness.notes] == ["found"] * ledger
    assert client.miner.tally.fates[Fate.DISCARDED] == (0 if ledger else 1)
    assert client.events("BLOCK.NOT_TAKEN") == 1


async def test_a_block_its_own_session_refuses_is_told_of_with_all_that_is_known() -> None:
    client = Client()
    async with EmulatedPool(settings()) as server:
        client.add(server, "pool")
        async with client.running():
            server.inject("reply=error-list,method=mining.submit")
            client.find(work_of(client))
            await client.until(lambda: client.events("BLOCK.NOT_TAKEN"))

    [lost] = client.log.named("BLOCK.NOT_TAKEN")
    assert str(lost["reason"]).startswith("refused: ")
    assert not client.log.named("BLOCK.WAITING")
