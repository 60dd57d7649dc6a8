"""Rigs that start softly, each with the real control, windows and restarts, in virtual time."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random

from drivers.api import DeviceState, DeviceStats, Setpoint
from stratum_client.boot import Boot
from stratum_client.config import Config, RigConfig
from stratum_client.config_inrush import InrushConfig
from stratum_client.config_power import PowerConfig
from stratum_client.control.claims import IDLE, Claim, Level
from stratum_client.device_control import DeviceControl
from stratum_client.miner import Miner
from stratum_client.restart_desk import RestartDesk
from stratum_client.restart_memory import Left
from stratum_client.supervise import SupervisedDevice
from stratum_client.window_desk import WindowDesk
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

BOOT = Boot(id="this boot", uptime=20.0)


def site_config(inrush: InrushConfig | None, *, name: str = "rig", **more: object) -> Config:
    rig = RigConfig(name=name, timezone="UTC")
    return Config(rig=rig, power=PowerConfig(inrush=inrush), **more)  # type: ignore[arg-type]


def order(device: str = "", *, level: Level = Level.ORDER, since: float = 0.0) -> Claim:
    """Return a claim that a device, or the rig, rests."""
    return Claim(
        level=level, issuer="grid", device=device, limit=IDLE, cause="ordered", since=since
    )


class OffsetClock(LoopClock):
    """The loop's time, and a wall clock that is ``ahead`` of it."""

    def __init__(self, ahead: float = 0.0) -> None:
        self.ahead = ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


class MemoryFile:
    """A file that outlives a daemon of the test, and keeps what is written at once."""

    path = Path("kept")

    def __init__(self, data: bytes | None = None) -> None:
        self.data = data
        self.writes = 0
        self.broken = False

    def read(self) -> bytes | None:
        return self.data

    def put_aside(self) -> Path:
        return self.path

    async def write(self, data: bytes) -> None:
        if self.broken:
            raise OSError(28, "No space left on device")
        self.data, self.writes = data, self.writes + 1

    async def remove(self) -> None:
        self.data = None


class Board:
    """A device that notes when it was told to run and to rest; it takes ``slowness`` seconds to."""

    def __init__(self, clock: LoopClock) -> None:
        self.setpoint = Setpoint(run=True)
        self.starts: list[float] = []
        self.stops: list[float] = []
        self.slowness = 0.0
        self._clock = clock

    async def run(self) -> None:
        await asyncio.Event().wait()

    def job_changed(self, *, clean: bool) -> None:
        raise AssertionError("there is no job")

    def apply(self, setpoint: Setpoint) -> None:
        if setpoint.run != self.setpoint.run:
            times = self.starts if setpoint.run else self.stops
            times.append(self._clock.monotonic())
        self.setpoint = setpoint

    def stats(self) -> DeviceStats:
        told = self.stops[-1] if self.stops else 0.0
        is_off = not self.setpoint.run and self._clock.monotonic() >= told + self.slowness
        return DeviceStats(state=DeviceState.IDLE if is_off else DeviceState.MINING)


@dataclass
class Disk:
    """What is left of a rig while no daemon runs."""

    marker: MemoryFile
    rests: MemoryFile

    @property
    def left(self) -> Left:
        return Left(marker=self.marker, rests=self.rests)


def disk(marker: bytes | None = None, rests: bytes | None = None) -> Disk:
    return Disk(MemoryFile(marker), MemoryFile(rests))


class Rig:
    """One daemon's control over some boards; `boards` by their names."""

    def __init__(
        self,
        config: Config,
        *names: str,
        disk: Disk | None = None,
        boot: Boot = BOOT,
        clock: OffsetClock | None = None,
        random: Random | None = None,
        is_known: bool = True,
    ) -> None:
        self.clock = clock or OffsetClock()
        self.log = RecordingLog()
        self._miner = Miner(self.clock)
        self.boards: Mapping[str, Board] = {}
        self._devices: list[SupervisedDevice] = []
        self.control = DeviceControl(
            lambda: self._devices, file=None, clock=self.clock, log=self.log
        )
        if is_known:
            self.plug_in(*names)
        self.desk = RestartDesk(
            config,
            control=self.control,
            left=disk.left if disk else None,
            boot=boot,
            clock=self.clock,
            random=random or Random(1),
            log=self.log,
        )
        self.windows = WindowDesk(
            config,
            control=self.control,
            devices=lambda: self._devices,
            synchronized=lambda: True,
            clock=self.clock,
            log=self.log,
        )

    def plug_in(self, *names: str) -> None:
        """Take boards in as the fleet does: told at once what holds for them by then."""
        for name in names:
            board = Board(self.clock)
            device = SupervisedDevice(
                board,
                driver="test",
                seat=self._miner.seat(name),
                random=Random(1),
                log=self.log,
            )
            if (setpoint := self.control.setpoint(name)) != device.setpoint:
                device.apply(setpoint)
            self.boards = {**self.boards, name: board}
            self._devices.append(device)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Run the daemon, and end it cleanly."""
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(part.run()) for part in (self.control, self.desk, self.windows)
            ]
            yield
            for task in tasks:
                task.cancel()

    def running(self) -> list[str]:
        return [name for name, board in self.boards.items() if board.setpoint.run]

    def reason(self, name: str) -> str:
        return self.control.decision(name).reason
