"""Whatever is ordered of pools during a recorded run happens again in the replay."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import pytest

from drivers.api import PortInfo
from stratum_client.clock import SystemClock
from stratum_client.config import Config, Deadlines, PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.daemon import Daemon
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.job import Fate
from stratum_client.pool_choices import PoolChoices, text_of
from stratum_client.pool_control import FILE_NAME
from stratum_client.recording.entries import What
from stratum_client.recording.recorder import Recorder
from stratum_client.reload import Settings
from stratum_client.replay.outcome import Outcome, replayed
from tests.e2e.pool_rig import SETTINGS
from tests.e2e.rig import LoopHasher, config_for
from tests.recording.rig import PATIENT, last_run, recorded_place, recorded_warnings
from tests.stand_ins import RecordingLog

DEADLINES: Deadlines = replace(PATIENT, failover=5.0)
WORK = WorkConfig(failback_after=0.3, answers_wait=0.2)
SHARES = 3
NEW_USER, NEW_PASSWORD = "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx.shed", "nobodys-business"


@dataclass
class Rig:
    """A daemon at two pools; ``file`` is what its configuration says when it is read again."""

    daemon: Daemon
    servers: dict[str, EmulatedPool]
    file: Config

    def accepted(self, name: str) -> int:
        return self.servers[name].tally().total.accepted

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(30.0):
            while not condition():  # noqa: ASYNC110  # several sides to watch
                await asyncio.sleep(0.005)

    async def serves(self, *names: str) -> None:
        """Wait until these pools serve and each has accepted some more shares."""
        await self.until(lambda: self.daemon.pools.serving == names)
        wanted = {name: self.accepted(name) + SHARES for name in names}
        await self.until(lambda: all(self.accepted(name) >= wanted[name] for name in names))

    async def reload(self, **changes: PoolConfig) -> None:
        """Read a configuration with these pools again."""
        pools = {pool.name: pool for pool in self.file.pools} | changes
        self.file = replace(self.file, pools=tuple(pools.values()))
        await self.daemon._reload.reload(by="a test")

    def pool(self, name: str) -> PoolConfig:
        return next(pool for pool in self.file.pools if pool.name == name)


@contextlib.asynccontextmanager
async def recorded(
    file: Path, *, work: WorkConfig = WORK, state_dir: Path | None = None
) -> AsyncIterator[Rig]:
    clock, log = SystemClock(), RecordingLog()
    async with contextlib.AsyncExitStack() as stack:
        servers = {
            name: await stack.enter_async_context(
                EmulatedPool(SETTINGS, clock=clock, random=Random(name))
            )
            for name in ("a", "b")
        }
        pools = [
            config_for(server, name=name, user=f"{name}.rig", deadlines=DEADLINES)
            for name, server in servers.items()
        ]
        config = Config(pools=tuple(pools), work=work)
        recorder = Recorder(
            file, config, clock=clock, log_for=lambda _: log, warn=recorded_warnings(log)
        )
        stack.callback(recorder.close)
        daemon = Daemon(
            config,
            found=(),
            state_dir=state_dir,
            clock=clock,
            random=Random(7),
            log_for=recorder.log_for,
            rims=recorder,
            settings=Settings(
                load=lambda: rig.file,
                change_log=lambda log, secrets: None,
                keep_secret=lambda secret: None,
            ),
        )
        recorder.tally = daemon.miner.tally
        rig = Rig(daemon, servers, config)
        async with asyncio.TaskGroup() as group:
            running = group.create_task(daemon.run())
            hashing = []
            for name in ("first", "second"):
                recorder.opening(name, "test", PortInfo(), {})
                hasher = LoopHasher(recorded_place(recorder, daemon.miner.seat(name)))
                hashing.append(group.create_task(hasher.run()))
            yield rig
            for task in hashing:
                task.cancel()
            await asyncio.wait(hashing)
            daemon.stop()
            await running


async def disable_and_enable(rig: Rig) -> None:
    rig.daemon.pools.disable("a")
    await rig.serves("b")
    await rig.until(lambda: rig.daemon.pools.pools[0].state == "disconnected")
    rig.daemon.pools.enable("a")
    await rig.serves("a")


async def use_and_release(rig: Rig) -> None:
    rig.daemon.pools.use("b")
    await rig.serves("b")
    rig.daemon.pools.use(None)
    await rig.serves("a")


async def arrange(rig: Rig) -> None:
    rig.daemon.pools.arrange(["b", "a"])
    await rig.serves("b")


async def another_user(rig: Rig) -> None:
    changed = replace(rig.pool("a"), user=NEW_USER, password=NEW_PASSWORD)
    await rig.reload(a=changed)
    await rig.until(lambda: rig.daemon.pools.serving == ("b",))
    await rig.serves("a")


async def other_deadlines(rig: Rig) -> None:
    deadlines = replace(DEADLINES, retry_cap=0.3)
    await rig.reload(a=replace(rig.pool("a"), deadlines=deadlines))
    await rig.serves("a")


async def one_more_and_one_less(rig: Rig) -> None:
    more = replace(rig.pool("b"), name="c", user=NEW_USER, password=NEW_PASSWORD)
    rig.daemon.pools.add(more)
    rig.daemon.pools.remove("a")
    await rig.serves("b")
    rig.daemon.pools.use("c")
    await rig.until(lambda: rig.daemon.pools.serving == ("c",))
    rig.daemon.pools.remove("b")
    wanted = rig.accepted("b") + SHARES
    await rig.until(lambda: rig.accepted("b") >= wanted)  # where c is, too


async def deal_by_quota(rig: Rig) -> None:
    rig.daemon.pools.configure(replace(WORK, strategy="quota"))
    await rig.serves("a", "b")
    rig.daemon.pools.configure(WORK)
    await rig.until(lambda: len(rig.daemon.pools.serving) == 1)


@pytest.mark.parametrize(
    "orders",
    [
        disable_and_enable,
        use_and_release,
        arrange,
        another_user,
        other_deadlines,
        one_more_and_one_less,
        deal_by_quota,
    ],
    ids=lambda orders: orders.__name__,
)
async def test_orders_about_pools_are_replayed(
    tmp_path: Path, orders: Callable[[Rig], Awaitable[None]]
) -> None:
    file = tmp_path / "run.jsonl"
    async with recorded(file) as rig:
        await rig.serves("a")
        await orders(rig)
        fates = rig.daemon.miner.tally.fates

    outcome = await _outcome(file)

    assert not outcome.differences
    assert outcome.then == outcome.now == {str(fate): n for fate, n in fates.items()}
    assert outcome.now["accepted"] >= SHARES
    assert any(entry.what is What.ORDER for entry in last_run(file).entries)
    assert NEW_USER not in file.read_text()
    assert NEW_PASSWORD not in file.read_text()


async def test_choices_of_an_earlier_run_are_taken_up_in_the_replay(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    (tmp_path / FILE_NAME).write_bytes(text_of(PoolChoices(disabled=frozenset({"a"}))))
    async with recorded(file, state_dir=tmp_path) as rig:
        await rig.serves("b")
        assert rig.accepted("a") == 0

    outcome = await _outcome(file)

    assert not outcome.differences
    assert outcome.now[str(Fate.ACCEPTED)] >= SHARES


async def test_an_order_that_is_missing_makes_the_replay_different(tmp_path: Path) -> None:
    file = tmp_path / "run.jsonl"
    async with recorded(file) as rig:
        await rig.serves("a")
        await use_and_release(rig)
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if '"order":"use"' not in line))

    assert (await _outcome(file)).differences


async def _outcome(file: Path) -> Outcome:
    return await asyncio.to_thread(replayed, last_run(file))
