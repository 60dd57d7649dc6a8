"""What doctor finds out about machines: made-up ones, and a little of this one."""

import ctypes
import os
import struct
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest

from drivers.api import PortInfo
from stratum_client import doctor_facts
from stratum_client.config import DeviceConfig, DeviceMatch
from stratum_client.doctor import (
    Status,
    state_check,
)
from stratum_client.doctor_ports import PortFacts
from stratum_client.state_lock import lock_state_dir
from stratum_client.udev_rules import rules
from tests.test_usb_discovery import COMPAC_F, UsbSysfs

ROOT = Path(__file__).parent.parent


@pytest.fixture
def machine(tmp_path: Path) -> UsbSysfs:
    (tmp_path / "root").mkdir()
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/locks").touch()
    return UsbSysfs(tmp_path / "root")


def facts_on(machine: UsbSysfs, *devices: DeviceConfig) -> list[PortFacts]:
    return doctor_facts.port_facts(devices, machine.root, machine.root.parent / "proc")


def test_a_stick_is_found_with_its_kernel_driver_power_and_nodes(machine: UsbSysfs) -> None:
    machine.stick("1-1.2", tty="ttyUSB0")
    device = machine.root / "sys/devices/pci0000:00/usb1/1-1.2"
    drivers = machine.root / "sys/bus/usb/drivers/ftdi_sio"
    drivers.mkdir(parents=True)
    (device / "1-1.2:1.0/driver").symlink_to(drivers)
    (device / "bMaxPower").write_text("500mA\n")
    (device / "busnum").write_text("1\n")
    (device.parent / "bmAttributes").write_text("a0\n")
    node = machine.root / "dev/bus/usb/001/001"
    node.parent.mkdir(parents=True)
    node.touch()

    [facts] = facts_on(machine)

    assert facts.port.product == COMPAC_F[1]
    assert facts.kernel_drivers == ("ftdi_sio",)
    assert (facts.milliamperes, facts.hub_has_power) == (500, False)
    assert [one.path for one in facts.nodes] == [f"{machine.root}/dev/ttyUSB0", str(node)]
    assert all(one.may_open for one in facts.nodes)
    assert (facts.has_rule, facts.module) == (True, "ftdi_sio")


def test_the_computers_own_hub_has_power(machine: UsbSysfs) -> None:
    machine.stick("1-1")
    (machine.root / "sys/devices/pci0000:00/usb1/bmAttributes").write_text("e0\n")

    [facts] = facts_on(machine)

    assert facts.hub_has_power


def test_ids_that_miners_share_make_a_port_a_possible_miner(machine: UsbSysfs) -> None:
    machine.stick("1-1", ids=(0x10C4, 0xEA60), strings=("Silicon Labs", "CP2102", "0001"))

    [facts] = facts_on(machine)

    assert not facts.is_sure
    assert {"antminer-u3", "block-erupter", "rbox"} <= set(facts.could_be)
    assert facts.concerns_us


def test_a_strangers_device_is_none_of_our_business(machine: UsbSysfs) -> None:
    machine.plug("1-1", ["ttyACM0"], vid=0x2341, pid=0x0043, strings=("Arduino", "Uno", "1"))
    machine.uart("ttyS0", 4)

    assert not any(facts.concerns_us for facts in facts_on(machine))


def test_a_uart_that_is_configured_is_our_business(machine: UsbSysfs) -> None:
    machine.uart("ttyS0", 4)
    device = DeviceConfig(driver="bm1366", port=f"{machine.root}/dev/ttyS0")

    [facts] = facts_on(machine, device)

    assert facts.devices == (device,)


def test_a_board_is_told_by_its_driver_or_has_candidates(machine: UsbSysfs) -> None:
    machine.plug("1-1", ["ttyACM0", "ttyACM1"], strings=("256F", "EmberOne00", "e1"))
    machine.stick("1-2", ids=(0x10C4, 0xEA60), strings=("Bitmain", "Antminer", "1"))

    ember, antminer = facts_on(machine)

    assert (ember.driver, ember.has_rule) == ("emberone-00", True)
    assert (antminer.driver, antminer.candidates) == ("", ("antminer-u1", "antminer-u2"))


def test_configured_devices_that_are_not_plugged_in_are_found_out(tmp_path: Path) -> None:
    here = DeviceConfig(name="here", driver="bm1366", port=str(tmp_path))
    devices = (
        here,
        DeviceConfig(name="gone", driver="bm1366", port=f"{tmp_path}/ttyUSB7"),
        DeviceConfig(name="lost", match=DeviceMatch(serial="123")),
        DeviceConfig(name="play", driver="emulated:bm1366"),
        DeviceConfig(name="cpu", driver="cpu"),
    )

    absent = doctor_facts.absent_devices(devices, [PortFacts(port=PortInfo(), devices=(here,))])

    assert absent == [f"gone ({tmp_path}/ttyUSB7)", "lost (by its match)"]


