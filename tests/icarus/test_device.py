"""Devices of the family against emulated ones, hashing for real, in virtual time."""

import asyncio

import pytest

from drivers.api import DeviceState, Setpoint
from drivers.errors import (
    BringUpError,
    DriverError,
    OverheatError,
    SettingError,
    TransportLostError,
)
from drivers.icarus.detection import WrongDeviceError
from drivers.icarus.models.table import MODELS
from drivers.peripherals.emulated_faults import Faults
from tests.icarus.rig import HITS, SCALE, Rig, gaps, number

pytestmark = pytest.mark.virtual_time

NAMES = tuple(MODELS)
EASIEST = int((1 << 224) / (SCALE / HITS))


@pytest.mark.parametrize("name", NAMES)
async def test_every_device_mines_without_errors(name: str) -> None:
    rig = Rig(name)

    async with rig.running():
        await rig.miner.solved(60)
        stats = rig.device.stats()
        emulated = rig.emulated.model.rate_at(rig.emulated.mhz) * SCALE

    assert (stats.state, stats.reason) == (DeviceState.MINING, "")
    assert stats.hardware_errors == 0
    assert stats.claimed_hashrate == pytest.approx(emulated, rel=0.01)
    assert max(rig.miner.hashes) <= EASIEST
    assert len(set(rig.miner.hashes)) == len(rig.miner.hashes)
    assert all(solution.work in rig.miner.works for solution in rig.miner.solutions)
    assert {solution.version for solution in rig.miner.solutions} == {0x20000000}
    assert (stats.details["line_errors"], stats.details["duplicates"]) == (0, 0)


@pytest.mark.parametrize("name", NAMES)
async def test_a_clean_job_replaces_all_work_in_the_same_call(name: str) -> None:
    rig = Rig(name)

    async with rig.running():
        await rig.miner.solved(10)
        rig.miner.job = 2
        given = len(rig.miner.works)
        rig.device.job_changed(clean=True)
        assert len(rig.miner.works) == given + MODELS[name].lanes
        seen = len(rig.miner.solutions)
        await rig.miner.solved(30)

    assert rig.miner.jobs_since(seen) == {2}
    assert rig.device.stats().hardware_errors == 0


async def test_nonces_on_their_way_when_new_work_goes_out_belong_to_the_old_one() -> None:
    rig = Rig("block-erupter", faults=Faults(late=0.5))

    async with rig.running():
        await rig.miner.solved(40)
        stats = rig.device.stats()

    assert stats.hardware_errors == 0
    assert set(rig.miner.behind) == {0, 1}


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("block-erupter", 12.632), ("antminer-u1", 2.669), ("antminer-u3", 0.06)],
)
async def test_new_work_comes_just_before_the_nonces_are_used_up(name: str, seconds: float) -> None:
    rig = Rig(name)

    async with rig.running():
        await rig.miner.until(lambda: len(rig.miner.works) >= 12)

    assert gaps(rig.miner.given_at) == pytest.approx([seconds] * (len(rig.miner.works) - 1))


async def test_a_device_that_stops_after_a_nonce_gets_new_work_at_once() -> None:
    rig = Rig("icarus")

    async with rig.running():
        await rig.miner.solved(40)

    assert len(rig.miner.works) >= 40
    assert max(gaps(rig.miner.given_at)) <= 11.16


async def test_an_unplugged_port_is_an_error_and_the_device_can_run_again() -> None:
    rig = Rig("block-erupter")

    async with rig.running() as task:
        await rig.miner.solved(5)
        rig.port.unplug()
        rig.device.job_changed(clean=True)
        await asyncio.wait([task], timeout=5.0)
        error = task.exception()
    rig.device.job_changed(clean=True)
    failed = rig.device.stats()
    again = await rig.failure()
    rig.port.replug()
    async with rig.running():
        await rig.miner.solved(5)
        running = rig.device.stats()

    assert isinstance(error, TransportLostError)
    assert failed.state is DeviceState.FAILED
    assert "no such port" in str(again)
    assert (running.state, running.details["starts"]) == (DeviceState.MINING, 2)


