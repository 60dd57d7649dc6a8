"""USB sticks: what they are by data, which ports they take, their life, and the contract."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

import pytest

from drivers.api import Context, DeviceState, Miner, PortInfo, Setpoint
from drivers.bm13xx import bring_up
from drivers.bm13xx.driver import DRIVERS, StickDriver
from drivers.bm13xx.emulated_sticks import STICKS as EMULATED_STICKS
from drivers.bm13xx.emulated_sticks import emulated_stick
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.bm13xx.stick import PinReset, Stick
from drivers.bm13xx.sticks.table import STICKS
from drivers.errors import DriverError, SettingError
from drivers.transports.emulated_usb.device import Controller
from drivers.transports.emulated_usb.identities import CABLES, UsbIdentity
from drivers.transports.emulated_usb.identities import STICKS as IDENTITIES
from tests.bm13xx.device_rig import DIFFICULTY_1, RecordingMiner
from tests.cpu.standins import SystemClock
from tests.driver_contract import ContractMiner, DriverContract, Plugged
from tests.stand_ins import RecordingLog

PATIENCE = 30.0
COUNT_SILENCE = 0.2
SCALE = 2.0**-20
HASTY = PinReset(mask=0xF, hold=0x0, run=0x2, low=0.0, settle=0.0)
EASY = int(DIFFICULTY_1 / (SCALE * 0.99))


def shown(identity: UsbIdentity, *paths: str) -> PortInfo:
    """Return how a device looks to discovery; its strings are of the emulator's own data."""
    return PortInfo(
        paths=paths or ("/dev/ttyUSB0",),
        vid=identity.vid,
        pid=identity.pid,
        serial=identity.serial,
        manufacturer=identity.manufacturer,
        product=identity.product,
    )


def context(miner: Miner, log: RecordingLog | None = None) -> Context:
    return Context(
        name="stick",
        miner=miner,
        clock=SystemClock(),
        random=Random(1),
        log=log or RecordingLog(),
    )


class StickRig:
    """A device of a stick's driver on the emulated stick, through the real USB transport."""

    def __init__(
        self,
        name: str,
        *,
        controller: Controller = Controller.XHCI,
        miner: Miner | None = None,
        driver: StickDriver | None = None,
    ) -> None:
        maker = driver or DRIVERS[name]
        assert isinstance(maker, StickDriver)
        self.log = RecordingLog()
        self.miner = RecordingMiner(target=EASY)
        self.emulated = emulated_stick(name, random=Random(3), scale=SCALE)
        self.port = EmulatedStickPort(self.emulated, random=Random(4), controller=controller)
        settings = {"frequency": 400, "scale": SCALE, "nonces_per_second": 60}
        self.device = maker.on_port(self.port, settings, context(miner or self.miner, self.log))

    @asynccontextmanager
    async def running(self) -> AsyncIterator["asyncio.Task[None]"]:
        task = asyncio.create_task(self.device.run())
        self.miner.ended = task.done
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.wait([task], timeout=PATIENCE)
            assert task.done()

    async def solved(self, count: int) -> None:
        wanted = len(self.miner.solutions) + count
        await self.miner.until(lambda: len(self.miner.solutions) >= wanted, PATIENCE)

    async def loses(self, task: "asyncio.Task[None]") -> None:
        """Pull the stick and wait for the device to fail of it."""
        self.port.unplug()
        await asyncio.wait([task], timeout=PATIENCE)
        assert isinstance(task.exception(), DriverError)

    def is_given_back(self) -> bool:
        """Return whether no thread, handle or claim is left and the kernel has its driver back."""
        usb = self.port.usb
        threads = [one for one in threading.enumerate() if one.name.startswith("usb ")]
        for thread in threads:  # the last thing they do is to say that they end
            thread.join(1.0)
        drivers = [usb.claims.bound(one.number) for one in usb.bridge.interfaces]
        return not any(one.is_alive() for one in threads) and not usb.handles and all(drivers)


def hasty_rig(
    *,
    name: str = "compac-f",
    miner: Miner | None = None,
    controller: Controller = Controller.XHCI,
) -> StickRig:
    """Return the rig of a stick that starts in less time than the real one, in one step."""
    stick = STICKS[name]
    frequency = replace(stick.chip.frequency, ramp_step=1000.0, ramp_pause=0.001)
    chip = replace(stick.chip, frequency=frequency)
    driver = StickDriver(replace(stick, chip=chip, reset=HASTY if stick.reset else None))
    return StickRig(name, controller=controller, miner=miner, driver=driver)


