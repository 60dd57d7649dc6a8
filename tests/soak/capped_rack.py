"""A rack of emulated boards under the product's control of power, with a plug that shows the truth.

The boards, the supply, the host and the plug are emulated; drivers, governor, meters and cap are
the product's. Time is virtual.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from random import Random

from drivers.api import (
    Context,
    Device,
    DeviceState,
    DeviceStats,
    Modelled,
    OperatingPoint,
    PortInfo,
    Setpoint,
)
from drivers.bm13xx.emulated_port import search_here
from stratum_client.config import Config
from stratum_client.config_power import MeterConfig, PowerConfig
from stratum_client.control.claims import IDLE, Claim, Level, Limit
from stratum_client.control.io.mqtt_link import Take
from stratum_client.control.power import RigPower, Source
from stratum_client.device_control import DeviceControl
from stratum_client.meter_desk import MeterDesk
from stratum_client.miner import Miner
from stratum_client.port_device import PortDevice
from stratum_client.supervise import SupervisedDevice
from tests.emulated_rack import EmulatedRack, RackBoard
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

TOPIC = "tele/plug17/SENSOR"
PLUG_EVERY = 1.0
NOISE = 0.003
"""What a plug's readings differ by, as a part of them; beside that it shows whole watts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """One look: the cap in force, what the meter believed, and the truth."""

    at: float
    cap: float
    power: RigPower
    true: float
    hashrate: float

    @property
    def is_metered(self) -> bool:
        return self.power.total.source is Source.PLUG


class LoopbackBroker:
    """Passes what the plug says to whoever subscribed."""

    is_there = True

    def __init__(self) -> None:
        self._takers: list[tuple[str, Take]] = []

    def subscribe(self, pattern: str, take: Take, *, qos: int = 0) -> None:
        self._takers.append((pattern, take))

    def unsubscribe(self, pattern: str, take: Take) -> None:
        self._takers.remove((pattern, take))

    def publish(self, topic: str, payload: object) -> None:
        for pattern, take in self._takers:
            if pattern == topic:
                take(topic, json.dumps(payload).encode())


class Blinded:
    """A board whose own meter may be taken away: then only its model is left."""

    def __init__(self, device: Device, is_blind: Callable[[], bool]) -> None:
        self._device = device
        self._is_blind = is_blind

    async def run(self) -> None:
        await self._device.run()

    def job_changed(self, *, clean: bool) -> None:
        self._device.job_changed(clean=clean)

    def apply(self, setpoint: Setpoint) -> None:
        self._device.apply(setpoint)

    def stats(self) -> DeviceStats:
        stats = self._device.stats()
        return replace(stats, power=None) if self._is_blind() else stats

    def operating_points(self) -> Sequence[OperatingPoint]:
        assert isinstance(self._device, Modelled)
        return self._device.operating_points()


