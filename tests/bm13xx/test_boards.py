"""Every board against its emulated one: it starts safely, mines, and ends safe."""

import pytest

from drivers.api import DeviceState
from drivers.bm13xx.boards.table import BOARDS
from tests.bm13xx.device_rig import Rig

pytestmark = pytest.mark.virtual_time

EMULATED = [
    *((name, name) for name in BOARDS if name != "piaxe"),
    ("bitaxe-ultra", "bitaxe-ultra-tps546"),
    ("bitaxe-supra", "bitaxe-supra-ds4432u"),
]


@pytest.mark.parametrize(("driver", "emulated"), EMULATED)
async def test_every_board_mines_and_is_off_afterwards(driver: str, emulated: str) -> None:
    rig = Rig(driver, emulated, frequency=200, tick=0.2)

    async with rig.running():
        await rig.miner.solved(30)
        stats = rig.device.stats()
        heat = rig.heat
        assert heat.core_volts > 0.2

    assert stats.state is DeviceState.MINING
    assert stats.hardware_errors == 0
    assert stats.details["chips"] == BOARDS[driver].chips
    assert stats.temperature == pytest.approx(heat.die, abs=15)
    assert stats.modelled_power is not None
    assert 2 < stats.modelled_power < BOARDS[driver].power.watts
    if stats.details["power_source"] == "measured":
        assert stats.power == pytest.approx(stats.modelled_power, rel=0.15)
    else:
        assert stats.power is None
    assert rig.emulated.chain.dead
    assert rig.log.named("board.safe"), rig.log.events
    assert not rig.log.named("board.unsafe")
