"""The driver contract, kept by the software hasher, bare chains and boards; and by every name."""

import os
import signal
from random import Random

import pytest

from drivers import registry
from drivers.api import Context, PortInfo
from drivers.cpu.device import DRIVER as CPU
from drivers.errors import SettingError
from tests.bm13xx.device_rig import SLOW, Rig
from tests.cpu.standins import EVERY_4096TH, SystemClock, worker_pids
from tests.driver_contract import ContractMiner, DriverContract, Plugged, strange_port
from tests.stand_ins import RecordingLog
from tests.virtual_time import LoopClock

TICKET_1 = int((0xFFFF << 208) / (SLOW * 0.99))
"""Met by all that a chip reports, however easy its ticket is."""


class TestCpu(DriverContract):
    target = EVERY_4096TH

    def plug(self, miner: ContractMiner) -> Plugged:
        context = Context(
            name="cpu", miner=miner, clock=SystemClock(), random=Random(1), log=RecordingLog()
        )
        device = CPU.open(PortInfo(), {"threads": 1, "kernel": "hashlib"}, context)
        return Plugged(device=device, miner=miner, unplug=kill_workers, replug=lambda: None)


def kill_workers() -> None:
    for pid in worker_pids(os.getpid()):
        os.kill(pid, signal.SIGKILL)


class Emulated(DriverContract):
    target = TICKET_1
    driver = ""
    chips = 1

    def plug(self, miner: ContractMiner) -> Plugged:
        rig = Rig(self.driver, miner=miner, chips=self.chips, frequency=100, tick=0.1)
        return Plugged(
            device=rig.device, miner=miner, unplug=rig.ports.unplug, replug=rig.ports.replug
        )


@pytest.mark.virtual_time
class TestBareChain(Emulated):
    driver = "bm1370"
    chips = 4


@pytest.mark.virtual_time
class TestOldBareChain(Emulated):
    driver = "bm1387"


@pytest.mark.virtual_time
class TestBitaxeGamma(Emulated):
    driver = "bitaxe-gamma"


@pytest.mark.virtual_time
class TestQaxe(Emulated):
    driver = "qaxe"
    chips = 4


@pytest.mark.parametrize("name", registry.names())
def test_every_driver_leaves_strange_ports_alone(name: str) -> None:
    assert registry.driver(name).match(strange_port()) == 0
    assert registry.driver(name).match(PortInfo()) == 0


@pytest.mark.parametrize("name", registry.names())
def test_every_driver_names_a_setting_it_does_not_know(name: str) -> None:
    paths = ("/dev/null", "/dev/null")[: getattr(registry.driver(name), "ports", 2)]
    context = Context(
        name="x",
        miner=ContractMiner(1),
        clock=LoopClock(),
        random=Random(1),
        log=RecordingLog(),
    )

    for count in range(len(paths) + 1):
        try:
            registry.driver(name).open(PortInfo(paths=paths[:count]), {"colour": "red"}, context)
        except SettingError as error:
            if error.setting == "colour":
                return
    pytest.fail("it took a setting that cannot exist")
