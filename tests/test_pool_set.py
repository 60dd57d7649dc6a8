"""The pools of a rig in virtual time: what the policy says is done, at the moment it named.

No pool is dialled here; jobs and losses are told by hand, as the pools' connections would.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from drivers.header import MAX_TARGET, difficulty_of
from stratum_client.config import PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.errors import ConnectionLostError, PoolOrderError, StratumError
from stratum_client.job import SessionId
from stratum_client.miner import Miner
from stratum_client.notify import Terms, parse_notify
from stratum_client.pool import Pool
from stratum_client.pool_roles import PoolRole
from stratum_client.pool_set import PoolSet
from stratum_client.pool_url import parse_pool_url
from stratum_client.pool_watcher import PoolWatcher
from stratum_client.rims import PlainPoolRim, Way
from tests.stand_ins import FetchingListener, RecordingLog
from tests.vectors.load import stratum
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time
NOTIFY = stratum("shares")[0]["notify"]["params"]


class Nowhere(PlainPoolRim):
    """Dials for ever."""

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:
        await asyncio.get_running_loop().create_future()


class Rig:
    """Pools, devices that fetch work whenever they are told to, and a count of their hashes."""

    def __init__(self, work: WorkConfig, rates: dict[str, float], quotas: dict[str, float]) -> None:
        self.clock, self.log = LoopClock(), RecordingLog()
        self.miner = Miner(self.clock)
        self.rates = rates
        self.hashes = dict.fromkeys(quotas, 0.0)
        self.idle = 0.0
        self.given_up = asyncio.Event()
        self.pools = PoolSet(
            [self.config(name, quota=quota) for name, quota in quotas.items()],
            work,
            self.miner,
            self._make_pool,
            clock=self.clock,
            log=self.log,
            hashrates=lambda: self.rates,
            give_up=self.given_up.set,
        )
        self.devices = {name: FetchingListener(self.miner.seat(name)) for name in rates}

    @staticmethod
    def config(name: str, **changes: Any) -> PoolConfig:
        return PoolConfig(name=name, url=parse_pool_url("127.0.0.1:1"), user="me", **changes)

    def _make_pool(self, config: PoolConfig, watcher: PoolWatcher) -> Pool:
        return Pool(
            config,
            self.miner,
            clock=self.clock,
            random=Random(1),
            log=self.log,
            hashrate=lambda: 0.0,
            rim=Nowhere(),
            watcher=watcher,
        )

    def job(self, *names: str) -> None:
        """Let these pools send a job."""
        for number, name in enumerate(names):
            terms = Terms(
                session=SessionId(pool=name, number=number),
                extranonce1=bytes(4),
                extranonce2_size=4,
                version_mask=0,
                difficulty=difficulty_of(MAX_TARGET),
                target=MAX_TARGET,
            )
            now = self.clock.monotonic()
            job = parse_notify(NOTIFY, terms, serial=int(1000 * now) + number, arrived=now)
            self.miner.job_arrived(job)
            self.pools.job_arrived(name, job)

    def lose(self, name: str, error: StratumError | None = None) -> None:
        self.pools.session_ended(name, error or ConnectionLostError("pool:1", "reset"))

    async def hash(self, seconds: int) -> None:
        """Let devices hash, each for the pool of its work."""
        for _ in range(seconds * 4):
            await asyncio.sleep(0.25)
            for name, rate in self.rates.items():
                work = self.devices[name].work
                if work is None:
                    self.idle += rate / 4
                else:
                    self.hashes[work.job.session.pool] += rate / 4

    def serving(self) -> tuple[str, ...]:
        return self.pools.serving

    def role(self, name: str) -> PoolRole | None:
        stats = self.pools.snapshot(self.clock.monotonic())
        return next(pool.role for pool in stats if pool.name == name)


@contextlib.asynccontextmanager
async def running(
    *names: str,
    rates: dict[str, float] | None = None,
    quotas: dict[str, float] | None = None,
    **settings: Any,
) -> AsyncIterator[Rig]:
    quotas = quotas or dict.fromkeys(names, 1.0)
    rig = Rig(WorkConfig(**settings), rates or {"device": 1e12}, quotas)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(rig.pools.run())
        await asyncio.sleep(0)
        yield rig
        task.cancel()


async def test_ten_minutes_of_devices_are_split_by_quota_through_an_outage() -> None:
    rates = {"giant": 1.1e14, "stick": 3e11, **{f"board {n}": 1.2e12 * n for n in range(1, 7)}}
    quotas = {"a": 70.0, "b": 20.0, "c": 10.0}
    async with running(rates=rates, quotas=quotas, strategy="quota") as rig:
        rig.job("a", "b", "c")
        await rig.hash(200)
        rig.lose("a")
        await rig.hash(100)
        without = dict(rig.hashes)
        rig.job("a")
        await rig.hash(300)
        told = {pool.name: pool.dealt for pool in rig.pools.snapshot(rig.clock.monotonic())}

    total = sum(rig.hashes.values())
    # a was lost for 100 s and a further 15 s until it was trusted; b and c had its part then.
    wanted = {"a": 0.7 * 485 / 600, "b": (0.2 * 485 + 2 / 3 * 115) / 600}
    assert rig.idle == 0
    assert rig.hashes["a"] / total == pytest.approx(wanted["a"], abs=0.02)
    assert rig.hashes["b"] / total == pytest.approx(wanted["b"], abs=0.02)
    since = {name: rig.hashes[name] - without[name] for name in quotas}
    assert since["a"] / sum(since.values()) == pytest.approx(0.7 * 285 / 300, abs=0.03)
    for name, dealt in told.items():
        assert dealt
        assert dealt.achieved == pytest.approx(rig.hashes[name] / total, abs=0.02)


async def test_devices_change_pools_in_the_call_that_tells_of_the_loss() -> None:
    async with running("main", "spare", rates=dict.fromkeys("abcd", 1.0)) as rig:
        rig.job("main", "spare")
        await rig.hash(1)

        rig.lose("main")

        works = [device.work for device in rig.devices.values()]
        assert {work.job.session.pool for work in works if work} == {"spare"}
        assert all(device.changes[-1] is False for device in rig.devices.values())
    assert [f["reason"] for f in rig.log.named("pools.switched")][-1] == "main: connection lost"


async def test_the_way_back_needs_no_event_but_the_time() -> None:
    async with running("main", "spare", failback_after=300.0) as rig:
        rig.job("main", "spare")
        await rig.hash(10)
        rig.lose("main")
        await rig.hash(60)
        rig.job("main")
        await rig.hash(299)
        assert rig.role("main") is PoolRole.UNHEALTHY
        served = rig.hashes["main"]
        await rig.hash(101)

    assert served == pytest.approx(10e12)
    assert rig.hashes["main"] == pytest.approx(110e12, rel=0.01)
    assert rig.idle == 0


async def test_rotation_keeps_its_turns() -> None:
    async with running("a", "b", "c", strategy="rotate", rotate_every=600.0) as rig:
        rig.job("a", "b", "c")
        await rig.hash(1800)

    assert all(hashes == pytest.approx(600e12, rel=0.01) for hashes in rig.hashes.values())


async def test_the_last_order_wins() -> None:
    async with running("main", "spare") as rig:
        rig.job("main", "spare")
        rig.pools.use("spare")
        assert (rig.serving(), rig.pools.chosen) == (("spare",), "spare")

        rig.pools.disable("spare")
        assert (rig.serving(), rig.pools.chosen) == (("main",), None)
        with pytest.raises(PoolOrderError, match="enable it first"):
            rig.pools.use("spare")
        for order in (rig.pools.enable, rig.pools.disable, rig.pools.remove, rig.pools.use):
            with pytest.raises(PoolOrderError, match="there are: main, spare"):
                order("other")
        with pytest.raises(PoolOrderError, match="name each pool once"):
            rig.pools.arrange(["main"])


async def test_a_pool_that_is_still_closing_cannot_be_added_under_its_old_name() -> None:
    async with running("main", "spare") as rig:
        rig.pools.remove("spare")
        with pytest.raises(PoolOrderError, match="still closing"):
            rig.pools.add(rig.config("spare"))

        await rig.hash(2)
        rig.pools.add(rig.config("spare"))
        rig.job("spare")

        assert rig.serving() == ("spare",)
        assert [pool.config.name for pool in rig.pools.pools] == ["main", "spare"]


async def test_a_pool_that_comes_back_keeps_its_row_and_a_role_all_the_while() -> None:
    def rows(rig: Rig) -> list[tuple[str, PoolRole | None]]:
        return [(row.name, row.role) for row in rig.pools.snapshot(rig.clock.monotonic())]

    async with running("main", "spare", "third", "off") as rig:
        rig.job("main", "spare", "third")
        rig.pools.disable("off")
        before = [
            ("main", PoolRole.SERVING),
            ("spare", PoolRole.STANDBY),
            ("third", PoolRole.STANDBY),
            ("off", PoolRole.DISABLED),
        ]
        assert rows(rig) == before

        for name in ("off", "main", "spare"):
            rig.pools.remove(name, comes_back=True)
        between = [
            ("main", PoolRole.CONNECTING),
            ("spare", PoolRole.CONNECTING),
            ("third", PoolRole.SERVING),
            ("off", PoolRole.DISABLED),
        ]
        assert rows(rig) == between
        await rig.hash(2)
        assert not any(rig.pools.is_leaving(name) for name in ("off", "main", "spare"))
        assert rows(rig) == between  # also when the old sessions are closed

        for name in ("main", "spare", "off"):
            rig.pools.add(rig.config(name), enabled=name != "off")
        assert {name for name, _ in rows(rig)} == {name for name, _ in before}


async def test_other_settings_hold_at_once() -> None:
    async with running("a", "b", quotas={"a": 3.0, "b": 1.0}) as rig:
        rig.job("a", "b")
        assert (rig.serving(), rig.pools.part("a")) == (("a",), 1.0)

        rig.pools.configure(WorkConfig(strategy="quota"))
        assert rig.serving() == ("a", "b")
        assert (rig.pools.part("a"), rig.pools.part("b")) == (0.75, 0.25)
        rig.pools.configure(replace(WorkConfig(), no_pool_action="hold"))
        assert rig.serving() == ("a",)
        rig.lose("a")
        rig.lose("b")

        assert rig.miner.hold_jobs
        assert rig.devices["device"].work


async def test_a_cold_standby_is_dialled_when_patience_ends() -> None:
    async with running("main", "spare", standby="cold") as rig:
        states = []
        for _ in range(4):
            states.append((rig.role("main"), rig.role("spare")))
            await rig.hash(5)

    cold = (PoolRole.CONNECTING, PoolRole.STANDBY)
    assert states == [cold, cold, cold, (PoolRole.CONNECTING, PoolRole.CONNECTING)]
