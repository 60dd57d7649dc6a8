"""Meters at work: what is believed reaches those who want to know, and caps are held by it."""

import asyncio
import contextlib
import json
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from drivers.api import DeviceState, DeviceStats, OperatingPoint, Setpoint
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig, PoolConfig
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.control.claims import Claim, Level, Limit
from stratum_client.control.io.mqtt_link import Take
from stratum_client.control.power import RigPower, Source
from stratum_client.daemon import Daemon
from stratum_client.device_control import DeviceControl
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.meter_desk import MeterDesk
from stratum_client.metrics import exposition
from stratum_client.miner import Miner
from stratum_client.plug_watch import NO_BROKER
from stratum_client.pool_url import parse_pool_url
from stratum_client.reload import Settings
from stratum_client.supervise import SupervisedDevice
from tests.control.simulated_rack import POINTS, REST_WATTS
from tests.plug_server import page, plug_server
from tests.stand_ins import RecordingLog
from tests.tls_peers import until
from tests.virtual_time import LoopClock

PATIENCE = 30
TOPIC = "tele/plug17/SENSOR"
PLUG = MeterConfig(source="mqtt", topic=TOPIC, interval=1.0)


class Board:
    """A device that is at the speed it was told to be at, and has no meter of its own."""

    def __init__(self) -> None:
        self.setpoint = Setpoint(run=True)

    @property
    def point(self) -> OperatingPoint | None:
        limit = self.setpoint.watts
        fitting = [one for one in POINTS if limit is None or one.watts <= limit + 1e-9]
        return fitting[-1] if fitting and self.setpoint.run else None

    async def run(self) -> None:
        await asyncio.Event().wait()

    def job_changed(self, *, clean: bool) -> None:
        raise AssertionError("there is no job")

    def apply(self, setpoint: Setpoint) -> None:
        self.setpoint = setpoint

    def operating_points(self) -> Sequence[OperatingPoint]:
        return POINTS

    def stats(self) -> DeviceStats:
        point = self.point
        state = DeviceState.MINING if point else DeviceState.IDLE
        return DeviceStats(state=state, modelled_power=point.watts if point else REST_WATTS)


class LoopbackBroker:
    """Passes messages to whoever subscribed."""

    def __init__(self, *, is_there: bool) -> None:
        self.is_there = is_there
        self.takers: list[tuple[str, Take]] = []

    def subscribe(self, pattern: str, take: Take, *, qos: int = 0) -> None:
        self.takers.append((pattern, take))

    def unsubscribe(self, pattern: str, take: Take) -> None:
        self.takers.remove((pattern, take))

    def publish(self, topic: str, payload: object) -> None:
        for pattern, take in self.takers if self.is_there else ():
            if pattern == topic:
                take(topic, json.dumps(payload).encode())


