"""Sticks of both families behind emulated USB bridges, driven by the real client at the real pool.

All of them mine at the same time, and all are pulled and put back mid-job: one for each bridge,
once, and with --soak more of them, often.
"""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from random import Random

from drivers import registry
from drivers.api import Context, DeviceState, PortInfo
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from stratum_client.clock import SystemClock
from stratum_client.config import Deadlines
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from stratum_client.miner import Miner, Seat
from stratum_client.pool import Pool
from stratum_client.supervise import SupervisedDevice
from tests.e2e.rig import Bench, config_for
from tests.stand_ins import RecordingLog

DIFFICULTY = 2.0**-20
"""About one hash in 4096 is a share."""

PATIENCE = 60.0
FEW = ("2pac", "lancelot", "icarus")

STICKS: Mapping[str, Mapping[str, object]] = {
    "2pac": {"frequency": 93.75, "scale": DIFFICULTY},
    "newpac": {"frequency": 93.75, "scale": DIFFICULTY},
    "compac-f": {"frequency": 100, "scale": DIFFICULTY, "nonces_per_second": 10},
    "block-erupter": {"scale": 2.0**-14, "ticket": DIFFICULTY},
    "icarus": {"scale": 2.0**-14, "ticket": DIFFICULTY},
    "lancelot": {"scale": 2.0**-14, "ticket": DIFFICULTY},
    "cairnsmore1": {"scale": 2.0**-14, "ticket": DIFFICULTY},
}


@dataclass
class PluggedStick:
    """One stick, from its emulated chips to its seat."""

    supervised: SupervisedDevice
    seat: Seat
    port: EmulatedStickPort | EmulatedUsbPort

    @property
    def accepted(self) -> int:
        return self.seat.tally.fates[Fate.ACCEPTED]

    @property
    def state(self) -> DeviceState:
        return self.supervised.device.stats().state

    @property
    def is_given_back(self) -> bool:
        usb = self.port.usb
        bound = [usb.claims.bound(one.number) for one in usb.bridge.interfaces]
        return not usb.handles and not usb.claims.claimed and all(bound)


def plugged(name: str, miner: Miner, log: RecordingLog) -> PluggedStick:
    seat, clock = miner.seat(name), SystemClock()
    context = Context(name=name, miner=seat, clock=clock, random=Random(5), log=log)
    device = registry.driver(f"emulated:{name}").open(PortInfo(), STICKS[name], context)
    port = device._ports  # type: ignore[attr-defined]  # nobody else needs to pull it
    assert isinstance(port, (EmulatedStickPort, EmulatedUsbPort))
    supervised = SupervisedDevice(device, driver=name, seat=seat, random=Random(6), log=log)
    return PluggedStick(supervised=supervised, seat=seat, port=port)


@contextlib.asynccontextmanager
async def mining_sticks(names: Iterable[str]) -> AsyncIterator[tuple[Bench, list[PluggedStick]]]:
    """Run a pool, a client that mines there, and some sticks."""
    chain = ChainSettings(network_difficulty=1e6, branches=3)
    settings = PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain)
    clock, log = SystemClock(), RecordingLog()
    async with EmulatedPool(settings, clock=clock, random=Random(7)) as server:
        miner = Miner(clock)
        config = config_for(server, deadlines=Deadlines())
        pool = Pool(config, miner, clock=clock, random=Random(7), log=log, hashrate=lambda: 0.0)
        sticks = [plugged(name, miner, log) for name in names]
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pool.run())
            mining = [group.create_task(stick.supervised.run()) for stick in sticks]
            try:
                yield Bench(server=server, pool=pool, miner=miner, log=log), sticks
            finally:
                for task in mining:
                    task.cancel()
                await asyncio.wait(mining)
                await pool.drain(2.0)
                talking.cancel()


async def mine(bench: Bench, sticks: list[PluggedStick], count: int) -> None:
    """Wait until each stick has so many more accepted shares."""
    goals = [(stick, stick.accepted + count) for stick in sticks]
    try:
        await bench.until(lambda: all(one.accepted >= goal for one, goal in goals), PATIENCE)
    except AssertionError as error:
        lazy = [one.supervised.device.stats() for one, goal in goals if one.accepted < goal]
        raise AssertionError(f"found too little: {lazy} {bench.log.events[-40:]}") from error


async def test_sticks_mine_through_usb_and_survive_being_replugged_without_a_wrong_share(
    soaking: bool,
) -> None:
    before = set(threading.enumerate())
    names, cycles = (STICKS, 20) if soaking else (FEW, 1)

    async with mining_sticks(names) as (bench, sticks):
        await mine(bench, sticks, 2)
        for _ in range(cycles):
            for stick in sticks:
                stick.port.unplug()
            await bench.until(lambda: all(one.state is DeviceState.FAILED for one in sticks))
            for stick in sticks:
                stick.port.replug()
                stick.supervised.retry_at_once()
            await mine(bench, sticks, 1)

        theirs, ours = bench.theirs, bench.ours
        assert theirs.low_difficulty == theirs.invalid == theirs.unauthorized == 0, theirs
        assert ours.fates[Fate.REJECTED] == 0
        for stick in sticks:
            stats = stick.supervised.device.stats()
            assert stats.hardware_errors == 0, stick.seat.name
            assert sum(uart.garbage for uart in stick.port.usb.bridge.ports) == 0

    assert all(stick.is_given_back for stick in sticks)
    for thread in set(threading.enumerate()) - before:
        if thread.name.startswith("usb "):
            thread.join(1.0)
            assert not thread.is_alive()
