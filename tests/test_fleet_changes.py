"""Devices that come, go and change by configuration while others mine on."""

from random import Random
from typing import ClassVar

import pytest

from drivers.api import DeviceState, Setpoint
from stratum_client.clock import SystemClock
from stratum_client.config import DeviceConfig, DeviceMatch
from stratum_client.errors import ConfigError
from stratum_client.fleet import Fleet
from stratum_client.supervise import SupervisedDevice
from tests import test_device_finder
from tests.stand_ins import RecordingLog
from tests.test_device_finder import STICK, STICK_2, Bench, eventually, opened, running

bench = test_device_finder.bench


def named(fleet: Fleet, name: str) -> SupervisedDevice:
    return next(device for device in fleet.devices if device.name == name)


async def test_a_device_is_added_and_removed_while_its_neighbour_runs_on(bench: Bench) -> None:
    fleet = bench.fleet(DeviceConfig(name="cpu", driver="cpu"))
    async with running(fleet):
        neighbour = await opened(bench.cpu)

        fleet.add(DeviceConfig(name="second", driver="cpu"))
        second = await opened(bench.cpu)
        assert [device.name for device in fleet.devices] == ["cpu", "second"]

        await fleet.remove("second")
        assert second.ended.is_set()
        assert [device.name for device in fleet.devices] == ["cpu"]
        assert neighbour.started.is_set()
        assert not neighbour.ended.is_set()


async def test_who_deals_work_is_told_of_a_device_that_was_removed(bench: Bench) -> None:
    class Dealer:
        left: ClassVar[list[str]] = []

        def pool_for(self, seat: str) -> str | None:
            return None

        def seat_left(self, seat: str, now: float) -> None:
            self.left.append(seat)

    fleet = bench.fleet(DeviceConfig(name="cpu", driver="cpu"))
    bench.miner.follow(Dealer())
    async with running(fleet):
        await opened(bench.cpu)
        await fleet.remove("cpu")

        assert Dealer.left == ["cpu"]


async def test_a_changed_device_starts_anew_with_its_settings_and_its_counters(
    bench: Bench,
) -> None:
    fleet = bench.fleet(DeviceConfig(name="cpu", driver="cpu"))
    async with running(fleet):
        await opened(bench.cpu)
        seat = named(fleet, "cpu").seat
        seat.tally.solutions = 7

        await fleet.remove("cpu")
        fleet.add(DeviceConfig(name="cpu", driver="cpu", settings={"fan": 2}))
        again = await opened(bench.cpu)

        assert again.settings == {"fan": 2}
        assert named(fleet, "cpu").snapshot(0.0).counts.solutions == 7


async def test_a_new_device_gets_the_port_that_is_there_already_and_a_removed_one_frees_it(
    bench: Bench,
) -> None:
    stick = DeviceConfig(name="left", match=DeviceMatch(serial="S1"))
    fleet = bench.fleet(stick)
    async with running(fleet):
        bench.sockets.plug(STICK)
        bench.sockets.plug(STICK_2)
        first = await opened(bench.stick)
        await eventually(lambda: len(fleet._present) == 2)

        fleet.add(DeviceConfig(name="right", match=DeviceMatch(serial="S2")))
        second = await opened(bench.stick)
        assert second.port == STICK_2

        await fleet.remove("left")
        assert first.ended.is_set()
        fleet.add(DeviceConfig(name="other", match=DeviceMatch(serial="S1")))
        third = await opened(bench.stick)
        assert (third.port, third.context.name) == (STICK, "other")


async def test_ports_are_followed_from_the_first_device_on_that_has_one(bench: Bench) -> None:
    fleet = bench.fleet(DeviceConfig(name="cpu", driver="cpu"))
    async with running(fleet):
        await opened(bench.cpu)
        fleet.add(DeviceConfig(name="left", match=DeviceMatch(serial="S1")))
        bench.sockets.plug(STICK)

        assert (await opened(bench.stick)).port == STICK


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        (DeviceConfig(name="x", driver="abacus"), "abacus"),
        (DeviceConfig(name="x", driver="cpu", settings={"pace": 2}), "pace"),
    ],
)
async def test_what_cannot_be_is_told_before_anything_is_changed(
    bench: Bench, config: DeviceConfig, problem: str
) -> None:
    fleet = bench.fleet(DeviceConfig(name="cpu", driver="cpu"))

    with pytest.raises(ConfigError, match=problem):
        fleet.check(config)
    fleet.check(DeviceConfig(name="cpu", driver="cpu", settings={"fan": 2}))

    assert [device.name for device in fleet.devices] == ["cpu"]


async def test_what_is_plugged_in_during_a_pause_rests_too(bench: Bench) -> None:
    paused = Setpoint(run=False, reason="paused by user miner")
    fleet = Fleet(
        (),
        found=(),
        miner=bench.miner,
        clock=SystemClock(),
        random=Random(1),
        log_for=lambda _: RecordingLog(),
        port_events=bench.sockets.events,
        setpoint_for=lambda _: paused,
    )
    async with running(fleet):
        bench.sockets.plug(STICK)
        device = await opened(bench.stick)

        assert named(fleet, "stick").setpoint == paused
        assert device.setpoint == paused
        assert named(fleet, "stick").snapshot(0.0).stats.state is not DeviceState.ABSENT
