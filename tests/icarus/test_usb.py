"""Icarus-class devices behind emulated USB bridges: the driver contract, and what USB adds."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import pytest

from drivers.api import Context, DeviceState, Miner, PortInfo
from drivers.errors import DriverError, SettingError
from drivers.icarus.driver import DRIVERS
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_models import emulated_model
from drivers.icarus.emulated_usb_plug import EmulatedUsbPort
from drivers.icarus.ticket import ticket_target
from drivers.transports.emulated_usb.device import Controller
from tests.cpu.standins import SystemClock
from tests.driver_contract import ContractMiner, DriverContract, Plugged
from tests.icarus.rig import RecordingMiner
from tests.stand_ins import RecordingLog

PATIENCE = 30.0
TICKET = 2.0**-20
BRIDGES = {  # one of each bridge, with the share of the nonces that makes 20 kH/s or so
    "block-erupter": 2.0**-14,
    "icarus": 2.0**-14,
    "lancelot": 2.0**-14,
    "cairnsmore1": 2.0**-14,
}


def context(miner: Miner) -> Context:
    return Context(
        name="usb", miner=miner, clock=SystemClock(), random=Random(1), log=RecordingLog()
    )


class UsbRig:
    """A device of a driver on the emulated one, and what it left in the USB stack."""

    def __init__(
        self,
        name: str,
        *,
        controller: Controller = Controller.XHCI,
        miner: Miner | None = None,
        ticket: float = TICKET,
    ) -> None:
        self.miner = RecordingMiner()
        emulated = EmulatedIcarus(
            emulated_model(name), random=Random(3), scale=BRIDGES[name], ticket=ticket
        )
        self.port = EmulatedUsbPort(emulated, random=Random(4), controller=controller)
        settings = {"scale": BRIDGES[name], "ticket": ticket}
        self.device = DRIVERS[name].on_ports(self.port, settings, context(miner or self.miner))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.device.run())
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE)
            assert task.done()

    def is_given_back(self) -> bool:
        usb = self.port.usb
        threads = [one for one in threading.enumerate() if one.name.startswith("usb ")]
        for thread in threads:  # the last thing they do is to say that they end
            thread.join(1.0)
        bound = [usb.claims.bound(one.number) for one in usb.bridge.interfaces]
        return not any(one.is_alive() for one in threads) and not usb.handles and all(bound)


class TestContract(DriverContract):
    """In real time, as threads know no other; with shares 16 times as easy."""

    target = ticket_target(TICKET / 16)

    def plug(self, miner: ContractMiner) -> Plugged:
        rig = UsbRig("block-erupter", miner=miner, ticket=TICKET / 16)
        return Plugged(
            device=rig.device, miner=miner, unplug=rig.port.unplug, replug=rig.port.replug
        )


async def solved(rig: UsbRig, count: int) -> None:
    wanted = len(rig.miner.solutions) + count
    async with asyncio.timeout(PATIENCE):
        await rig.miner.until(lambda: len(rig.miner.solutions) >= wanted)


@pytest.mark.parametrize("name", BRIDGES)
async def test_each_bridge_carries_a_mining_device_and_is_given_back(name: str) -> None:
    rig = UsbRig(name)

    async with rig.running():
        await solved(rig, 5)
        stats = rig.device.stats()
        assert stats.state is DeviceState.MINING
        assert stats.hardware_errors == 0
        assert rig.port.usb.bridge.ports[0].garbage == 0

    assert rig.is_given_back()


@pytest.mark.parametrize("controller", Controller, ids=lambda one: one.name)
async def test_a_device_pulled_mid_job_mines_on_when_it_is_back(controller: Controller) -> None:
    rig = UsbRig("block-erupter", controller=controller)

    for _ in range(5):
        async with rig.running() as task:
            await solved(rig, 1)
            rig.port.unplug()
            await asyncio.wait([task], timeout=PATIENCE)
            assert isinstance(task.exception(), DriverError)
        rig.port.replug()
        assert rig.is_given_back()

    async with rig.running():
        await solved(rig, 1)
        assert rig.device.stats().hardware_errors == 0


@pytest.mark.parametrize(
    ("paths", "via", "way", "name"),
    [
        (("usb:1-2",), "auto", "usb", "usb:1-2"),
        (("/dev/ttyUSB0",), "auto", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0", "usb:1-2"), "auto", "tty", "/dev/ttyUSB0"),
        (("usb:1-2", "/dev/x"), "auto", "usb", "usb:1-2"),
        (("/dev/ttyUSB0", "usb:1-2"), "usb", "usb", "usb:1-2"),
        (("usb:1-2", "/dev/ttyUSB0"), "tty", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0",), "usb", "usb", "/dev/ttyUSB0"),
        (("usb:1-2",), "tty", "tty", "usb:1-2"),
    ],
)
def test_the_way_is_that_of_the_first_path_unless_it_is_forced(
    paths: tuple[str, ...], via: str, way: str, name: str
) -> None:
    port = PortInfo(paths=paths)
    device = DRIVERS["icarus"].open(port, {"via": via}, context(RecordingMiner()))

    assert device.stats().details["way"] == way
    assert device._wire.name == name  # type: ignore[attr-defined]  # behind the protocol


@pytest.mark.parametrize(("path", "via"), [("usb:1-2", "air"), ("emulated:icarus", "tty")])
def test_a_way_that_does_not_exist_is_refused(path: str, via: str) -> None:
    with pytest.raises(SettingError) as refused:
        DRIVERS["icarus"].open(PortInfo(paths=(path,)), {"via": via}, context(RecordingMiner()))
    assert refused.value.setting == "via"


@pytest.mark.parametrize("paths", [(), ("/dev/a", "/dev/b"), ("usb:1-1", "usb:1-2")])
def test_two_devices_are_not_one(paths: tuple[str, ...]) -> None:
    with pytest.raises(SettingError):
        DRIVERS["icarus"].open(PortInfo(paths=paths), {}, context(RecordingMiner()))
