"""Sticks that a killed process left behind are put to rest through their bridges, by either way."""

import asyncio
import threading
from random import Random

import pytest

from drivers.api import Context, PortInfo, SafeOff
from drivers.bm13xx.controls import SafeOffError
from drivers.bm13xx.driver import DRIVERS, StickDriver
from drivers.bm13xx.emulated_sticks import emulated_stick, micro_of
from drivers.bm13xx.emulated_usb_plug import EmulatedStickPort
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.bm13xx.sticks.table import GUARDED_STICKS, STICKS
from drivers.errors import DriverError
from drivers.transports.bridge_ports import TerminalPort
from drivers.transports.emulated_usb.backend import EmulatedBackend
from drivers.transports.emulated_usb.kernel_ttys import KernelTtys
from tests.bm13xx.device_rig import RecordingMiner
from tests.bm13xx.test_sticks import context

PATIENCE = 30.0
WITH_RESET = [name for name, stick in STICKS.items() if stick.reset]
WITHOUT_RESET = [name for name, stick in STICKS.items() if not stick.reset]


def stick_driver(name: str) -> StickDriver:
    driver = DRIVERS[name]
    assert isinstance(driver, StickDriver)
    return driver


def left_behind(name: str) -> EmulatedStickPort:
    """Return a stick on which nobody holds the chips in reset."""
    port = EmulatedStickPort(emulated_stick(name, random=Random(3)), random=Random(4))
    with port.usb.changed:
        port.usb.bridge.ports[0].pins = 0x00 if name in GUARDED_STICKS else 0xFF
        port.usb._look_at_pins()
    return port


def quiet() -> Context:
    return context(RecordingMiner())


@pytest.mark.parametrize("name", [*STICKS, *GUARDED_STICKS])
def test_every_stick_can_be_put_to_rest(name: str) -> None:
    assert isinstance(DRIVERS[name], SafeOff)


@pytest.mark.parametrize("name", WITH_RESET)
async def test_chips_with_a_reset_line_are_held_in_it(name: str) -> None:
    port = left_behind(name)

    seen = await stick_driver(name).safe_off_on(port, {})

    assert seen == ("chips held in reset",)
    assert port.device.chain.dead
    assert port.usb.bridge.ports[0].pins & 0x2 == 0
    assert not port.usb.handles
    assert not port.usb.claims.claimed


@pytest.mark.parametrize("name", WITHOUT_RESET)
async def test_chips_without_a_reset_line_are_slowed_down(name: str) -> None:
    port = left_behind(name)
    chain = port.device.chain

    seen = await stick_driver(name).safe_off_on(port, {})

    assert seen == ("no reset line: no work, and slowed down to 6.25 MHz",)
    assert [chip.clock_mhz for chip in chain.chips] == [6.25] * len(chain.chips)
    assert not port.usb.handles


@pytest.mark.parametrize("name", ["compac-f", "compac-a1"])
async def test_a_stick_with_ttys_keeps_them_meanwhile(name: str) -> None:
    port = left_behind(name)
    ttys = KernelTtys(port.bus)
    way = TerminalPort(*ttys.paths(port.usb), place="usb:1-1", backend=EmulatedBackend(port.bus))
    driver = DRIVERS[name]

    if isinstance(driver, GuardedStickDriver):
        seen = await driver.safe_off_on(way, {}, quiet())
    else:
        seen = await stick_driver(name).safe_off_on(way, {})

    assert seen[0] in {"chips held in reset", "enable lines read off"}
    pins = port.usb.bridge.ports[0].pins
    assert pins & 0x2 == (0x0 if name == "compac-f" else 0x2)
    assert all(port.usb.claims.bound(one.number) for one in port.usb.bridge.interfaces)
    ttys.close()


async def test_a_stick_with_telemetry_is_switched_off_through_usb() -> None:
    port = left_behind("compac-a2")
    driver = DRIVERS["compac-a2"]
    assert isinstance(driver, GuardedStickDriver)

    seen = await driver.safe_off_on(port, {}, quiet())

    assert seen[0] == "enable lines read off"
    assert port.device.chain.dead
    assert not port.usb.handles


async def test_a_stick_that_does_not_obey_is_told() -> None:
    port = left_behind("compac-f")
    port.usb.bridge._io_pins = 0  # type: ignore[attr-defined]  # its EEPROM lets nobody drive them

    with pytest.raises(SafeOffError, match="its pin is high"):
        await stick_driver("compac-f").safe_off_on(port, {})


async def test_a_stick_that_is_not_there_is_an_error() -> None:
    port = left_behind("compac-f")
    port.unplug()

    with pytest.raises(DriverError, match="no such USB device"):
        await stick_driver("compac-f").safe_off_on(port, {})


async def test_an_emulated_stick_can_be_put_to_rest_by_its_name() -> None:
    driver = DRIVERS["newpac"]
    assert isinstance(driver, StickDriver)

    seen = await driver.safe_off(PortInfo(paths=("emulated:newpac",)), {}, quiet())

    assert seen == ("chips held in reset",)


async def test_a_second_order_to_end_changes_nothing_about_the_chips() -> None:
    stick = emulated_stick("compac-a1", random=Random(3), scale=2.0**-22)
    port, miner = EmulatedStickPort(stick, random=Random(4)), RecordingMiner()
    driver, micro = DRIVERS["compac-a1"], micro_of(stick)
    assert isinstance(driver, GuardedStickDriver)
    assert micro
    device = driver.on_port(port, {"scale": 2.0**-22, "frequency": 60}, context(miner))
    task = asyncio.create_task(device.run())
    miner.ended = task.done
    await miner.until(lambda: micro.regulator, PATIENCE)

    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
    await asyncio.wait([task], timeout=PATIENCE)
    threads = [one for one in threading.enumerate() if one.name.startswith("usb ")]
    for thread in threads:
        await asyncio.to_thread(thread.join, PATIENCE)
    await asyncio.sleep(0)  # what the bridge told the chips

    assert is_off(port)
    assert not port.usb.handles


def is_off(port: EmulatedStickPort) -> bool:
    micro = micro_of(port.device)
    return port.device.chain.dead and micro is not None and not (micro.enabled or micro.regulator)
