"""A simulated rig: the real daemon between pools and devices that exist in memory only."""

import asyncio
import itertools
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any

from drivers.api import Miner, PortInfo, Setpoint, Solution
from stratum_client.api.control_lines import Order, Reply
from stratum_client.config import Config, Deadlines, DeviceConfig, PoolConfig, ReconnectConfig
from stratum_client.config_ledger import LedgerConfig
from stratum_client.config_power import PowerConfig
from stratum_client.config_work import WorkConfig
from stratum_client.connection import Connection
from stratum_client.daemon import Daemon
from stratum_client.emulated_pool.tally import Fate as PoolFate
from stratum_client.errors import ConnectError, StratumError
from stratum_client.job import PoolWork
from stratum_client.ledger import ShareLedger, Way
from stratum_client.pool_url import parse_pool_url
from stratum_client.reload import Settings
from stratum_client.rims import PlainRims
from stratum_client.rims import Way as Dialling
from tests.soak.year.devices import DRIVER_NAME, SimulatedDriver
from tests.soak.year.network import WALL_AT_START, Link, SimulatedPool
from tests.soak.year.service import Orders, ServiceWatch
from tests.soak.year.shares import ShareWatch

TICK = 30.0
"""Seconds between a pool's looks at its deadlines: at the usual second a year takes hours."""

LOOK_AT_POWER = 60.0
"""Seconds between looks at meters, of which there are none here: at the usual second likewise."""

RATE_AGE = 600.0
"""Seconds for which a hash rate that was told to a pool is told again."""

KEPT = 10 * 366 * 86_400.0
"""Seconds for which the ledger keeps files: their ages are of the real time, which is earlier."""

UPTIME_BEFORE = 3e8
"""What the monotonic clock shows at the start: nearly ten years."""

DEVICES = {"stick": 240.0, "board-1": 180.0, "board-2": 120.0, "giant": 60.0}
"""Seconds between shares."""

HOSTS = {
    "main": ("eu.main.example", "us.main.example", "backup.main.example"),
    "second": ("stratum.second.example", "asia.second.example"),
    "third": ("third.example.org", "b.third.example.org"),
}
LATENCIES = {"main": 0.02, "second": 0.05, "third": 0.12}


class SteppedClock:
    """The rig's clock: the monotonic one is right, the wall's is now and then put wrong."""

    def __init__(self) -> None:
        self.wrong_by = 0.0
        self._loop = asyncio.get_running_loop()

    def wall(self) -> float:
        return WALL_AT_START + self._loop.time() + self.wrong_by

    def monotonic(self) -> float:
        return UPTIME_BEFORE + self._loop.time()