@pytest.mark.parametrize("name", NAMES)
async def test_wrong_nonces_are_counted_and_never_reach_the_miner(name: str) -> None:
    rig = Rig(name)

    async with rig.running():
        await rig.miner.solved(20)
        rig.emulated.faults = Faults(wrong_nonce=0.3)
        await rig.miner.solved(60)
        stats = rig.device.stats()

    assert stats.hardware_errors >= 8
    assert max(rig.miner.hashes) <= EASIEST
    assert number(stats, "nonces") == len(rig.miner.solutions)


async def test_repeated_answers_are_counted_once() -> None:
    rig = Rig("antminer-u1", faults=Faults(duplicate=0.5))

    async with rig.running():
        await rig.miner.solved(60)
        stats = rig.device.stats()

    assert len(set(rig.miner.hashes)) == len(rig.miner.hashes)
    assert number(stats, "duplicates") >= 10
    assert stats.hardware_errors == 0


@pytest.mark.parametrize("name", ["block-erupter", "antminer-u3", "icarus", "rbox"])
async def test_a_noisy_line_is_survived_and_counted(name: str) -> None:
    rig = Rig(name)

    async with rig.running():
        await rig.miner.solved(10)
        rig.emulated.faults = Faults(drop=0.001, flip=0.001, insert=0.001)
        await rig.miner.solved(150)
        stats = rig.device.stats()

    assert number(stats, "line_errors") + stats.hardware_errors > 0
    assert max(rig.miner.hashes) <= EASIEST


async def test_without_work_it_waits_and_goes_on_when_there_is_some() -> None:
    rig = Rig("block-erupter")
    rig.miner.has_work = False

    async with rig.running():
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.WAITING)
        idle = rig.device.stats()
        rig.miner.has_work = True
        rig.device.job_changed(clean=True)
        await rig.miner.solved(5)

    assert idle.claimed_hashrate == 0


async def test_told_to_rest_it_gives_no_work_and_goes_slow_then_fast_again() -> None:
    rig = Rig("antminer-u1", frequency=250)

    async with rig.running():
        await rig.miner.solved(5)
        fast = rig.emulated.mhz
        rig.device.apply(Setpoint(run=False, reason="outside of its hours"))
        given, found = len(rig.miner.works), len(rig.miner.solutions)
        rig.device.job_changed(clean=True)
        await asyncio.sleep(10.0)
        resting = rig.device.stats()
        slow = rig.emulated.mhz
        assert (len(rig.miner.works), len(rig.miner.solutions)) == (given, found)
        rig.device.apply(Setpoint(run=True))
        await rig.miner.solved(5)
        running = rig.device.stats()

    assert rig.log.named("device.idle") == [{"reason": "outside of its hours"}]
    assert rig.log.named("device.resumed") == [{"after": "outside of its hours"}]
    assert (resting.state, resting.reason) == (DeviceState.IDLE, "outside of its hours")
    assert (resting.claimed_hashrate, rig.emulated.works > given) == (0, True)
    assert (fast, slow, running.frequency_mhz) == (250, 100, 250)
    assert rig.emulated.mhz == 100, "it goes slow when it ends"


async def test_a_limit_in_mhz_is_kept_while_mining_goes_on() -> None:
    rig = Rig("antminer-u3", frequency=250)

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.apply(Setpoint(run=True, mhz=180, reason="quiet night"))
        await rig.miner.until(lambda: rig.device.stats().frequency_mhz == 175)
        await rig.miner.solved(50)
        limited, at_chip = rig.device.stats(), rig.emulated.mhz
        rig.device.apply(Setpoint(run=True))
        await rig.miner.until(lambda: rig.device.stats().frequency_mhz == 250)

    assert (limited.state, limited.reason) == (DeviceState.MINING, "quiet night")
    assert at_chip == 175
    assert limited.claimed_hashrate == pytest.approx(252 * 175e6 * SCALE)
    assert rig.device.stats().hardware_errors == 0


