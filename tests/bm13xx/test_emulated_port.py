"""Emulated devices on an event loop, behind loopback ports."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from random import Random

import pytest

from drivers.bm13xx.emulated_boards import emulated_device
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_port import (
    EmulatedPorts,
    Searcher,
    search_aside,
    search_here,
)
from drivers.bm13xx.emulated_search import run
from drivers.hashing.search_pool import search_process, search_thread
from drivers.peripherals.emulated_faults import Faults
from drivers.transports.loopback import Loopback, LoopbackUart
from tests.bm13xx import plain_host as host


class Host:
    """The driver's end of both ports: it collects what comes."""

    def __init__(self, data: Loopback, control: Loopback) -> None:
        self.received = bytearray()
        self.replies = bytearray()
        self.lost = 0
        self.plugged_again = asyncio.Event()
        self._changed = asyncio.Event()
        self._ports = data, control
        self.open()

    def open(self) -> None:
        data, control = self._ports
        self.data: LoopbackUart = data.open(on_data=self._data, on_lost=self._lost)
        self.control: LoopbackUart = control.open(on_data=self._reply, on_lost=self._lost)

    def _data(self, data: bytes) -> None:
        self.received += data
        self._changed.set()

    def _reply(self, data: bytes) -> None:
        self.replies += data
        self._changed.set()

    def _lost(self, _error: object) -> None:
        self.lost += 1
        self._changed.set()

    async def until(self, enough: int, *, replies: int = 0, lost: int = 0) -> None:
        """Wait for so many bytes, replies and lost ports."""
        async with asyncio.timeout(20):
            while len(self.received) < enough or len(self.replies) < replies or self.lost < lost:
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def plugged_in(
    device: EmulatedDevice, searcher: Searcher = search_aside, tick: float = 0.005
) -> AsyncIterator[tuple[Host, EmulatedPorts]]:
    def send(data: bytes) -> None:
        data_port.write(data)

    def reply(data: bytes) -> None:
        control_port.write(data)

    def plug(plugged: bool) -> None:
        for port in (data_port, control_port):
            if plugged:
                port.replug()
            else:
                port.unplug()
        if plugged:
            driver.plugged_again.set()

    ports = EmulatedPorts(
        device,
        write_data=send,
        write_control=reply,
        on_plug=plug,
        searcher=searcher,
        tick=tick,
    )
    data_port = Loopback("data", on_data=ports.data_received)
    control_port = Loopback("control", on_data=ports.control_received)
    driver = Host(data_port, control_port)
    running = asyncio.create_task(ports.run())
    yield driver, ports
    running.cancel()
    await asyncio.wait([running])
    assert running.cancelled()


async def test_a_chain_answers_and_mines_on_the_search_thread() -> None:
    device = emulated_device("bm1370", chips=2, random=Random(1), scale=2.0**-22)

    async with plugged_in(device) as (driver, _):
        driver.data.write(host.read(0))
        await driver.until(18)
        driver.received.clear()
        for frame in (*host.bring_up("bm1370", 2), host.full_job(8)):
            driver.data.write(frame)
        await driver.until(11 * 40)

    found = host.nonces(bytes(driver.received[: 11 * 40]), 11)
    for nonce in found:
        header = host.head(0x20000000 | nonce.rolled << 13) + host.TAIL + nonce.nonce
        assert host.sha256d(header) < 2**224 / device.chain.scale
    assert {nonce.number >> 24 & 1 for nonce in found} == {0, 1}


async def test_several_devices_share_the_thread() -> None:
    devices = [emulated_device("bm1366", random=Random(seed), scale=2.0**-22) for seed in range(4)]

    async def mine(device: EmulatedDevice) -> int:
        async with plugged_in(device) as (driver, _):
            for frame in (*host.bring_up("bm1366", 1), host.full_job(8)):
                driver.data.write(frame)
            await driver.until(11 * 10)
        return len(driver.received)

    assert all(await asyncio.gather(*map(mine, devices)))


async def test_both_ports_of_a_board_answer() -> None:
    device = emulated_device("bitaxe-gamma", random=Random(1))

    async with plugged_in(device) as (driver, _):
        driver.control.write(bytes.fromhex("06005a000600"))
        await driver.until(0, replies=4)

    assert driver.replies.hex() == "01005a00"


async def test_a_slow_control_port_answers_all_the_same() -> None:
    device = emulated_device("bitaxe-gamma", random=Random(1), faults=Faults(slow_control=0.02))

    async with plugged_in(device) as (driver, _):
        driver.control.write(bytes.fromhex("06005a000600"))
        await driver.until(0, replies=4)

    assert driver.replies.hex() == "01005a00"


async def test_the_rate_of_the_host_is_heeded() -> None:
    device = emulated_device("bm1370", random=Random(1))

    async with plugged_in(device) as (driver, ports):
        ports.baud_rate_changed(1_000_000)
        driver.data.write(host.read(0))
        ports_heard = device.receive_data(host.read(0), 0.0)
        ports.baud_rate_changed(115200)
        driver.data.write(host.read(0))
        await driver.until(9)

    assert ports_heard == b""
    assert driver.received[2:6].hex() == "13700000"


async def test_an_unplugged_device_takes_both_ports_with_it_and_brings_them_back() -> None:
    device = emulated_device(
        "bitaxe-gamma", random=Random(1), faults=Faults(unplug_after=0.01, replug_after=0.05)
    )

    async with plugged_in(device) as (driver, _), asyncio.timeout(20):
        await driver.until(0, lost=2)
        await driver.plugged_again.wait()
        driver.open()
        driver.control.write(bytes.fromhex("06005a000600"))
        await driver.until(0, replies=4)

    assert driver.lost == 2


async def test_searching_on_the_loop_does_not_keep_others_out() -> None:
    device = emulated_device("bm1370", random=Random(1), scale=2.0**-20)
    turns = 0

    async with plugged_in(device, search_here) as (driver, _):
        for frame in (*host.bring_up("bm1370", 1), host.full_job(8)):
            driver.data.write(frame)
        async with asyncio.timeout(20):
            while len(driver.received) < 110:
                turns += 1
                await asyncio.sleep(0)

    assert turns > 1


@pytest.mark.parametrize("pool", [search_thread, search_process])
async def test_thread_and_process_find_what_a_search_on_the_loop_does(
    pool: Callable[[], Executor],
) -> None:
    chain = emulated_device("bm1370", random=Random(1), scale=2.0**-22).chain
    for frame in (*host.bring_up("bm1370", 1), host.full_job(8)):
        chain.receive_data(frame)
    chain.search(0.0)
    search = chain.search(0.1)
    assert search
    expected = await search_here(search, bytearray(1))

    with pool() as aside:
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(aside, run, search, bytearray(1))

    assert found == expected
    assert found
