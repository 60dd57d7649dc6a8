"""Devices on pseudo-terminals, in real time: the same bytes through the kernel's tty layer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from drivers.api import Context, Device, DeviceState, PortInfo
from drivers.bm13xx.driver import DRIVERS
from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_port import EmulatedPorts, search_here
from drivers.transports.pty import PseudoTerminal
from tests.bm13xx.device_rig import SLOW, RecordingMiner, number
from tests.cpu.standins import SystemClock
from tests.stand_ins import RecordingLog


class OnPtys:
    """An emulated device on one pty for each of its ports."""

    def __init__(self, device: EmulatedDevice) -> None:
        self.data = PseudoTerminal(on_data=self._data, on_baud_rate=self._baud_rate)
        self.control = PseudoTerminal(on_data=self._control)
        self.paths = (self.data.path, self.control.path)[: 2 if device.has_control else 1]
        self._emulator = EmulatedPorts(
            device,
            write_data=self.data.write,
            write_control=self.control.write,
            searcher=search_here,
        )

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        serving = asyncio.create_task(self._emulator.run())
        try:
            yield
        finally:
            serving.cancel()
            await asyncio.wait([serving])
            self.data.close()
            self.control.close()

    def _data(self, data: bytes) -> None:
        self._emulator.data_received(data)

    def _control(self, data: bytes) -> None:
        self._emulator.control_received(data)

    def _baud_rate(self, baud_rate: int) -> None:
        self._emulator.baud_rate_changed(baud_rate)


@asynccontextmanager
async def running(device: Device) -> AsyncIterator["asyncio.Task[None]"]:
    before = descriptors()
    task = asyncio.create_task(device.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert descriptors() <= before


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def opened(name: str, ports: OnPtys, miner: RecordingMiner) -> Device:
    context = Context(
        name="rig", miner=miner, clock=SystemClock(), random=Random(1), log=RecordingLog()
    )
    settings = {"scale": SLOW, "frequency": 56.25, "nonces_per_second": 20}
    return DRIVERS[name].open(PortInfo(paths=ports.paths), settings, context)


@pytest.mark.parametrize("name", ["bm1370", "bm1397", "bitaxe-gamma"])
async def test_it_mines_through_a_tty(name: str) -> None:
    emulated = emulated_device(name, random=Random(3), scale=SLOW)

    ports = OnPtys(emulated)
    async with ports.serving():
        miner = RecordingMiner()
        device = opened(name, ports, miner)
        async with running(device):
            await miner.solved(10)
            stats = device.stats()
            rate = ports.data.baud_rate

    assert stats.state is DeviceState.MINING
    assert stats.hardware_errors == 0
    assert rate == number(stats, "baud_rate") > 115_200
    if emulated.has_control:
        assert emulated.chain.dead


async def test_a_tty_that_hangs_up_ends_the_run() -> None:
    emulated = emulated_device("bm1370", random=Random(3), scale=SLOW)

    ports = OnPtys(emulated)
    async with ports.serving():
        miner = RecordingMiner()
        device = opened("bm1370", ports, miner)
        async with running(device) as task:
            await miner.solved(2)
            ports.data.unplug()
            device.job_changed(clean=True)
            await asyncio.wait([task], timeout=5.0)
            error = task.exception()

    assert "lost" in str(error)
