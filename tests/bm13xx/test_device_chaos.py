"""Many faults in any order, in virtual time: nothing but the documented errors, and it recovers."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from drivers.api import DeviceState, Setpoint
from drivers.errors import DriverError
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults
from tests.bm13xx.device_rig import Rig

pytestmark = pytest.mark.virtual_time

LASTS = 300.0
NOISE = Faults(drop=0.003, flip=0.003, insert=0.003, wrong_nonce=0.02, duplicate=0.05, late=0.05)


class Chaos:
    """Something goes wrong, or right again, every few seconds."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self._rig = rig
        self._random = Random(seed)
        self._happened = [
            self._noise,
            self._calm,
            self._mute,
            self._brown_out,
            self._unplug_data,
            self._unplug_all,
            self._replug,
            self._replug,
            self._orders,
            self._new_job,
            self._new_job,
        ]
        if rig.emulated.has_control:
            self._happened += [self._rail_off, self._nack, self._hot]

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._random.uniform(0.0, 8.0))
            self._random.choice(self._happened)()

    def heal(self) -> None:
        self._set(NO_FAULTS)
        self._rig.ports.replug()
        self._rig.device.apply(Setpoint(run=True))

    def _set(self, faults: Faults) -> None:
        self._rig.emulated.chain.faults = faults
        if self._rig.emulated.board:
            self._rig.heat.faults = faults

    def _noise(self) -> None:
        self._set(NOISE)

    def _calm(self) -> None:
        self._set(NO_FAULTS)

    def _mute(self) -> None:
        self._set(replace(NOISE, mute=(self._random.randrange(4),)))

    def _nack(self) -> None:
        self._set(replace(NOISE, nack=0.02))

    def _hot(self) -> None:
        self._set(replace(NO_FAULTS, hot_after=0.0))

    def _rail_off(self) -> None:
        self._set(replace(NO_FAULTS, rail_off_after=0.0))

    def _brown_out(self) -> None:
        for chip in self._rig.emulated.chain.chips:
            chip.reset()

    def _unplug_data(self) -> None:
        self._rig.ports.unplug(0)
        self._rig.device.job_changed(clean=True)

    def _unplug_all(self) -> None:
        self._rig.ports.unplug()
        self._rig.device.job_changed(clean=False)

    def _replug(self) -> None:
        self._rig.ports.replug()

    def _orders(self) -> None:
        run, mhz = self._random.random() < 0.8, self._random.choice([None, 75.0, 120.0])
        self._rig.device.apply(Setpoint(run=run, mhz=mhz, reason="chaos"))

    def _new_job(self) -> None:
        self._rig.miner.job += 1
        self._rig.device.job_changed(clean=self._random.random() < 0.5)


async def supervised(rig: Rig, errors: list[BaseException]) -> None:
    """Run the device again and again, as the daemon does."""
    while True:
        try:
            await rig.device.run()
        except DriverError as error:
            errors.append(error)
        await asyncio.sleep(1.0)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(("driver", "chips"), [("bm1370", 4), ("bm1397", 4), ("bitaxe-gamma", 1)])
async def test_whatever_happens_it_recovers(driver: str, chips: int, seed: int) -> None:
    rig = Rig(driver, chips=chips, frequency=150, tick=0.2)
    chaos, errors = Chaos(rig, seed), list[BaseException]()
    before = asyncio.all_tasks()

    supervising = asyncio.create_task(supervised(rig, errors))
    raging = asyncio.create_task(chaos.run())
    await asyncio.wait([supervising, raging], timeout=LASTS)
    assert not supervising.done(), supervising.exception()
    assert not raging.done(), raging.exception()
    raging.cancel()
    await asyncio.wait([raging])
    chaos.heal()
    await rig.miner.solved(10)  # those of the last noise among them
    errors_before = rig.device.stats().hardware_errors
    await rig.miner.solved(30)
    stats = rig.device.stats()
    supervising.cancel()
    await asyncio.wait([supervising])

    assert errors, "nothing ever went wrong: no chaos"
    assert stats.state is DeviceState.MINING
    assert asyncio.all_tasks() <= before
    assert stats.hardware_errors == errors_before, "a calm line brings no wrong nonce"
    if rig.emulated.has_control:
        assert rig.emulated.chain.dead
