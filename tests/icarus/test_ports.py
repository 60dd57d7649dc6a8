"""Devices over a pseudo-terminal and in this process, in real time, with the search on a thread."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from drivers import registry
from drivers.api import Context, Device, DeviceState, PortInfo
from drivers.errors import TransportLostError
from drivers.icarus.driver import DRIVERS
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_port import EmulatedPort
from drivers.transports.pty import PseudoTerminal
from tests.icarus.rig import RecordingMiner
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

SCALE, TICKET = 2.0**-18, 2.0**-26
"""A work holds 256 nonces on average, 20 in a second on a Block Erupter."""

SCALED: dict[str, object] = {"scale": SCALE, "ticket": TICKET}
PATIENCE = 30.0


def context(miner: RecordingMiner) -> Context:
    return Context(name="x", miner=miner, clock=LoopClock(), random=Random(1), log=RecordingLog())


@asynccontextmanager
async def running(device: Device) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(device.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class OnPty:
    """An emulated device on a pseudo-terminal."""

    def __init__(self, name: str) -> None:
        self.device = EmulatedIcarus(
            emulated_model(name), random=Random(2), scale=SCALE, ticket=TICKET
        )
        self._port = EmulatedPort(self.device, write_data=self._write)
        self.terminal = PseudoTerminal(
            on_data=self._port.data_received, on_baud_rate=self._port.baud_rate_changed
        )

    async def run(self) -> None:
        await self._port.run()

    def _write(self, data: bytes) -> None:
        self.terminal.write(data)


@asynccontextmanager
async def on_pty(name: str) -> AsyncIterator[OnPty]:
    served = OnPty(name)
    task = asyncio.create_task(served.run())
    try:
        yield served
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        served.terminal.close()


@pytest.mark.parametrize("name", ["block-erupter", "antminer-u1", "icarus"])
async def test_a_device_on_a_pseudo_terminal_mines(name: str) -> None:
    miner = RecordingMiner()

    async with on_pty(name) as served:
        port = PortInfo(paths=(served.terminal.path,))
        device = DRIVERS[name].open(port, SCALED, context(miner))
        async with running(device):
            await miner.solved(5)
            miner.job = 2
            device.job_changed(clean=True)
            seen = len(miner.solutions)
            await miner.solved(5)
            stats = device.stats()

    assert stats.hardware_errors == 0
    assert stats.state is DeviceState.MINING
    assert max(miner.hashes) <= 2**224 / TICKET
    assert miner.jobs_since(seen) == {2}


async def test_a_device_that_is_unplugged_and_plugged_in_again_mines_on() -> None:
    miner = RecordingMiner()

    async with on_pty("block-erupter") as served:
        port = PortInfo(paths=(served.terminal.path,))
        device = DRIVERS["block-erupter"].open(port, SCALED, context(miner))
        async with running(device) as task:
            await miner.solved(2)
            served.terminal.unplug()
            await asyncio.wait([task], timeout=PATIENCE)
            error = task.exception()
        served.terminal.replug()
        again = PortInfo(paths=(served.terminal.path,))
        device = DRIVERS["block-erupter"].open(again, SCALED, context(miner))
        async with running(device):
            await miner.solved(2)

    assert isinstance(error, TransportLostError)


async def test_a_device_at_another_baud_rate_is_not_understood() -> None:
    miner = RecordingMiner()

    async with on_pty("icarus") as served:
        port = PortInfo(paths=(served.terminal.path,))
        device = DRIVERS["icarus"].open(port, {**SCALED, "baud_rate": 57600}, context(miner))
        async with running(device) as task:
            await asyncio.wait([task], timeout=PATIENCE)
            error = task.exception()

    assert "no Icarus FPGA here" in str(error)
    assert miner.works == []


async def test_an_emulated_device_by_name_mines_in_this_process() -> None:
    miner = RecordingMiner()
    device = registry.driver("emulated:lancelot").open(PortInfo(), SCALED, context(miner))

    async with running(device):
        await miner.solved(5)

    assert device.stats().hardware_errors == 0
    assert max(miner.hashes) <= 2**224 / TICKET


async def test_an_emulated_device_that_unplugs_itself_comes_back() -> None:
    miner = RecordingMiner()
    faults: dict[str, object] = {"unplug_after": "0.5", "replug_after": "0.6"}
    driver = registry.driver("emulated:block-erupter")
    device = driver.open(PortInfo(), {**SCALED, **faults}, context(miner))

    async with running(device) as task:
        await asyncio.wait([task], timeout=PATIENCE)
        error = task.exception()
    assert isinstance(error, TransportLostError)

    async with asyncio.timeout(PATIENCE):
        while len(miner.solutions) < 10:  # its time passes only while it is run
            async with running(device) as task:
                await asyncio.wait([task], timeout=0.3)
