"""Real pools' recorded sessions, played to our client; what it submits is what they accepted.

Source: tests/vectors/transcripts/README.md; tests/vectors/stratum-v1.json, `shares`.
"""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from drivers.api import Context, PortInfo, Solution
from drivers.cpu.device import DRIVER
from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.job import Fate, PoolWork
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url
from stratum_client.replies import Refusal, refusal_of
from stratum_client.wire import Reply, parse_line
from tests.e2e.recorded_pool import Line, RecordedPool, connections_of
from tests.e2e.rig import SHORT
from tests.stand_ins import RecordingLog
from tests.vectors.load import stratum

PATIENT = replace(SHORT, silence=20.0, first_job=20.0, submit=20.0, submit_lost=20.0)
RECORDINGS = (
    "ckpool-cpuminer-opt",
    "ckpool-2017-cpuminer-opt",
    "ckpool-restart-cpuminer-opt",
    "public-pool-cpuminer-opt",
)
CAPTURED = next(share for share in stratum("shares") if share["id"] == "pp-gamma-2025")
LEAD = 500
"""How many nonces before the one that was accepted then the search begins."""


class Client:
    """Our client, with a device that searches where it is told to."""

    def __init__(self, *, extranonce2_start: int = 0) -> None:
        self.clock = SystemClock()
        self.miner = Miner(self.clock, extranonce2_start=extranonce2_start)
        self.log = RecordingLog()
        self.work: dict[str | int, PoolWork] = {}
        self.has_new_work = asyncio.Event()
        self.seat = self.miner.seat("device")

    def job_changed(self, *, clean: bool) -> None:
        """Take work; the recorded client began at the same extranonce2 with each job."""
        self.miner._pools["pool"].counters.clear()
        work = self.miner.next_work()
        if work:
            self.work[work.job.job_id] = work
            self.has_new_work.set()

    async def find(self, params: list[str]) -> None:
        """Search the nonces up to the one that solved a job then."""
        while params[1] not in self.work:
            self.has_new_work.clear()
            await self.has_new_work.wait()
        work, last = self.work[params[1]], int(params[4], 16)
        for nonce in range(max(last - LEAD, 0), last + 1):
            solution = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
            if solution.hash() <= work.target:
                self.seat.found(solution)

    @property
    def fates(self) -> dict[str, int]:
        return {str(fate): count for fate, count in self.miner.tally.fates.items() if count}


@contextlib.asynccontextmanager
async def connected(client: Client, port: int, **options: Any) -> AsyncIterator[None]:
    config = PoolConfig(
        name="pool",
        url=parse_pool_url(f"127.0.0.1:{port}"),
        suggest_difficulty="off",
        deadlines=PATIENT,
        **options,
    )
    pool = Pool(
        config,
        client.miner,
        clock=client.clock,
        random=Random(1),
        log=client.log,
        hashrate=lambda: 0.0,
    )
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        try:
            yield
            await pool.drain(5.0)
        finally:
            talking.cancel()


def submitted(conversations: list[list[Line]]) -> list[list[str]]:
    lines = [line.message for conversation in conversations for line in conversation]
    return [message["params"] for message in lines if message.get("method") == "mining.submit"]


@pytest.mark.parametrize("file", RECORDINGS)
async def test_the_same_shares_go_out_as_the_pool_accepted(file: str) -> None:
    conversations, client = connections_of(file), Client()
    client.seat.listener = client
    recorded = submitted(conversations)

    async with (
        RecordedPool(conversations, client.find) as pool,
        connected(client, pool.port, user=recorded[0][0], configure=False),
    ):
        await pool.played()

    assert pool.shares == recorded
    assert not pool.stray
    assert client.fates == {"accepted": len(recorded)}
    assert not client.log.named("job.unfit")


async def test_a_pool_that_hangs_up_on_configure_is_mined_at_without_it() -> None:
    conversations, client = connections_of("ckpool-2017-cpuminer-opt"), Client()
    client.seat.listener = client
    recorded = submitted(conversations)

    async with (
        RecordedPool(conversations, client.find, hangs_up_on_configure=True) as pool,
        connected(client, pool.port, user=recorded[0][0]),
    ):
        await pool.played()

    assert pool.shares == recorded
    assert len(client.log.named("pool.lost")) == 1
    assert client.fates == {"accepted": len(recorded)}