@pytest.fixture(autouse=True)
def quick_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for chips that have said all for less long than for real ones."""
    monkeypatch.setattr(bring_up, "_COUNT_SILENCE", COUNT_SILENCE)


class TestContract(DriverContract):
    """In real time, as threads know no other; so chips are reset in less than theirs."""

    target = EASY

    def plug(self, miner: ContractMiner) -> Plugged:
        rig = hasty_rig(miner=miner)
        return Plugged(
            device=rig.device, miner=miner, unplug=rig.port.unplug, replug=rig.port.replug
        )


@pytest.mark.parametrize("stick", STICKS.values(), ids=lambda stick: stick.name)
def test_the_data_of_a_stick_fits_its_chip_and_its_bridge(stick: Stick) -> None:
    limits, chip = stick.frequency, stick.chip.frequency
    assert chip.lowest <= limits.lowest <= limits.default <= limits.highest <= chip.highest
    assert stick.baud_rate == (115_200 if stick.chip.name == "BM1384" else 1_500_000)
    assert (stick.reset is None) == (stick.chip.name == "BM1384")
    assert set(EMULATED_STICKS) == set(STICKS)


@pytest.mark.parametrize("name", STICKS)
def test_a_stick_is_known_by_its_strings_and_by_nothing_else(name: str) -> None:
    port = shown(IDENTITIES[name])
    assert [other for other, driver in DRIVERS.items() if driver.match(port)] == [name]

    driver = DRIVERS[name]
    assert driver.match(replace(port, product=port.product.upper()))
    assert not driver.match(replace(port, manufacturer="gekkoscience"))
    assert not driver.match(replace(port, product="Miner"))
    assert not driver.match(replace(port, pid=1))


@pytest.mark.parametrize("cable", CABLES.values(), ids=lambda cable: cable.name)
def test_nobodys_cable_is_taken_for_a_stick(cable: UsbIdentity) -> None:
    assert not any(driver.match(shown(cable)) for driver in DRIVERS.values())


@pytest.mark.parametrize(
    ("paths", "via", "way", "name"),
    [
        (("usb:1-2",), "auto", "usb", "usb:1-2"),
        (("/dev/ttyUSB0",), "auto", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0", "usb:1-2"), "auto", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0", "usb:1-2"), "usb", "usb", "usb:1-2"),
        (("usb:1-2", "/dev/ttyUSB0"), "tty", "tty", "/dev/ttyUSB0"),
        (("/dev/ttyUSB0",), "usb", "usb", "/dev/ttyUSB0"),
        (("usb:1-2",), "tty", "tty", "usb:1-2"),
    ],
)
def test_the_way_is_that_of_the_path_unless_it_is_forced(
    paths: tuple[str, ...], via: str, way: str, name: str
) -> None:
    driver = DRIVERS["compac-f"]
    device = driver.open(PortInfo(paths=paths), {"via": via}, context(RecordingMiner()))

    assert device.stats().details["way"] == way
    assert device._wire.name == name  # type: ignore[attr-defined]  # of the device behind the protocol


@pytest.mark.parametrize(
    ("paths", "settings", "setting"),
    [
        ((), {}, "port"),
        (("usb:1-2", "usb:1-3"), {}, "port"),
        (("usb:1-2",), {"via": "bluetooth"}, "via"),
        (("emulated:compac-f",), {"via": "tty"}, "via"),
        (("usb:1-2",), {"frequency": 50}, "frequency"),
        (("usb:1-2",), {"voltage": 1.2}, "voltage"),
    ],
)
def test_what_a_stick_cannot_take_is_refused(
    paths: tuple[str, ...], settings: dict[str, object], setting: str
) -> None:
    with pytest.raises(SettingError) as refused:
        DRIVERS["compac-f"].open(PortInfo(paths=paths), settings, context(RecordingMiner()))
    assert refused.value.setting == setting


@pytest.mark.parametrize("name", ["2pac", "compac-f"])
async def test_a_stick_mines_through_usb_without_error_and_is_given_back(name: str) -> None:
    rig = hasty_rig(name=name)

    async with rig.running():
        await rig.solved(3)
        stats = rig.device.stats()
        assert stats.state is DeviceState.MINING
        assert stats.hardware_errors == 0
        assert stats.details["way"] == "usb"
        assert rig.port.usb.bridge.ports[0].garbage == 0

    assert rig.is_given_back()
    assert rig.emulated.chain.dead == (STICKS[name].reset is not None), "left in reset"


@pytest.mark.parametrize("controller", Controller, ids=lambda one: one.name)
async def test_a_stick_survives_being_pulled_mid_job(controller: Controller) -> None:
    rig = hasty_rig(controller=controller)

    async with rig.running() as task:
        await rig.solved(1)
        await rig.loses(task)
    assert rig.device.stats().state is DeviceState.FAILED
    rig.port.replug()
    assert rig.is_given_back()

    async with rig.running():
        await rig.solved(1)
        assert rig.device.stats().hardware_errors == 0


async def test_a_stick_told_to_rest_is_held_in_reset_until_it_may_run() -> None:
    rig = hasty_rig()

    async with rig.running():
        await rig.solved(1)
        rig.device.apply(Setpoint(run=False, reason="night"))
        await rig.miner.until(lambda: rig.emulated.chain.dead, PATIENCE)
        assert rig.device.stats().state is DeviceState.IDLE
        rig.device.apply(Setpoint(run=True))
        await rig.solved(1)


async def test_chips_left_at_a_fast_rate_are_reset_and_found() -> None:
    rig = hasty_rig(name="newpac")

    for _ in range(2):
        async with rig.running():
            await rig.solved(1)
        assert rig.is_given_back()
        rig.emulated.chain.hold_reset(low=False)

    assert rig.device.stats().hardware_errors == 0

    assert not rig.log.named("stick.without_reset")
