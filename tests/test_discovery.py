"""Discovery against trees of files as the kernel shows them."""

from pathlib import Path

import pytest

from drivers.api import PortInfo
from drivers.discovery import is_at, port_at, ports, scan
from tests.fake_sysfs import FakeSysfs


@pytest.fixture
def sysfs(tmp_path: Path) -> FakeSysfs:
    return FakeSysfs(tmp_path)


def names(sysfs: FakeSysfs) -> list[tuple[str, ...]]:
    prefix = f"{sysfs.root}/dev/"
    return [tuple(p.removeprefix(prefix) for p in port.paths) for port in ports(sysfs.root)]


def test_a_stick_is_found_with_all_it_says_of_itself(sysfs: FakeSysfs) -> None:
    sysfs.plug(
        "1-1.2",
        ["ttyUSB0"],
        vid=0x0403,
        pid=0x6015,
        strings=("GekkoScience", "CompacF Bitcoin Miner", "10051234"),
    )

    assert ports(sysfs.root) == (
        PortInfo(
            paths=(f"{sysfs.root}/dev/ttyUSB0",),
            vid=0x0403,
            pid=0x6015,
            manufacturer="GekkoScience",
            product="CompacF Bitcoin Miner",
            serial="10051234",
        ),
    )


@pytest.mark.parametrize(
    ("manufacturer", "ttys", "paths"),
    [
        # bitaxe-raw and emberOne: interfaces 0+1 control, 2+3 data
        ("OSMU", ["ttyACM9", "ttyACM10"], ("ttyACM10", "ttyACM9")),
        ("256F", ["ttyACM1", "ttyACM0"], ("ttyACM0", "ttyACM1")),
        # QAxe: data first, whatever the names
        ("", ["ttyACM0", "ttyACM1"], ("ttyACM0", "ttyACM1")),
        ("", ["ttyACM10", "ttyACM9"], ("ttyACM10", "ttyACM9")),
        # CP2105 of a Compac A1: data on interface 0, telemetry on interface 1
        ("Silicon Labs", ["ttyUSB4", "ttyUSB5"], ("ttyUSB4", "ttyUSB5")),
        # one tty only: there is nothing to reverse
        ("OSMU", ["ttyACM0"], ("ttyACM0",)),
    ],
)
def test_the_ttys_of_one_device_are_one_port_data_first(
    sysfs: FakeSysfs, manufacturer: str, ttys: list[str], paths: tuple[str, ...]
) -> None:
    sysfs.plug("1-1", ttys, strings=(manufacturer, "", ""))
    assert names(sysfs) == [paths]


def test_two_equal_boards_are_two_ports_in_the_order_of_their_numbers(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-2", ["ttyACM10", "ttyACM11"])
    sysfs.plug("1-1", ["ttyACM8", "ttyACM9"])
    sysfs.plug("1-3", ["ttyUSB0"])
    assert names(sysfs) == [("ttyACM8", "ttyACM9"), ("ttyACM10", "ttyACM11"), ("ttyUSB0",)]


def test_only_uarts_that_exist_are_ports_and_consoles_never(sysfs: FakeSysfs) -> None:
    sysfs.uart("ttyS0", kind=4)
    sysfs.uart("ttyS1", kind=0)
    sysfs.uart("ttyAMA0", kind=32)
    sysfs.console("tty1")

    assert names(sysfs) == [("ttyAMA0",), ("ttyS0",)]
    assert ports(sysfs.root)[0] == PortInfo(paths=(f"{sysfs.root}/dev/ttyAMA0",))


def test_a_device_without_strings_has_empty_ones(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-1", ["ttyUSB0"], vid=0x10C4, pid=0xEA60)
    [port] = ports(sysfs.root)
    assert (port.manufacturer, port.product, port.serial) == ("", "", "")


def test_strings_that_are_no_text_do_no_harm(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-1", ["ttyUSB0"], strings=("x", "y", "z"))
    device = sysfs.root / "sys/devices/pci0000:00/usb1/1-1"
    (device / "serial").write_bytes(b"\xff\xfe42\n")
    (device / "idVendor").write_text("not a number")

    [port] = ports(sysfs.root)

    assert port.serial == "\ufffd\ufffd42"
    assert port.vid == 0


def test_nothing_is_found_where_there_is_no_sysfs(tmp_path: Path) -> None:
    assert ports(tmp_path) == ()


def test_the_machine_that_runs_this_can_be_scanned() -> None:
    for port in ports():
        assert all(path.startswith("/dev/tty") for path in port.paths)


@pytest.mark.parametrize("udev", [True, False])
def test_a_port_is_ready_when_all_interfaces_are_there_and_udev_is_done(
    tmp_path: Path, udev: bool
) -> None:
    sysfs = FakeSysfs(tmp_path, udev=udev)
    sysfs.plug("1-1", ["ttyACM0"], interfaces=4)
    sysfs.plug("1-2", ["ttyACM2", "ttyACM3"], interfaces=4, ready=False)

    def ready() -> list[bool]:
        return [found.ready for found in scan(sysfs.root)]

    assert ready() == [False, not udev]
    sysfs.set_up("ttyACM2")
    assert ready() == [False, not udev]
    sysfs.set_up("ttyACM3")
    assert ready() == [False, True]


def test_plugging_in_again_is_another_attachment(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-1", ["ttyUSB0"])
    [before] = scan(sysfs.root)
    sysfs.unplug("1-1")
    assert scan(sysfs.root) == ()
    sysfs.plug("1-1", ["ttyUSB0"])
    [after] = scan(sysfs.root)

    assert before.port == after.port
    assert before.attachment != after.attachment


def test_a_port_is_known_by_its_id_link_and_keeps_that_name(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-1", ["ttyACM0", "ttyACM1"], strings=("OSMU", "Bitaxe", "1a2b3c4d"))
    by_id = sysfs.root / "dev/serial/by-id"
    by_id.mkdir(parents=True)
    data = by_id / "usb-OSMU_Bitaxe_1a2b3c4d-if02"
    data.symlink_to("../../ttyACM1")

    port = port_at([str(data)], sysfs.root)

    assert port.paths == (str(data),)
    assert (port.product, port.serial) == ("Bitaxe", "1a2b3c4d")
    [scanned] = ports(sysfs.root)
    assert is_at(scanned, str(data))
    assert is_at(port, f"{sysfs.root}/dev/ttyACM1")
    assert not is_at(port, f"{sysfs.root}/dev/ttyACM0")


def test_of_an_unknown_port_only_the_paths_are_known(sysfs: FakeSysfs) -> None:
    sysfs.plug("1-1", ["ttyACM0"])
    assert port_at(["/dev/pts/5", "/dev/pts/6"], sysfs.root) == PortInfo(
        paths=("/dev/pts/5", "/dev/pts/6")
    )
