"""Both ways to a device behind a USB bridge, against emulated ones."""

import asyncio
import shutil
from pathlib import Path

import pytest

from drivers.errors import TransportLostError
from drivers.transports.bridge_ports import DirectPort, TerminalPort, bridge_port
from drivers.transports.emulated_usb.identities import STICKS
from drivers.transports.errors import LineControlError, PortOpenError
from drivers.transports.pty import PseudoTerminal
from drivers.transports.usb_sysfs import place_of_terminal
from tests.emulated_usb.rig import EchoChips, rig
from tests.fake_sysfs import FakeSysfs
from tests.transports.contract import PATIENCE, Recorder

RESET = {"mask": 0x0F, "levels": 0x00}
RUN = {"mask": 0x0F, "levels": 0x02}


@pytest.mark.parametrize("path", ["usb:1-1", "usb:2-1.4"])
def test_a_place_is_driven_directly(path: str) -> None:
    assert bridge_port(path).way == "usb"
    assert bridge_port(path).path(0) == path


def test_a_tty_keeps_its_kernel_driver() -> None:
    assert bridge_port("/dev/ttyUSB0").way == "tty"
    assert bridge_port("/dev/ttyUSB0").path(0) == "/dev/ttyUSB0"


async def test_bytes_and_pins_go_through_one_open_device() -> None:
    bench, near = rig(STICKS["compac-f"]), Recorder()
    port = DirectPort("usb:1-1", name="stick", backend=bench.backend)
    uart = await port.open(0, on_data=near, on_lost=near)

    await port.set_pins(**RESET)
    await port.set_pins(**RUN)
    uart.write(b"work")
    await near.receives(b"work")
    port.set_pins_soon(**RESET)
    uart.close()
    async with asyncio.timeout(PATIENCE):
        await port.finish()

    assert port.path(0) == "stick"
    assert bench.chips.resets[-3:] == [True, False, True]
    assert not bench.device.handles


async def test_whoever_serves_ends_when_the_device_isfinish() -> None:
    bench, near = rig(STICKS["compac"]), Recorder()
    port = DirectPort("usb:1-1", backend=bench.backend)
    serving = asyncio.create_task(port.serve())
    uart = await port.open(0, on_data=near, on_lost=near)
    assert bench.device.handles

    uart.close()
    serving.cancel()
    await asyncio.wait([serving], timeout=PATIENCE)

    assert serving.cancelled()
    assert not bench.device.handles


async def test_a_port_opens_again_after_a_loss() -> None:
    bench = rig(STICKS["newpac"])
    port = DirectPort("usb:1-1", backend=bench.backend)

    for _ in range(3):
        near = Recorder()
        await port.open(0, on_data=near, on_lost=near)
        bench.bus.unplug(bench.device)
        await near.is_lost()
        with pytest.raises(PortOpenError):
            await port.open(0, on_data=near, on_lost=near)
        bench.bus.replug(bench.device)

    await port.finish()
    assert not bench.device.handles


async def test_pins_of_a_port_that_is_not_open_are_driven_past_it_and_read_back() -> None:
    bench = rig(STICKS["compac-f"])
    port = DirectPort("usb:1-1", backend=bench.backend)

    port.set_pins_soon(**RESET)  # as nothing is open yet
    await port.set_pins(mask=0xF, levels=0x5)
    assert await port.read_pins() == 0x5
    port.set_pins_soon(mask=0xF, levels=0x2)
    assert await port.read_pins() == 0x2
    await port.finish()

    assert not bench.device.claims.claimed
    assert not bench.device.handles


async def test_a_bridge_with_two_ports_has_both_open_at_once() -> None:
    bench, data, control = rig(STICKS["compac-a1"]), Recorder(), Recorder()
    bench.device.bridge.ports[1].chips = EchoChips()
    port = DirectPort("usb:1-1", backend=bench.backend)

    uarts = [
        await port.open(place, on_data=near, on_lost=near)
        for place, near in enumerate((data, control))
    ]
    for uart, words in zip(uarts, (b"work", b"G."), strict=True):
        uart.write(words)
    await data.receives(b"work")
    await control.receives(b"G.")
    await port.set_pins(mask=0x7, levels=0x3)
    assert await port.read_pins() == 0x3
    for uart in uarts:
        uart.close()
    await port.finish()

    assert (port.path(0), port.path(1)) == ("usb:1-1", "usb:1-1+1")
    assert not bench.device.handles
    assert all(bench.device.claims.bound(number) for number in range(2))