async def test_the_frequency_can_be_changed_while_it_runs() -> None:
    rig = Rig("antminer-u1")

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.adjust({"frequency": "250"})
        await rig.miner.until(lambda: rig.emulated.mhz == 250)
        await rig.miner.solved(5)
        for refused in ({"frequency": 900}, {"scale": 0.5}, {"colour": "red"}):
            with pytest.raises(SettingError):
                rig.device.adjust({"frequency": 150, **refused})
        stats = rig.device.stats()

    assert (stats.frequency_mhz, stats.hardware_errors) == (250, 0)


@pytest.mark.parametrize(("name", "mhz"), [("antminer-u1", 50), ("block-erupter", 300)])
async def test_a_limit_below_what_it_can_do_makes_it_rest(name: str, mhz: float) -> None:
    rig = Rig(name)
    rig.device.apply(Setpoint(run=True, mhz=mhz, reason="order"))

    async with rig.running():
        await asyncio.sleep(5.0)
        stats = rig.device.stats()

    assert (stats.state, rig.miner.works) == (DeviceState.IDLE, [])
    assert stats.reason == "order: less than the device can do"


async def test_a_u3_gets_its_voltage_and_frequency() -> None:
    rig = Rig("antminer-u3", frequency=237.5, voltage=0.8)

    async with rig.running():
        await rig.miner.solved(5)

        assert (rig.emulated.mhz, rig.emulated.volts) == (237.5, 0.8)


async def test_an_rbox_runs_at_the_frequency_that_goes_with_each_task() -> None:
    rig = Rig("rbox", frequency=305)

    async with rig.running():
        await rig.miner.solved(100)
        stats = rig.device.stats()

        assert rig.emulated.mhz == 300

    assert (stats.frequency_mhz, stats.temperature) == (300, 52)
    assert len({solution.work.merkle_root for solution in rig.miner.solutions}) >= 8


async def test_a_hot_rbox_is_given_up() -> None:
    rig = Rig("rbox", max_temperature=45)

    error = await rig.failure()

    assert isinstance(error, OverheatError)
    assert (error.temperature, error.limit) == (52, 45)


async def test_nothing_on_the_port_is_an_error_that_says_what_to_look_at() -> None:
    rig = Rig("block-erupter", faults=Faults(mute=(0,)))

    error = await rig.failure(5.0)

    assert isinstance(error, BringUpError)
    assert "no Block Erupter USB here" in str(error)
    assert rig.miner.works == []


@pytest.mark.parametrize(
    ("driver", "device", "told"),
    [
        ("block-erupter", "antminer-u1", "this is an Antminer U1, U2 or U3"),
        ("antminer-u1", "block-erupter", "this is an Icarus, Lancelot, Cairnsmore or Block"),
        ("antminer-u3", "icarus", "it answers with 4 bytes, a Antminer U3 with 5"),
    ],
)
async def test_another_device_of_the_family_is_recognized_and_named(
    driver: str, device: str, told: str
) -> None:
    rig = Rig(driver, device)

    error = await rig.failure(5.0)

    assert isinstance(error, WrongDeviceError)
    assert told in str(error)


async def test_golden_work_with_a_wrong_answer_is_no_device() -> None:
    rig = Rig("icarus", faults=Faults(wrong_nonce=1.0))

    assert isinstance(await rig.failure(5.0), BringUpError)


async def test_golden_work_is_tried_again_after_a_lost_byte() -> None:
    rig = Rig("block-erupter", faults=Faults(drop=1.0))

    async with rig.running():
        await asyncio.sleep(0.2)
        rig.emulated.faults = Faults()
        await rig.miner.solved(3)

    assert rig.device.stats().hardware_errors == 0


@pytest.mark.parametrize(("device", "parts"), [("block-erupter", 1), ("icarus", 2)])
async def test_the_division_of_nonces_is_found_out(device: str, parts: int) -> None:
    rig = Rig("icarus", device, work_division="auto")

    async with rig.running():
        await rig.miner.solved(30)
        stats = rig.device.stats()

    assert stats.details["work_division"] == parts
    engines = stats.details["engines"]
    assert isinstance(engines, dict)
    assert set(engines) == set(range(parts))


