"""The schedule in force: at the stroke, after jumps of the clock, and never by a wrong one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pytest

from drivers.api import DeviceState, DeviceStats, Setpoint
from stratum_client.api.control_lines import Order, OrderError
from stratum_client.clock import SystemClock
from stratum_client.clock_sync import is_synchronized
from stratum_client.config import Config, DeviceConfig, PoolConfig, RigConfig
from stratum_client.config_energy import TariffConfig
from stratum_client.config_schedule import CalendarConfig, ScheduleConfig, WindowConfig
from stratum_client.control.claims import IDLE, Level, Limit
from stratum_client.control.claims_file import claims_in
from stratum_client.control.modes import FULL, REST, parse_mode
from stratum_client.control.window_claims import window_claims
from stratum_client.daemon import Daemon
from stratum_client.device_control import FILE_NAME, DeviceControl
from stratum_client.device_pauses import DevicePauses
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.errors import ConfigError
from stratum_client.metrics import exposition
from stratum_client.miner import Miner
from stratum_client.pool_url import parse_pool_url
from stratum_client.reload import Settings
from stratum_client.state_file import StateFile
from stratum_client.stats import PoolState, RigStats
from stratum_client.supervise import SupervisedDevice
from stratum_client.window_desk import UNSYNCHRONIZED, WindowDesk
from tests.stand_ins import RecordingLog
from tests.tls_peers import until
from tests.virtual_time import LoopClock

# Virtual time begins on Sunday 15 June 2025, 15:06:40 UTC: 200 s before the window opens.
WINDOW = WindowConfig(hours=(15 * 60 + 10, 15 * 60 + 20))
UTC_RIG = RigConfig(name="rig", timezone="UTC")
CONFIG = Config(rig=UTC_RIG, windows=(WINDOW,))
PATIENCE = 30


class JumpingClock(LoopClock):
    """The loop's time, and a wall clock that is set now and then."""

    ahead = 0.0

    def wall(self) -> float:
        return super().wall() + self.ahead


class Board:
    """A device with a frequency that keeps any ceiling."""

    def __init__(self) -> None:
        self.setpoint = Setpoint(run=True)

    async def run(self) -> None:
        await asyncio.Event().wait()

    def job_changed(self, *, clean: bool) -> None:
        raise AssertionError("there is no job")

    def apply(self, setpoint: Setpoint) -> None:
        self.setpoint = setpoint

    def stats(self) -> DeviceStats:
        if not self.setpoint.run:
            return DeviceStats(state=DeviceState.IDLE, reason=self.setpoint.reason)
        mhz = min(self.setpoint.mhz or 500.0, 500.0)
        return DeviceStats(state=DeviceState.MINING, frequency_mhz=mhz, power=20.0)


class Bench:
    """One board under the desk."""

    def __init__(
        self,
        config: Config = CONFIG,
        folder: Path | None = None,
        *,
        synchronized: bool | None = True,
        ahead: float = 0.0,
    ) -> None:
        self.clock = JumpingClock()
        self.clock.ahead = ahead
        self.log = RecordingLog()
        self.synchronized = synchronized
        self.board = Board()
        self.device = SupervisedDevice(
            self.board,
            driver="test",
            seat=Miner(self.clock).seat("board"),
            random=Random(1),
            log=self.log,
        )
        self.control = DeviceControl(
            lambda: [self.device],
            file=StateFile(folder / FILE_NAME) if folder else None,
            clock=self.clock,
            log=self.log,
        )
        self.desk = WindowDesk(
            config,
            control=self.control,
            devices=lambda: [self.device],
            synchronized=lambda: self.synchronized,
            clock=self.clock,
            log=self.log,
        )

    def runs(self) -> bool:
        return self.board.setpoint.run

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self.control.run()), group.create_task(self.desk.run())]
            yield
            for task in tasks:
                task.cancel()


