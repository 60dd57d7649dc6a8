"""How long a pool is waited for: hours of trouble, in virtual time, with real deadlines.

The socket is replaced by `SilentPools`, peers that say only what a test lets them say.
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any

import pytest

from drivers.api import Solution
from stratum_client.config import PayoutConfig, PoolConfig
from stratum_client.connection import Connection
from stratum_client.errors import ConnectError
from stratum_client.job import Fate
from stratum_client.miner import Miner
from stratum_client.pool import EXPIRY_LOOK, Pool
from stratum_client.pool_url import PoolUrl, parse_pool_url
from stratum_client.rims import PlainPoolRim, Way
from stratum_client.route import Route
from stratum_client.share_queue import SHARE_LIFE
from tests.stand_ins import RecordingLog
from tests.vectors.load import stratum
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time
NOTIFY = stratum("notify_validation")[0]["params"]


class Wire(asyncio.Transport):
    """Our end of a connection; what is written goes to the peer in the same moment."""

    def __init__(self, connection: Connection, answer: Callable[[Any], Any]) -> None:
        super().__init__()
        self._connection = connection
        self._answer = answer
        self._closing = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        for line in bytes(data).splitlines():
            request = json.loads(line)
            if answer := self._answer(request):
                self.say(*answer)

    def say(self, *messages: dict[str, Any]) -> None:
        data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
        asyncio.get_running_loop().call_soon(self._deliver, data)

    def _deliver(self, data: bytes) -> None:
        if not self._closing:
            self._connection.data_received(data)

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    def get_write_buffer_size(self) -> int:
        return 0


class SilentPools:
    """Where `Pool` dials to; notes when, and gives each connection the same peer."""

    def __init__(self, answer: Callable[[Any], Any] | None) -> None:
        self.dials: list[float] = []
        self.wires: list[Wire] = []
        self._answer = answer

    def stand_in(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be what every route leads to."""

        async def dial(route: Route, url: PoolUrl, connection: Connection) -> None:
            await self.dial(route, url, connection)

        monkeypatch.setattr(Route, "dial", dial)

    async def dial(self, route: Route, url: PoolUrl, connection: Connection) -> None:
        self.dials.append(asyncio.get_running_loop().time())
        if self._answer is None:
            raise ConnectError(url.address, "connection refused: nothing listens there")
        self.wires.append(Wire(connection, self._answer))
        connection.connection_made(self.wires[-1])


async def hours(
    pools: SilentPools, monkeypatch: pytest.MonkeyPatch, *, seconds: float, **options: Any
) -> RecordingLog:
    """Let a pool's life go on for so long; return its log."""
    pools.stand_in(monkeypatch)
    log, clock = RecordingLog(), LoopClock()
    config = PoolConfig(name="pool", url=parse_pool_url("127.0.0.1:1"), user="a", **options)
    pool = Pool(config, Miner(clock), clock=clock, random=Random(1), log=log, hashrate=lambda: 0.0)
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        await asyncio.sleep(seconds)
        talking.cancel()
    return log


def granted(request: Any) -> list[dict[str, Any]]:
    """Answer as a pool that lets everybody in and never has a job."""
    results: dict[str, Any] = {
        "mining.subscribe": [[["mining.notify", "s"]], "00000001", 4],
        "mining.authorize": True,
    }
    result = results.get(request["method"])
    return [{"id": request["id"], "result": result, "error": None}] if result else []


def refused(request: Any) -> list[dict[str, Any]]:
    if request["method"] == "mining.authorize":
        return [{"id": request["id"], "result": False, "error": None}]
    return granted(request)


def errors(log: RecordingLog) -> set[str]:
    return {str(fields["error"]) for fields in log.named("pool.lost")}


async def test_a_pool_that_says_nothing_is_asked_for_version_rolling_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first_words: list[str] = []

    def hear(request: Any) -> list[dict[str, Any]]:
        first_words.extend([request["method"]] if request["id"] == 1 else [])
        return []

    await hours(SilentPools(hear), monkeypatch, seconds=600.0)

    assert len(first_words) > 3
    assert set(first_words) == {"mining.configure"}


