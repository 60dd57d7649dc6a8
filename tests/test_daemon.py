"""The whole daemon in one process, at the embedded pool, with one real worker."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from random import Random

import pytest

from drivers.api import DeviceState
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.daemon import EXIT_NO_POOL, EXIT_OK, Daemon
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.errors import ConfigError
from stratum_client.job import Fate
from stratum_client.pool_roles import PoolRole
from stratum_client.pool_url import parse_pool_url
from stratum_client.stats import PoolState
from tests.stand_ins import RecordingLog

SETTINGS = PoolSettings(difficulty=0.0001, vardiff="off")


def daemon_at(
    port: int, log: RecordingLog, settings: Mapping[str, object], driver: str = "cpu"
) -> Daemon:
    pool = PoolConfig(
        name="pool",
        url=parse_pool_url(f"127.0.0.1:{port}"),
        user="account.rig",
        suggest_difficulty="off",
    )
    device = DeviceConfig(name="hasher", driver=driver, settings=settings)
    config = Config(pools=(pool,), devices=(device,))
    return Daemon(config, clock=SystemClock(), random=Random(1), log_for=lambda _: log)


@contextlib.asynccontextmanager
async def mining(
    log: RecordingLog,
) -> AsyncIterator[tuple[Daemon, asyncio.Task[int], EmulatedPool]]:
    """Run pool and daemon until the pool has accepted three shares."""
    async with EmulatedPool(SETTINGS) as pool, asyncio.TaskGroup() as group:
        daemon = daemon_at(pool.port, log, {"threads": 1})
        running = group.create_task(daemon.run())
        async with asyncio.timeout(30):
            await pool.wait_for(lambda tally: tally.total.accepted >= 3)
        yield daemon, running, pool


async def test_it_mines_until_stopped_and_every_share_has_its_answer() -> None:
    log = RecordingLog()

    async with mining(log) as (daemon, running, pool):
        alive = daemon.snapshot()
        daemon.stop()
        async with asyncio.timeout(10):
            code = await running
        theirs = pool.tally().total

    after = daemon.snapshot()
    assert code == EXIT_OK
    assert alive.pools[0].state is PoolState.MINING
    assert after.pools[0].state is PoolState.MINING, "as it was when the end began"
    assert after.counts.fates[Fate.ACCEPTED] == theirs.accepted >= 3
    assert after.counts.fates[Fate.UNANSWERED] == after.counts.fates[Fate.REJECTED] == 0
    assert after.devices[0].counts.fates == after.pools[0].counts.fates == after.counts.fates


async def test_the_last_snapshot_tells_what_devices_said_before_they_were_stopped() -> None:
    async with mining(RecordingLog()) as (daemon, running, _):
        daemon.stop()
        await running

    device = daemon.snapshot().devices[0]
    assert device.stats.state is DeviceState.MINING
    assert (device.name, device.driver) == ("hasher", "cpu")
    assert device.counts.solutions >= 3


async def test_the_claimed_rate_is_what_the_devices_say() -> None:
    async with mining(RecordingLog()) as (daemon, running, _):
        assert daemon.hashrate() > 0
        daemon.stop()
        await running


async def test_cancelled_it_ends_too() -> None:
    async with mining(RecordingLog()) as (_, running, pool):
        running.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([running])
        assert running.cancelled()
        async with asyncio.timeout(10):
            while pool.clients:  # noqa: ASYNC110  # the kernel tells the pool, there is no event
                await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("driver", "settings", "words"),
    [("abacus", {}, "abacus"), ("cpu", {"threads": "many"}, "threads"), ("cpu", {"x": 1}, "x")],
)
def test_a_device_that_cannot_be_is_an_error_of_the_configuration(
    driver: str, settings: dict[str, object], words: str
) -> None:
    with pytest.raises(ConfigError, match=words) as caught:
        daemon_at(1, RecordingLog(), settings, driver)

    assert "hasher" in str(caught.value)


async def test_without_a_pool_for_too_long_it_ends_with_a_code_of_its_own() -> None:
    log = RecordingLog()
    pool = PoolConfig(name="gone", url=parse_pool_url("127.0.0.1:1"), user="account.rig")
    device = DeviceConfig(name="hasher", driver="cpu", settings={"threads": 1})
    work = WorkConfig(no_pool_action="exit", exit_after=0.1)
    config = Config(pools=(pool,), devices=(device,), work=work)
    daemon = Daemon(config, clock=SystemClock(), random=Random(1), log_for=lambda _: log)

    async with asyncio.timeout(20):
        code = await daemon.run()

    assert code == EXIT_NO_POOL == 3
    [told] = log.named("daemon.no_pool")
    assert "gone: connection lost" in str(told["reason"])
    assert daemon.snapshot().pools[0].role is PoolRole.CONNECTING


async def test_the_rates_by_which_work_is_dealt_are_those_of_devices_that_mine() -> None:
    async with mining(RecordingLog()) as (daemon, running, _):
        assert daemon.hashrates().keys() == {"hasher"}
        assert daemon.hashrates()["hasher"] > 0
        daemon.stop()
        await running

    assert daemon.hashrates() == {}
