"""The kernel's side: ttys of devices that it has a driver for, beside control requests."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from drivers.transports.emulated_usb.identities import STICKS, BridgeModel
from drivers.transports.emulated_usb.kernel_ttys import KernelTtys
from drivers.transports.serial_port import SerialPort, open_serial_port
from tests.emulated_usb.rig import Rig, plain, rig

FT_X = STICKS["compac-f"]


class Ttys:
    """The ttys of one rig, and a way to wait for them to change."""

    def __init__(self, one: Rig, directory: Path | None = None) -> None:
        self.one = one
        self._changed = asyncio.Event()
        self.kernel = KernelTtys(one.bus, directory=directory, on_change=self._changed.set)

    @property
    def path(self) -> str | None:
        return self.kernel.path(self.one.device)

    async def after(self, action: Callable[[], Any]) -> str | None:
        """Do something that changes the ttys; return the path once they have."""
        self._changed.clear()
        await asyncio.to_thread(action)
        await asyncio.wait_for(self._changed.wait(), 10)
        return self.path


class Reader:
    """What came over a tty."""

    def __init__(self) -> None:
        self.heard = b""
        self.lost: list[Exception] = []
        self._some = asyncio.Event()

    def on_data(self, data: bytes) -> None:
        self.heard += data
        self._some.set()

    def on_lost(self, error: Exception) -> None:
        self.lost.append(error)
        self._some.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                self._some.clear()
                await self._some.wait()


async def opened(path: str | None, reader: Reader, baud_rate: int = 115200) -> SerialPort:
    assert path
    return await open_serial_port(
        path, on_data=reader.on_data, on_lost=reader.on_lost, baud_rate=baud_rate
    )


async def test_data_over_the_tty_and_resets_over_control_requests_work_together() -> None:
    one = rig(FT_X)
    ttys = Ttys(one)
    reader = Reader()
    port = await opened(ttys.path, reader)

    port.write(b"command")
    await reader.until(lambda: reader.heard == b"command")
    found = one.find()
    for value in (0x20F2, 0x20F0, 0x20F2):
        found.ctrl_transfer(0x40, 0x0B, value, 0)

    assert one.chips.resets[-2:] == [True, False]
    assert found.is_kernel_driver_active(0), "nothing was detached"
    port.close()
    ttys.kernel.close()
    assert ttys.path is None


async def test_the_tty_goes_with_the_driver_and_comes_back_with_it(tmp_path: Path) -> None:
    one = rig(FT_X)
    ttys = Ttys(one, tmp_path)
    assert ttys.path == str(tmp_path / "ttyUSB0")
    reader = Reader()
    port = await opened(ttys.path, reader)
    found = one.find()

    assert await ttys.after(lambda: found.detach_kernel_driver(0)) is None
    await reader.until(lambda: bool(reader.lost))
    assert await ttys.after(lambda: found.attach_kernel_driver(0)) == str(tmp_path / "ttyUSB0")
    assert await ttys.after(lambda: one.bus.unplug(one.device)) is None
    assert await ttys.after(lambda: one.bus.replug(one.device)) == str(tmp_path / "ttyUSB0")

    port.close()
    ttys.kernel.close()
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_a_cp2105_has_a_tty_for_each_port(tmp_path: Path) -> None:
    one = rig(STICKS["compac-a1"])
    ttys = Ttys(one, tmp_path)

    assert [Path(path).name for path in ttys.kernel.paths(one.device)] == ["ttyUSB0", "ttyUSB1"]
    ttys.kernel.close()


async def test_a_cdc_device_has_one_tty_for_its_two_interfaces() -> None:
    one = rig(plain(BridgeModel.CDC_ACM))
    ttys = Ttys(one)

    assert len(ttys.kernel.paths(one.device)) == 1
    ttys.kernel.close()


async def test_a_rate_that_ftdi_sio_cannot_make_leaves_9600_and_garbage() -> None:
    one = rig(FT_X)
    one.chips.baud_rate = 3_125_000.0
    ttys = Ttys(one)
    reader = Reader()
    port = await opened(ttys.path, reader, 3_125_000)

    port.write(b"command")
    await reader.until(lambda: bool(reader.heard))

    assert one.device.bridge.ports[0].line.baud_rate == 9600
    assert bytes(one.chips.heard) != b"command"
    port.close()
    ttys.kernel.close()


async def test_devices_without_a_driver_have_no_tty() -> None:
    one = rig(FT_X, has_kernel_driver=False)
    ttys = Ttys(one)

    assert ttys.kernel.paths(one.device) == ()
    ttys.kernel.close()
