"""A configuration read again while shares stream: what did not change keeps its connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.api.control_lines import Order, OrderError
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, LogConfig, PoolConfig
from stratum_client.config_access import SecurityConfig
from stratum_client.errors import ConfigError
from stratum_client.job import Fate, SessionId
from stratum_client.pool_choices import ChoicesFileError, PoolChoices, choices_in, text_of
from stratum_client.pool_control import FILE_NAME, PoolControl
from stratum_client.pool_roles import PoolRole
from stratum_client.reload import Reload, Settings
from stratum_client.state_file import StateFile
from stratum_client.stats import PoolState, PoolStats
from tests.e2e.pool_rig import BRISK, PoolBench, config_of, mining_at
from tests.stand_ins import RecordingLog


@dataclass
class RecordingDevices:
    """A fleet that notes what it is told."""

    told: list[tuple[str, str]] = field(default_factory=list)

    def check(self, config: DeviceConfig) -> None:
        if config.driver == "abacus":
            raise ConfigError("c.toml:9", "abacus: no such driver")

    def add(self, config: DeviceConfig) -> None:
        self.told.append(("add", config.name))

    async def remove(self, name: str) -> None:
        self.told.append(("remove", name))


class Rig:
    """A bench with its control, and a configuration that stands in a variable."""

    def __init__(self, bench: PoolBench, folder: Path | None = None) -> None:
        pools = tuple(pool.config for pool in bench.pools.pools)
        self.bench = bench
        self.file: Config | ConfigError = Config(
            pools=pools, work=BRISK, devices=(DeviceConfig(name="cpu", driver="cpu"),)
        )
        self.logs: list[LogConfig] = []
        self.secrets: list[str] = []
        self.devices = RecordingDevices()
        self.log = RecordingLog()
        self.control = PoolControl(
            bench.pools,
            config=lambda: self.reload.config,
            keep_secret=self.secrets.append,
            file=StateFile(folder / FILE_NAME) if folder else None,
            clock=SystemClock(),
            log=self.log,
            save_again=0.05,
        )
        self.reload = Reload(
            self.config,
            Settings(
                load=self._load,
                change_log=lambda log, secrets: self.logs.append(log),
                keep_secret=self.secrets.append,
            ),
            pools=self.control,
            devices=self.devices,
            log=self.log,
        )

    @property
    def config(self) -> Config:
        assert isinstance(self.file, Config)
        return self.file

    def _load(self) -> Config:
        if isinstance(self.file, ConfigError):
            raise self.file
        return self.file

    def pool(self, name: str) -> PoolConfig:
        return next(pool for pool in self.config.pools if pool.name == name)

    def with_pools(self, *pools: PoolConfig) -> None:
        self.file = replace(self.config, pools=pools)

    def session(self, name: str) -> SessionId | None:
        pool = next(p for p in self.bench.pools.pools if p.config.name == name)
        connection = pool.shares.connection
        return connection.session.id if connection else None

    def names(self) -> list[str]:
        return [pool.config.name for pool in self.bench.pools.pools]

    async def reloaded(self) -> Mapping[str, Any]:
        return await self.reload.reload(by="a test")

    async def ask(self, what: str, **fields: object) -> Any:
        reply = self.control.handlers[what](Order(fields=fields, by="user miner"))
        return reply if isinstance(reply, Mapping) else await reply

    def assert_nothing_lost(self) -> None:
        fates = self.bench.miner.tally.fates
        lost = {fate: n for fate, n in fates.items() if fate is not Fate.ACCEPTED and n}
        assert lost.keys() <= {Fate.STALE}, lost


@contextlib.asynccontextmanager
async def rig(count: int = 2, folder: Path | None = None) -> AsyncIterator[Rig]:
    async with mining_at(count) as bench, asyncio.TaskGroup() as group:
        found = Rig(bench, folder)
        tasks = [group.create_task(found.control.run()), group.create_task(found.reload.run())]
        await bench.serves("main")
        yield found
        for task in tasks:
            task.cancel()


async def test_what_did_not_change_keeps_its_session_and_no_share_is_lost() -> None:
    async with rig(3) as r:
        await r.bench.until(lambda: r.session("spare") is not None)
        kept, other = r.session("main"), r.session("spare")
        main, spare, third = r.config.pools
        changed = replace(spare, user="somebody.else")

        r.with_pools(main, changed, replace(third, name="fourth"))
        result = await r.reloaded()

        assert result["problems"] == result["needs_restart"] == []
        assert [line.split(":")[0] for line in result["changes"]] == [
            *("pool third", "pool spare", "pool fourth"),
        ]
        await r.bench.until(lambda: r.names() == ["main", "spare", "fourth"])
        await r.bench.until(lambda: r.session("spare") is not None)
        await r.bench.serves("main")
        assert r.session("main") == kept
        assert r.session("spare") != other
        assert r.bench.pools.pools[1].config.user == "somebody.else"
        r.assert_nothing_lost()
        assert (await r.reloaded())["changes"] == []


async def test_order_quota_and_deadlines_change_without_a_new_session() -> None:
    async with rig(2) as r:
        await r.bench.until(lambda: r.session("spare") is not None)
        sessions = {name: r.session(name) for name in ("main", "spare")}
        main, spare = r.config.pools
        slower = replace(main.deadlines, submit=3.0)

        r.with_pools(spare, replace(main, quota=3.0, deadlines=slower))
        r.file = replace(r.config, work=replace(BRISK, failback_after=0.01))
        await r.reloaded()

        assert r.names() == ["spare", "main"]
        await r.bench.serves("spare")
        assert {name: r.session(name) for name in ("main", "spare")} == sessions
        assert r.bench.pools.pools[1].config.deadlines.submit == 3.0
        r.assert_nothing_lost()


async def test_a_bad_file_changes_nothing_and_is_told_with_its_line() -> None:
    async with rig(2) as r:
        kept, before = r.session("main"), r.reload.config
        r.file = ConfigError("c.toml:7", "pool[1].url: no such host")
        with pytest.raises(OrderError, match=r"nothing was changed: c.toml:7: .*no such host"):
            await r.reloaded()

        r.file = replace(before, pools=before.pools[:1])
        r.file = replace(r.file, devices=(DeviceConfig(name="new", driver="abacus"),))
        with pytest.raises(OrderError, match=r"c.toml:9.* abacus"):
            await r.reloaded()

        assert r.reload.config is before
        assert r.names() == ["main", "spare"]
        assert r.devices.told == []
        assert len(r.log.named("reload.refused")) == 2
        await r.bench.serves("main")
        assert r.session("main") == kept


async def test_a_dry_run_tells_and_does_nothing() -> None:
    async with rig(2) as r:
        before = r.reload.config
        r.with_pools(before.pools[0])

        result = await r.reload.reload(by="a test", dry_run=True)

        assert result["changes"] == ["pool spare: removed"]
        assert r.names() == ["main", "spare"]
        assert r.reload.config is before
        assert r.logs == []


async def test_devices_and_levels_follow_and_the_rest_is_named() -> None:
    async with rig(1) as r:
        cpu = r.config.devices[0]
        r.file = replace(
            r.config,
            devices=(replace(cpu, settings={"threads": 2}), DeviceConfig(name="b", driver="cpu")),
            log=LogConfig(level="debug"),
            state_dir=Path("/elsewhere"),
        )

        result = await r.reloaded()

        assert r.devices.told == [("remove", "cpu"), ("add", "cpu"), ("add", "b")]
        assert r.logs == [LogConfig(level="debug")]
        assert result["needs_restart"] == ["needs a restart: state_dir nothing -> /elsewhere"]
        assert (await r.reloaded())["needs_restart"] == result["needs_restart"]


async def test_a_signal_reloads() -> None:
    async with rig(1) as r:
        r.file = replace(r.config, log=LogConfig(level="debug"))
        r.reload.signalled()

        await r.bench.until(lambda: bool(r.log.named("reload.done")))
        assert r.log.named("reload.done")[0]["by"] == "SIGHUP"


# --- what users order ---


async def test_a_pool_is_chosen_by_hand_and_let_go_also_across_a_restart(tmp_path: Path) -> None:
    async with rig(2, tmp_path) as r:
        result = await r.ask("pool.use", pool="spare")
        assert (result["chosen"], result["durable"]) == ("spare", True)
        await r.bench.serves("spare")
        await r.ask("pool.disable", pool="main")

    async with mining_at(2) as bench:
        again = Rig(bench, tmp_path)
        assert bench.pools.chosen == "spare"
        assert bench.stats("main").role is PoolRole.DISABLED
        await bench.serves("spare")
        await again.ask("pool.enable", pool="main")
        await again.ask("pool.use")
        await bench.serves("main")

    async with mining_at(2) as bench:
        Rig(bench, tmp_path)
        assert bench.pools.chosen is None
        assert bench.stats("main").role is not PoolRole.DISABLED


async def test_a_choice_ends_with_the_pool_and_outlives_other_settings_of_it(
    tmp_path: Path,
) -> None:
    def kept() -> PoolChoices:
        return choices_in((tmp_path / FILE_NAME).read_bytes())

    async with rig(3, tmp_path) as r:
        main, spare, third = r.config.pools
        await r.ask("pool.use", pool="spare")

        r.with_pools(main, replace(spare, user="somebody.else"), third)
        await r.reloaded()
        told = [fields["reason"] for fields in r.log.named("pools.switched")]
        told += [fields["reason"] for fields in r.bench.log.named("pools.switched")]
        await r.ask("pool.disable", pool="third")
        assert "spare is to reconnect with other settings" in told
        assert kept() == PoolChoices(use="spare", disabled=frozenset({"third"}))
        await r.bench.until(lambda: r.bench.pools.chosen == "spare")

        r.with_pools(main, third)
        await r.reloaded()
        assert kept() == PoolChoices(disabled=frozenset({"third"}))
        r.with_pools(main, third, spare)
        await r.reloaded()
        await r.bench.until(lambda: "spare" in r.names())
        assert r.bench.pools.chosen is None
        r.assert_nothing_lost()


async def test_other_settings_of_a_disabled_pool_do_not_log_in_there() -> None:
    async with rig(2) as r:
        main, spare = r.config.pools
        await r.ask("pool.disable", pool="spare")
        await r.bench.until(lambda: r.bench.servers["spare"].clients == 0)
        logins = len(r.bench.log.named("pool.authorized"))

        r.with_pools(main, replace(spare, user="somebody.else"))
        await r.reloaded()
        await r.bench.until(lambda: r.names() == ["main", "spare"])
        await r.bench.serves("main")

        assert r.bench.stats("spare").role is PoolRole.DISABLED
        assert r.session("spare") is None
        assert len(r.bench.log.named("pool.authorized")) == logins


async def test_a_pool_is_added_used_and_removed_while_shares_stream() -> None:
    async with rig(2) as r:
        server = r.bench.servers["spare"]
        url = str(config_of(server, "x").url)
        added = await r.ask("pool.add", url=url, user="new.rig", name="extra", password="geheim-3")
        assert added["pool"] == "extra"
        assert "until the daemon ends" in added["note"]
        assert r.secrets == ["geheim-3"]
        chosen = await r.ask("pool.use", pool="extra")
        assert "not in the configuration" in chosen["problem"]
        await r.bench.until(lambda: r.bench.pools.serving == ("extra",))
        with pytest.raises(OrderError, match="called extra already"):
            await r.ask("pool.add", url=url, user="new.rig", name="extra")

        await r.reloaded()
        assert r.names() == ["main", "spare", "extra"], "a reload leaves what was added"
        assert (await r.ask("pool.remove", pool="extra"))["note"] == ""
        assert "stands in the configuration" in (await r.ask("pool.remove", pool="spare"))["note"]
        with pytest.raises(OrderError, match="only pool"):
            await r.ask("pool.remove", pool="main")
        await r.bench.serves("main")
        r.assert_nothing_lost()


async def test_an_added_pool_is_reached_the_way_that_was_ordered() -> None:
    async with rig(1) as r:
        pin, proxy = "ab" * 32, "socks5://me:geheim-4@127.0.0.1:9"
        order = {"url": "ssl://127.0.0.1:9", "user": "new.rig", "name": "extra"}
        await r.ask("pool.add", **order, pin=pin, proxy=proxy)

        [config] = [pool.config for pool in r.bench.pools.pools if pool.config.name == "extra"]
        assert config.trust.verify == "pin"
        assert config.trust.pin_sha256 == (bytes.fromhex(pin),)
        assert config.via
        assert (config.via.host, config.via.port) == ("127.0.0.1", 9)
        assert r.secrets == ["geheim-4"]


async def test_what_makes_no_sense_is_refused_and_changes_nothing() -> None:
    async with rig(1) as r:
        for what, fields, problem in (
            ("pool.use", {"pool": "nobody"}, "no pool is called 'nobody'; there are: main"),
            ("pool.disable", {}, '"pool" is missing'),
            ("pool.add", {"url": "http://x", "user": "a"}, "pool address looks like"),
            ("pool.add", {"url": "x:1", "user": "a", "name": "main"}, "called main already"),
            ("pool.add", {"url": "ssl://x:1", "user": "a", "pin": "abc"}, "--pin"),
            ("pool.add", {"url": "x:1", "user": "a", "proxy": "ftp://y:2"}, "--proxy"),
            (
                "pool.add",
                {"url": "ssl://x:1", "user": "a", "pin": "0" * 64, "insecure": True},
                "means nothing with --insecure",
            ),
        ):
            with pytest.raises(OrderError, match=problem):
                await r.ask(what, **fields)
        assert r.names() == ["main"]


async def test_locked_pools_come_from_the_configuration_alone() -> None:
    async with rig(2) as r:
        r.reload.config = replace(r.config, security=SecurityConfig(lock_pools=True))
        for what, fields in (
            ("pool.add", {"url": "x:1", "user": "a"}),
            ("pool.add", {"url": "x:1", "user": "a", "dry_run": True}),
            ("pool.remove", {"pool": "spare"}),
        ):
            with pytest.raises(OrderError, match=r"locked by security\.lock_pools"):
                await r.ask(what, **fields)
        assert r.names() == ["main", "spare"]
        assert (await r.ask("pool.use", pool="spare"))["chosen"] == "spare"


async def test_a_choice_that_cannot_be_written_is_made_and_told(tmp_path: Path) -> None:
    async with rig(2, tmp_path / "gone") as r:
        result = await r.ask("pool.use", pool="spare")

        assert (result["chosen"], result["durable"]) == ("spare", False)
        assert "No such file" in result["problem"]

        (tmp_path / "gone").mkdir()
        kept = tmp_path / "gone" / FILE_NAME
        await r.bench.until(kept.exists)
        assert choices_in(kept.read_bytes()) == PoolChoices(use="spare")


async def test_a_pool_that_reconnects_stays_in_sight_takes_no_orders_and_keeps_its_counts() -> None:
    def row(r: Rig) -> PoolStats:
        [found] = [p for p in r.bench.pools.snapshot(SystemClock().monotonic()) if p.name == "main"]
        return found

    async with rig(2) as r:
        await r.bench.until(lambda: row(r).counts.fates[Fate.ACCEPTED] >= 5)
        before = row(r).counts.fates[Fate.ACCEPTED]
        main, spare = r.config.pools
        r.with_pools(replace(main, user="somebody.else"), spare)
        await r.reloaded()

        assert row(r).problem == "reconnecting with other settings"
        assert row(r).state is PoolState.DISCONNECTED
        assert row(r).role is PoolRole.CONNECTING
        for what in ("pool.use", "pool.disable", "pool.enable"):
            with pytest.raises(OrderError, match="main is reconnecting"):
                await r.ask(what, pool="main")
        await r.bench.until(lambda: row(r).problem == "" and row(r).state is PoolState.MINING)
        assert row(r).user == "somebody.else"
        assert row(r).counts.fates[Fate.ACCEPTED] >= before
        await r.ask("pool.disable", pool="main")
        r.assert_nothing_lost()


async def test_a_pool_removed_while_it_reconnects_is_gone_and_counts_anew_when_added() -> None:
    def named(r: Rig) -> list[PoolStats]:
        rows = r.bench.pools.snapshot(SystemClock().monotonic())
        return [pool for pool in rows if pool.name == "main"]

    async with rig(2) as r:
        await r.bench.until(lambda: named(r)[0].counts.fates[Fate.ACCEPTED] >= 5)
        main, spare = r.config.pools
        r.with_pools(replace(main, user="somebody.else"), spare)
        await r.reloaded()
        await r.ask("pool.remove", pool="main")
        assert not named(r)

        await r.bench.until(lambda: not r.bench.pools.is_leaving("main"))
        r.control.add(replace(main, user="a third"))
        assert named(r)[0].counts.fates[Fate.ACCEPTED] == 0


async def test_a_choice_of_a_pool_that_is_gone_is_told_of_at_one_start_only(tmp_path: Path) -> None:
    kept, disabled = tmp_path / FILE_NAME, frozenset({"spare"})
    kept.write_bytes(text_of(PoolChoices(use="added by hand", disabled=disabled)))

    async with rig(2, tmp_path) as r:
        [told] = r.log.named("choices.void")
        assert told["pool"] == "added by hand"
        await r.bench.until(lambda: choices_in(kept.read_bytes()) == PoolChoices(disabled=disabled))
    async with rig(2, tmp_path) as r:
        assert not r.log.named("choices.void")
        assert r.log.named("choices.restored")


@pytest.mark.parametrize("content", [b"nonsense", b'{"format": 2, "use": null, "disabled": []}'])
async def test_a_damaged_record_of_choices_is_kept_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    async with mining_at(1) as bench:
        found = Rig(bench, tmp_path)

        assert found.log.named("choices.damaged")
        assert (tmp_path / "pools.damaged").read_bytes() == content
        await bench.serves("main")


PLAIN_NAMES = st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=20)


@settings(max_examples=50)
@given(st.none() | PLAIN_NAMES, st.frozensets(PLAIN_NAMES, max_size=5))
def test_choices_are_read_as_they_were_written(use: str | None, disabled: frozenset[str]) -> None:
    choices = PoolChoices(use=use, disabled=disabled)

    assert choices_in(text_of(choices)) == choices


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["format", "use", "disabled", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.binary(max_size=50) | JSON.map(lambda value: repr(value).replace("'", '"').encode()))
def test_any_bytes_are_choices_or_the_one_error(data: bytes) -> None:
    with contextlib.suppress(ChoicesFileError):
        choices_in(data)


VALUES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["main", "spare", "auto", "", "x" * 400, "a\x1b", "127.0.0.1:9", "tcp://h:1"])
    | st.text(max_size=6)
)


async def test_any_fields_of_orders_about_pools_give_a_result_or_a_refusal() -> None:
    orders = st.tuples(
        st.sampled_from(["pools", "pool.use", "pool.enable", "pool.disable", "pool.add"]),
        st.dictionaries(st.sampled_from(["pool", "url", "user", "name", "password"]), VALUES),
    )
    async with mining_at(2) as bench:
        found = Rig(bench)

        def play(order: tuple[str, dict[str, object]]) -> None:
            what, fields = order
            before = found.names()
            reply = found.control.handlers[what](Order(fields=fields, by="user miner"))
            try:
                result = reply if isinstance(reply, Mapping) else run_to_end(reply)
            except OrderError:
                assert found.names() == before
            else:
                assert result.keys() & {"pools", "pool"}

        settings(max_examples=60)(given(orders)(play))()


def run_to_end(reply: Any) -> Mapping[str, object]:
    """Return what a coroutine returns that waits for nothing."""
    try:
        reply.send(None)
    except StopIteration as end:
        result: Mapping[str, object] = end.value
        return result
    raise AssertionError("without a file nothing has to be waited for")
