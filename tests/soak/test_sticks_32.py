"""32 sticks of all kinds in one daemon while block follows block; few of them, unless --soak."""

import asyncio
import os
import threading
from itertools import cycle, islice
from pathlib import Path

import pytest

from stratum_client.job import Fate
from tests.e2e.stick_machine import DIFFICULTY, NAMES, threads_left
from tests.processes import pool
from tests.soak.stick_rack import START_WITHIN, LagProbe, Rack, ThreadClock, mining_rack, percentile

pytestmark = pytest.mark.soak

FEW = ("compac-f", "lancelot", "block-erupter", "icarus")
"""One behind each bridge that there is one thread for."""

REST_WITHIN = 5.0
LAG_P99 = 0.02
STOP_WITHIN = 2.0


async def test_sticks_of_all_kinds_share_a_daemon_without_a_wrong_share(
    soaking: bool, tmp_path: Path
) -> None:
    names = tuple(islice(cycle(NAMES), 32)) if soaking else FEW
    seconds, shares, block = (300.0, 100, "10s") if soaking else (1.0, 2, "1s")
    threads, probe = set(threading.enumerate()), LagProbe()
    words = ("--difficulty", f"{DIFFICULTY:.20f}", "--ignore-suggestions", "--block-every", block)
    with pool(*words, folder=tmp_path) as (server, url):
        async with mining_rack(names, url) as rack, asyncio.TaskGroup() as group:
            await rack.until(lambda one: one.accepted > 0, START_WITHIN)
            clock, started = ThreadClock(), {one.name: one.accepted for one in rack.sticks}
            probing = group.create_task(probe.run(), name="lag probe")
            await asyncio.sleep(seconds)
            await rack.until(
                lambda one: one.accepted - started[one.name] >= shares, 0 if soaking else 60
            )
            probing.cancel()
            told = figures(rack, clock, probe, seconds)
            stopped = await rack.stop()
            await rack.until(lambda one: one.is_at_rest, REST_WITHIN)
        theirs = await asyncio.to_thread(lambda: (server.ended(), server.summary())[1])
    print(f"{told}; stopped in {stopped:.2f} s")  # noqa: T201  # the figures are what a soak is for

    ours = rack.daemon.miner.tally.fates
    assert ours[Fate.REJECTED] == theirs["low_difficulty"] == theirs["invalid"] == 0
    assert {one.name: one.hardware_errors for one in rack.sticks if one.hardware_errors} == {}
    assert [one.name for one in rack.sticks if one.garbage] == []
    assert not rack.log.named("device.failed")
    assert not await threads_left(threads)
    if soaking:
        assert percentile(probe.own, 99) < LAG_P99
        assert stopped < STOP_WITHIN


def figures(rack: Rack, clock: ThreadClock, probe: LagProbe, seconds: float) -> str:
    """Return what is to be told of a run, load included: other programs cost time too."""
    shares = " ".join(f"{one.name}:{one.accepted}" for one in rack.sticks)
    fates = rack.daemon.miner.tally.fates
    late, own = (
        ", ".join(f"{1e3 * percentile(lags, percent):.1f}" for percent in (50, 99, 100))
        for lags in (probe.all, probe.own)
    )
    cpu = ", ".join(f"{name} {share:.1%}" for name, share in clock.shares().items())
    return (
        f"\n{len(rack.sticks)} sticks, {seconds:.0f} s: accepted {shares}; "
        f"rejected {fates[Fate.REJECTED]}, stale in flight {fates[Fate.STALE]}; "
        f"loop lag p50, p99, worst: {late} ms, {own} ms without the wait for a CPU; "
        f"of a core: {cpu}; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    )
