"""The whole device with real worker processes, on the kernel that every machine has."""

import asyncio
import os
import signal
import struct
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from drivers.api import Device, DeviceState, PortInfo, Setpoint, Solution, Work
from drivers.cpu import device as device_module
from drivers.cpu import process as process_module
from drivers.cpu.device import DRIVER, CpuDevice
from drivers.cpu.settings import CpuSettings
from drivers.errors import (
    BringUpError,
    DriverError,
    SettingError,
    TransportLostError,
    TransportTimeoutError,
)
from drivers.hashing.kernels import available
from drivers.header import MAX_TARGET
from tests.cpu.standins import (
    EVERY_4096TH,
    TIMEOUT,
    RecordingMiner,
    context,
    hash_of,
    header_bytes,
    worker_pids,
)
from tests.vectors.load import named, stratum

CAPTURED = [share for share in stratum("shares") if share["kind"] == "capture"]


def cpu(miner: RecordingMiner, **settings: object) -> Device:
    return DRIVER.open(PortInfo(), {"threads": 2, "kernel": "hashlib", **settings}, context(miner))


@asynccontextmanager
async def mining(device: Device) -> AsyncIterator[None]:
    """Run ``device``; afterwards it must have left neither process nor descriptor."""
    before = descriptors()
    running = asyncio.create_task(device.run())
    try:
        yield
    finally:
        running.cancel()
        async with asyncio.timeout(TIMEOUT):
            await asyncio.gather(running, return_exceptions=True)
    assert worker_pids(os.getpid()) == []
    assert descriptors() == before


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def state_is(device: Device, state: DeviceState) -> Callable[[], bool]:
    return lambda: device.stats().state is state


def solved(miner: RecordingMiner, count: int) -> Callable[[], bool]:
    return lambda: len(miner.solutions) >= count


def all_workers_solved(miner: RecordingMiner, job: int) -> Callable[[], bool]:
    """Return whether both workers have found something of ``job``."""
    return lambda: len({s.work.merkle_root for s in of_job(miner, job)}) == 2


def at_least_three(miner: RecordingMiner, job: int) -> bool:
    return len(of_job(miner, job)) >= 3


def of_job(miner: RecordingMiner, job: int) -> list[Solution]:
    return [s for s, its in zip(miner.solutions, miner.jobs_solved(), strict=True) if its == job]


@pytest.mark.parametrize("mask", [0, 0x1FFFE000])
async def test_solutions_are_real_and_each_comes_once(mask: int) -> None:
    miner = RecordingMiner(version_mask=mask)
    device = cpu(miner, kernel="auto")

    async with mining(device):
        await miner.until(solved(miner, 50))

    headers = [header_bytes(solution) for solution in miner.solutions]
    assert all(hash_of(header) <= EVERY_4096TH for header in headers)
    assert len(set(headers)) == len(headers)
    assert all(s.version & ~mask == 0x20000000 for s in miner.solutions)
    assert device.stats().hardware_errors == 0


async def test_each_worker_gets_work_of_its_own() -> None:
    miner = RecordingMiner()

    async with mining(cpu(miner)):
        await miner.until(all_workers_solved(miner, 1))

    assert len({work.merkle_root for work in miner.works}) == len(miner.works) == 2


async def test_no_nonce_is_tried_twice_and_none_skipped() -> None:
    miner = RecordingMiner(target=(1 << 250) - 1, version_mask=0x6000)
    settings = CpuSettings(
        threads=1, kernel="hashlib", first_nonce=0xFFFFFFF0, first_version_bits=0x4000, nonces=500
    )
    device = CpuDevice(settings, context(miner))

    async with mining(device):
        await miner.until(lambda: len(miner.works) == 2)

    work = miner.works[0]
    found = [s for s in miner.solutions if s.work == work]
    every = [
        Solution(work=work, nonce=(0xFFFFFFF0 + n) % 2**32, version=version, ntime=work.ntime)
        for version in (0x20004000, 0x20006000, 0x20000000, 0x20002000)
        for n in range(500)
    ]
    wanted = [one for one in every if hash_of(header_bytes(one)) <= work.target]
    assert found == wanted
    assert wanted