class Bench:
    """Sixteen boards behind a plug that shows a tenth and a host more than their models."""

    def __init__(self, config: Config, *, broker: bool = True) -> None:
        clock, self.log = LoopClock(), RecordingLog()
        self.boards = {f"board-{number:02}": Board() for number in range(16)}
        miner = Miner(clock)
        self.devices = [
            SupervisedDevice(
                board, driver="test", seat=miner.seat(name), random=Random(1), log=self.log
            )
            for name, board in self.boards.items()
        ]
        self.control = DeviceControl(lambda: self.devices, file=None, clock=clock, log=self.log)
        self.broker = LoopbackBroker(is_there=broker)
        self.desk = MeterDesk(
            config,
            control=self.control,
            devices=lambda: self.devices,
            broker=self.broker,
            clock=clock,
            log=self.log,
        )
        self.samples: list[RigPower] = []
        self.desk.samples.append(self.samples.append)
        self.speaks = True

    @property
    def truth(self) -> float:
        watts = (board.point.watts if board.point else REST_WATTS for board in self.boards.values())
        return 12.0 + 1.1 * sum(watts)

    def cap(self) -> float | None:
        return self.desk.held.watts if self.desk.held else None

    def source(self) -> Source:
        return self.samples[-1].total.source

    async def speak(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            if self.speaks:
                self.broker.publish(TOPIC, {"ENERGY": {"Power": self.truth}})
            await asyncio.sleep(0.5)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            runs = (self.control.run(), self.desk.run(), self.speak())
            tasks = [group.create_task(run) for run in runs]
            yield
            for task in tasks:
                task.cancel()


CAPPED = Config(power=PowerConfig(meter=PLUG, limit=400.0))


@pytest.mark.virtual_time
async def test_a_cap_is_held_by_the_plug_and_its_claim_says_so() -> None:
    bench = Bench(CAPPED)
    async with bench.working():
        await asyncio.sleep(60)
        assert 380.0 <= bench.truth <= 400.0
        assert bench.desk.held
        assert (bench.desk.held.watts, bench.desk.held.by) == (400.0, "the rig's plug")

    [claim] = bench.control.claims.claims
    assert (claim.level, claim.issuer, claim.limit) == (
        Level.USER,
        "power.limit",
        Limit(rig_watts=400.0),
    )
    assert claim.reason == "power.limit of the configuration, 2025-06-15 15:06:40 UTC"
    last = bench.samples[-1]
    assert last.total.source is Source.PLUG
    assert last.total.watts == pytest.approx(bench.truth)
    assert len(last.devices) == 16
    assert len(bench.samples) == pytest.approx(60, abs=2)
    assert [one["by"] for one in bench.log.named("power.cap_held")][-1] == "the rig's plug"


@pytest.mark.virtual_time
async def test_a_plug_that_is_lost_leaves_the_cap_to_the_corrected_model_and_is_told_of() -> None:
    bench = Bench(CAPPED)
    async with bench.working():
        await asyncio.sleep(60)
        bench.speaks = False
        await asyncio.sleep(60)
        assert 370.0 <= bench.truth <= 400.0
        assert bench.desk.held
        lost, shown = bench.desk.held.by, bench.samples[-1].total
        bench.speaks = True
        await asyncio.sleep(30)
        assert bench.desk.held.by == "the rig's plug"
        assert 380.0 <= bench.truth <= 400.0

    assert lost.startswith("the model, corrected by 1.1")
    assert "the rig's plug: silent for over 3 s" in lost
    assert shown.source is Source.MODEL
    assert shown.watts == pytest.approx(bench.truth, rel=0.03)
    told = [level for level, event, _ in bench.log.events if event == "power.cap_held"]
    assert told == ["warning", "info", "warning", "info"], "once each: before, with, without, with"


@pytest.mark.virtual_time
async def test_a_share_of_what_nobody_knows_leaves_the_cap_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Board, "operating_points", lambda _: ())
    bench = Bench(CAPPED)
    window = Claim(
        level=Level.WINDOW, issuer="schedule", limit=Limit(share=0.7), cause="70%", since=0.0
    )
    bench.control.take(Level.WINDOW, "schedule", [window])
    async with bench.working():
        await asyncio.sleep(5)
        assert bench.cap() == 400.0
        assert len(bench.samples) >= 5


@pytest.mark.virtual_time
async def test_meters_that_crash_leave_no_reading_that_looks_like_one_of_now() -> None:
    bench = Bench(CAPPED)
    bench.desk.samples.append(lambda power: [][bench.speaks])
    with pytest.raises(ExceptionGroup):
        await bench.desk.run()

    assert (bench.desk.power, bench.desk.held) == (None, None)


@pytest.mark.virtual_time
async def test_the_lowest_of_a_cap_a_window_and_an_order_is_held_by_the_meter() -> None:
    bench = Bench(CAPPED)
    window = Claim(
        level=Level.WINDOW,
        issuer="schedule",
        limit=Limit(rig_watts=250.0),
        cause="window: 250W",
        since=0.0,
    )
    async with bench.working():
        await asyncio.sleep(60)
        bench.control.take(Level.WINDOW, "schedule", [window])
        await asyncio.sleep(2.1)
        assert bench.truth <= 250.0
        await asyncio.sleep(60)
        assert 237.5 <= bench.truth <= 250.0
        assert bench.desk.held
        assert bench.desk.held.watts == 250.0
        bench.control.take(Level.WINDOW, "schedule", [])
        await asyncio.sleep(60)
        assert 380.0 <= bench.truth <= 400.0


@pytest.mark.virtual_time
async def test_a_share_of_full_power_is_not_raised_by_a_looser_cap() -> None:
    bench = Bench(Config(power=PowerConfig(meter=PLUG, limit=700.0)))
    half = Claim(level=Level.WINDOW, issuer="w", limit=Limit(share=0.5), cause="w", since=0.0)
    async with bench.working():
        bench.control.take(Level.WINDOW, "w", [half])
        await asyncio.sleep(60)
        planned = sum(board.point.watts for board in bench.boards.values() if board.point)
        assert 350.0 <= planned <= 360.0, "half of 16 boards of 45 W, by their models"
        bench.control.take(Level.WINDOW, "w", [])
        await asyncio.sleep(60)
        assert 665.0 <= bench.truth <= 700.0


