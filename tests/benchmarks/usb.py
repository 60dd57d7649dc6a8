"""A nonce's way through a USB bridge driven directly, and through a tty: from the chip to the pool.

The real driver of an Icarus-class device both times, with the miner and a pool connection in
memory. Behind it an emulated bridge, or a pseudo-terminal of this kernel; nonces take turns. What
a bridge itself takes is part of it: an FTDI chip hands data over when its latency timer expires.
"""

import asyncio
import os
import time
import tty
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from drivers.api import Context
from drivers.icarus.driver import DRIVERS
from drivers.transports.bridge_ports import BridgePort, DirectPort, TerminalPort
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from stratum_client.bench_pool import MemoryLoop, MemoryPool
from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url
from tests.benchmarks.lines import Line, Section
from tests.stand_ins import RecordingLog

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BRANCHES = 12
ROUNDS = 300
TTY = "tty"
WAYS: Mapping[str, str] = {
    "CP2102": "block-erupter",
    "PL2303": "icarus",
    "FT232R": "lancelot",
}
"""Each bridge that is driven directly, and a device that has it."""

# kanoi/cgminer driver-icarus.c: the first words of its golden work, and the answer to it
_GOLDEN, _GOLDEN_REPLY = bytes.fromhex("4679ba4ec99876bf"), bytes.fromhex("000187a2")
_SETTINGS = {"scale": 1e-12, "ticket": 2e-10, "work_division": 1}  # any nonce is good, none due
_PACKET, _UP_WITHIN = 64, 30.0


class FarEnd:
    """A device that knows the golden work and finds what it is told to; hashes nothing."""

    baud_rate = 0.0

    def __init__(self) -> None:
        self.works = 0
        self._begun = b""

    def set_host_baud_rate(self, baud_rate: float) -> None:
        """Take any rate."""

    def hold_reset(self, *, low: bool) -> None:
        """Have no reset line."""

    def receive_data(self, data: bytes) -> bytes:
        """Take works; answer the golden one."""
        self._begun += data
        said = b""
        while len(self._begun) >= _PACKET:
            packet, self._begun = self._begun[:_PACKET], self._begun[_PACKET:]
            if packet.startswith(_GOLDEN):
                said += _GOLDEN_REPLY
            else:
                self.works += 1
        return said


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a nonce gets out of a far end, and how the driver gets at it."""

    far: FarEnd
    port: BridgePort
    find: Callable[[bytes], None]


def section(rounds: int = ROUNDS) -> Section:
    """Measure each way ``rounds`` times, in turn."""
    with asyncio.Runner(loop_factory=lambda: MemoryLoop(BRANCHES)) as runner:
        times = runner.run(_measured(rounds))
    lines = []
    for name, found in times.items():
        found.sort()
        for part, at in (("p50", 50), ("p99", 99)):
            value, base = (each[len(each) * at // 100] for each in (found, sorted(times[TTY])))
            text = f"nonce to submit, {name}, {part}"
            lines.append(Line(text, f"{value / 1e3:,.0f} us", f"{value / base:.1f}"))
    return Section("USB bridges (real driver, emulated bridge)", TTY, lines)


async def _measured(rounds: int) -> dict[str, list[int]]:
    """Return the nanoseconds from a nonce's last byte to the bytes at the pool, by way."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, MemoryLoop)
    miner, random, nonces = Miner(SystemClock()), Random(0), count(1)
    client = _client(loop.address, miner)
    times: dict[str, list[int]] = {}
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        talking = group.create_task(client.run())
        pool = await loop.connected
        pool.open()
        pool.send(pool.new_block())
        ways = {TTY: await stack.enter_async_context(_through_tty())}
        ways |= {name: _through_usb(device) for name, device in WAYS.items()}
        devices = [group.create_task(_mine(way, name, miner)) for name, way in ways.items()]
        async with asyncio.timeout(_UP_WITHIN):
            while not all(way.far.works for way in ways.values()):  # noqa: ASYNC110 - all of them
                await asyncio.sleep(0.05)
        for number in range(rounds + 10):
            for name, way in ways.items():
                await asyncio.sleep(random.uniform(0.002, 0.006))  # any phase of a latency timer
                taken = await _one(way, pool, (next(nonces) * 0x9E3779B1) & 0xFFFFFFFF)
                if number >= 10:  # the first ones warm up
                    times.setdefault(name, []).append(taken)
        for task in (*devices, talking):
            task.cancel()
    return times


async def _one(way: Way, pool: MemoryPool, counter: int) -> int:
    """Return the nanoseconds that a nonce takes."""
    began = time.perf_counter_ns()
    way.find(counter.to_bytes(4, "big"))
    async with asyncio.timeout(_UP_WITHIN):
        while pool.written_at < began:  # noqa: ASYNC110 - its own clock tells when
            await asyncio.sleep(0.001)
    taken = pool.written_at - began
    pool.answer()
    return taken


def _client(address: str, miner: Miner) -> Pool:
    config = PoolConfig(name="pool", url=parse_pool_url(address), user="account.rig")
    return Pool(
        config,
        miner,
        clock=SystemClock(),
        random=Random(0),
        log=RecordingLog(),
        hashrate=lambda: 0.0,
    )


async def _mine(way: Way, name: str, miner: Miner) -> None:
    seat = miner.seat(name)
    context = Context(
        name=name, miner=seat, clock=SystemClock(), random=Random(1), log=RecordingLog()
    )
    model = WAYS.get(name, "block-erupter")
    device = DRIVERS[model].on_ports(way.port, _SETTINGS, context)
    seat.listener = device
    await device.run()


def _through_usb(name: str) -> Way:
    far, bus = FarEnd(), EmulatedBus()
    device = EmulatedUsbDevice(STICKS[name], random=Random(1), chips=(far,))
    bus.plug(device)
    return Way(far=far, port=DirectPort("usb:1-1", backend=EmulatedBackend(bus)), find=device.write)


@asynccontextmanager
async def _through_tty() -> "AsyncIterator[Way]":
    """Open a pseudo-terminal, and let its far end answer while it is there."""
    far, loop = FarEnd(), asyncio.get_running_loop()
    master, slave = os.openpty()
    tty.setraw(slave)

    def heard() -> None:
        with suppress(BlockingIOError):
            os.write(master, far.receive_data(os.read(master, 4096)))

    def find(data: bytes) -> None:
        os.write(master, data)

    loop.add_reader(master, heard)
    try:
        yield Way(far=far, port=TerminalPort(os.ttyname(slave)), find=find)
    finally:
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
