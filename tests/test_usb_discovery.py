"""USB bridges found in trees of files as the kernel shows them, and through a scripted libusb."""

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import hotplug
from drivers.api import PortInfo
from drivers.discovery import Found, is_at
from drivers.hotplug import READY_WITHIN, PortAdded, PortChanges, PortRemoved, udev_monitor
from drivers.transports import usb_device
from drivers.transports.port_paths import tty_paths, usb_path
from drivers.transports.usb_errors import UsbLibraryMissingError
from drivers.usb_discovery import (
    LibusbScanner,
    identity,
    is_still,
    libusb_ports,
    port_at,
    ports,
    scan,
)
from tests.fake_sysfs import FakeSysfs
from tests.transports.usb_bench import ScriptedBackend, cdc_board, cp2102_stick, ftdi_stick

COMPAC_F = ("GekkoScience", "CompacF Bitcoin Miner", "10051234")


class UsbSysfs(FakeSysfs):
    """Adds /sys/bus/usb, where devices without a tty are seen too."""

    def __init__(self, root: Path, *, udev: bool = True) -> None:
        super().__init__(root, udev=udev)
        self.bus = root / "sys/bus/usb/devices"
        self.bus.mkdir(parents=True)
        for hub in ("usb1", "1-0:1.0"):
            (self.bus / hub).mkdir()

    def stick(
        self,
        place: str,
        *,
        tty: str = "",
        ids: tuple[int, int] = (0x0403, 0x6015),
        strings: tuple[str, str, str] = COMPAC_F,
        driver: str = "",
        classes: Sequence[tuple[str, str]] = (("ff", "ff"),),
        node: bool = True,
    ) -> None:
        """Plug in a device with one interface for each of ``classes``."""
        vid, pid = ids
        self.plug(place, [tty] if tty else [], vid=vid, pid=pid, strings=strings)
        device = self.root / "sys/devices/pci0000:00/usb1" / place
        for number, (usb_class, subclass) in enumerate(classes):
            interface = device / f"{place}:1.{number}"
            interface.mkdir(exist_ok=True)
            (interface / "bInterfaceNumber").write_text(f"{number:02x}\n")
            (interface / "bInterfaceClass").write_text(usb_class + "\n")
            (interface / "bInterfaceSubClass").write_text(subclass + "\n")
            if driver:
                (interface / "driver").mkdir()
        devnum = (device / "devnum").read_text().strip()
        (device / "dev").write_text(f"189:{devnum}\n")
        if node and (self.root / "run/udev/data").exists():
            (self.root / f"run/udev/data/c189:{devnum}").touch()
        (self.bus / place).symlink_to(device)

    def remove(self, place: str) -> None:
        (self.bus / place).unlink()
        self.unplug(place)


@pytest.fixture
def sysfs(tmp_path: Path) -> UsbSysfs:
    return UsbSysfs(tmp_path)


def seen(sysfs: UsbSysfs) -> list[tuple[str, ...]]:
    prefix = f"{sysfs.root}/dev/"
    return [tuple(p.removeprefix(prefix) for p in port.paths) for port in ports(sysfs.root)]


def test_a_stick_with_a_tty_is_one_port_with_both_ways_in(sysfs: UsbSysfs) -> None:
    sysfs.stick("1-1.2", tty="ttyUSB0", driver="ftdi_sio")

    [port] = ports(sysfs.root)

    assert port == PortInfo(
        paths=(f"{sysfs.root}/dev/ttyUSB0", "usb:1-1.2"),
        vid=0x0403,
        pid=0x6015,
        manufacturer=COMPAC_F[0],
        product=COMPAC_F[1],
        serial=COMPAC_F[2],
    )
    assert usb_path(port) == "usb:1-1.2"
    assert tty_paths(port) == (f"{sysfs.root}/dev/ttyUSB0",)


def test_a_stick_without_a_tty_is_found_with_all_it_says_of_itself(sysfs: UsbSysfs) -> None:
    sysfs.stick("1-1.2")

    [port] = ports(sysfs.root)

    assert (port.paths, port.vid, port.pid) == (("usb:1-1.2",), 0x0403, 0x6015)
    assert (port.manufacturer, port.product, port.serial) == COMPAC_F


def test_mice_hubs_and_sticks_of_memory_are_no_ports(sysfs: UsbSysfs) -> None:
    sysfs.stick("1-1", ids=(0x046D, 0xC077), classes=[("03", "01")])
    sysfs.stick("1-2", ids=(0x1D6B, 0x0002), classes=[("09", "00")])
    sysfs.stick("1-3", ids=(0x10C4, 0x8A2A))
    assert seen(sysfs) == []


def test_a_board_that_is_its_own_bridge_has_its_ttys_or_its_place(sysfs: UsbSysfs) -> None:
    acm = [("02", "02"), ("0a", "00")]
    sysfs.stick("1-1", ids=(0xC0DE, 0xCAFE), tty="ttyACM0", classes=acm)
    sysfs.stick("1-2", ids=(0xC0DE, 0xCAFE), classes=acm)
    assert seen(sysfs) == [("ttyACM0",), ("usb:1-2",)]


