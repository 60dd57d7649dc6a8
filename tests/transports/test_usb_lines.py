"""Pins while somebody else has the data, resets, and what is told when USB is out of reach."""

import asyncio
import errno
import grp
import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import usb.backend.libusb1

from drivers.errors import TransportLostError
from drivers.transports import usb_connect, usb_device
from drivers.transports.errors import LineControlError, PortBusyError, PortOpenError
from drivers.transports.usb_bulk import open_usb_port
from drivers.transports.usb_device import find_device
from drivers.transports.usb_errors import (
    Fault,
    Patience,
    UsbLibraryMissingError,
    fault_of,
    open_error,
    words_of,
)
from drivers.transports.usb_lines import BridgeLines, open_bridge_lines, reset_usb_device
from drivers.transports.usb_sysfs import terminals_of
from tests.transports.contract import PATIENCE, Recorder
from tests.transports.usb_bench import (
    ScriptedBackend,
    ScriptedDevice,
    cp2102_stick,
    cp2105_stick,
    ftdi_stick,
    usb_error,
)


async def opened(device: ScriptedDevice) -> BridgeLines:
    return await open_bridge_lines("usb:1-1", backend=ScriptedBackend(device))


async def ended(lines: BridgeLines) -> None:
    lines.close()
    async with asyncio.timeout(PATIENCE):
        await lines.closed()


# --- the mixed way


async def test_pins_are_set_with_the_kernels_driver_in_place() -> None:
    device = ftdi_stick(kernel_driver={0})
    lines = await opened(device)

    await lines.set_pins(mask=0xF, levels=2)
    await lines.set_pins(mask=0xF, levels=0)
    await lines.release_pins()
    await ended(lines)

    assert [setup for setup, _ in device.controls] == [
        "400bf22001000000",
        "400bf02001000000",
        "400b000001000000",
    ]
    assert device.calls == ["open", "close"]
    assert lines.bridge == "FT-X"


async def test_the_latch_of_a_cp2105_needs_no_claim_either() -> None:
    device = cp2105_stick(kernel_driver={0, 1})
    lines = await opened(device)

    await lines.set_pins(mask=7, levels=7)
    await ended(lines)

    assert device.controls[-1] == ("41ffe13700000200", bytes.fromhex("0707"))
    assert device.calls == ["open", "close"]


async def test_pins_asked_for_before_closing_are_still_set() -> None:
    device = ftdi_stick()
    lines = await opened(device)

    off = lines.set_pins(mask=0xF, levels=0)
    lines.close()
    lines.close()
    await lines.closed()

    assert len(device.controls) == 1
    await off
    await lines.set_pins(mask=0xF, levels=2)  # too late: swallowed
    assert len(device.controls) == 1


async def test_a_refusal_and_an_unplug_are_told_to_who_waits() -> None:
    device = ftdi_stick(refused={0x0B})
    lines = await opened(device)
    with pytest.raises(LineControlError, match="refuses"):
        await lines.set_pins(mask=0xF, levels=0)

    device.unplug()
    with pytest.raises(TransportLostError, match="unplugged"):
        await lines.set_pins(mask=0xF, levels=0)
    await asyncio.wait_for(lines.closed(), PATIENCE)
    await lines.set_pins(mask=0xF, levels=0)
    assert device.handles == set()


async def test_a_bridge_without_pins_or_no_bridge_is_not_opened() -> None:
    device = cp2102_stick()
    with pytest.raises(LineControlError, match="no free pins"):
        await opened(device)
    with pytest.raises(PortOpenError, match="no serial bridge"):
        await opened(mouse := ftdi_stick(vid=0x046D))
    denied = cp2102_stick()
    denied.control_faults.append(errno.EACCES)
    with pytest.raises(PortOpenError, match="permission"):
        await opened(denied)
    assert device.handles == mouse.handles == denied.handles == set()


async def test_giving_up_while_opening_lets_go() -> None:
    device = ftdi_stick()
    opening = asyncio.ensure_future(opened(device))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening
    async with asyncio.timeout(PATIENCE):
        while "close" not in device.calls:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)


async def test_a_usb_port_is_reset_and_a_missing_one_named() -> None:
    device = cp2105_stick()
    await reset_usb_device("usb:1-1", backend=ScriptedBackend(device))
    assert device.calls == ["open", "reset", "close"]

    with pytest.raises(PortOpenError, match="plugged in"):
        await reset_usb_device("usb:1-9", backend=ScriptedBackend(device))


# --- who holds it, what is missing


def sysfs_with_tty(root: Path, place: str, tty: str) -> Path:
    deep = root / f"sys/bus/usb/devices/{place}:1.0"
    (deep / tty / "tty" / tty if tty.startswith("ttyUSB") else deep / "tty" / tty).mkdir(
        parents=True
    )
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev" / tty).touch()
    return root / "dev" / tty


