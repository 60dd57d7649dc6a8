"""Blocks that a living session does not answer: tried on other ways too, and counted once.

In virtual time; the pools are peers that say only what a test lets them say.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any

import pytest

from drivers.api import Solution
from stratum_client.block_rescue import BlockRescue
from stratum_client.config import PoolConfig
from stratum_client.job import Fate
from stratum_client.miner import Miner
from stratum_client.pool import TICK, Pool
from stratum_client.pool_shares import BLOCK_PATIENCE
from stratum_client.pool_url import parse_pool_url
from tests.stand_ins import RecordingLog, RecordingWitness
from tests.test_pool_patience import Dialled, granted
from tests.vectors.load import stratum
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time

EASIEST = {"id": None, "method": "mining.set_difficulty", "params": [2.0**-32]}
NOTIFY = [*stratum("notify_validation")[0]["params"][:6], "207fffff", "665fda4a", True]
"""A job whose every second hash is a block: the easiest nbits there are."""

FOUND_BY = BLOCK_PATIENCE + 2 * TICK


class Peer(Dialled):
    """A pool that leaves each share without an answer until it is told what to say."""

    def __init__(self, *answers: object, extranonce1: str = "00000001") -> None:
        super().__init__(self._hear)
        self._subscription = [[["mining.notify", "s"]], extranonce1, 4]
        self.submits: list[Any] = []
        self._answers = list(answers)

    def _hear(self, request: Any) -> list[dict[str, Any]]:
        if request["method"] == "mining.subscribe":
            return [_reply(request["id"], True) | {"result": self._subscription}]
        if request["method"] == "mining.authorize":
            job = {"id": None, "method": "mining.notify", "params": NOTIFY}
            return [EASIEST, *granted(request), job]
        if request["method"] != "mining.submit":
            return granted(request)
        self.submits.append(request["id"])
        return [_reply(request["id"], self._answers.pop(0))] if self._answers else []

    def say(self, answer: object) -> None:
        """Answer the share that was sent first, on the first connection."""
        self.wires[0].say(_reply(self.submits[0], answer))


def _reply(number: object, answer: object) -> dict[str, Any]:
    error = None if answer is True else answer
    return {"id": number, "result": answer is True or None, "error": error}


@dataclass
class Client:
    """Pools that help each other out with blocks, and a device that a test finds for."""

    clock: LoopClock = field(default_factory=LoopClock)
    log: RecordingLog = field(default_factory=RecordingLog)
    witness: RecordingWitness = field(default_factory=RecordingWitness)

    def __post_init__(self) -> None:
        self.miner = Miner(self.clock)
        self.miner.witness = self.witness
        self.blocks = BlockRescue(self.miner, clock=self.clock, log=self.log)

    @contextlib.asynccontextmanager
    async def at(self, **peers: tuple[str, Peer]) -> AsyncIterator[None]:
        """Mine at pools of these names, each with its address; the first one gets the work."""
        async with asyncio.TaskGroup() as group:
            lives = []
            for name, (url, peer) in peers.items():
                config = PoolConfig(name=name, url=parse_pool_url(url), user="a")
                pool = Pool(
                    config,
                    self.miner,
                    clock=self.clock,
                    random=Random(1),
                    log=self.log,
                    hashrate=lambda: 0.0,
                    rim=peer,
                    blocks=self.blocks,
                )
                lives.append(group.create_task(pool.run()))
            await asyncio.sleep(1.0)
            self.find()
            yield
            for life in lives:
                life.cancel()

    def find(self) -> None:
        work = self.miner.seat("device").next_work()
        assert work
        for nonce in count():
            solution = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
            if solution.hash() <= work.job.network_target:
                self.miner.seat("device").found(solution)
                return

    def counted(self) -> dict[Fate, int]:
        return {fate: number for fate, number in self.miner.tally.fates.items() if number}

    def ends(self) -> list[str]:
        return [note for note, _ in self.witness.notes if note != "found"]


async def test_a_block_that_hangs_is_taken_by_another_connection_to_its_host_within_seconds() -> (
    None
):
    client, hung, other, elsewhere = Client(), Peer(), Peer(True), Peer(True)

    async with client.at(
        hung=("same:1", hung), other=("same:2", other), elsewhere=("another:1", elsewhere)
    ):
        assert (len(hung.submits), len(other.submits)) == (1, 0)
        await asyncio.sleep(FOUND_BY)
        assert len(other.submits) == 1
        assert client.counted() == {Fate.ACCEPTED: 1}
        hung.say(True)
        await asyncio.sleep(120.0)  # in which the session that hangs ends, too

    assert len(hung.submits) == 1
    assert not elsewhere.submits, "another pool cannot know the coinbase"
    assert client.counted() == {Fate.ACCEPTED: 1}
    assert client.ends() == ["accepted"]


async def test_what_another_way_took_is_not_sent_again_when_the_hung_session_ends() -> None:
    client, hung, other = Client(), Peer(), Peer(True)

    async with client.at(hung=("same:1", hung), other=("same:2", other)):
        await asyncio.sleep(120.0)
        assert len(hung.wires) > 1

    assert len(hung.submits) == len(other.submits) == 1
    assert client.ends() == ["accepted"]
    assert not client.log.named("BLOCK.NOT_TAKEN")


@pytest.mark.parametrize("extranonce1", ["00000001", "00000002"])
@pytest.mark.parametrize(
    ("answer", "end"),
    [
        (True, "accepted"),
        ([21, "Job not found", None], "stale stale"),
        ([20, "no", None], "rejected other"),
    ],
)
async def test_the_late_answer_of_its_own_session_counts_once(
    answer: object, end: str, extranonce1: str
) -> None:
    client, hung = Client(), Peer()
    other = Peer([23, "low difficulty", None], extranonce1=extranonce1)

    async with client.at(hung=("same:1", hung), other=("same:2", other)):
        await asyncio.sleep(FOUND_BY)
        assert client.log.named("BLOCK.REFUSED_ELSEWHERE")
        assert client.ends() == []
        hung.say(answer)
        await asyncio.sleep(120.0)

    assert client.ends() == [end]
    assert sum(client.counted().values()) == 1
    assert len(client.log.named("BLOCK.ACCEPTED")) == (answer is True)
    assert len(client.log.named("BLOCK.NOT_TAKEN")) == (answer is not True)


async def test_a_block_that_nobody_answers_goes_to_the_next_session_of_its_pool() -> None:
    client, hung = Client(), Peer()

    async with client.at(hung=("same:1", hung)):
        await asyncio.sleep(FOUND_BY)
        hung.wires[0].abort()
        await asyncio.sleep(10.0)
        assert len(hung.submits) == 2
        hung.wires[1].say(_reply(hung.submits[1], [22, "Duplicate share", None]))
        await asyncio.sleep(1.0)

    assert client.ends() == ["accepted"], "a duplicate of what was sent before has been taken"


async def test_a_block_that_is_answered_in_time_is_tried_nowhere_else() -> None:
    client, own, other = Client(), Peer(True), Peer(True)

    async with client.at(own=("same:1", own), other=("same:2", other)):
        await asyncio.sleep(120.0)

    assert (len(own.submits), len(other.submits)) == (1, 0)
    assert not client.log.named("BLOCK.WAITING")
    assert client.ends() == ["accepted"]