async def test_a_bridge_without_pins_says_so_and_is_harmless_when_in_haste() -> None:
    bench, near = rig(STICKS["compac"]), Recorder()
    port = DirectPort("usb:1-1", backend=bench.backend)
    uart = await port.open(0, on_data=near, on_lost=near)

    port.set_pins_soon(**RESET)
    with pytest.raises(LineControlError):
        await port.set_pins(**RESET)

    uart.close()
    await port.finish()


async def test_pins_beside_a_tty_leave_the_kernels_driver_alone() -> None:
    bench = rig(STICKS["compac-f"])
    port = TerminalPort("/dev/ttyUSB0", place="usb:1-1", backend=bench.backend)

    port.set_pins_soon(**RESET)
    assert bench.chips.resets[-1:] == [False], "pins never driven are left alone"
    await port.set_pins(**RESET)
    assert bench.chips.resets[-1:] == [True]
    await port.set_pins(**RUN)

    assert bench.chips.resets[-1:] == [False]
    assert bench.find().is_kernel_driver_active(0)
    await port.finish()
    await port.finish()


async def test_pins_beside_a_tty_come_back_with_the_stick() -> None:
    bench = rig(STICKS["compac-f"])
    port = TerminalPort("/dev/ttyUSB0", place="usb:1-1", backend=bench.backend)
    await port.set_pins(**RUN)

    bench.bus.unplug(bench.device)
    with pytest.raises(TransportLostError):
        await port.set_pins(**RESET)
    bench.bus.replug(bench.device)
    await port.set_pins(**RESET)

    assert bench.chips.resets[-1:] == [True]
    await port.finish()


async def test_a_tty_of_no_usb_device_has_no_pins(tmp_path: Path) -> None:
    port = TerminalPort("/dev/ttyS0", root=tmp_path)

    with pytest.raises(PortOpenError, match="no tty of a USB device"):
        await port.set_pins(**RESET)


async def test_a_tty_can_be_driven_directly_even_after_that_took_it_away(tmp_path: Path) -> None:
    sysfs, bench = FakeSysfs(tmp_path), rig(STICKS["compac-f"])
    sysfs.plug("1-1", ["ttyUSB3"], vid=0x0403, pid=0x6015)
    port = DirectPort("/dev/ttyUSB3", backend=bench.backend, root=tmp_path)

    for _ in range(2):
        near = Recorder()
        uart = await port.open(0, on_data=near, on_lost=near)
        uart.write(b"work")
        await near.receives(b"work")
        uart.close()
        shutil.rmtree(tmp_path / "sys/class/tty", ignore_errors=True)
    await port.finish()

    assert port.path(0) == "/dev/ttyUSB3"


async def test_of_a_place_the_tty_is_used_if_there_is_one(tmp_path: Path) -> None:
    sysfs, near = FakeSysfs(tmp_path), Recorder()
    sysfs.plug("1-1", ["ttyUSB3"], vid=0x0403, pid=0x6015)
    (tmp_path / "sys/bus/usb/devices").mkdir(parents=True)
    device = tmp_path / "sys/devices/pci0000:00/usb1/1-1"
    link = tmp_path / "sys/bus/usb/devices/1-1:1.0"
    link.symlink_to(device / "1-1:1.0")
    far = PseudoTerminal(on_data=lambda data: far.write(data))  # noqa: PLW0108 - not made yet
    (tmp_path / "dev/ttyUSB3").unlink()
    (tmp_path / "dev/ttyUSB3").symlink_to(far.path)
    port = TerminalPort("usb:1-1", root=tmp_path)

    uart = await port.open(0, on_data=near, on_lost=near)
    uart.write(b"work")
    await near.receives(b"work")
    uart.close()
    far.close()
    link.unlink()

    assert port.way == "tty"
    with pytest.raises(PortOpenError, match="made no tty"):
        await port.open(0, on_data=near, on_lost=near)


def test_the_place_of_a_tty_is_that_of_its_device(tmp_path: Path) -> None:
    sysfs = FakeSysfs(tmp_path)
    sysfs.plug("1-1.2", ["ttyUSB3"], vid=0x0403, pid=0x6015)

    assert place_of_terminal("/dev/ttyUSB3", tmp_path) == "1-1.2"
    assert place_of_terminal("/dev/ttyUSB4", tmp_path) == ""
