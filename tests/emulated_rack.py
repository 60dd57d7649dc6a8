"""A rack of emulated boards in one process, with what a wall meter before it would show.

Sixteen boards (by default) of two BM1370, driven by the real driver over emulated ports; each would
take 45 W at full speed and differs from its kind by 5 to 10 % in what it takes. Nothing here is
known to a driver but what its board measures: the regulator's output.

    rack = EmulatedRack()                       # in virtual time: mark the test `virtual_time`
    async with rack.running():                  # runs every device
        await rack.all_mining()
        rack.apply(Setpoint(run=True, watts=25.0, reason="cap"))     # or rack.devices["board-3"]
        await asyncio.sleep(30.0)
        assert rack.watts() < 400.0             # the true power now, at the wall

One board is a `RackBoard`: `watts`, `hashrate` (H/s that are right, as real chips would do),
`is_hashing`, `error_ratio`; `true_point(mhz, volts)` is what it would take and give when settled at
60 degrees, `best_point(goal)` the best of all points, and `best_of(device.operating_points())` the
best of those that the driver offers: what a tuner should find. `degrade(0.1)`
makes it a tenth worse. `Faults(degrade=0.1)` does so slowly, a tenth per hour.

Where a daemon or a fleet makes the devices, by configuration, the driver is called "rack":

    with rack.plugged_in():                     # while it lasts, `registry` knows the driver
        config = rack.config(3)                 # DeviceConfig of one board; `rack.configs` of all
        ...                                     # the `Context` given counts, log and clock included

Every board then is at rest until its device runs; `rack.watts()` tells of those too. In real time
give ``searcher=search_aside`` and a ``tick`` of 0.05.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random

from drivers import registry
from drivers.api import (
    Context,
    Device,
    DeviceState,
    Miner,
    OperatingPoint,
    PortInfo,
    Setpoint,
)
from drivers.bm13xx.driver import DRIVERS, BoardDriver
from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_plug import InProcessPorts
from drivers.bm13xx.emulated_port import Searcher, search_here
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from drivers.peripherals.emulated_heat import BoardHeat
from drivers.peripherals.emulated_silicon import WARM
from stratum_client.config import DeviceConfig
from tests.bm13xx.device_rig import RecordingMiner
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

BOARD = "bitaxe-gamma-turbo"
COARSE = 2.0**-33
"""So few hashes that sixteen boards need little of this machine, and enough for nonces."""

FULL_WATTS = 45.0
POINTS = "400:1.0,500:1.09,625:1.22"
SETTINGS: Mapping[str, object] = {"points": POINTS}
"""What makes each of them a board of 45 W, with a table of voltages."""

ALL_MHZ = tuple(400.0 + 6.25 * step for step in range(37))
ALL_VOLTS = tuple(1.0 + 0.005 * step for step in range(51))


@dataclass(frozen=True, slots=True, kw_only=True)
class TruePoint:
    """What a board really takes and gives at a frequency and core voltage; H/s that are right."""

    mhz: float
    volts: float
    watts: float
    hashrate: float

    @property
    def joules_per_terahash(self) -> float:
        return self.watts / self.hashrate * 1e12 if self.hashrate else math.inf


class RackBoard:
    """One board as it really is, whatever its driver believes."""

    def __init__(self, name: str, ports: InProcessPorts) -> None:
        self.name = name
        self.ports = ports
        self.emulated = ports.device

    @property
    def heat(self) -> BoardHeat:
        assert self.emulated.board
        return self.emulated.board.heat

    @property
    def watts(self) -> float:
        """Return what it takes at the wall, now."""
        return self.heat.input_watts

    @property
    def is_hashing(self) -> bool:
        return self.emulated.chain.hashrate > 0

    @property
    def hashrate(self) -> float:
        """Return the H/s that are right, now."""
        chain, heat = self.emulated.chain, self.heat
        mhz = sum(chip.mhz for chip in chain.chips) / len(chain.chips)
        assert heat.silicon
        right = heat.silicon.right_share(mhz, heat.core_volts, heat.die)
        return chain.hashrate / chain.scale * right

    @property
    def error_ratio(self) -> float:
        """Return the share of nonces that are wrong, as things are now."""
        heat, chips = self.heat, self.emulated.chain.chips
        assert heat.silicon
        mhz = sum(chip.mhz for chip in chips) / len(chips)
        return 1.0 - heat.silicon.right_share(mhz, heat.core_volts, heat.die)

    def true_point(self, mhz: float, volts: float, celsius: float = WARM) -> TruePoint:
        """Return what it takes and gives when it has settled at ``celsius``."""
        heat, chain = self.heat, self.emulated.chain
        assert heat.silicon
        core = heat.silicon.watts_at(mhz, volts, celsius)
        nominal = chain.model.engines * len(chain.chips) * mhz * 1e6
        return TruePoint(
            mhz=mhz,
            volts=volts,
            watts=core / heat.spec.efficiency + heat.spec.board_watts,
            hashrate=nominal * heat.silicon.right_share(mhz, volts, celsius),
        )

    def best_point(
        self,
        goal: str = "efficiency",
        *,
        mhz: Sequence[float] = ALL_MHZ,
        volts: Sequence[float] = ALL_VOLTS,
    ) -> TruePoint:
        """Return the best of all those points for ``goal``: "efficiency" or "hashrate"."""
        return self._best([(one, other) for one in mhz for other in volts], goal)

    def best_of(self, points: Sequence[OperatingPoint], goal: str = "efficiency") -> TruePoint:
        """Return the truth of the best of the points that a driver offers."""
        return self._best([(point.mhz, point.volts or 0.0) for point in points], goal)

    def _best(self, pairs: Sequence[tuple[float, float]], goal: str) -> TruePoint:
        points = [self.true_point(mhz, volts) for mhz, volts in pairs]
        if goal == "hashrate":
            return max(points, key=lambda point: point.hashrate)
        return min(points, key=lambda point: point.joules_per_terahash)

    def degrade(self, share: float) -> None:
        """Make it worse by that share of what it was new: more power, less speed."""
        assert self.heat.silicon
        self.heat.silicon = self.heat.silicon.worn(share)


class RackDriver:
    """Makes the devices of the rack that is plugged in; the setting ``board`` says which."""

    name = "rack"

    def match(self, port: PortInfo) -> int:
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        own = {name: value for name, value in settings.items() if name != "board"}
        return _PLUGGED[-1].device(int(str(settings["board"])), context, own)


DRIVER = RackDriver()
_PLUGGED: list["EmulatedRack"] = []


class EmulatedRack:
    """``boards`` of one kind; ``settings`` are the driver's, ``seed`` says how boards differ."""

    def __init__(
        self,
        boards: int = 16,
        *,
        kind: str = BOARD,
        seed: int = 1,
        spread: float = 0.1,
        scale: float = COARSE,
        tick: float = 0.5,
        searcher: Searcher = search_here,
        faults: Faults = NO_FAULTS,
        miner: Miner | None = None,
        settings: Mapping[str, object] = SETTINGS,
    ) -> None:
        self.kind = kind
        self.settings = dict(settings)
        self.log = RecordingLog()
        self.miner = miner or RecordingMiner()
        random = Random(seed)
        self.boards = tuple(
            RackBoard(
                f"board-{number}",
                InProcessPorts(
                    emulated_device(kind, random=random, scale=scale, faults=faults, spread=spread),
                    searcher=searcher,
                    tick=tick,
                ),
            )
            for number in range(1, boards + 1)
        )
        self._devices: dict[str, Device] = {}

    # -- what is true

    def watts(self) -> float:
        """Return what all boards take at the wall, now."""
        return sum(board.watts for board in self.boards)

    def hashrate(self) -> float:
        """Return the H/s that are right, of all boards, now."""
        return sum(board.hashrate for board in self.boards)

    @property
    def is_hashing(self) -> bool:
        """Return whether any board hashes."""
        return any(board.is_hashing for board in self.boards)

    # -- its devices, run here

    @property
    def devices(self) -> Mapping[str, Device]:
        """Return the devices by name, not yet running; made on first use, on a running loop."""
        for number, board in enumerate(self.boards, 1):
            if board.name not in self._devices:
                context = Context(
                    name=board.name,
                    miner=self.miner,
                    clock=LoopClock(),
                    random=Random(number),
                    log=self.log,
                )
                self._devices[board.name] = self.device(number, context)
        return self._devices

    def apply(self, setpoint: Setpoint) -> None:
        """Give every device the same setpoint."""
        for device in self.devices.values():
            device.apply(setpoint)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run all devices; they end with the block."""
        async with AsyncExitStack() as stack:
            for name, device in self.devices.items():
                task = asyncio.create_task(device.run(), name=name)
                stack.push_async_callback(_ended, task)
            yield

    async def all_mining(self, seconds: float = 120.0) -> None:
        """Return when every device mines."""
        await self.all_are(DeviceState.MINING, seconds)

    async def all_are(self, state: DeviceState, seconds: float = 120.0) -> None:
        """Return when every device is in ``state``."""
        async with asyncio.timeout(seconds):
            while any(  # noqa: ASYNC110 - a snapshot has no event
                device.stats().state is not state for device in self.devices.values()
            ):
                await asyncio.sleep(0.05)

    # -- its devices, run by somebody else

    def device(
        self, number: int, context: Context, settings: Mapping[str, object] | None = None
    ) -> Device:
        """Return a new device of the board, numbered from 1; ``settings`` are added."""
        maker = DRIVERS[self.kind]
        assert isinstance(maker, BoardDriver)
        board = self.boards[number - 1]
        scale = {"scale": board.emulated.chain.scale}
        return maker.on_ports(board.ports, {**self.settings, **scale, **(settings or {})}, context)

    def config(self, number: int) -> DeviceConfig:
        """Return the configuration of one board, for a daemon while the rack is plugged in."""
        name = self.boards[number - 1].name
        return DeviceConfig(name=name, driver=DRIVER.name, settings={"board": number})

    @property
    def configs(self) -> tuple[DeviceConfig, ...]:
        """Return the configurations of all boards."""
        return tuple(self.config(number) for number in range(1, len(self.boards) + 1))

    @contextmanager
    def plugged_in(self) -> Iterator[None]:
        """Make the driver "rack" known."""
        _PLUGGED.append(self)
        registry.BUILT_IN[DRIVER.name] = f"{__name__}:DRIVER"
        try:
            yield
        finally:
            _PLUGGED.remove(self)
            if not _PLUGGED:
                del registry.BUILT_IN[DRIVER.name]


async def _ended(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
