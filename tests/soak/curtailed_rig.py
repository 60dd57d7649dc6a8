"""A rig of emulated boards in one daemon, its broker, its meter and its site; for the soak runs.

Everything but the boards, the pool and the site is the product's: the orders come by a real
Mosquitto, the meter speaks over it, and time is real.
"""

import asyncio
import contextlib
import json
import math
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from drivers.api import DeviceState
from drivers.bm13xx.emulated_port import search_aside
from stratum_client.clock import SystemClock
from stratum_client.config import Config, Deadlines, PoolConfig, RigConfig
from stratum_client.config_curtail import CurtailConfig, OrderKeyConfig
from stratum_client.config_inrush import InrushConfig
from stratum_client.config_mqtt import MqttConfig, parse_mqtt_url
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.daemon import Daemon
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.pool_url import parse_pool_url
from tests.brokers import Site, broker, site_at
from tests.control.signed_orders import SECRET, order
from tests.emulated_rack import SETTINGS, EmulatedRack, RackBoard
from tests.stand_ins import RecordingLog

DIFFICULTY = 20 / 2**32
"""Sixteen boards find some shares a second."""

RAMP, MIN_OFF = 1.0, 0.3
"""Seconds, short for a test: from rest to full speed, and how long a board rests at least."""

METER_EVERY = 0.2
LOOK_EVERY = 0.05
GLANCE_EVERY = 0.01
PATIENCE = 60.0

REST_WATTS = 8.5
"""What a board takes at most while it rests: its fan and its controller."""

TOPIC = "mine/kent/rig/r17"


@dataclass(frozen=True, kw_only=True)
class Obeyed:
    """What became of one order to rest.

    ``idle`` is how many seconds after its publication the last board rested in truth, ``told``
    what the rig said of that and ``watts`` what all boards took when it said so. ``late`` counts
    solutions that came thereafter.
    """

    situation: str
    idle: float
    told: float
    watts: float
    late: int


@dataclass
class Watched:
    """What is true of one board: since when it rests, and how long it has rested each time.

    Seconds of `time.monotonic`; ``rests_since`` is when it was first seen to, None while it does
    not, ``busy_at`` when it last was seen not to. ``rests`` are from there: looks may be late, and
    how long the rest was before the daemon ever started it nobody knows.
    """

    board: RackBoard
    rests_since: float | None = -math.inf
    busy_at: float = -math.inf
    rests: list[float] = field(default_factory=list)

    def look(self, now: float) -> None:
        if not self.board.is_hashing and self.board.watts <= REST_WATTS:
            self.rests_since = now if self.rests_since is None else self.rests_since
            return
        if self.rests_since is not None:
            self.rests.append(now - self.busy_at)
        self.rests_since, self.busy_at = None, now


@dataclass
class CurtailedRig:
    """A running daemon with its rack.

    ``steepest`` is by how many watts the power rose within `LOOK_EVERY` at most.
    """

    daemon: Daemon
    rack: EmulatedRack
    server: EmulatedPool
    site: Site
    log: RecordingLog
    obeyed: list[Obeyed] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    steepest: float = 0.0
    _number: int = 0

    async def until(self, condition: Any, why: str) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                while not condition():  # noqa: ASYNC110 - emulated boards tell nobody
                    await asyncio.sleep(0.004)
        assert condition(), f"{why}: {self.trouble()}"

    def trouble(self) -> str:
        """Return what may be the reason of what did not come about."""
        now = time.monotonic()
        states = [one.snapshot(now).stats for one in self.daemon.fleet.devices]
        odd = [(one.state, one.reason) for one in states if one.state is not DeviceState.MINING]
        told = [event for event in self.log.events if event[0] in {"warning", "error"}]
        return f"{odd}; {len(told)} told, the last: {told[-4:]}"

    @property
    def shortest_rest(self) -> float:
        """Return the seconds that any board rested at least, before it took power again."""
        return min(rest for one in self.watched for rest in one.rests)

    def states(self) -> list[DeviceState]:
        now = time.monotonic()
        return [one.snapshot(now).stats.state for one in self.daemon.fleet.devices]

    async def mining(self) -> None:
        """Return when every board mines."""
        await self.until(lambda: set(self.states()) == {DeviceState.MINING}, "not all mine")

    async def send(self, **more: object) -> tuple[int, float]:
        """Publish an order; return its number, and when it left."""
        self._number += 1
        now, wall = time.monotonic(), time.time()
        fields = {"issued": wall, "expires": None, **more}
        message = order(self._number, **fields)  # type: ignore[arg-type]  # by name
        await self.site.client.publish("mine/kent/order/all", message, 1)
        return self._number, now

    async def told(self, number: int, step: str) -> dict[str, Any]:
        """Return an acknowledgement once it is there."""

        def is_it(topic: str, payload: bytes) -> bool:
            if topic != f"{TOPIC}/ack":
                return False
            ack = json.loads(payload)
            return (ack["number"], ack["step"]) == (number, step)

        found: dict[str, Any] = json.loads(await self.site.hears(is_it))
        return found

    async def order_idle(self, situation: str, *, until: str = "idle") -> None:
        """Order the rig to rest, note what is true of its boards when it says so, and release it.

        ``until`` is the acknowledgement that is waited for before: "idle" or "confirmed".
        """
        number, began = await self.send()
        told = await self.told(number, "idle")
        self._look()
        solutions, watts = self.daemon.miner.tally.solutions, self.rack.watts()
        rested = [one.rests_since for one in self.watched if one.rests_since is not None]
        assert len(rested) == len(self.watched), f"a board goes on: {self.trouble()}"
        if until == "confirmed":
            assert (await self.told(number, until))["source"] == "plug"
        await self.send(action="release")
        self.obeyed.append(
            Obeyed(
                situation=situation,
                idle=max(0.0, max(rested) - began),
                told=told["seconds"],
                watts=watts,
                late=self.daemon.miner.tally.solutions - solutions,
            )
        )

    async def watch(self) -> None:
        """Look at the boards as long as they run, and note how their power rises."""
        self.watched = [Watched(board) for board in self.rack.boards]
        before, due = self.rack.watts(), time.monotonic() + LOOK_EVERY
        while True:
            await asyncio.sleep(GLANCE_EVERY)
            self._look()
            if time.monotonic() >= due:
                watts, due = self.rack.watts(), time.monotonic() + LOOK_EVERY
                self.steepest, before = max(self.steepest, watts - before), watts

    def _look(self) -> None:
        now = time.monotonic()
        for one in self.watched:
            one.look(now)