async def test_a_pool_out_of_reach_is_dialled_for_ever_at_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = SilentPools(None)

    await hours(pools, monkeypatch, seconds=3600.0)

    pauses = [after - before for before, after in pairwise(pools.dials)]
    for number, pause in enumerate(pauses):
        longest = min(2.0**number, 60.0)
        assert longest / 2 <= pause <= longest
    assert 60 <= len(pauses) <= 130


async def test_a_pool_that_is_dead_for_a_day_is_told_of_each_hour_with_a_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = SilentPools(None)

    log = await hours(pools, monkeypatch, seconds=86_400.0)

    first, *others = log.named("pool.lost")
    assert "repeated" not in first
    assert 22 <= len(others) <= 24
    counts = [int(str(fields["repeated"])) for fields in others]
    assert all(60 <= count <= 130 for count in counts)
    assert 0 <= len(pools.dials) - 1 - sum(counts) <= 130, "each attempt is counted once"


async def test_a_pool_left_for_its_payout_fills_no_log_and_keeps_its_problem_in_sight() -> None:
    jobs = 0

    def pay_others(request: Any) -> list[dict[str, Any]]:
        nonlocal jobs
        if request["method"] != "mining.authorize":
            return granted(request)
        jobs += 1
        return [*granted(request), {"id": None, "method": "mining.notify", "params": NOTIFY}]

    payout = PayoutConfig(address="1BoatSLRHtKNngkdXEeobR76b53LETtpyT", on_mismatch="leave")
    log, clock = RecordingLog(), LoopClock()
    url = parse_pool_url("127.0.0.1:1")
    pool = Pool(
        PoolConfig(name="pool", url=url, user="a", payout=payout),
        Miner(clock),
        clock=clock,
        random=Random(1),
        log=log,
        hashrate=lambda: 0.0,
        rim=Dialled(pay_others),
    )
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        await asyncio.sleep(6 * 3600.0)
        problem = pool.snapshot(clock.monotonic()).problem
        talking.cancel()

    assert jobs > 200
    assert 5 <= len(log.named("pool.lost")) <= 7
    assert len(log.events) <= 8 * 7
    assert "no output of the coinbase pays 1BoatSLRHtKNngkdXEeobR76b53LETtpyT" in problem


async def test_another_failure_is_told_at_once_and_the_first_one_too_after_the_pool_lived() -> None:
    logins: list[Any] = []
    refusals, lived = range(4, 7), 8

    def act(request: Any) -> list[dict[str, Any]]:
        if request["method"] != "mining.authorize":
            return granted(request)
        logins.append(request)
        if len(logins) in refusals:
            return refused(request)
        if len(logins) == lived:
            return [*granted(request), {"id": None, "method": "mining.notify", "params": NOTIFY}]
        return granted(request)

    log, clock = RecordingLog(), LoopClock()
    config = PoolConfig(name="pool", url=parse_pool_url("127.0.0.1:1"), user="a")
    pool = Pool(
        config,
        Miner(clock),
        clock=clock,
        random=Random(1),
        log=log,
        hashrate=lambda: 0.0,
        rim=Dialled(act),
    )
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        await asyncio.sleep(3000.0)
        talking.cancel()

    told = [str(fields["error"]) for fields in log.named("pool.lost")]
    assert told[0] == "no job within 60 s"
    assert "refused" in told[1]
    assert "silent" in told[2]
    assert told[3] == told[0]
    assert len(told) == 4
    assert len(log.named("job.new")) == 1
    assert len(log.named("pool.authorized")) == 3, "of the first, the one that lived, the next"


async def test_other_deadlines_hold_from_the_next_attempt_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = SilentPools(None)
    pools.stand_in(monkeypatch)
    clock = LoopClock()
    config = PoolConfig(name="pool", url=parse_pool_url("127.0.0.1:1"), user="a")
    pool = Pool(
        config, Miner(clock), clock=clock, random=Random(1), log=RecordingLog(), hashrate=lambda: 0
    )
    async with asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        await asyncio.sleep(3600.0)
        before = len(pools.dials)
        pool.adjust(replace(config, deadlines=replace(config.deadlines, retry_cap=10.0)))
        await asyncio.sleep(660.0)  # the pause that has begun may take another minute
        talking.cancel()

    assert len(pools.dials) - before >= 60