def test_ports_of_the_machine_itself_are_still_there(sysfs: UsbSysfs) -> None:
    sysfs.uart("ttyAMA0", kind=32)
    sysfs.stick("1-1")
    assert seen(sysfs) == [("ttyAMA0",), ("usb:1-1",)]


def test_a_port_is_found_by_tty_by_place_and_by_link(sysfs: UsbSysfs) -> None:
    sysfs.stick("1-1", tty="ttyUSB0")
    sysfs.stick("1-12", strings=("", "", "other"))
    link = sysfs.root / "dev/serial-by-id"
    link.symlink_to(sysfs.root / "dev/ttyUSB0")

    for path in (str(link), f"{sysfs.root}/dev/ttyUSB0", "usb:1-1"):
        port = port_at([path], sysfs.root)
        assert (port.paths, port.serial) == ((path,), COMPAC_F[2])
    assert port_at(["usb:1-12"], sysfs.root).serial == "other"
    assert port_at(["usb:1-13"], sysfs.root) == PortInfo(paths=("usb:1-13",))
    assert is_at(ports(sysfs.root)[0], "usb:1-1")


def test_a_device_that_vanishes_under_the_scan_does_no_harm(sysfs: UsbSysfs) -> None:
    sysfs.stick("1-1")
    shutil.rmtree(sysfs.root / "sys/devices/pci0000:00/usb1/1-1")
    assert ports(sysfs.root) == ()


# --- identity


def test_a_serial_number_is_an_identity_and_a_makers_default_is_none() -> None:
    stick = PortInfo(paths=("/dev/ttyUSB0", "usb:1-1"), vid=0x10C4, pid=0xEA60, serial="A1")
    elsewhere = PortInfo(paths=("/dev/ttyUSB7", "usb:3-4"), vid=0x10C4, pid=0xEA60, serial="A1")
    assert identity(stick) == identity(elsewhere)

    for serial in ("0001", ""):
        here, again, there = (
            PortInfo(paths=paths, vid=0x10C4, pid=0xEA60, serial=serial)
            for paths in (
                ("/dev/ttyUSB0", "usb:1-1"),
                ("/dev/ttyUSB9", "usb:1-1"),
                ("/dev/ttyUSB0", "usb:1-2"),
            )
        )
        assert identity(here) == identity(again)
        assert identity(here) != identity(there)
    assert identity(PortInfo(paths=("/dev/ttyS0",))) == ("/dev/ttyS0",)


# --- readiness and changes


@pytest.mark.parametrize(
    ("tty", "driver", "node", "ready"),
    [
        ("", "usbfs", True, True),  # a program has it, perhaps this one
        ("", "", True, False),  # its kernel driver may be about to bind
        ("", "usbfs", False, False),  # permissions are not set yet
        ("ttyUSB0", "ftdi_sio", False, True),  # the tty counts
    ],
)
def test_a_bridge_is_ready_when_its_kernel_driver_and_udev_are_done(
    sysfs: UsbSysfs, tty: str, driver: str, node: bool, ready: bool
) -> None:
    sysfs.stick("1-1", tty=tty, driver=driver, node=node)
    [found] = scan(sysfs.root)
    assert found.ready is ready


def test_without_udev_nobody_sets_permissions(tmp_path: Path) -> None:
    sysfs = UsbSysfs(tmp_path, udev=False)
    sysfs.stick("1-1", driver="usbfs")
    assert scan(sysfs.root)[0].ready


def test_driving_a_stick_directly_is_neither_removal_nor_addition(sysfs: UsbSysfs) -> None:
    changes = PortChanges()

    def events() -> list[str]:
        return [type(event).__name__ for event in changes.update(scan(sysfs.root), 0.0)]

    sysfs.stick("1-1", tty="ttyUSB0", driver="ftdi_sio")
    assert events() == ["PortAdded"]
    tty = sysfs.root / "sys/class/tty/ttyUSB0"
    away = sysfs.root / "taken away"
    tty.rename(away)
    assert seen(sysfs) == [("usb:1-1",)]
    assert events() == []
    away.rename(tty)
    assert events() == []
    sysfs.remove("1-1")
    assert events() == ["PortRemoved"]


def test_a_stick_whose_kernel_driver_comes_late_is_announced_anew(sysfs: UsbSysfs) -> None:
    changes = PortChanges()
    sysfs.stick("1-1")
    [bare] = scan(sysfs.root)
    assert changes.update([bare], 0.0) == []
    assert changes.update([bare], READY_WITHIN) == [PortAdded(port=bare.port)]

    served = PortInfo(paths=("/dev/ttyUSB0", "usb:1-1"), vid=1)
    whole = Found(port=served, attachment=bare.attachment, ready=True)
    assert changes.update([whole], 9.0) == [PortRemoved(port=bare.port), PortAdded(port=served)]


