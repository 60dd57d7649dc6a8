"""Emulated chains and boards on pseudo-terminals, driven by the real client at the real pool.

Everything between the chips and the pool is what a rig runs: serial ports, drivers, supervision,
miner, session, TCP. Difficulties are tiny and scales fit them, so that a chain finds as many
shares in a second as a test wants.
"""

import asyncio
import contextlib
from collections import Counter, deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from drivers import registry
from drivers.api import Context, DeviceState, DeviceStats, PortInfo, Solution, Work
from drivers.bm13xx.emulated_boards import BOARDS, emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_models import MODELS
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from stratum_client.clock import SystemClock
from stratum_client.config import Deadlines
from stratum_client.device_on_pty import DeviceOnPty
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate, Job, Share
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.supervise import SupervisedDevice
from tests.e2e.rig import Bench, config_for
from tests.stand_ins import RecordingLog

DIFFICULTY = 2.0**-24
"""About one hash in 256 is a share."""

ROLLING = 0x1FFFE000
FINE_OF_THE_OLDEST = "a job before it has a PLL frequency"
"""BM1384 and BM1387 get jobs of nothing before their frequency: those wake the cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plug:
    """A device to be put on a pseudo-terminal; ``chips`` None: as many as the board has.

    It finds ``shares`` in a second, or fewer if so many chips at ``mhz`` cannot find them.
    ``time_constant`` is how many seconds a board takes to heat up, ``board`` the emulated board
    if it is a variant of the one that the driver is called after.
    """

    driver: str
    chips: int | None = None
    mhz: float = 75.0
    shares: float = 60.0
    faults: Faults = NO_FAULTS
    name: str = ""
    time_constant: float | None = None
    board: str = ""

    @property
    def label(self) -> str:
        """Return a name for the device, its seat and its link."""
        return self.name or f"{self.emulated}-{self.count}"

    @property
    def emulated(self) -> str:
        """Return the name of the emulated device."""
        return self.board or self.driver

    @property
    def count(self) -> int:
        """Return how many chips there are."""
        return self.chips or (BOARDS[self.driver].chips if self.driver in BOARDS else 1)

    @property
    def model(self) -> str:
        """Return the chip model."""
        return BOARDS[self.driver].model if self.driver in BOARDS else self.driver

    @property
    def scale(self) -> float:
        """Return the scale that gives the rate of shares."""
        real = MODELS[self.model].engines * self.mhz * 1e6 * self.count
        return min(DIFFICULTY, DIFFICULTY * 2**32 * self.shares / real)


def chip_of(model: str, chips: int, nonce: int) -> int:
    """Return which chip of a chain a nonce belongs to; worked out here, from the descriptions.

    Source: ESP-Miner, kanoi/cgminer driver-gekko.c, 256foundation/mujina: the fields of a nonce
    in big-endian order, and addresses that are multiples of 256 / chips. What is left over at the
    end belongs to the last chip.
    """
    value = int.from_bytes(nonce.to_bytes(4, "little"), "big")
    if model == "bm1370" and chips > 1:
        return (value >> 9 & 0xFFFF) * chips // 65536
    match model:
        case "bm1384" | "bm1387":
            address, interval = value >> 24, 256 // chips
        case "bm1397":
            address, interval = value >> 14 & 0xFF, 256 // chips & ~1
        case _:
            address, interval = value >> 17 & 0xFF, 256 // chips & ~1
    return min(address // interval, chips - 1)


@dataclass
class WatchedSeat:
    """A device's place at the miner, and which chips its shares are of."""

    seat: Seat
    model: str
    chips: int
    heard: Counter[int] = field(default_factory=Counter)
    rolled: int = 0
    outside: int = 0

    def next_work(self) -> Work | None:
        return self.seat.next_work()

    def found(self, solution: Solution) -> float:
        work = solution.work
        if solution.hash() <= work.target:
            self.heard[chip_of(self.model, self.chips, solution.nonce)] += 1
            self.rolled += solution.version != work.version
            self.outside += bool((solution.version ^ work.version) & ~work.version_mask)
        return self.seat.found(solution)


class LastWords(RecordingLog):
    """Keeps the newest events only: a soak has no end of them."""

    def __init__(self) -> None:
        super().__init__()
        self.events = deque(maxlen=200)  # type: ignore[assignment]  # a list with a limit


class JournalMiner(Miner):
    """Tells stale shares that were in flight when the news came from those sent after it."""

    def __init__(self) -> None:
        super().__init__(SystemClock())
        self.jobs = 0
        self.in_flight = 0
        self.foreseeable: list[Share] = []
        self._cleaned_at = 0.0

    def job_arrived(self, job: Job) -> None:
        self.jobs += 1
        if job.clean:
            self._cleaned_at = job.arrived
        super().job_arrived(job)

    def share_ended(self, share: Share, fate: Fate, reason: str = "") -> None:
        if fate is Fate.STALE:
            if share.found_at <= self._cleaned_at:
                self.in_flight += 1
            else:
                self.foreseeable.append(share)
        super().share_ended(share, fate, reason)