async def test_a_pool_that_says_nothing_is_given_up_after_half_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = SilentPools(lambda request: [])

    log = await hours(pools, monkeypatch, seconds=3600.0)

    assert errors(log) == {"no reply to mining.subscribe within 30 s"}
    assert all(30 <= after - before <= 92 for before, after in pairwise(pools.dials))


async def test_a_pool_without_a_job_is_given_up_after_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    log = await hours(SilentPools(granted), monkeypatch, seconds=600.0)

    assert errors(log) == {"no job within 60 s"}


async def test_a_user_who_is_refused_knocks_rarely_and_is_never_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pools = SilentPools(refused)

    await hours(pools, monkeypatch, seconds=86_400.0)

    pauses = [after - before for before, after in pairwise(pools.dials)]
    assert all(pause >= 30 for pause in pauses)
    assert 900 <= max(pauses) <= 1801
    assert len(pauses) >= 48


async def test_a_pool_that_falls_silent_is_left_after_a_minute_and_a_half(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def once(request: Any) -> list[dict[str, Any]]:
        job = {"id": None, "method": "mining.notify", "params": NOTIFY}
        return (
            [*granted(request), job]
            if request["method"] == "mining.authorize"
            else granted(request)
        )

    pools = SilentPools(once)
    log = await hours(pools, monkeypatch, seconds=1000.0)

    assert all("pool is silent: no line for 9" in error for error in errors(log))
    assert len(pools.dials) >= 8


class Dialled(PlainPoolRim):
    """Dials to peers that say what ``answer`` has them say."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.wires: list[Wire] = []
        self._answer = answer

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:
        assert isinstance(connection, Connection)
        self.wires.append(Wire(connection, self._answer))
        connection.connection_made(self.wires[-1])


async def test_a_share_waits_two_minutes_for_a_pool_that_lets_nobody_in_again() -> None:
    lets_in = True

    def answer(request: Any) -> list[dict[str, Any]]:
        if request["method"] == "mining.submit":
            return []
        if request["method"] != "mining.authorize" or not lets_in:
            return refused(request)
        easiest = {"id": None, "method": "mining.set_difficulty", "params": [2.0**-32]}
        job = {"id": None, "method": "mining.notify", "params": NOTIFY}
        return [easiest, *granted(request), job]

    rim, clock = Dialled(answer), LoopClock()
    config = PoolConfig(name="pool", url=parse_pool_url("127.0.0.1:1"), user="a")
    miner = Miner(clock)
    pool = Pool(
        config,
        miner,
        clock=clock,
        random=Random(1),
        log=RecordingLog(),
        hashrate=lambda: 0.0,
        rim=rim,
    )
    async with asyncio.TaskGroup() as group:
        before = group.create_task(pool.run())
        await asyncio.sleep(1.0)
        rim.wires[0].abort()
        await asyncio.sleep(5.0)
        before.cancel()  # as when a pool is disabled for a while
        await asyncio.wait([before])
        talking = group.create_task(pool.run())
        await asyncio.sleep(1.0)
        work = miner.seat("device").next_work()
        assert work
        solution = Solution(work=work, nonce=7, version=work.version, ntime=work.ntime)
        miner.seat("device").found(solution)
        lets_in = False
        rim.wires[-1].abort()
        await asyncio.sleep(SHARE_LIFE - 1)
        waiting = dict(miner.tally.fates)
        await asyncio.sleep(2 + EXPIRY_LOOK)
        ended = dict(miner.tally.fates)
        talking.cancel()

    assert sum(waiting.values()) == 0
    assert ended[Fate.UNANSWERED] == sum(ended.values()) == 1
    assert len(rim.wires) < 8, "it is the time that ends the wait, no session"