@pytest.mark.virtual_time
async def test_it_runs_from_the_stroke_and_rests_before_the_close() -> None:
    bench = Bench()
    assert not bench.runs(), "before anything is started"
    assert bench.board.setpoint.reason == "window: outside all windows until Sun 15:10"

    async with bench.working():
        await asyncio.sleep(199.9)
        assert not bench.runs()
        await asyncio.sleep(0.2)
        assert bench.runs()
        await asyncio.sleep(594.8)
        assert bench.runs()
        await asyncio.sleep(0.2)
        assert not bench.runs()

    reason = "window: outside all windows from Sun 15:20 until Mon 15:10"
    assert bench.board.setpoint.reason == reason
    assert [told["reason"] for told in bench.log.named("window.changed")] == [
        "window: outside all windows until Sun 15:10",
        "window: window Mon-Sun 15:10-15:20 until Sun 15:19:55",
        reason,
    ]
    [soon] = bench.log.named("window.opens_soon")
    assert soon["seconds"] == 90


@pytest.mark.virtual_time
async def test_a_clock_that_is_set_is_noticed_in_both_directions() -> None:
    bench = Bench()
    async with bench.working():
        await asyncio.sleep(1)
        bench.clock.ahead = 300
        await asyncio.sleep(30)
        assert bench.runs()
        bench.clock.ahead = -3600
        await asyncio.sleep(30)
        assert not bench.runs()
        bench.clock.ahead = 86_400 * 90 + 400
        await asyncio.sleep(30)
        assert bench.runs()


ALL_DAY = replace(CONFIG, windows=(WindowConfig(hours=(0, 1440)),))


@pytest.mark.virtual_time
async def test_without_a_synchronized_clock_it_rests_until_there_is_one() -> None:
    bench = Bench(ALL_DAY, synchronized=False)
    async with bench.working():
        await asyncio.sleep(100)
        assert (bench.runs(), bench.board.setpoint.reason) == (False, f"window: {UNSYNCHRONIZED}")
        assert len(bench.log.named("claim.stated")) == 1, "said once"
        bench.synchronized = True
        await asyncio.sleep(2.1)
        assert bench.runs()
        bench.synchronized = False
        await asyncio.sleep(100)
        assert bench.runs()


@pytest.mark.virtual_time
async def test_a_clock_that_shows_the_year_1970_is_not_believed() -> None:
    bench = Bench(ALL_DAY, ahead=-JumpingClock.WALL_AT_START)
    async with bench.working():
        await asyncio.sleep(10)
        assert bench.board.setpoint.reason == f"window: {UNSYNCHRONIZED}"
        bench.clock.ahead = 0.0
        await asyncio.sleep(2.1)
        assert bench.runs()


@pytest.mark.virtual_time
async def test_a_kernel_that_does_not_tell_is_believed_with_a_warning() -> None:
    bench = Bench(ALL_DAY, synchronized=None)

    assert bench.runs()
    assert len(bench.log.named("window.clock_unknown")) == 1


@pytest.mark.virtual_time
async def test_a_user_may_trust_the_clock() -> None:
    ordered, configured = (Bench(ALL_DAY, synchronized=False) for _ in range(2))
    told = replace(ALL_DAY, schedule=ScheduleConfig(trust_clock=True))

    order: Any = ordered.desk.handlers["schedule.trust_clock"](Order(fields={}, by="user miner"))
    configured.desk.configure(configured.desk.prepared(told), told)

    assert ordered.runs()
    assert configured.runs()
    assert order == {"reason": "window: window Mon-Sun 00:00-24:00"}
    assert ordered.log.named("window.clock_trusted") == [{"by": "user miner"}]


@pytest.mark.virtual_time
async def test_without_windows_and_tariffs_no_clock_is_asked_for() -> None:
    bench = Bench(Config(rig=UTC_RIG), synchronized=False)

    assert bench.runs()
    assert bench.control.claims.claims == ()