def test_who_has_the_state_directory_is_seen_without_taking_its_lock(tmp_path: Path) -> None:
    path = tmp_path / "state"
    assert not doctor_facts.state_facts(path).exists
    assert not path.exists()

    with lock_state_dir(path, now=0.0):
        held = doctor_facts.state_facts(path)
    left = doctor_facts.state_facts(path)

    assert held.holders == (f"{os.getpid()} (this very program)",)
    assert (left.holders, left.exists, left.is_usable) == ((), True, True)
    assert left.free


def test_a_file_in_the_way_of_the_state_directory_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    facts = doctor_facts.state_facts(tmp_path / "file/state")

    assert state_check(facts).status is Status.FAIL
    assert "is a file" in facts.problem


def test_packages_of_extras_are_looked_for_one_by_one() -> None:
    required = [
        "pyserial>=3.5",
        'gpiod>=2.0; extra == "gpio"',
        "aiohttp>=3 ; extra == 'web'",
        'python-socks[asyncio]>=2; sys_platform == "linux" and extra == "proxy"',
        'pytest>=8; extra == "dev"',
    ]

    def version(package: str) -> str:
        if package == "aiohttp":
            return "3.9"
        raise PackageNotFoundError(package)

    def unknown() -> list[str]:
        raise PackageNotFoundError("stratum-client")

    missing = doctor_facts.missing_extras(lambda: required, version)
    assert missing == {"gpio": ("gpiod",), "proxy": ("python-socks",)}
    assert doctor_facts.missing_extras(unknown) is None


def test_the_extras_of_the_project_are_understood() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project["optional-dependencies"]
    required = [f'{p}; extra == "{extra}"' for extra in optional for p in optional[extra]]

    def version(package: str) -> str:
        raise PackageNotFoundError(package)

    missing = doctor_facts.missing_extras(lambda: required, version)

    assert missing is not None
    assert missing.keys() == optional.keys() - {"dev"}


def test_pip_is_called_where_this_program_lives() -> None:
    assert doctor_facts.pip_command("/venv", "/usr") == f"{sys.executable} -m pip install"
    system = doctor_facts.pip_command("/usr", "/usr", is_managed=False)
    assert system.endswith("pip install --user")
    debian = doctor_facts.pip_command("/usr", "/usr", is_managed=True)
    assert debian.endswith("pip install --user --break-system-packages")
    pipx = doctor_facts.pip_command("/home/me/.local/share/pipx/venvs/stratum-client", "/usr")
    assert pipx == "pipx runpip stratum-client install"


def test_libraries_are_really_imported() -> None:
    assert doctor_facts.import_problem("json") == ""
    assert doctor_facts.import_problem("no_such_library_anywhere") == "not installed"


def test_installed_rules_are_those_that_udev_reads(tmp_path: Path) -> None:
    assert not doctor_facts.are_rules_installed(tmp_path)

    def put(folder: str, text: str) -> None:
        path = tmp_path / folder / "udev/rules.d/70-miners.rules"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    put("usr/lib", rules())
    assert doctor_facts.are_rules_installed(tmp_path)

    put("etc", "# old\n")
    assert not doctor_facts.are_rules_installed(tmp_path)


@pytest.mark.parametrize(
    ("state", "status", "synchronized"),
    [(0, 0x2001, True), (5, 0x41, False), (0, 0x40, False), (5, 0, False), (-1, 0, None)],
)
def test_the_kernel_tells_whether_the_clock_is_synchronised(
    state: int, status: int, synchronized: bool | None
) -> None:
    def adjtimex(pointer: Any) -> int:
        # modes, offset, freq, maxerror, esterror, status, as C lays them out here
        address = ctypes.addressof(pointer._obj)
        assert ctypes.string_at(address, 4) == bytes(4), "that would set the clock"
        told = struct.pack("@Illlli", 0, 1, 2, 3, 4, status)
        ctypes.memmove(address, told, len(told))
        return state

    assert doctor_facts.is_clock_synchronized(adjtimex) is synchronized


def test_a_system_without_such_a_call_leaves_it_open() -> None:
    def missing(_: object) -> int:
        raise AttributeError

    assert doctor_facts.is_clock_synchronized(missing) is None
    assert doctor_facts.is_clock_synchronized() in {True, False, None}