@pytest.mark.virtual_time
async def test_other_limits_and_meters_hold_at_once_and_the_old_ones_no_more() -> None:
    bench = Bench(CAPPED)
    alone = DeviceConfig(name="board-03", driver="test", limit=30.0)
    async with bench.working():
        await asyncio.sleep(60)
        bench.desk.configure(Config(power=PowerConfig(limit=300.0), devices=(alone,)))
        await asyncio.sleep(30)
        assert bench.samples[-1].total.source is Source.MODEL
        assert bench.cap() == 300.0
        assert {str(claim.limit) for claim in bench.control.claims.claims} == {
            "at most 300 W of the whole rig",
            "at most 30 W",
        }
        bench.desk.configure(Config(devices=(alone,)))
        await asyncio.sleep(5)
        assert bench.cap() is None
        assert bench.control.correction == 1.0
        point = bench.boards["board-03"].point
        assert point
        assert 25.0 < point.watts <= 30.0
        assert bench.boards["board-04"].point == POINTS[-1]
        bench.desk.configure(Config())
        assert bench.control.claims.claims == ()
        assert bench.boards["board-03"].point == POINTS[-1]


@pytest.mark.virtual_time
async def test_two_boards_behind_one_plug_with_two_lines_have_a_reading_each() -> None:
    lines = [
        DeviceConfig(
            name=f"board-0{number}",
            driver="test",
            meter=replace(PLUG, path=f"ENERGY.Power.{number}"),
        )
        for number in range(2)
    ]
    bench = Bench(Config(devices=tuple(lines)))
    async with bench.working():
        bench.speaks = False
        bench.broker.publish(TOPIC, {"ENERGY": {"Power": [41.0, 42.0]}})
        await asyncio.sleep(1)
        found = bench.desk.power
        assert found

    assert len(bench.broker.takers) == 1
    readings = [(one.watts, one.source) for one in found.devices.values()]
    assert readings[:2] == [(41.0, Source.PLUG), (42.0, Source.PLUG)]
    assert readings[2] == (POINTS[-1].watts, Source.MODEL)
    assert found.total.source is Source.MIXED


@pytest.mark.virtual_time
async def test_a_device_keeps_its_limit_by_its_own_plug_and_as_learnt_when_that_is_lost() -> None:
    alone = DeviceConfig(name="board-03", driver="test", limit=30.0, meter=PLUG)
    bench = Bench(Config(devices=(alone,)))
    board = bench.boards["board-03"]

    def watts() -> float:
        assert board.point
        return 1.2 * board.point.watts

    async with bench.working():
        bench.speaks = False
        for _ in range(60):
            await asyncio.sleep(1.0)

            bench.broker.publish(TOPIC, {"ENERGY": {"Power": watts()}})
        assert 27.0 <= watts() <= 30.0
        [claim] = bench.control.claims.claims
        assert claim.cause == "device.limit of the configuration: 30 W by its plug"
        assert claim.limit.watts == pytest.approx(0.99 * 30.0 / 1.2, abs=0.3)
        await asyncio.sleep(60)
        assert 27.0 <= watts() <= 30.0, "the plug is silent"
        stated = [one for one in bench.log.named("claim.stated") if one["device"] == "board-03"]
        assert len(stated) <= 6
        bench.desk.configure(Config(devices=(alone,)))
        assert [one for one in bench.log.named("claim.stated") if one["device"]] == stated


@pytest.mark.virtual_time
@pytest.mark.parametrize("nonsense", [math.nan, math.inf, -1.0])
async def test_a_model_that_tells_nonsense_loosens_no_limit(
    monkeypatch: pytest.MonkeyPatch, nonsense: float
) -> None:
    stats = DeviceStats(state=DeviceState.WAITING, modelled_power=nonsense)
    monkeypatch.setattr(Board, "stats", lambda _: stats)
    bench = Bench(Config(devices=(DeviceConfig(name="board-03", limit=30.0, meter=PLUG),)))
    async with bench.working():
        bench.broker.publish(TOPIC, {"ENERGY": {"Power": 25.0}})
        await asyncio.sleep(3)
        told = bench.boards["board-03"].setpoint.watts

    assert told is not None
    assert told <= 36.0