class PluggedDevice:
    """One device, from its emulated chips to its seat."""

    def __init__(self, plug: Plug, seat: Seat, folder: Path, seed: int) -> None:
        self.plug = plug
        self.told: list[str] = []
        self.log = LastWords()
        self.watched = WatchedSeat(seat, plug.model, plug.count)
        self.emulated: EmulatedDevice = emulated_device(
            plug.emulated,
            random=Random(seed),
            chips=plug.chips,
            scale=plug.scale,
            faults=plug.faults,
            time_constant=plug.time_constant,
        )
        self.served = DeviceOnPty(self.emulated, tell=self.told.append, link=folder / plug.label)
        expected = {} if plug.driver in BOARDS else {"chips": plug.count}
        device = registry.driver(plug.driver).open(
            PortInfo(paths=self.served.paths),
            {**expected, "frequency": plug.mhz, "scale": plug.scale},
            Context(
                name=plug.label,
                miner=self.watched,
                clock=SystemClock(),
                random=Random(seed),
                log=self.log,
            ),
        )
        self.supervised = SupervisedDevice(
            device, driver=plug.driver, seat=seat, random=Random(seed), log=self.log
        )
        self._seat = seat

    @property
    def accepted(self) -> int:
        return self._seat.tally.fates[Fate.ACCEPTED]

    @property
    def fates(self) -> dict[Fate, int]:
        return self._seat.tally.fates

    @property
    def stats(self) -> DeviceStats:
        return self.supervised.snapshot(0.0).stats

    @property
    def is_mining(self) -> bool:
        return self.stats.state is DeviceState.MINING

    @property
    def refusals(self) -> list[str]:
        """Return what the chips would not do, the oldest chips' way to wake their cores apart."""
        refused = self.emulated.chain.refusals
        return [reason for reason in refused if FINE_OF_THE_OLDEST not in reason]

    def detail(self, name: str) -> int:
        value = self.stats.details[name]
        assert isinstance(value, int)
        return value

    def dropped(self, why: str) -> int:
        dropped = self.stats.details["dropped"]
        assert isinstance(dropped, dict)
        return int(dropped[why])

    def suffer(self, **faults: object) -> None:
        """Let faults begin or end now."""
        self.emulated.chain.faults = replace(self.emulated.chain.faults, **faults)  # type: ignore[arg-type]  # fields by name
        if board := self.emulated.board:
            board.heat.faults = self.emulated.chain.faults

    async def serve(self, stopped: asyncio.Event) -> None:
        try:
            await self.served.serve(stopped)
        finally:
            self.served.close()


@dataclass
class DeviceBench(Bench):
    """A running client, its pool and its devices by name."""

    devices: dict[str, PluggedDevice]
    journal: JournalMiner

    def device(self, name: str) -> PluggedDevice:
        return self.devices[name]

    async def mine(self, *devices: PluggedDevice, count: int, seconds: float = 30.0) -> None:
        """Wait until each device has so many more accepted shares."""
        wanted = [(device, device.accepted + count) for device in devices]
        await self.until(lambda: all(one.accepted >= goal for one, goal in wanted), seconds)

    def assert_no_share_was_wrong(self) -> None:
        """Nothing but shares in flight while a block was found may have been refused."""
        theirs = self.theirs
        assert theirs.low_difficulty == theirs.invalid == theirs.unauthorized == 0, theirs
        assert theirs.duplicate == 0, theirs
        assert not self.journal.foreseeable, self.journal.foreseeable[:3]
        assert self.ours.fates[Fate.REJECTED] == 0


@contextlib.asynccontextmanager
async def device_bench(
    plugs: Sequence[Plug],
    folder: Path,
    *,
    version_mask: int = ROLLING,
    seed: int = 7,
) -> AsyncIterator[DeviceBench]:
    """Run a pool, a client that mines there, and devices; in the end answer what is in flight."""
    chain = ChainSettings(network_difficulty=1e6, branches=3)
    settings = PoolSettings(
        difficulty=DIFFICULTY, vardiff="off", chain=chain, version_mask=version_mask
    )
    clock = SystemClock()
    async with EmulatedPool(settings, clock=clock, random=Random(seed)) as server:
        miner, log = JournalMiner(), LastWords()
        config = config_for(server, extranonce_subscribe="on", deadlines=Deadlines())
        pool = Pool(config, miner, clock=clock, random=Random(seed), log=log, hashrate=lambda: 0.0)
        devices = {
            plug.label: PluggedDevice(plug, miner.seat(plug.label), folder, seed + number)
            for number, plug in enumerate(plugs)
        }
        bench = DeviceBench(
            server=server, pool=pool, miner=miner, log=log, devices=devices, journal=miner
        )
        async with _everything_running(bench):
            yield bench


@contextlib.asynccontextmanager
async def _everything_running(bench: DeviceBench) -> AsyncIterator[None]:
    """Run it all; end it in the order of a daemon: devices, answers, pool, then the hardware."""
    stopped = asyncio.Event()
    devices = bench.devices.values()
    async with asyncio.TaskGroup() as group:
        for device in devices:
            group.create_task(device.serve(stopped), name=f"far end of {device.plug.label}")
        talking = group.create_task(bench.pool.run(), name="pool")
        mining = [
            group.create_task(device.supervised.run(), name=device.plug.label) for device in devices
        ]
        try:
            yield
        finally:
            for task in mining:
                task.cancel()
            await asyncio.wait(mining)
            await bench.pool.drain(2.0)
            talking.cancel()
            await asyncio.wait([talking])
            stopped.set()
