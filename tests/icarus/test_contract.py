"""The driver contract, kept by every device of the family on its emulated one."""

import pytest

from drivers.icarus.ticket import ticket_target
from tests.driver_contract import ContractMiner, DriverContract, Plugged
from tests.icarus.rig import HITS, SCALE, Rig


class Emulated(DriverContract):
    target = ticket_target(SCALE / HITS)
    driver = ""

    def plug(self, miner: ContractMiner) -> Plugged:
        rig = Rig(self.driver, miner=miner)
        return Plugged(
            device=rig.device, miner=miner, unplug=rig.port.unplug, replug=rig.port.replug
        )


@pytest.mark.virtual_time
class TestBlockErupter(Emulated):
    driver = "block-erupter"


@pytest.mark.virtual_time
class TestAntminerU1(Emulated):
    driver = "antminer-u1"


@pytest.mark.virtual_time
class TestAntminerU3(Emulated):
    driver = "antminer-u3"


@pytest.mark.virtual_time
class TestRbox(Emulated):
    driver = "rbox"


@pytest.mark.virtual_time
class TestIcarus(Emulated):
    driver = "icarus"
