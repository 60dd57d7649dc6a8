"""The rack of emulated boards: what others build on holds true of it."""

import asyncio
from random import Random

import pytest

from drivers import registry
from drivers.api import Context, DeviceState, Modelled, PortInfo, Setpoint
from tests.bm13xx.device_rig import RecordingMiner
from tests.emulated_rack import FULL_WATTS, EmulatedRack
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

pytestmark = pytest.mark.virtual_time


async def test_each_board_takes_some_45_watts_at_full_speed_and_differs_from_the_others() -> None:
    rack = EmulatedRack(boards=4)

    async with rack.running():
        await rack.all_mining()
        await asyncio.sleep(20.0)
        watts = [board.watts for board in rack.boards]
        errors = [board.error_ratio for board in rack.boards]

    assert all(0.85 * FULL_WATTS < one < 1.15 * FULL_WATTS for one in watts)
    assert len(set(watts)) == len(watts)
    assert rack.boards[0].true_point(625.0, 1.22).watts == pytest.approx(watts[0], rel=0.05)
    assert max(errors) < 0.05


async def test_told_to_rest_no_board_hashes_half_a_second_later() -> None:
    rack = EmulatedRack(boards=4)

    async with rack.running():
        await rack.all_mining()
        rack.apply(Setpoint(run=False, reason="order"))
        await asyncio.sleep(0.5)
        assert not rack.is_hashing
        assert rack.watts() == sum(board.heat.spec.board_watts for board in rack.boards)
        await rack.all_are(DeviceState.IDLE)


async def test_the_registry_makes_its_boards_while_it_is_plugged_in() -> None:
    rack = EmulatedRack(boards=2)
    miner = RecordingMiner()
    context = Context(
        name="x", miner=miner, clock=LoopClock(), random=Random(1), log=RecordingLog()
    )

    with rack.plugged_in():
        config = rack.config(2)
        device = registry.driver(config.driver).open(PortInfo(), config.settings, context)
        task = asyncio.create_task(device.run())
        await miner.solved(3)
        assert rack.boards[1].is_hashing
        assert not rack.boards[0].is_hashing
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    assert "rack" not in registry.names()


async def test_the_best_of_the_points_a_driver_offers_is_less_than_the_best_of_all() -> None:
    rack = EmulatedRack(boards=1)
    [board], [device] = rack.boards, rack.devices.values()
    assert isinstance(device, Modelled)

    offered, best = board.best_of(device.operating_points()), board.best_point()

    assert board.best_of(device.operating_points(), "hashrate").mhz == 625.0
    assert 400.0 <= offered.mhz < 625.0
    assert 1.0 <= offered.joules_per_terahash / best.joules_per_terahash < 1.1


def test_a_worn_board_takes_more_and_stands_less_speed() -> None:
    [board] = EmulatedRack(boards=1).boards
    new, best = board.true_point(500.0, 1.1), board.best_point()

    board.degrade(0.1)

    assert board.true_point(500.0, 1.1).watts > 1.05 * new.watts
    assert board.best_point().joules_per_terahash > 1.05 * best.joules_per_terahash
    assert board.best_point().mhz < best.mhz
