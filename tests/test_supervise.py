"""A device that fails is run again after a pause; what it does wrong costs nobody else."""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from random import Random

import pytest

from drivers.api import DeviceState, DeviceStats, Setpoint
from drivers.errors import DriverError
from stratum_client.miner import Miner
from stratum_client.supervise import SupervisedDevice, kept_running
from tests.stand_ins import RecordingLink, RecordingLog
from tests.test_miner import Rig
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time


class ScriptedDevice:
    """Runs for some seconds, then ends as it is told; notes when it was started."""

    def __init__(self, ending: Exception | None, *, lasts: float = 0.0) -> None:
        self.ending = ending
        self.lasts = lasts
        self.starts: list[float] = []
        self.jobs = 0
        self.on_job: Callable[[], None] = lambda: None
        self.on_stats: Callable[[], None] = lambda: None

    async def run(self) -> None:
        self.starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.lasts)
        if self.ending:
            raise self.ending

    def job_changed(self, *, clean: bool) -> None:
        self.jobs += 1
        self.on_job()

    def apply(self, setpoint: Setpoint) -> None:
        raise AssertionError("nobody tells this device to rest")

    def stats(self) -> DeviceStats:
        self.on_stats()
        return DeviceStats(state=DeviceState.MINING, claimed_hashrate=5.0, hardware_errors=3)


class Bench:
    def __init__(self) -> None:
        self.miner = Miner(LoopClock())
        self.miner.add_pool("pool", RecordingLink())
        self.log = RecordingLog()

    def supervised(self, name: str, device: ScriptedDevice) -> SupervisedDevice:
        seat = self.miner.seat(name)
        return SupervisedDevice(
            device, driver="scripted", seat=seat, random=Random(1), log=self.log
        )

    def give_job(self) -> None:
        self.miner.job_arrived(Rig().job())


async def run_for(seconds: float, *devices: SupervisedDevice) -> None:
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(device.run()) for device in devices]
        await asyncio.sleep(seconds)
        for task in running:
            task.cancel()


def failing() -> None:
    raise ZeroDivisionError("a plug-in's bug")


async def test_pauses_grow_to_a_minute_and_the_device_is_tried_for_ever() -> None:
    bench, device = Bench(), ScriptedDevice(DriverError("unplugged"))

    await run_for(3600.0, bench.supervised("stick", device))

    pauses = [after - before for before, after in pairwise(device.starts)]
    for number, pause in enumerate(pauses):
        longest = min(2.0**number, 60.0)
        assert longest / 2 <= pause <= longest
    assert 60 <= len(pauses) <= 140
    assert {str(fields["error"]) for fields in bench.log.named("device.failed")} == {"unplugged"}


async def test_a_device_that_ran_well_is_back_within_a_second() -> None:
    bench, device = Bench(), ScriptedDevice(DriverError("lost"), lasts=3600.0)

    await run_for(36_100.0, bench.supervised("stick", device))

    assert len(device.starts) == 11
    assert all(3600 <= after - before <= 3601 for before, after in pairwise(device.starts))


@pytest.mark.parametrize("ending", [ZeroDivisionError("a bug"), None])
async def test_a_crash_and_a_quiet_end_count_as_failures(ending: Exception | None) -> None:
    bench, device = Bench(), ScriptedDevice(ending, lasts=0.5)
    supervised = bench.supervised("stick", device)

    await run_for(0.75, supervised)

    stats = supervised.snapshot(0.0).stats
    assert stats.state is DeviceState.FAILED
    assert stats.reason == ("ZeroDivisionError: a bug" if ending else "ended without being told to")
    assert (stats.claimed_hashrate, stats.hardware_errors) == (0.0, 3)
    assert len(bench.log.named("device.crashed")) == (1 if ending else 0)


async def test_a_device_hears_of_jobs_only_while_it_runs() -> None:
    bench, device = Bench(), ScriptedDevice(DriverError("lost"), lasts=10.0)
    supervised = bench.supervised("stick", device)

    async with asyncio.TaskGroup() as group:
        running = group.create_task(supervised.run())
        await asyncio.sleep(5.0)
        bench.give_job()
        await asyncio.sleep(5.1)
        bench.give_job()
        running.cancel()

    assert device.jobs == 1
    assert supervised.seat.listener is None


async def test_a_device_that_crashes_on_a_job_costs_neither_the_pool_nor_its_neighbour() -> None:
    bench = Bench()
    bad, good = ScriptedDevice(None, lasts=1e6), ScriptedDevice(None, lasts=1e6)
    bad.on_job = failing

    async with asyncio.TaskGroup() as group:
        devices = [bench.supervised("bad", bad), bench.supervised("good", good)]
        running = [group.create_task(device.run()) for device in devices]
        await asyncio.sleep(1.0)
        bench.give_job()
        await asyncio.sleep(10.0)
        for task in running:
            task.cancel()

    assert good.jobs == 1
    assert len(good.starts) == 1
    assert len(bad.starts) == 2
    assert len(bench.log.named("device.crashed")) == 1


async def test_a_crash_on_a_job_does_not_swallow_the_word_to_stop() -> None:
    bench, device = Bench(), ScriptedDevice(None, lasts=1e6)
    device.on_job = failing

    async with asyncio.TaskGroup() as group:
        running = group.create_task(bench.supervised("bad", device).run())
        await asyncio.sleep(1.0)
        bench.give_job()
        running.cancel()

    assert running.cancelled()
    assert len(device.starts) == 1


async def test_a_device_that_cannot_tell_of_itself_is_shown_as_failed() -> None:
    bench, device = Bench(), ScriptedDevice(None)
    device.on_stats = failing

    stats = bench.supervised("bad", device).snapshot(0.0).stats

    assert stats.state is DeviceState.FAILED
    assert "ZeroDivisionError" in stats.reason


async def test_an_optional_part_that_crashes_is_run_again_until_it_is_done() -> None:
    log, starts = RecordingLog(), list[float]()

    async def part() -> None:
        starts.append(asyncio.get_running_loop().time())
        if len(starts) < 3:
            failing()

    await kept_running("broker", part, random=Random(1), log=log)

    assert len(starts) == 3
    assert all(after - before >= 0.5 for before, after in pairwise(starts))
    assert [fields["part"] for fields in log.named("part.crashed")] == ["broker"] * 2


async def test_a_part_that_ran_for_long_is_started_again_as_soon_as_at_first() -> None:
    log, lasts, starts = RecordingLog(), [*[0.0] * 8, 3600.0, 0.0], list[float]()

    async def part() -> None:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(lasts[len(starts) - 1])
        if len(starts) < len(lasts):
            raise ValueError("our bug")

    await kept_running("orders", part, random=Random(1), log=log)

    assert starts[8] - starts[7] > 15
    assert starts[9] - starts[8] - 3600 <= 2