class InlineExecutor(ThreadPoolExecutor):
    """Does at once what others do in a thread: in virtual time nobody can wait for threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001  # as an executor does
            future.set_exception(error)
        return future


class CountingLog:
    """Counts events and keeps the last ones."""

    def __init__(self, heard: Callable[[str, str, dict[str, object]], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=40)
        self._heard = heard
        self._loop = asyncio.get_running_loop()

    def debug(self, event: str, **fields: object) -> None:
        pass

    def info(self, event: str, **fields: object) -> None:
        self._take("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._take("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._take("error", event, fields)

    def _take(self, level: str, event: str, fields: dict[str, object]) -> None:
        self.counts[event] += 1
        if event not in {"share.accepted", "job.new"}:
            self.last.append(f"{self._loop.time():.2f} {level} {event} {fields}")
        self._heard(level, event, fields)


class SimulatedRims(PlainRims):
    """Dials in memory, looks at deadlines less often, and remembers hash rates for a while."""

    def __init__(self, rig: "Rig") -> None:
        self._rig = rig

    def pool(self, name: str) -> "SimulatedRims":
        return self

    async def dial(self, address: str, connection: asyncio.Protocol, way: Dialling) -> None:
        assert isinstance(connection, Connection)
        await self._rig.dial(address, connection)

    async def tick(self, lost: asyncio.Future[StratumError], seconds: float) -> None:
        await asyncio.wait([lost], timeout=TICK * seconds)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:
        told, at = 0.0, -RATE_AGE
        loop = asyncio.get_running_loop()

        def remembered() -> float:
            nonlocal told, at
            if loop.time() - at >= RATE_AGE:
                told, at = measured(), loop.time()
            return told

        return remembered

    def miner(self, device: str, miner: Miner) -> Miner:
        return miner

    def opening(self, device: str, driver: str, port: PortInfo, settings: object) -> None: ...

    def applied(self, device: str, setpoint: Setpoint) -> None: ...


class Rig:
    """Everything, and everybody who looks on; at a higher ``pace`` more happens, more briefly."""

    def __init__(self, seed: int, folder: Path, *, pace: float) -> None:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(InlineExecutor(max_workers=1))
        loop.set_exception_handler(lambda _, context: self.breach(f"raised: {context}"))
        self.pace = pace
        self.random = Random(seed)
        self.breaches: list[str] = []
        self.errors: Counter[str] = Counter()
        self.clock = SteppedClock()
        self.log = CountingLog(self._heard)
        self.shares = ShareWatch(loop.time, self.breach)
        self.pools = {
            name: SimulatedPool(
                name,
                hosts,
                self,
                Random(f"{seed} {name}"),
                latency=LATENCIES[name],
                first_job_clean=name == "third",
            )
            for name, hosts in HOSTS.items()
        }
        self.shares.stormy = lambda name: self.pools[name].storms
        numbers = itertools.count(1)
        self.driver = SimulatedDriver(self, seed, lambda: next(numbers) & 0xFFFFFFFF)
        self.config = first_config()
        self.orders = Orders(order=tuple(HOSTS), work=self.config.work)
        self.service = ServiceWatch(
            self.pools,
            self.driver.present,
            self.orders,
            Deadlines(),
            share_interval=max(DEVICES.values()),
            tick=TICK,
            now=loop.time,
            breach=self.breach,
        )
        self.ledger = self._ledger(folder)
        self.daemon: Daemon | None = None

    def make_daemon(self) -> Daemon:
        """Return the daemon; the driver must be known to the registry by now."""
        self.daemon = Daemon(
            self.config,
            clock=self.clock,
            random=Random(self.random.random()),
            log_for=lambda _: self.log,
            rims=SimulatedRims(self),
            settings=Settings(
                load=self._load,
                change_log=lambda *_: None,
                keep_secret=lambda _: None,
            ),
        )
        self.shares.ledger = self.ledger
        self.daemon.miner.witness = self.shares
        return self.daemon

    async def ordered(self, what: str, **fields: object) -> Reply:
        """Give an order as it comes by the control socket."""
        assert self.daemon
        reply = self.daemon._handlers()[what](Order(fields=fields, by="user"))
        return reply if isinstance(reply, dict) else await reply  # type: ignore[misc]  # either

    async def dial(self, address: str, connection: Connection) -> None:
        """Connect to whoever has this address; only the pools' own may ever be dialled."""
        host = address.rpartition(":")[0].rpartition("/")[2]
        pool = next((pool for pool in self.pools.values() if host in pool.hosts), None)
        if pool is None or pool.name != connection.session.id.pool:
            self.breach(f"{connection.session.id} dialled {address}")
            raise ConnectError(address, "nobody is there")
        await pool.dial(address, connection)

    def breach(self, text: str) -> None:
        """Note what must never be, with what came before it."""
        if len(self.breaches) < 20:
            before = "" if self.breaches else "\n  ".join(self.log.last)
            now = asyncio.get_running_loop().time()
            self.breaches.append(f"at {now:.2f}: {text}\n  {before}")

    # --- as a watch of links and devices ---

    def link_changed(self) -> None:
        self.service.link_changed()

    def device_changed(self) -> None:
        self.service.link_changed()

    def authorized(self, link: Link) -> None:
        self.shares.authorized(link)

    def submitted(self, link: Link, params: list[Any]) -> None:
        self.shares.submitted(link, params)

    def judged(self, link: Link, params: list[Any], fate: PoolFate, reason: str) -> None:
        self.shares.judged(link, params, fate, reason)

    def answered(self, nonce: int) -> None:
        self.shares.answered(nonce)

    def solved(self, device: str, solution: Solution, work: PoolWork) -> None:
        self.shares.solved(device, solution, work)

    # --- inside ---

    def _heard(self, level: str, event: str, fields: dict[str, object]) -> None:
        if event == "pools.switched":
            before, after, reason = (str(fields[key]) for key in ("from", "to", "reason"))
            self.service.switched(before, after, reason)
        if level == "error" and event != "reload.refused":
            self.errors[f"{event} {fields}"] += 1

    def _load(self) -> Config:
        return self.config

    def _ledger(self, folder: Path) -> ShareLedger:
        return ShareLedger(
            folder,
            LedgerConfig(max_size=1_000_000_000, keep=KEPT),
            clock=self.clock,
            random=Random(1),
            way_to=lambda _: Way(host="", session_id=None),
            report=lambda level, event, **fields: self._heard(level, event, fields),
        )


def first_config() -> Config:
    """Return what the year begins with."""
    return Config(
        pools=tuple(pool_config(name) for name in HOSTS),
        devices=tuple(device_config(name) for name in DEVICES),
        work=WorkConfig(),
        power=PowerConfig(interval=LOOK_AT_POWER),
    )


def pool_config(name: str, *, user: str = "account.rig") -> PoolConfig:
    """Return a pool's settings."""
    return PoolConfig(
        name=name,
        url=parse_pool_url(f"{HOSTS[name][0]}:3333"),
        user=f"{user}-{name}",
        reconnect=ReconnectConfig(allow="same-domain"),
    )


def device_config(name: str) -> DeviceConfig:
    """Return a device's settings."""
    return DeviceConfig(name=name, driver=DRIVER_NAME, settings={"interval": DEVICES[name]})
