"""What goes wrong with one chain costs that chain its due, the pool nothing, a neighbour nothing.

All faults are played at once, each to a chain of its own, beside one that is well.
"""

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import pytest

from drivers.api import DeviceState
from drivers.transports.side_tasks import beside
from stratum_client.emulated_pool.tally import Counts
from stratum_client.job import Fate
from tests.e2e.chain_runs import Disturber
from tests.e2e.device_rig import DeviceBench, Plug, PluggedDevice, device_bench

WELL = "well"
NOISE: dict[str, dict[str, object]] = {
    "drop": {"drop": 0.004},
    "flip": {"flip": 0.004},
    "insert": {"insert": 0.004},
}
FAULTS: dict[str, dict[str, object]] = {
    **NOISE,
    "mute": {"mute": (2,)},
    "wrong-nonce": {"wrong_nonce": 0.3},
    "bad-crc": {"bad_crc": 0.3},
    "duplicate": {"duplicate": 0.3},
    "late": {"late": 0.5},
    "unplug": {"unplug_after": 0.0},
}
HEALED: dict[str, object] = {
    **dict.fromkeys(("drop", "flip", "insert", "wrong_nonce", "bad_crc", "duplicate", "late"), 0.0),
    "mute": (),
    "unplug_after": None,
}
SOON = 40.0
"""Seconds that a busy machine may take for what takes two or three."""


ENOUGH = 20


REACTIONS: dict[str, Callable[[PluggedDevice, int], bool]] = {
    **dict.fromkeys(
        (*NOISE, "bad-crc"), lambda device, mined: mined > 0 and device.detail("line_errors") >= 5
    ),
    WELL: lambda _, mined: mined >= ENOUGH,
    "mute": lambda device, _: device.stats.details["chips_silent"] == [2],
    "wrong-nonce": lambda device, _: device.stats.hardware_errors >= 5,
    "duplicate": lambda device, _: device.dropped("duplicate") >= 5,
    "late": lambda device, _: device.dropped("stale") >= 5,
    "unplug": lambda device, _: device.stats.state is DeviceState.FAILED,
}
"""What each device shows in the end, by the device and what it has mined with its fault."""


@dataclass(slots=True)
class Story:
    """A device as it was when its fault had shown, and after it was healed."""

    state: DeviceState
    reason: str
    hardware_errors: int
    line_errors: int
    accepted: int
    accepted_after: int = 0
    fates: dict[Fate, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """All stories, and what the pool had to refuse."""

    stories: dict[str, Story]
    pool: Counts
    too_late: int
    lost_by_well: int
    failures: dict[str, list[str]]


@cache
def played() -> Played:
    """Play all faults, once for all tests."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_play(Path(folder)))


async def _play(folder: Path) -> Played:
    plugs = [Plug(driver="bm1370", chips=4, name=name, shares=40.0) for name in (WELL, *FAULTS)]
    async with device_bench(plugs, folder) as bench:
        devices, well = bench.devices, bench.devices[WELL]
        async with beside("disturber", Disturber(bench.server).run()):
            await bench.mine(*devices.values(), count=10, seconds=SOON)
            for name, fault in FAULTS.items():
                devices[name].suffer(**fault)
            stories = await _stories(bench)
            for name in FAULTS:
                devices[name].suffer(**HEALED)
            after = {name: device.accepted for name, device in devices.items()}
            await bench.mine(*devices.values(), count=ENOUGH, seconds=SOON)
        for name, story in stories.items():
            await bench.until(partial(_is_well, devices[name]))
            story.accepted_after = devices[name].accepted - after[name]
        await bench.until(lambda: _unheard(well) <= 0)
        lost = _unheard(well)
    for name, story in stories.items():
        story.fates = dict(devices[name].fates)
    return Played(
        stories=stories,
        pool=bench.theirs,
        too_late=len(bench.journal.foreseeable),
        lost_by_well=lost,
        failures={
            name: [str(fields["error"]) for fields in device.log.named("device.failed")]
            for name, device in devices.items()
        },
    )


async def _stories(bench: DeviceBench) -> dict[str, Story]:
    """Wait until each fault shows, and the one that is well has found something meanwhile."""
    stories: dict[str, Story] = {}
    before = {name: device.accepted for name, device in bench.devices.items()}

    def all_told() -> bool:
        for name, device in bench.devices.items():
            mined = device.accepted - before[name]
            if name not in stories and REACTIONS[name](device, mined):
                stories[name] = _story(device, mined)
        return len(stories) == len(bench.devices)

    try:
        await bench.until(all_told, SOON)
    except AssertionError:
        missing = bench.devices.keys() - stories.keys()
        raise AssertionError(f"no reaction: {missing}") from None
    return stories


def _story(device: PluggedDevice, mined: int) -> Story:
    stats = device.stats
    line_errors = device.detail("line_errors") if stats.details else 0
    return Story(stats.state, stats.reason, stats.hardware_errors, line_errors, mined)


def _is_well(device: PluggedDevice) -> bool:
    return device.is_mining and not device.stats.reason


def _unheard(device: PluggedDevice) -> int:
    """Return how many nonces the chips have sent that the driver has not heard of."""
    why = ("stale", "duplicate", "unknown_slot", "outside_mask")
    heard = device.detail("nonces") + device.stats.hardware_errors
    return device.emulated.chain.nonces - heard - sum(device.dropped(reason) for reason in why)


def test_the_pool_gets_no_wrong_share_whatever_the_chips_say() -> None:
    pool = played().pool

    assert (pool.low_difficulty, pool.invalid, pool.duplicate, pool.unauthorized) == (0, 0, 0, 0)
    assert played().too_late == 0


def test_a_chain_that_is_well_loses_nothing_beside_those_that_are_not() -> None:
    story = played().stories[WELL]

    assert (story.hardware_errors, story.line_errors, played().lost_by_well) == (0, 0, 0)
    assert story.accepted >= ENOUGH
    assert story.fates[Fate.REJECTED] == story.fates[Fate.UNANSWERED] == 0
    assert played().failures[WELL] == []


@pytest.mark.parametrize("fault", FAULTS)
def test_a_chain_mines_again_once_its_fault_is_gone(fault: str) -> None:
    story = played().stories[fault]

    assert story.accepted_after >= ENOUGH
    assert story.fates[Fate.REJECTED] == 0


@pytest.mark.parametrize("fault", [*NOISE, "bad-crc"])
def test_damage_on_the_line_is_counted_and_mining_goes_on(fault: str) -> None:
    story = played().stories[fault]

    assert story.state is DeviceState.MINING
    assert story.accepted > 0
    assert story.line_errors > 0
    assert played().failures[fault] == []


@pytest.mark.parametrize("fault", ["bad-crc", "duplicate", "late", "mute", "unplug"])
def test_what_is_no_chip_s_mistake_is_no_hardware_error(fault: str) -> None:
    assert played().stories[fault].hardware_errors == 0


def test_wrong_nonces_are_the_chips_errors_and_not_the_line_s() -> None:
    story = played().stories["wrong-nonce"]

    assert story.hardware_errors > 0
    assert story.line_errors == 0
    assert story.state is DeviceState.MINING


def test_a_mute_chip_is_named_and_its_neighbours_mine() -> None:
    story = played().stories["mute"]

    assert story.state is DeviceState.MINING
    assert story.reason == "degraded: chip 2 of 4 silent"
    assert story.accepted > 0


def test_an_unplugged_chain_fails_with_its_port_and_reason() -> None:
    story = played().stories["unplug"]

    assert story.state is DeviceState.FAILED
    assert "lost" in story.reason
    assert len(played().failures["unplug"]) >= 1
