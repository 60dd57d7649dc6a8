"""Drivers on recorded bytes do what they did; a changed byte does not pass."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from drivers.api import Work
from stratum_client.clock import SystemClock
from stratum_client.config import Config, DeviceConfig
from stratum_client.daemon import Daemon
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import Header, Run
from stratum_client.recording.recorder import Recorder
from stratum_client.replay.device_replay import DeviceReplay
from stratum_client.replay.outcome import Outcome, replayed
from stratum_client.replay.recorded_work import work_of
from tests.e2e.rig import config_for
from tests.recording.rig import last_run, recorded_warnings
from tests.stand_ins import RecordingLog

DEVICES = ("bm1366", "compac-f", "block-erupter")
"""A chain on a tty, a stick behind a bridge, and a device without registers."""

DIFFICULTY = 2e-5

RECORDINGS = 3
"""So many are made at most: where a deadline passes within a tick, one replay may differ."""


@asynccontextmanager
async def _daemon(file: Path, devices: Sequence[DeviceConfig]) -> AsyncIterator[Daemon]:
    """Mine with ``devices``, everything recorded."""
    clock, log = SystemClock(), RecordingLog()
    settings = PoolSettings(difficulty=DIFFICULTY, vardiff="off")
    async with EmulatedPool(settings, clock=clock, random=Random(7)) as server:
        pool = config_for(server)
        pool = replace(pool, deadlines=replace(pool.deadlines, silence=30.0, submit_lost=20.0))
        config = Config(pools=(pool,), devices=tuple(devices))
        recorder = Recorder(
            file, config, clock=clock, log_for=lambda _: log, warn=recorded_warnings(log)
        )
        daemon = Daemon(
            config, clock=clock, random=Random(7), log_for=recorder.log_for, rims=recorder
        )
        recorder.tally = daemon.miner.tally
        async with asyncio.TaskGroup() as group:
            running = group.create_task(daemon.run())
            yield daemon
            server.new_block()
            await asyncio.sleep(0)
            daemon.stop()
            await running
        recorder.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Return what was recorded of all devices mining together."""
    directory = tmp_path_factory.mktemp("recordings")
    for number in range(RECORDINGS):
        run = _recorded(directory / f"{number}.jsonl")
        if not replayed(run).differences:
            break
    return run


def _recorded(file: Path) -> Run:
    devices = [DeviceConfig(name=name, driver=f"emulated:{name}") for name in DEVICES]
    cpu = DeviceConfig(name="cpu", driver="cpu", settings={"threads": 1})

    async def record() -> None:
        async with _daemon(file, [*devices, cpu]) as daemon, asyncio.timeout(60.0):
            seats = [daemon.miner.seats[device.name] for device in (*devices, cpu)]
            while not all(seat.tally.fates[Fate.ACCEPTED] for seat in seats):  # noqa: ASYNC110  # several to watch
                await asyncio.sleep(0.02)

    asyncio.run(record())
    return last_run(file)


def test_pools_work_and_every_driver_do_the_same_again(run: Run) -> None:
    outcome = replayed(run)

    assert not outcome.differences
    assert outcome.then == outcome.now
    assert outcome.now["accepted"] >= len(DEVICES) + 1
    assert {name: outcome.drivers[name] for name in DEVICES} == dict.fromkeys(DEVICES, "the same")
    assert outcome.drivers["cpu"].startswith("only what it found")


@pytest.mark.parametrize("device", DEVICES)
def test_a_device_that_had_sent_another_nonce_would_have_led_to_something_else(
    run: Run, device: str
) -> None:
    """Flip a bit of the bytes before the device's last solution."""
    entries = list(run.entries)
    found = max(i for i, e in enumerate(entries) if e.what is What.FOUND and e.name == device)
    heard = max(i for i in range(found) if _is_data(entries[i], device))
    data = entries[heard].data
    entries[heard] = replace(entries[heard], data=bytes([*data[:-4], data[-4] ^ 1, *data[-3:]]))

    outcome = _of_devices(replace(run, entries=entries))

    assert outcome.drivers[device] == "different"
    assert {outcome.drivers[name] for name in DEVICES if name != device} == {"the same"}


def test_a_command_that_was_never_sent_is_told_where_it_was(run: Run) -> None:
    entries = list(run.entries)
    place = next(i for i, e in enumerate(entries) if e.what is What.OUT and e.name == "bm1366")
    entries[place] = replace(entries[place], data=entries[place].data + b"\0")

    outcome = _of_devices(replace(run, entries=entries))

    [difference] = outcome.differences
    assert difference.whose == "driver of bm1366"
    assert difference.line == run.lines[place]
    assert difference.then == difference.now + "00"


def test_a_board_that_is_watched_beside_its_chips_is_left_to_its_solutions() -> None:
    entries = [
        Entry(at=0.1, rim=Rim.PORT, what=What.DEVICE, name="board", fields={"driver": "qaxe"}),
        Entry(at=0.2, rim=Rim.PORT, what=What.OPENING, name="board", fields={"place": 1}),
    ]
    header = Header(program="", wall=0.0, monotonic=0.0, config={})

    replay = DeviceReplay(Run(header=header, entries=entries, lines=(2, 3)), "board")

    assert "beside its chips" in replay.why_not


def test_work_is_read_back_as_it_was_given() -> None:
    work = Work(
        version=0x20000004,
        version_mask=0x1FFFE000,
        prev_hash=bytes(range(32)),
        merkle_root=bytes(range(32, 64)),
        ntime=0x6543210F,
        nbits=0x1703FFFC,
        target=1 << 200,
    )
    fields = {
        "header": "04000020" + bytes(range(64)).hex() + "0f214365" + "fcff0317",
        "mask": "1fffe000",
        "target": f"{1 << 200:064x}",
    }

    assert work_of(Entry(at=0.0, rim=Rim.MINER, what=What.WORK, fields=fields)) == work


def _is_data(entry: Entry, device: str) -> bool:
    return entry.what is What.IN and entry.name == device and len(entry.data) >= 4


def _of_devices(run: Run) -> Outcome:
    outcome = replayed(run)
    devices = [one for one in outcome.differences if one.whose.startswith("driver")]
    return replace(outcome, differences=devices)
