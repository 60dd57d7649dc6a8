"""Sticks with telemetry behind emulated USB bridges, driven by the real client at the real pool."""

import asyncio
from random import Random

from drivers import registry
from drivers.api import Context, DeviceState, PortInfo
from drivers.bm13xx.either_chip import EitherChipDevice
from drivers.bm13xx.emulated_sticks import STICKS_WITH_TELEMETRY, micro_of
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
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
PATIENCE = 60.0
SETTINGS = {"frequency": 60, "scale": DIFFICULTY, "nonces_per_second": 10}


class MiningStick:
    """One stick, from its emulated chips to its seat."""

    def __init__(self, name: str, miner: Miner, log: RecordingLog) -> None:
        self.seat: Seat = miner.seat(name)
        context = Context(
            name=name, miner=self.seat, clock=SystemClock(), random=Random(5), log=log
        )
        device = registry.driver(f"emulated:{name}").open(PortInfo(), SETTINGS, context)
        assert isinstance(device, EitherChipDevice)
        port = device.current._ports  # nobody else needs to pull it
        assert isinstance(port, EmulatedStickPort)
        self.port = port
        self.device = SupervisedDevice(
            device, driver=name, seat=self.seat, random=Random(6), log=log
        )

    @property
    def accepted(self) -> int:
        return self.seat.tally.fates[Fate.ACCEPTED]

    @property
    def state(self) -> DeviceState:
        return self.device.device.stats().state

    @property
    def is_off(self) -> bool:
        """Return whether regulator and chips are off and the kernel has its driver back."""
        micro, usb = micro_of(self.port.device), self.port.usb
        bound = [usb.claims.bound(one.number) for one in usb.bridge.interfaces]
        is_given_back = not usb.handles and not usb.claims.claimed and all(bound)
        assert micro
        return is_given_back and not micro.enabled and self.port.device.chain.dead


async def test_sticks_with_telemetry_mine_survive_a_plug_and_end_with_all_switched_off() -> None:
    clock, log = SystemClock(), RecordingLog()
    chain = ChainSettings(network_difficulty=1e6, branches=3)
    settings = PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain)
    async with EmulatedPool(settings, clock=clock, random=Random(7)) as server:
        miner = Miner(clock)
        config = config_for(server, deadlines=Deadlines())
        pool = Pool(config, miner, clock=clock, random=Random(7), log=log, hashrate=lambda: 0.0)
        bench = Bench(server=server, pool=pool, miner=miner, log=log)
        sticks = [MiningStick(name, miner, log) for name in STICKS_WITH_TELEMETRY]
        async with asyncio.TaskGroup() as group:
            talking = group.create_task(pool.run())
            mining = [group.create_task(stick.device.run()) for stick in sticks]
            await bench.until(lambda: all(one.accepted >= 3 for one in sticks), PATIENCE)
            for stick in sticks:
                stick.port.unplug()
            await bench.until(
                lambda: all(one.state is DeviceState.FAILED for one in sticks), PATIENCE
            )
            before = {stick.seat.name: stick.accepted for stick in sticks}
            for stick in sticks:
                stick.port.replug()
                stick.device.retry_at_once()
            await bench.until(
                lambda: all(one.accepted > before[one.seat.name] for one in sticks), PATIENCE
            )
            stats = {stick.seat.name: stick.device.device.stats() for stick in sticks}
            for task in mining:
                task.cancel()
            await asyncio.wait(mining)
            await pool.drain(2.0)
            talking.cancel()

    assert bench.ours.fates[Fate.REJECTED] == 0
    assert bench.theirs.low_difficulty == bench.theirs.invalid == 0
    for name, found in stats.items():
        assert found.hardware_errors == 0, name
        assert found.temperature is not None, name
        assert found.power or found.modelled_power, name
    assert all(stick.is_off for stick in sticks)