@contextlib.asynccontextmanager
async def curtailed_rig(folder: Path, boards: int = 16) -> AsyncIterator[CurtailedRig]:
    """Run a rig, and whatever it speaks with."""
    rack = EmulatedRack(
        boards,
        searcher=search_aside,
        tick=0.05,
        settings={**SETTINGS, "nonces_per_second": 20.0},
    )
    log = RecordingLog()
    settings = PoolSettings(difficulty=DIFFICULTY, vardiff="off")
    (folder / "state").mkdir()
    (folder / "broker").mkdir()
    async with (
        broker(folder / "broker") as port,
        site_at(port, f"{TOPIC}/#") as site,
        EmulatedPool(settings, clock=SystemClock(), random=Random(7)) as server,
    ):
        config = _config(rack, port, server.port)
        with rack.plugged_in():
            daemon = Daemon(
                config,
                state_dir=folder / "state",
                clock=SystemClock(),
                random=Random(1),
                log_for=lambda _: log,
            )
            rig = CurtailedRig(daemon=daemon, rack=rack, server=server, site=site, log=log)
            async with asyncio.TaskGroup() as group:
                running = group.create_task(daemon.run(), name="daemon")
                tasks = [group.create_task(one) for one in (_meter(rig), rig.watch())]
                try:
                    yield rig
                finally:
                    daemon.stop()
                    await asyncio.wait([running])
                    for task in tasks:
                        task.cancel()


async def _meter(rig: CurtailedRig) -> None:
    """Speak as a smart plug does, of what all boards really take.

    `Client.publish` may lose a cancellation that comes together with the broker's answer.
    """
    task = asyncio.current_task()
    while task and not task.cancelling():
        watts = json.dumps({"ENERGY": {"Power": round(rig.rack.watts(), 1)}})
        await rig.site.client.publish("tele/plug/SENSOR", watts.encode())
        await asyncio.sleep(METER_EVERY)


def _config(rack: EmulatedRack, broker_port: int, pool_port: int) -> Config:
    pool = PoolConfig(
        name="pool",
        url=parse_pool_url(f"127.0.0.1:{pool_port}"),
        user="account.rig",
        suggest_difficulty="off",
        deadlines=Deadlines(retry_first=0.05, retry_cap=0.2, retry_after_close=0.05),
    )
    meter = MeterConfig(
        source="mqtt", topic="tele/plug/SENSOR", path="ENERGY.Power", interval=METER_EVERY
    )
    inrush = InrushConfig(ramp=RAMP, min_off=MIN_OFF)
    return Config(
        rig=RigConfig(name="r17"),
        pools=(pool,),
        devices=rack.configs,
        mqtt=MqttConfig(url=parse_mqtt_url(f"mqtt://127.0.0.1:{broker_port}"), site="kent"),
        power=PowerConfig(meter=meter, interval=METER_EVERY, inrush=inrush),
        curtail=CurtailConfig(keys=(OrderKeyConfig(name="grid", secret=SECRET.decode()),)),
    )