async def test_a_restarted_pool_is_asked_for_the_old_session_and_does_not_know_it() -> None:
    conversations, client = connections_of("ckpool-restart-cpuminer-opt"), Client()
    client.seat.listener = client
    recorded = submitted(conversations)

    async with (
        RecordedPool(conversations, client.find) as pool,
        connected(client, pool.port, user=recorded[0][0], configure=False),
    ):
        await pool.played()

    assert [params[1:] for params in pool.subscribes] == [[], ["6b041bb5"]]
    granted = [fields["extranonce1"] for fields in client.log.named("pool.subscribed")]
    assert granted == ["b21b046b", "941f046b"]


async def test_the_captured_job_is_solved_again_byte_for_byte() -> None:
    submit = CAPTURED["submit"]["params"]
    client = Client(extranonce2_start=0x17)
    settings = {
        "threads": 1,
        "first_nonce": int(submit[4], 16) - 200_000,
        "first_version_bits": int(submit[5], 16),
    }
    log = RecordingLog()
    context = Context(
        name="device", miner=client.seat, clock=client.clock, random=Random(1), log=log
    )
    device = DRIVER.open(PortInfo(), settings, context)
    client.seat.listener = device

    async with (
        RecordedPool([captured_session()], find=hashes_by_itself) as pool,
        connected(client, pool.port, user=submit[0]),
        asyncio.TaskGroup() as group,
    ):
        hashing = group.create_task(device.run())
        await pool.played()
        hashing.cancel()

    assert pool.shares == [submit]
    assert client.miner.tally.fates[Fate.ACCEPTED] == 1
    expected = CAPTURED["expect"]["share_difficulty"]
    assert client.miner.tally.best_difficulty == pytest.approx(expected, rel=1e-9)


async def hashes_by_itself(params: list[str]) -> None:
    """Do nothing: the device knows no answer, only where to begin."""


def captured_session() -> list[Line]:
    """Return the session in which the captured share was accepted, in public-pool's order."""
    configure = {"id": 1, "method": "mining.configure"}
    subscribe = {"id": 2, "method": "mining.subscribe"}
    authorize = {"id": 3, "method": "mining.authorize"}
    mask = {"version-rolling": True, "version-rolling.mask": CAPTURED["version_mask"]}
    ids = [["mining.notify", CAPTURED["extranonce1"]]]
    granted = [ids, CAPTURED["extranonce1"], CAPTURED["extranonce2_size"]]
    difficulty = {
        "id": None,
        "method": "mining.set_difficulty",
        "params": [CAPTURED["pool_difficulty"]],
    }
    submit = CAPTURED["submit"]
    return [
        *exchange(configure, mask),
        *exchange(subscribe, granted),
        *exchange(authorize, result=True),
        Line(from_client=False, message=difficulty),
        Line(from_client=False, message=CAPTURED["notify"]),
        *exchange(submit, result=True),
    ]


def exchange(request: dict[str, Any], result: object) -> list[Line]:
    reply = {"id": request["id"], "error": None, "result": result}
    return [
        Line(from_client=True, message=request),
        Line(from_client=False, message=reply, asked=request),
    ]


REFUSALS = {
    "Duplicate": Refusal.DUPLICATE,
    "Duplicate share": Refusal.DUPLICATE,
    "Invalid JobID": Refusal.STALE,
    "Job not found": Refusal.STALE,
    "Stale": Refusal.STALE,
    "Above target": Refusal.LOW_DIFFICULTY,
    "Difficulty too low": Refusal.LOW_DIFFICULTY,
    "No nonce": Refusal.MALFORMED,
    "Invalid array size": Refusal.MALFORMED,
    "Mining Submit validation error": Refusal.MALFORMED,
    "Worker mismatch": Refusal.UNAUTHORIZED,
    "Invalid version mask": Refusal.BAD_VERSION,
    "Ntime out of range": Refusal.NTIME,
}
"""What each text means, by the documentation of the pools' sources."""


@pytest.mark.parametrize("file", ["ckpool-probe-rejects", "public-pool-probe-rejects"])
def test_every_recorded_refusal_is_understood(file: str) -> None:
    [conversation] = connections_of(file)
    answers = [
        line for line in conversation if line.asked and line.asked["method"] == "mining.submit"
    ]
    seen = set()

    for line in answers:
        reply = parse_line(json.dumps(line.message).encode())
        assert isinstance(reply, Reply)
        error = line.message["error"]
        if not error:
            assert (reply.failure, reply.result) == (None, True)
            continue
        assert reply.failure
        assert refusal_of(reply.failure) is REFUSALS[error[1]]
        seen.add(error[1])

    assert len(seen) >= 4