@pytest.mark.virtual_time
async def test_a_cap_that_was_overridden_stays_away_until_another_one_is_configured() -> None:
    bench = Bench(CAPPED)
    async with bench.working():
        await asyncio.sleep(10)
        claims = bench.control.claims.claims
        await bench.control.override(claims, by="user boss", level=Level.ORDER)
        await asyncio.sleep(30)
        assert bench.cap() is None
        assert bench.truth > 700.0
        bench.desk.configure(Config(power=PowerConfig(meter=PLUG, limit=390.0)))
        await asyncio.sleep(5)
        assert bench.cap() == 390.0


@pytest.mark.virtual_time
async def test_a_plug_that_says_nothing_of_power_is_told_of_once_and_so_is_its_return() -> None:
    bench = Bench(CAPPED)
    async with bench.working():
        await asyncio.sleep(10)
        bench.speaks = False
        for _ in range(20):
            bench.broker.publish(TOPIC, {"Time": "2026-01-01T00:00:00"})
            await asyncio.sleep(0.5)
        assert bench.source() is Source.MODEL
        assert "says nothing of power that is known here" in bench.samples[-1].total.note
        bench.speaks = True
        await asyncio.sleep(5)
        assert bench.source() is Source.PLUG

    assert len(bench.log.named("meter.unreadable")) == 1
    assert len(bench.log.named("meter.ready")) == 2


@pytest.mark.virtual_time
async def test_a_plug_without_a_broker_says_what_to_do() -> None:
    bench = Bench(CAPPED, broker=False)
    async with bench.working():
        await asyncio.sleep(2)

    assert bench.desk.held
    assert NO_BROKER in bench.desk.held.by
    assert bench.log.named("meter.unreadable") == [{"meter": "rig", "error": NO_BROKER}]


def daemon_with(power: PowerConfig, port: int, file: list[Config], log: RecordingLog) -> Daemon:
    pool = PoolConfig(
        name="pool", url=parse_pool_url(f"127.0.0.1:{port}"), user="a.b", suggest_difficulty="off"
    )
    device = DeviceConfig(name="hasher", driver="cpu", settings={"threads": 1})
    file[:] = [Config(pools=(pool,), devices=(device,), power=power)]
    return Daemon(
        file[0],
        clock=SystemClock(),
        random=Random(1),
        log_for=lambda _: log,
        settings=Settings(
            load=lambda: file[0],
            change_log=lambda _log, _secrets: None,
            keep_secret=lambda _: None,
        ),
        synchronized=lambda: True,
    )


async def test_a_daemon_shows_what_its_plug_says_and_takes_another_one_over() -> None:
    settings, log = PoolSettings(difficulty=0.0001, vardiff="off"), RecordingLog()
    file: list[Config] = []
    answers = {"a": 61.5, "b": 62.5}
    async with (
        EmulatedPool(settings) as pool,
        plug_server(lambda: page(json.dumps(answers).encode())) as plug,
        asyncio.TaskGroup() as group,
    ):
        meter = MeterConfig(source="http", url=plug.url, path="a", interval=0.2)
        power = PowerConfig(meter=meter, interval=0.2)
        daemon = daemon_with(power, pool.port, file, log)
        running = group.create_task(daemon.run())
        await until(lambda: shown(daemon) == 61.5)
        summary: Any = daemon.snapshot().summary()
        text = exposition(daemon.snapshot()).decode()

        other = replace(power, meter=replace(meter, path="b"), limit=5000.0)
        file[0] = replace(file[0], power=other)
        reply: Any = await daemon._reload.reload(by="test")
        await until(lambda: shown(daemon) == 62.5)
        capped: Any = daemon.snapshot().summary()

        [device], [before] = file[0].devices, daemon.fleet.devices
        file[0] = replace(file[0], devices=(replace(device, limit=30.0),))
        limited: Any = await daemon._reload.reload(by="test")
        assert daemon.fleet.devices == [before], "it goes on"
        claims = {claim.device: claim.limit for claim in daemon.snapshot().claims}
        daemon.stop()
        await running

    assert summary["power"]["source"] == "plug"
    assert summary["power"]["age_seconds"] < PATIENCE
    assert summary["cap"] is None
    assert 'stratum_client_power_watts{source="plug"} 61.5' in text
    assert reply["needs_restart"] == []
    assert reply["changes"] == ["power.meter.path a -> b, power.limit nothing -> 5000W"]
    assert capped["cap"]["watts"] == 5000.0
    assert capped["claims"][0]["issuer"] == "power.limit"
    assert limited["changes"] == ["device hasher: limit nothing -> 30W"]
    assert claims == {"": Limit(rig_watts=5000.0), "hasher": Limit(watts=30.0)}


def shown(daemon: Daemon) -> float | None:
    power = daemon.snapshot().power
    return power.watts if power else None