class CappedRack:
    """The rack with its control and without a meter; ``host`` watts are drawn beside it."""

    def __init__(self, *, cap: float, host: float, seed: int = 1) -> None:
        self._clock = LoopClock()
        self.log = RecordingLog()
        self.rack = EmulatedRack(seed=seed, tick=0.5, searcher=search_here)
        self.cap = cap
        self.plug_speaks = True
        self.has_plug = False
        self.is_blind = False
        self.shown: list[Shown] = []
        self._host = host
        self._random = Random(seed)
        self._broker = LoopbackBroker()
        self._dead: set[RackBoard] = set()
        miner = Miner(self._clock)
        self.places = [self._place(number) for number in range(len(self.rack.boards))]
        self.devices = [
            SupervisedDevice(
                place, driver="rack", seat=miner.seat(board.name), random=Random(1), log=self.log
            )
            for place, board in zip(self.places, self.rack.boards, strict=True)
        ]
        self.control = DeviceControl(
            lambda: self.devices, file=None, clock=self._clock, log=self.log
        )
        self.desk = MeterDesk(
            self._config(),
            control=self.control,
            devices=lambda: self.devices,
            broker=self._broker,
            clock=self._clock,
            log=self.log,
        )
        self.desk.samples.append(self._note)

    def _place(self, number: int) -> PortDevice:
        """Return the socket of a board, with the board in it."""
        board = self.rack.boards[number]
        context = Context(
            name=board.name,
            miner=self.rack.miner,
            clock=self._clock,
            random=Random(number),
            log=self.log,
        )

        def opened(_: PortInfo, __: Mapping[str, object]) -> Device:
            return Blinded(self.rack.device(number + 1, context), lambda: self.is_blind)

        place = PortDevice(opened, {}, name=board.name)
        place.prepare(_port_of(board))
        return place

    @property
    def true_watts(self) -> float:
        """Return what all of it takes, now."""
        lit = (board.watts for board in self.rack.boards if board not in self._dead)
        return self._host + sum(lit)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run devices, control, meter and plug until the block ends."""
        async with asyncio.TaskGroup() as group:
            runs = [device.run() for device in self.devices]
            runs += [self.control.run(), self.desk.run(), self._speak()]
            tasks = [group.create_task(run) for run in runs]
            yield
            for task in tasks:
                task.cancel()

    # -- what happens to it

    def set_cap(self, watts: float) -> None:
        """Let another cap hold, as a reload does."""
        self.cap = watts
        self.desk.configure(self._config())

    def set_plug(self, *, is_there: bool) -> None:
        """Configure the plug, as a reload does, or take it out again."""
        self.has_plug = is_there
        self.desk.configure(self._config())

    def set_window(self, watts: float | None) -> None:
        """Let a window's watts hold beside the cap, or none."""
        claims = []
        if watts is not None:
            limit = Limit(rig_watts=watts)
            cause = f"window: {watts:g}W"
            claims = [
                Claim(level=Level.WINDOW, issuer="schedule", limit=limit, cause=cause, since=0.0)
            ]
        self.control.take(Level.WINDOW, "schedule", claims)

    def take_out(self, *numbers: int) -> None:
        """Take boards away; they draw nothing more."""
        self.lose_supply(*numbers)
        for number in numbers:
            self.places[number].unplug()

    def lose_supply(self, *numbers: int) -> None:
        """Let boards be without power where they are, and silent."""
        self.cut_off(*numbers)
        self._dead.update(self.rack.boards[number] for number in numbers)

    def cut_off(self, *numbers: int) -> None:
        """Let boards be silent; they go on drawing power with the last work they had."""
        for number in numbers:
            self.rack.boards[number].ports.unplug()

    def bring_back(self, *numbers: int) -> None:
        """Let boards be there again, whatever happened to them."""
        for number in numbers:
            board = self.rack.boards[number]
            if board in self._dead:
                self._dead.remove(board)
                board.emulated.chain.hold_reset(low=True)
                board.heat.activity = 0.0
            board.ports.replug()
            self.places[number].plug(_port_of(board))
            self.devices[number].retry_at_once()

    def switch_off_all_but(self, count: int) -> None:
        """Do without any cap: ``count`` boards at full speed, the others at rest."""
        self.desk.configure(Config())
        self.set_window(None)
        claims = [
            Claim(
                level=Level.USER,
                issuer="by hand",
                device=device.name,
                limit=IDLE,
                cause="by hand",
                since=0.0,
            )
            for device in self.devices[count:]
        ]
        self.control.take(Level.USER, "by hand", claims)

    async def until(self, condition: Callable[[], bool], seconds: float = 180.0) -> None:
        """Wait until ``condition`` is fulfilled."""
        async with asyncio.timeout(seconds):
            while not condition():  # noqa: ASYNC110 - emulated boards tell nobody
                await asyncio.sleep(0.25)

    def mining(self) -> int:
        """Return how many boards mine."""
        found = (device.device.stats().state for device in self.devices)
        return sum(state is DeviceState.MINING for state in found)

    def at_full_speed(self) -> int:
        """Return how many boards run as fast as they can."""
        pairs = ((place.stats().frequency_mhz, place) for place in self.places)
        points = ((mhz, place.operating_points()) for mhz, place in pairs if mhz)
        return sum(mhz >= found[-1].mhz for mhz, found in points if found)

    # -- what was seen

    def between(self, begin: float, end: float) -> list[Shown]:
        return [one for one in self.shown if begin <= one.at < end]

    def _note(self, power: RigPower) -> None:
        held = self.desk.held
        self.shown.append(
            Shown(
                at=power.at,
                cap=held.watts if held else self.cap,
                power=power,
                true=self.true_watts,
                hashrate=self.rack.hashrate(),
            )
        )

    async def _speak(self) -> None:
        while True:
            if self.plug_speaks and self.has_plug:
                noise = 1 + self._random.uniform(-NOISE, NOISE)
                watts = round(self.true_watts * noise)
                self._broker.publish(TOPIC, {"ENERGY": {"Power": watts}})
            await asyncio.sleep(PLUG_EVERY)

    def _config(self) -> Config:
        plug = MeterConfig(source="mqtt", topic=TOPIC, interval=PLUG_EVERY)
        return Config(power=PowerConfig(limit=self.cap, meter=plug if self.has_plug else None))


def _port_of(board: RackBoard) -> PortInfo:
    return PortInfo(product=board.name)


def longest_over(shown: list[Shown]) -> float:
    """Return for how many seconds on end the meter showed more than the cap."""
    longest, began = 0.0, None
    for one in shown:
        if not one.is_metered or one.power.total.watts <= one.cap:
            began = None
            continue
        began = one.at if began is None else began
        longest = max(longest, one.at - began)
    return longest


def mean_use(shown: list[Shown]) -> float:
    """Return the mean of what the meter showed, as a part of the cap."""
    return sum(one.power.total.watts for one in shown) / sum(one.cap for one in shown)


def true_use(shown: list[Shown]) -> tuple[float, float]:
    """Return the mean and the most of the true power, as parts of the cap."""
    parts = [one.true / one.cap for one in shown]
    return sum(parts) / len(parts), max(parts)