def test_the_same_place_after_a_replug_is_removed_and_added(sysfs: UsbSysfs) -> None:
    changes = PortChanges()
    sysfs.stick("1-1", driver="usbfs")
    changes.update(scan(sysfs.root), 0.0)
    sysfs.remove("1-1")
    sysfs.stick("1-1", driver="usbfs")

    events = changes.update(scan(sysfs.root), 1.0)

    assert [type(event) for event in events] == [PortRemoved, PortAdded]


@given(st.sets(st.sampled_from(["/dev/a", "/dev/b", "usb:1-1", "usb:1-2"])), st.booleans())
def test_a_device_is_still_the_same_only_at_its_place(paths: set[str], same: bool) -> None:
    known = PortInfo(paths=("/dev/a", "usb:1-1"), serial="x")
    now = PortInfo(paths=tuple(sorted(paths)), serial="x" if same else "y")
    expected = same and paths in ({"usb:1-1"}, {"/dev/a", "usb:1-1"})
    assert is_still(known, now) is expected


def test_udev_is_listened_to_for_ttys_and_usb_devices(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    filters: list[tuple[str, ...]] = []
    monitor = SimpleNamespace(filter_by=lambda *names: filters.append(names))
    (tmp_path / "run/udev").mkdir(parents=True)
    (tmp_path / "run/udev/control").touch()
    monkeypatch.setattr(hotplug, "Path", lambda path: tmp_path / path.lstrip("/"))
    monkeypatch.setattr("pyudev.Context", object)
    monkeypatch.setattr("pyudev.Monitor.from_netlink", lambda *_, source: monitor)

    assert udev_monitor() is monitor
    assert filters == [("tty",), ("usb", "usb_device")]


# --- without sysfs


def test_libusb_lists_bridges_only_and_opens_none_it_need_not() -> None:
    stick, board = ftdi_stick(), cdc_board(ports=(2, 1), strings=("OSMU", "Bitaxe", None))
    mouse = ftdi_stick(vid=0x046D, ports=(9,))

    found = libusb_ports(ScriptedBackend(stick, board, mouse))

    assert [port.paths for port in found] == [("usb:1-1",), ("usb:1-2.1",)]
    assert (found[0].manufacturer, found[0].product, found[0].serial) == COMPAC_F
    assert (found[1].product, found[1].serial) == ("Bitaxe", "")
    assert mouse.calls == []
    assert stick.handles == board.handles == set()


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EPIPE, errno.ENODEV])
def test_a_device_that_does_not_tell_its_strings_has_none(number: int) -> None:
    stick = cp2102_stick()
    stick.control_faults.extend([number] * 20)  # pyusb makes "no langid" of it, a ValueError

    [port] = libusb_ports(ScriptedBackend(stick))

    assert (port.manufacturer, port.product, port.serial) == ("", "", "")
    assert (port.vid, port.pid) == (0x10C4, 0xEA60)


def test_one_string_that_fails_does_not_cost_the_others() -> None:
    stick = ftdi_stick(strings=("GekkoScience", errno.EIO, "10051234"))
    [port] = libusb_ports(ScriptedBackend(stick))
    assert (port.manufacturer, port.product, port.serial) == ("GekkoScience", "", "10051234")


def test_without_libusb_there_are_no_usb_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(wanted_by: str) -> object:
        raise UsbLibraryMissingError(wanted_by, library="libusb", command="")

    monkeypatch.setattr(usb_device, "libusb", missing)
    assert libusb_ports() == ()


def test_without_sysfs_libusb_is_asked(tmp_path: Path) -> None:
    scanner = LibusbScanner(ScriptedBackend(ftdi_stick()))
    [found] = scan(tmp_path, without_sysfs=scanner)
    assert (found.port.paths, found.port.serial, found.ready) == (("usb:1-1",), "10051234", True)


def test_a_device_is_asked_for_its_strings_once_per_plug() -> None:
    stick, changes = ftdi_stick(), PortChanges()
    scanner = LibusbScanner(ScriptedBackend(stick))

    first = [changes.update(scanner(), 0.0) for _ in range(3)]
    assert [len(events) for events in first] == [1, 0, 0]
    assert stick.calls.count("open") == 1

    stick.plugged = False
    assert [type(event) for event in changes.update(scanner(), 1.0)] == [PortRemoved]
    stick.plugged, stick.address = True, 6
    assert [type(event) for event in changes.update(scanner(), 2.0)] == [PortAdded]
    assert stick.calls.count("open") == 2


def test_a_device_that_told_nothing_is_asked_again() -> None:
    stick, changes = ftdi_stick(), PortChanges()
    scanner = LibusbScanner(ScriptedBackend(stick))
    stick.control_faults.extend([errno.EACCES] * 20)
    changes.update(scanner(), 0.0)
    stick.control_faults.clear()

    events = changes.update(scanner(), 1.0)

    assert [type(event) for event in events] == [PortRemoved, PortAdded]
    assert events[1].port.serial == "10051234"


def test_the_machine_that_runs_this_can_be_scanned() -> None:
    for port in ports():
        assert port.paths