@pytest.mark.parametrize("captured", CAPTURED, ids=named)
@pytest.mark.parametrize("kernel", ["auto", "hashlib"])
async def test_a_captured_share_is_found_again_from_a_start_near_it(
    captured: dict[str, Any], kernel: str
) -> None:
    header = bytes.fromhex(captured["expect"]["header"])
    mask = int(captured["version_mask"] or "0", 16)
    version, prev_hash, merkle_root, ntime, nbits, nonce = struct.unpack("<I32s32sIII", header)
    work = Work(
        version=version & ~mask,
        version_mask=mask,
        prev_hash=prev_hash,
        merkle_root=merkle_root,
        ntime=ntime,
        nbits=nbits,
        target=int(captured["expect"]["hash_display"], 16),
    )
    miner = RecordingMiner()
    miner.next_work = lambda: work  # type: ignore[method-assign]  # the captured one, again and again
    start = {"first_nonce": hex(max(0, nonce - 3000)), "first_version_bits": version & mask}

    async with mining(cpu(miner, threads=1, kernel=kernel, **start)):
        await miner.until(solved(miner, 1))

    assert miner.solutions[0] == Solution(work=work, nonce=nonce, version=version, ntime=ntime)


async def test_a_clean_job_pre_empts_the_search() -> None:
    miner = RecordingMiner()
    device = cpu(miner)

    async with mining(device):
        await miner.until(all_workers_solved(miner, 1))
        miner.job = 2
        device.job_changed(clean=True)
        works_at_once = len(miner.works)
        await miner.until(all_workers_solved(miner, 2))
        both_had_moved_on = len(miner.solutions)
        await miner.until(solved(miner, both_had_moved_on + 20))

    assert works_at_once == 4, "new work is fetched in the same call"
    assert set(miner.jobs_solved()[both_had_moved_on:]) == {2}


async def test_nothing_of_an_old_job_follows_the_first_of_the_new() -> None:
    miner = RecordingMiner()
    device = cpu(miner, threads=1)

    async with mining(device):
        for job in range(1, 8):
            miner.job = job
            device.job_changed(clean=job % 2 == 0)
            await miner.until(partial(at_least_three, miner, job))

    assert miner.jobs_solved() == sorted(miner.jobs_solved())


async def test_a_worker_without_work_waits_for_the_next_job() -> None:
    miner = RecordingMiner()
    miner.has_work = False
    device = cpu(miner)

    async with mining(device):
        await miner.until(state_is(device, DeviceState.WAITING))
        miner.has_work = True
        device.job_changed(clean=False)
        state = device.stats().state
        await miner.until(solved(miner, 1))

    assert state is DeviceState.MINING


async def test_workers_stop_when_a_job_change_brings_no_work() -> None:
    miner = RecordingMiner()
    device = cpu(miner)

    async with mining(device):
        await miner.until(all_workers_solved(miner, 1))
        miner.has_work = False
        device.job_changed(clean=True)
        stats = device.stats()
        miner.has_work, miner.job = True, 2
        device.job_changed(clean=True)
        await miner.until(all_workers_solved(miner, 2))

    assert stats.state is DeviceState.WAITING
    assert stats.claimed_hashrate == 0.0


async def test_told_to_rest_all_workers_do_until_told_to_run() -> None:
    miner = RecordingMiner()
    device = cpu(miner)

    async with mining(device):
        await miner.until(all_workers_solved(miner, 1))
        device.apply(Setpoint(run=False, reason="night tariff"))
        resting = device.stats()
        miner.job = 2
        device.job_changed(clean=True)
        works = len(miner.works)
        device.apply(Setpoint(run=True))
        await miner.until(all_workers_solved(miner, 2))
        running = device.stats()

    assert ("cpu.idle", {"reason": "night tariff"}) in miner.logged
    assert ("cpu.resumed", {"after": "night tariff"}) in miner.logged
    assert (resting.state, resting.reason) == (DeviceState.IDLE, "night tariff")
    assert resting.claimed_hashrate == 0.0
    assert works == 2, "no work is taken while resting"
    assert running.state is DeviceState.MINING
    assert running.reason != "night tariff"


async def test_told_to_rest_before_the_start_it_takes_no_work() -> None:
    miner = RecordingMiner()
    device = cpu(miner, threads=1, kernel="auto")
    device.apply(Setpoint(run=False, reason="window"))

    async with mining(device):
        await miner.until(lambda: device.stats().details["kernel"] != "auto")
        device.apply(Setpoint(run=False, reason="another"))
        works = len(miner.works)
        reason = device.stats().reason
        device.apply(Setpoint(run=True))
        await miner.until(solved(miner, 1))

    assert works == 0
    assert reason == "another"


async def test_a_target_that_every_hash_meets_neither_floods_nor_blocks() -> None:
    miner = RecordingMiner(target=MAX_TARGET)
    device = cpu(miner)
    loop = asyncio.get_running_loop()

    async with mining(device):
        began = loop.time()
        await miner.until(solved(miner, 200))
        await miner.until(lambda: "so easy" in device.stats().reason)
        seconds = loop.time() - began

    assert len(miner.solutions) < 200 * (seconds + 2)
    for work in miner.works:
        nonces = [s.nonce for s in miner.solutions if s.work == work]
        assert nonces == [*range(len(nonces))]


