"""The daemon in a mock of USB: real libusb, two sticks, one pulled mid-job and put back."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import pytest

from stratum_client.clock import SystemClock
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from tests.processes import Running
from tests.umockdev.bench import Bench

SCALE = 2.0**-20
PATIENCE = 60.0

CONFIG = """
[[pool]]
url = "stratum+tcp://127.0.0.1:{port}"
user = "x"
suggest_difficulty = "off"

[[device]]
name = "fast"
match = {{ serial = "A1" }}
settings = {{ frequency = 100, scale = {scale}, nonces_per_second = 10 }}

[[device]]
name = "old"
match = {{ serial = "B2", board = "terminus" }}
settings = {{ frequency = 93.75, scale = {scale}, nonces_per_second = 10 }}
"""


@asynccontextmanager
async def pool() -> AsyncIterator[EmulatedPool]:
    chain = ChainSettings(network_difficulty=1e6, branches=3)
    settings = PoolSettings(difficulty=SCALE, vardiff="off", chain=chain)
    async with EmulatedPool(settings, clock=SystemClock(), random=Random(7)) as server:
        yield server


def accepted(run: Running, name: str) -> int:
    lines = run.out.splitlines()
    return sum("share.accepted" in line and f"device={name}" in line for line in lines)


async def until(run: Running, condition: Callable[[], bool]) -> None:
    for _ in range(round(PATIENCE / 0.05)):
        if condition():
            return
        assert run.process.poll() is None, run.err
        await asyncio.sleep(0.05)
    raise AssertionError(f"waited in vain; {run.out[-3000:]} {run.err[-2000:]}")


async def mines(run: Running, name: str, count: int) -> None:
    goal = accepted(run, name) + count
    await until(run, lambda: accepted(run, name) >= goal)


async def says(run: Running, pattern: str) -> None:
    await until(run, lambda: re.search(pattern, run.out) is not None)


@pytest.mark.usefixtures("packages")
async def test_a_stick_pulled_mid_job_is_missed_and_mines_on_when_it_is_back(
    tmp_path: Path,
) -> None:
    bench = Bench("--scale", str(SCALE), "compac-f", "A1", "terminus", "B2")
    async with pool() as server:
        settings = CONFIG.format(port=server.port, scale=SCALE)
        (tmp_path / "stratum-client.toml").write_text(settings)
        run = Running("run", folder=tmp_path, more=bench.inside)
        try:
            await mines(run, "fast", 2)
            await mines(run, "old", 2)
            bench.told("unplug 0")
            await says(run, "device.unplugged .*device=fast")
            await mines(run, "old", 1)
            assert "device.failed" not in run.out, "an unplugged stick has not failed"
            bench.told("replug 0")
            await mines(run, "fast", 2)
            assert run.ended() == 0
        finally:
            run.process.kill()
            run.process.wait()
            bench.close()
        theirs = server.tally().total

    assert theirs.low_difficulty == theirs.invalid == theirs.stale == 0, theirs