@pytest.mark.virtual_time
async def test_a_tariff_alone_waits_for_the_clock_too_and_a_reload_may_take_it_away() -> None:
    plain = Config(rig=UTC_RIG)
    priced = replace(plain, tariffs=(TariffConfig(price=Decimal(5), currency="EUR"),))
    bench = Bench(priced, synchronized=False)
    async with bench.working():
        assert bench.board.setpoint.reason == f"tariff: {UNSYNCHRONIZED}"
        bench.desk.configure(None, plain)
        assert bench.runs()
        bench.desk.configure(None, priced)
        assert not bench.runs()
        bench.synchronized = True
        await asyncio.sleep(2.1)
        assert bench.runs()


@pytest.mark.virtual_time
async def test_other_windows_hold_at_once_and_a_pause_beside_them(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    async with bench.working():
        bench.desk.configure(bench.desk.prepared(ALL_DAY), ALL_DAY)
        assert bench.runs()
        bench.desk.configure(bench.desk.prepared(CONFIG), CONFIG)
        assert not bench.runs()
        bench.desk.configure(None, CONFIG)
        assert bench.runs()


async def test_windows_are_not_written_down(tmp_path: Path) -> None:
    bench = Bench(folder=tmp_path)
    reply: Any = DevicePauses(bench.control, clock=bench.clock).handlers["pause"](
        Order(fields={}, by="user miner")
    )
    await reply

    saved = claims_in((tmp_path / FILE_NAME).read_bytes())

    assert [claim.level for claim in saved.claims] == [Level.USER]
    assert [claim.level for claim in bench.control.claims.claims] == [Level.WINDOW, Level.USER]
    assert bench.board.setpoint.reason.startswith("window: outside"), "the mightiest says why"


@pytest.mark.virtual_time
async def test_a_share_of_full_speed_is_made_of_what_the_board_was_seen_at() -> None:
    window = WindowConfig(hours=(0, 1440), mode=parse_mode("70%"))
    bench = Bench(replace(CONFIG, windows=(window,)))
    async with bench.working():
        await asyncio.sleep(10)
        assert (bench.runs(), bench.board.setpoint.mhz) == (True, 350)
        assert bench.board.setpoint.reason == (
            "window: window Mon-Sun 00:00-24:00: 70%; "
            "board has no power model: 70% of its frequency"
        )


@pytest.mark.virtual_time
async def test_lag_grows_to_what_devices_were_seen_to_take_and_no_further() -> None:
    bench, given = Bench(), replace(CONFIG, schedule=ScheduleConfig(lag=20.0))
    for seconds, lag in ((0.1, 5), (9.0, 11), (7200.0, 300)):
        bench.control.rests.longest = seconds
        bench.desk.configure(bench.desk.prepared(CONFIG), CONFIG)
        async with bench.working():
            bench.clock.ahead = 201 - bench.clock.monotonic()  # the window has just opened
            bench.desk.look()
            change = bench.desk._change
            assert change
            assert (bench.runs(), change.until) == (True, OPENS + 600 - lag)

    bench.desk.configure(bench.desk.prepared(given), given)
    assert bench.desk._change
    assert bench.desk._change.until == OPENS + 580


def test_a_mode_becomes_one_claim_on_the_rig() -> None:
    assert [c.limit for c in window_claims(REST, "w", 0)] == [IDLE]
    assert window_claims(FULL, "w", 0) == ()
    found = [window_claims(parse_mode(mode), "w", 0)[0] for mode in ("50%", "800W", "eco")]

    assert [claim.limit for claim in found] == [
        Limit(share=0.5),
        Limit(rig_watts=800),
        Limit(eco=True),
    ]
    assert [claim.reason for claim in found] == ["w: 50%", "w: 800W", "w: eco"]


def test_the_kernel_tells_whether_the_clock_is_kept_right() -> None:
    assert is_synchronized() in {True, False, None}


class SetClock:
    """Real time with a wall clock that a test sets."""

    def __init__(self, wall: float) -> None:
        self.set(wall)

    def set(self, wall: float) -> None:
        self._ahead = wall - self.monotonic()

    def wall(self) -> float:
        return self._ahead + self.monotonic()

    def monotonic(self) -> float:
        return SystemClock().monotonic()


OPENS = 1_750_000_200.0


HASHER = DeviceConfig(name="hasher", driver="cpu", settings={"threads": 1})


def daemon_at(
    port: int,
    clock: SetClock,
    log: RecordingLog,
    config: list[Config],
    device: DeviceConfig = HASHER,
) -> Daemon:
    url = parse_pool_url(f"127.0.0.1:{port}")
    pool = PoolConfig(name="pool", url=url, user="account.rig", suggest_difficulty="off")
    config[0] = replace(config[0], pools=(pool,), devices=(device,))
    return Daemon(
        config[0],
        clock=clock,
        random=Random(1),
        log_for=lambda _: log,
        settings=Settings(
            load=lambda: config[0],
            change_log=lambda _log, _secrets: None,
            keep_secret=lambda _: None,
        ),
        synchronized=lambda: True,
    )


async def test_a_daemon_mines_in_its_window_alone() -> None:
    clock, log, file = SetClock(OPENS - 2), RecordingLog(), [CONFIG]
    settings = PoolSettings(difficulty=0.0001, vardiff="off")
    async with EmulatedPool(settings) as pool, asyncio.TaskGroup() as group:
        daemon = daemon_at(pool.port, clock, log, file)
        running = group.create_task(daemon.run())
        await until(lambda: daemon.snapshot().devices[0].stats.state is DeviceState.IDLE)
        before, page = daemon.snapshot(), exposition(daemon.snapshot()).decode()
        assert pool.tally().total.accepted == 0

        async with asyncio.timeout(PATIENCE):
            await pool.wait_for(lambda tally: tally.total.accepted >= 2)
        assert clock.wall() >= OPENS

        file[0] = replace(file[0], windows=(WindowConfig(hours=(0, 60)),))
        reply = await daemon._reload.reload(by="test")
        await until(lambda: daemon.snapshot().devices[0].stats.state is DeviceState.IDLE)
        after = daemon.snapshot().devices[0].stats.reason
        daemon.stop()
        await running

    reason = "window: outside all windows until Sun 15:10"
    assert before.devices[0].stats.reason == before.devices[0].decision.reason == reason
    assert [claim.reason for claim in before.claims] == [reason]
    assert f'level="window",limit="idle",reason="{reason}"' in page
    assert reply["changes"] == ["windows"]
    assert after == "window: outside all windows until Mon 00:00"


async def test_sessions_and_sensors_are_up_while_it_waits_for_its_window() -> None:
    clock, log, file = SetClock(OPENS - 3600), RecordingLog(), [CONFIG]
    board = DeviceConfig(name="gamma", driver="bitaxe-gamma", port="emulated:bitaxe-gamma")
    async with EmulatedPool(PoolSettings()) as pool, asyncio.TaskGroup() as group:
        daemon = daemon_at(pool.port, clock, log, file, board)
        running = group.create_task(daemon.run())
        await until(lambda: is_ready(daemon.snapshot()))
        [device] = daemon.snapshot().devices
        daemon.stop()
        await running

    assert device.stats.reason == "window: outside all windows until Sun 15:10"
    assert device.counts.solutions == 0
    assert log.named("device.ready") == [], "its chips are not brought up"


def is_ready(stats: RigStats) -> bool:
    """Return whether a resting rig has a job and knows how warm its board is."""
    [device], [pool] = stats.devices, stats.pools
    is_idle = device.stats.state is DeviceState.IDLE
    return is_idle and device.stats.temperature is not None and pool.state is PoolState.MINING


async def test_a_calendar_that_is_gone_refuses_the_reload_and_changes_nothing() -> None:
    clock, log, file = SetClock(OPENS + 1), RecordingLog(), [CONFIG]
    daemon = daemon_at(1, clock, log, file)
    file[0] = replace(file[0], calendars=(CalendarConfig(file=Path("/nowhere.ics")),))

    with pytest.raises(OrderError, match="cannot be read"):
        await daemon._reload.reload(by="test")

    assert daemon._reload.config.calendars == ()
    with pytest.raises(ConfigError, match="nowhere"):
        daemon_at(1, clock, log, file)