async def test_claimed_hashrate_and_details_are_reported() -> None:
    miner = RecordingMiner()
    device = cpu(miner, duty="90%")

    async with mining(device):
        await miner.until(lambda: device.stats().claimed_hashrate > 0)
        stats = device.stats()

    assert stats.state is DeviceState.MINING
    assert stats.claimed_hashrate > 1000
    assert stats.details == {"kernel": "hashlib", "threads": 2, "duty": 90}


async def test_the_quickest_kernel_is_used_by_default() -> None:
    miner = RecordingMiner(version_mask=0)
    device = cpu(miner, kernel="auto", threads=1)

    async with mining(device):
        await miner.until(solved(miner, 1))
        kernel = device.stats().details["kernel"]

    assert kernel in [kernel.name for kernel in available()]


def test_a_wrong_solution_is_a_hardware_error() -> None:
    miner = RecordingMiner()
    device = CpuDevice(CpuSettings(threads=1), context(miner))
    work = miner.work(1, 1)
    nonces = range(100)
    right = [hash_of(work.header(nonce)) <= work.target for nonce in nonces]

    for nonce in nonces:
        claimed = Solution(work=work, nonce=nonce, version=work.version, ntime=work.ntime)
        device._found(claimed)

    assert device.stats().hardware_errors == right.count(False)


@pytest.mark.parametrize("moment", ["starting", "mining"])
async def test_a_worker_that_dies_fails_the_device_and_a_restart_is_clean(moment: str) -> None:
    miner = RecordingMiner()
    device = cpu(miner)
    expected = BringUpError if moment == "starting" else TransportLostError
    running = asyncio.create_task(device.run())
    if moment == "mining":
        await miner.until(all_workers_solved(miner, 1))
    else:
        await asyncio.sleep(0)  # the first worker has been started

    os.kill(worker_pids(os.getpid())[0], signal.SIGKILL)
    with pytest.raises(expected, match="killed by signal 9"):
        await asyncio.wait_for(running, TIMEOUT)

    assert worker_pids(os.getpid()) == []
    assert device.stats().state is DeviceState.FAILED
    assert "killed by signal 9" in device.stats().reason
    device.job_changed(clean=True)
    device.apply(Setpoint(run=True))
    miner.job = 2
    async with mining(device):
        await miner.until(all_workers_solved(miner, 2))
        assert device.stats().state is DeviceState.MINING


async def test_workers_that_are_not_ready_in_time_are_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(device_module, "READY_TIMEOUT", 0.0)

    with pytest.raises(TransportTimeoutError, match="word from 2 of 2 workers"):
        await cpu(RecordingMiner()).run()

    assert worker_pids(os.getpid()) == []


async def test_a_python_that_cannot_be_started_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/missing/python")

    with pytest.raises(BringUpError, match="cannot start '/missing/python'"):
        await cpu(RecordingMiner()).run()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b"\x02??", BringUpError),
        (b"\x07Rsha-ni" + b"\x09E" + bytes(8), TransportLostError),
    ],
)
async def test_a_worker_that_talks_nonsense_fails_the_device(
    said: bytes, expected: type[DriverError], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = f"import os; os.write(1, {said!r}); os.read(0, 1); os.read(0, 9999)"
    monkeypatch.setattr(process_module, "_command", lambda _: [sys.executable, "-c", program])

    with pytest.raises(expected, match="it sent nonsense"):
        await asyncio.wait_for(cpu(RecordingMiner()).run(), TIMEOUT)

    assert worker_pids(os.getpid()) == []


async def test_a_cancelled_start_leaves_nothing_behind() -> None:
    device = cpu(RecordingMiner())

    async with mining(device):
        await asyncio.sleep(0)

    assert device.stats().state is DeviceState.STARTING


def test_the_driver_wants_no_port() -> None:
    port = PortInfo(paths=("/dev/ttyACM0",), vid=0x303A)

    assert DRIVER.name == "cpu"
    assert DRIVER.match(PortInfo()) == 0
    assert DRIVER.match(port) == 0
    with pytest.raises(SettingError, match="/dev/ttyACM0"):
        DRIVER.open(port, {}, context(RecordingMiner()))


def test_a_bad_setting_is_refused_when_the_device_is_opened() -> None:
    with pytest.raises(SettingError, match="threads"):
        cpu(RecordingMiner(), threads=0)