def test_the_ttys_of_a_device_are_found_in_both_shapes(tmp_path: Path) -> None:
    usb_serial = sysfs_with_tty(tmp_path, "1-1.2", "ttyUSB3")
    sysfs_with_tty(tmp_path, "1-1.21", "ttyUSB4")
    acm = sysfs_with_tty(tmp_path, "2-1", "ttyACM0")

    assert terminals_of("1-1.2", tmp_path) == (usb_serial,)
    assert terminals_of("2-1", tmp_path) == (acm,)
    assert terminals_of("9-9", tmp_path) == ()


def test_a_device_whose_tty_is_in_use_is_not_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tty = sysfs_with_tty(tmp_path, "1-1", "ttyUSB0")
    monkeypatch.setattr(usb_connect, "terminals_of", lambda place: terminals_of(place, tmp_path))
    device = ftdi_stick(kernel_driver={0})
    monkeypatch.setattr(usb_device, "libusb", lambda _: ScriptedBackend(device))

    with tty.open(), pytest.raises(PortBusyError, match=r"in use by .*this very program"):
        asyncio.run(open_usb_port("usb:1-1", on_data=Recorder(), on_lost=Recorder()))

    assert device.kernel_driver == {0}
    assert device.handles == set()


def test_who_holds_the_usb_node_is_named(tmp_path: Path) -> None:
    node = tmp_path / "005"
    node.touch()
    with node.open():
        error = open_error("usb:1-1", node, usb_error(errno.EBUSY))
    assert isinstance(error, PortBusyError)
    assert error.holders == (f"{os.getpid()} (this very program)",)


def test_missing_libusb_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda: None)
    monkeypatch.setattr(usb_device, "find_library", lambda _: None)
    with pytest.raises(UsbLibraryMissingError, match=r"apt install libusb-1\.0-0") as caught:
        find_device("usb:1-1")
    assert caught.value.port == "usb:1-1"


def test_a_libusb_that_does_not_start_is_not_called_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(usb.backend.libusb1, "get_backend", lambda: None)
    monkeypatch.setattr(usb_device, "find_library", lambda name: f"lib{name}.so.0")
    with pytest.raises(PortOpenError, match="does not start"):
        find_device("usb:1-1")


def test_missing_pyusb_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "usb.core", None)
    with pytest.raises(UsbLibraryMissingError, match="pip install pyusb"):
        find_device("usb:1-1")


def test_permission_advice_fits_the_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    node = tmp_path / "005"
    node.touch()
    denied = usb_error(errno.EACCES)
    assert "udevadm control --reload" in str(open_error("usb:1-1", None, denied))

    monkeypatch.setattr(grp, "getgrgid", lambda _: SimpleNamespace(gr_name="plugdev"))
    assert "usermod -aG plugdev $USER" in str(open_error("usb:1-1", node, denied))


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENODEV, "vanished"),
        (errno.EPIPE, "refuses a request"),
        (errno.EIO, r"does not respond: .*\(EIO\)"),
        (errno.ETIMEDOUT, "does not respond"),
    ],
)
def test_an_open_that_fails_says_why(number: int, words: str) -> None:
    with pytest.raises(PortOpenError, match=words):
        raise open_error("usb:1-1", None, usb_error(number))


@pytest.mark.parametrize("code", [-3, -4, -5, -6, -7, -8, -9, -1, -99])
def test_a_fault_is_known_by_libusbs_code_where_errno_is_missing(code: int) -> None:
    error = usb.core.USBError("no errno", code)
    known = {-3: Fault.DENIED, -4: Fault.GONE, -5: Fault.GONE, -6: Fault.BUSY, -7: Fault.QUIET}
    known |= {-8: Fault.OVERFLOW, -9: Fault.STALLED}

    assert fault_of(error) is known.get(code, Fault.OTHER)
    assert words_of(error) == "no errno"


def test_a_timeout_without_any_number_is_quiet() -> None:
    assert fault_of(usb.core.USBTimeoutError("timed out")) is Fault.QUIET


def test_patience_ends_with_three_faults_in_a_row() -> None:
    patience = Patience()
    broken = usb_error(errno.EIO)

    assert [bool(patience.verdict(broken)) for _ in range(3)] == [False, False, True]
    patience.succeeded()
    assert [bool(patience.verdict(broken)) for _ in range(2)] == [False, False]
    assert patience.verdict(usb_error(errno.ETIMEDOUT)) == ""
    assert patience.verdict(broken) == ""
    assert "unplugged" in patience.verdict(usb_error(errno.ENODEV))
