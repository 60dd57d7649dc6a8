"""Emulated boards under the tuner, driven by the real driver, in virtual time.

A noisy plug measures each board at the wall; what is best is known from the emulated silicon and
from nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from random import Random

from stratum_client.config import Config, RigConfig
from stratum_client.config_tuning import TuningConfig
from stratum_client.control.power import Reading, Source
from stratum_client.control.tuning_views import Phase
from stratum_client.device_control import DeviceControl
from stratum_client.miner import Miner
from stratum_client.supervise import SupervisedDevice
from stratum_client.tuner_desk import TunerDesk
from tests.emulated_rack import SETTINGS, EmulatedRack, TruePoint
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

PLUG_NOISE = 0.005
LOOK_EVERY = 20.0


@dataclass
class TunedRack:
    """A rack, its devices and their tuners. ``by_plug``: boards are measured at the wall."""

    rack: EmulatedRack
    tuning: TuningConfig
    by_plug: bool = True
    clock: LoopClock = field(default_factory=LoopClock)
    log: RecordingLog = field(default_factory=RecordingLog)

    def __post_init__(self) -> None:
        miner, self._random = Miner(self.clock), Random(7)
        self.devices = [
            SupervisedDevice(
                device, driver="rack", seat=miner.seat(name), random=Random(1), log=self.log
            )
            for name, device in self.rack.devices.items()
        ]
        self.control = DeviceControl(
            lambda: self.devices, file=None, clock=self.clock, log=self.log
        )
        self.desk = TunerDesk(
            Config(rig=RigConfig(name="rig", timezone="UTC"), tuning=self.tuning),
            control=self.control,
            devices=lambda: self.devices,
            watts_of=self._plug,
            file=None,
            clock=self.clock,
            log=self.log,
        )

    def _plug(self, name: str) -> Reading | None:
        if not self.by_plug:
            return None
        [board] = [board for board in self.rack.boards if board.name == name]
        watts = board.watts * self._random.gauss(1.0, PLUG_NOISE)
        return Reading(watts=watts, source=Source.PLUG, at=self.clock.monotonic())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run boards and tuners; they end with the block."""
        async with self.rack.running():
            await self.rack.all_mining()
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self.control.run()),
                    group.create_task(self.desk.run()),
                ]
                yield
                for task in tasks:
                    task.cancel()

    async def until(self, seconds: float, true: Callable[[], bool]) -> float:
        """Return how many seconds it took until something came true; raise TimeoutError."""
        began = self.clock.monotonic()
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110  # a board's truth has no event
                await asyncio.sleep(LOOK_EVERY)
        return self.clock.monotonic() - began

    def all_hold(self) -> bool:
        """Return whether every tuner has found its best speed."""
        return all(self.phase(device.name) is Phase.HOLDING for device in self.devices)

    def phase(self, name: str) -> Phase | None:
        note = self.desk.note(name)
        return note.phase if note else None

    def mhz(self, number: int) -> float:
        """Return the speed that a board was told to have."""
        mhz = self.devices[number].setpoint.mhz
        return self.devices[number].operating_points()[-1].mhz if mhz is None else mhz

    def truth(self, number: int) -> dict[float, TruePoint]:
        """Return what a board would really do at each speed, with the voltage it would have."""
        low, high = self.tuning.low or 0.0, self.tuning.high or 1e9
        board = self.rack.boards[number]
        return {
            point.mhz: board.true_point(point.mhz, point.volts or 0.0, board.heat.die)
            for point in self.devices[number].operating_points()
            if low <= point.mhz <= high
        }

    def error_ratio(self, number: int, mhz: float) -> float:
        """Return the share of a board's nonces that would be wrong at a speed."""
        board = self.rack.boards[number]
        truth = self.truth(number)[mhz]
        assert board.heat.silicon
        right = board.heat.silicon.right_share(truth.mhz, truth.volts, board.heat.die)
        return 1.0 - right

    def best(self, number: int) -> TruePoint:
        """Return the most efficient point of those that make few enough errors."""
        limit = self.tuning.error_limit
        return min(
            (
                point
                for mhz, point in self.truth(number).items()
                if self.error_ratio(number, mhz) <= limit
            ),
            key=lambda point: point.joules_per_terahash,
        )

    def lost(self, number: int) -> float:
        """Return which part of the efficiency is lost to the best point, by where it is now."""
        now = self.truth(number)[self.mhz(number)]
        return 1 - self.best(number).joules_per_terahash / now.joules_per_terahash

    def wear_out(self, number: int, error_ratio: float) -> float:
        """Age a board until it errs so much where it is; return by which share it became worse."""
        board, share = self.rack.boards[number], 0.0
        while self.error_ratio(number, self.mhz(number)) < error_ratio:
            share += 0.0025
            board.degrade(share)
        return share


def rack_of(boards: int, *, board_watts: float, nonces_per_second: float) -> EmulatedRack:
    """Return boards of which each takes so many watts besides its chips, which no driver knows."""
    rack = EmulatedRack(
        boards,
        seed=3,
        scale=2.0**-32,
        settings={**SETTINGS, "nonces_per_second": nonces_per_second},
    )
    for board in rack.boards:
        board.heat.spec = replace(board.heat.spec, board_watts=board_watts, time_constant=5.0)
    return rack