async def test_a_division_that_is_not_told_is_assumed() -> None:
    rig = Rig("icarus", work_division="auto")

    async with rig.running():
        await asyncio.sleep(0.15)  # between the answer to the golden work and the next probe
        assert rig.emulated.nonces == 1
        rig.emulated.faults = Faults(mute=(0,))
        await rig.miner.until(lambda: bool(rig.miner.works))

    assert rig.log.named("division.unknown") == [{"assumed": 2}]
    assert rig.device.stats().details["work_division"] == 2


@pytest.mark.parametrize("name", ["block-erupter", "icarus"])
async def test_timing_finds_the_speed_of_the_device(name: str) -> None:
    rig = Rig(name, timing="long", scale=SCALE, ticket=SCALE)
    expected = 2.9761 if name == "block-erupter" else 2.6316

    async with rig.running():
        await rig.miner.until(lambda: rig.log.named("device.ready") != [])
        await rig.miner.until(lambda: number(rig.device.stats(), "timing_samples") >= 80)
        stats = rig.device.stats()

    assert number(stats, "nanoseconds_per_hash") == pytest.approx(expected, rel=0.002)
    assert number(stats, "nanoseconds_per_hash") != expected
    assert number(stats, "work_seconds") == pytest.approx(expected * 4.294967296 - 0.15, abs=0.05)
    assert stats.claimed_hashrate == pytest.approx(SCALE * 1e9 / expected, rel=0.002)


async def test_a_given_speed_times_the_works() -> None:
    rig = Rig("block-erupter", timing="1.5")

    async with rig.running():
        await rig.miner.solved(10)
        stats = rig.device.stats()

    assert stats.claimed_hashrate == pytest.approx(SCALE / 1.5e-9)
    assert gaps(rig.miner.given_at)[0] == pytest.approx(1.5 * 4.294967296 - 0.15, abs=0.001)


async def test_a_silent_device_is_sent_work_then_opened_anew_then_given_up() -> None:
    rig = Rig("antminer-u1")

    async with rig.running() as task:
        await rig.miner.solved(5)
        rig.emulated.faults = Faults(mute=(0,))
        await asyncio.wait([task], timeout=LONG)
        error = task.exception()

    assert [entry["step"] for entry in rig.log.named("device.silent")] == [
        "new work",
        "port opened anew",
    ]
    assert isinstance(error, BringUpError), "the golden work fails when the port is opened anew"


async def test_a_device_that_only_talks_nonsense_is_given_up() -> None:
    rig = Rig("antminer-u1")

    async with rig.running() as task:
        await rig.miner.solved(5)
        for _ in range(1000):
            starting = rig.device.stats().state is DeviceState.STARTING
            rig.emulated.faults = Faults(wrong_nonce=0.0 if starting else 1.0)
            await asyncio.wait([task], timeout=0.05)
            if task.done():
                break
        error = task.exception()

    assert "no valid nonce though" in str(error)
    assert rig.device.stats().hardware_errors > 20


async def test_one_engine_that_finds_nothing_is_named() -> None:
    rig = Rig("icarus", "block-erupter", work_division="2")

    async with rig.running():
        rig.device._exchange.engines.update({0: 30})
        await rig.miner.until(lambda: rig.device.stats().state is DeviceState.MINING)
        stats = rig.device.stats()

    assert stats.reason == "degraded: engine 1 of 2 finds nothing"


async def test_a_cairnsmore_flashes_and_mines_on_and_takes_a_clock() -> None:
    rig = Rig("cairnsmore1", frequency=200)

    async with rig.running():
        await rig.miner.solved(5)
        rig.device.identify()
        await asyncio.sleep(2.0)
        await rig.miner.solved(5)

    assert rig.device.stats().hardware_errors == 0


async def test_a_device_without_a_light_says_so() -> None:
    with pytest.raises(DriverError, match="no way to show itself"):
        Rig("block-erupter").device.identify()


LONG = 600.0
