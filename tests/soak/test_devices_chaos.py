"""Eight devices in one process under random faults; in brief, and without heat, unless --soak."""

import asyncio
import gc
import os
from collections.abc import Callable
from pathlib import Path
from random import Random, SystemRandom

import pytest

from drivers.transports.side_tasks import beside
from stratum_client.job import Fate
from tests.e2e.chain_runs import Disturber
from tests.e2e.device_rig import DeviceBench, Plug, device_bench
from tests.soak.device_chaos import DeviceChaos
from tests.soak.memory import MEGABYTE, MemoryWatch

pytestmark = pytest.mark.soak

LONG, BRIEF = 600.0, 10.0
RECOVERED_WITHIN = 240.0
"""Seconds for the last of them: a trip half a minute ago, a pause of a minute after failures."""

DEVICES = (
    Plug(driver="bm1370", chips=4, shares=20.0),
    Plug(driver="bm1397", chips=4, shares=20.0),
    Plug(driver="bm1362", chips=12, shares=20.0),
    Plug(driver="bm1368", chips=1, shares=20.0),
    Plug(driver="bitaxe-gamma", shares=20.0, time_constant=3.0),
    Plug(driver="bitaxe-hex", shares=20.0, time_constant=3.0),
    Plug(driver="emberone-00", shares=20.0, time_constant=3.0),
    Plug(driver="bitaxe-max", shares=20.0, time_constant=3.0),
)
SLOW = Plug(driver="qaxe", shares=20.0, time_constant=3.0)
"""Takes ten seconds to switch on, so that a brief run has another board in its place."""


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def settled(count: Callable[[], int], before: int) -> int:
    """Return a count as soon as it is back at ``before``, else as it is after some seconds."""
    for _ in range(100):
        gc.collect()
        if count() <= before:
            break
        await asyncio.sleep(0.05)
    return count()


async def test_chaos_costs_no_wrong_share_and_leaves_nothing_behind(
    soaking: bool, tmp_path: Path
) -> None:
    seconds, seed = (LONG if soaking else BRIEF), SystemRandom().getrandbits(32)
    print(f"\nseed of the chaos: {seed}")  # noqa: T201  # to play it again
    random = Random(seed)
    async with device_bench(DEVICES[:1], tmp_path) as bench:  # what is kept for ever is made now
        await bench.mine(*bench.devices.values(), count=1)
    tasks, files = asyncio.all_tasks(), descriptors()

    plugs = (*DEVICES[:-1], SLOW) if soaking else DEVICES
    async with device_bench(plugs, tmp_path, seed=seed) as bench:
        chaos = DeviceChaos(
            tuple(bench.devices.values()), random, pause=1.0 if soaking else 0.25, patient=soaking
        )
        disturber = Disturber(bench.server)
        async with beside("chaos", chaos.run(), disturber.run()):
            memory = await MemoryWatch.over(os.getpid(), seconds)
        await all_mine_again(bench)
    figures(bench, seconds, chaos, memory)

    bench.assert_no_share_was_wrong()
    assert asyncio.all_tasks() <= tasks
    assert await settled(descriptors, files) <= files
    if soaking:
        assert memory.growth < 8 * MEGABYTE


async def all_mine_again(bench: DeviceBench) -> None:
    devices = bench.devices.values()
    await bench.until(lambda: all(one.is_mining for one in devices), RECOVERED_WITHIN)
    await bench.mine(*devices, count=5, seconds=RECOVERED_WITHIN)


def figures(bench: DeviceBench, seconds: float, chaos: DeviceChaos, memory: MemoryWatch) -> None:
    ours, devices = bench.ours.fates, bench.devices.values()
    lines = [
        f"{seconds:.0f} s of {dict(chaos.seen)}: {ours[Fate.ACCEPTED]} shares accepted, "
        f"{ours[Fate.STALE]} stale in flight, {ours[Fate.REJECTED]} rejected; {memory}",
        *(
            f"{one.plug.label:<14} {one.accepted:>6} accepted, {one.stats.hardware_errors:>4} "
            f"hardware errors, {one.detail('line_errors'):>4} line errors, "
            f"{one.detail('starts'):>3} starts"
            for one in devices
        ),
    ]
    print("\n".join(lines))  # noqa: T201  # the figures are what a soak is run for
