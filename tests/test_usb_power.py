"""Hints about hubs without a supply, from trees of files as the kernel shows them."""

import json
from pathlib import Path

import pytest

from drivers import usb_discovery, usb_power
from drivers.api import PortInfo
from drivers.usb_power import power_hints
from stratum_client import cli
from stratum_client.doctor import Status
from stratum_client.doctor_ports import power_checks
from tests.test_usb_discovery import UsbSysfs

BUS, SUPPLIED = "a0", "e0"
"""What hubs say in bmAttributes: remote wake-up, and whether they have a supply of their own."""

THREE = (
    "3 sticks of 500 mA each on a hub (usb:1-1) that says it is bus-powered: 500 mA in all; "
    "use a powered hub, or lower frequencies"
)


class Hubs(UsbSysfs):
    """Sticks behind hubs."""

    def hub(self, place: str, attributes: str, *, speed: str = "480") -> None:
        self.plug(place, [], vid=0x05E3, pid=0x0608)
        self._say(place, bmAttributes=attributes, bMaxPower="100mA", speed=speed)

    def stick_on(self, hub: str, port: int, milliamperes: int = 500) -> PortInfo:
        place = f"{hub}.{port}"
        self.stick(place, strings=("GekkoScience", "CompacF Bitcoin Miner", f"1000{port}"))
        device = self.root / "sys/devices/pci0000:00/usb1" / place
        below = device.parent / hub / place
        device.rename(below)
        (self.bus / place).unlink()
        (self.bus / place).symlink_to(below)
        (below / "bMaxPower").write_text(f"{milliamperes}mA\n")
        return PortInfo(paths=(f"usb:{place}",))

    def _say(self, place: str, **values: str) -> None:
        for name, value in values.items():
            (self.root / "sys/devices/pci0000:00/usb1" / place / name).write_text(f"{value}\n")


@pytest.fixture
def sysfs(tmp_path: Path) -> Hubs:
    (tmp_path / "root").mkdir()
    return Hubs(tmp_path / "root")


def test_sticks_on_a_hub_without_a_supply_are_added_up(sysfs: Hubs) -> None:
    sysfs.hub("1-1", BUS)
    ports = [sysfs.stick_on("1-1", port) for port in (1, 2, 3)]

    assert power_hints(ports, sysfs.root) == [THREE]
    assert power_hints([*ports, *ports], sysfs.root) == [THREE]


@pytest.mark.parametrize(
    ("amounts", "said"),
    [((500,), "1 stick of 500 mA on"), ((500, 100), "2 sticks of up to 500 mA on")],
)
def test_one_stick_and_different_ones_are_told_as_such(
    sysfs: Hubs, amounts: tuple[int, ...], said: str
) -> None:
    sysfs.hub("1-1", BUS)
    ports = [sysfs.stick_on("1-1", port, amount) for port, amount in enumerate(amounts, 1)]

    [hint] = power_hints(ports, sysfs.root)
    assert hint.startswith(said)


def test_a_hub_is_judged_by_what_it_says_of_itself_only(sysfs: Hubs) -> None:
    sysfs.hub("1-1", SUPPLIED)
    sysfs.hub("1-2", BUS)
    sysfs.hub("1-3", "what?")
    sysfs.hub("1-4", BUS, speed="5000")
    enough = [
        *(sysfs.stick_on("1-1", port) for port in (1, 2, 3)),
        *(sysfs.stick_on("1-2", port, 100) for port in (1, 2, 3, 4)),
        *(sysfs.stick_on("1-3", port) for port in (1, 2)),
        sysfs.stick_on("1-4", 1),
    ]
    assert power_hints(enough, sysfs.root) == []

    [hint] = power_hints([*enough, sysfs.stick_on("1-4", 2)], sysfs.root)
    assert "usb:1-4" in hint
    assert "900 mA in all" in hint


def test_where_nothing_can_be_read_nothing_is_said(sysfs: Hubs) -> None:
    sysfs.stick("1-1")

    ports = [PortInfo(paths=("usb:1-1",)), PortInfo(paths=("/dev/ttyS0",)), PortInfo()]

    assert power_hints(ports, sysfs.root) == []
    assert power_hints(ports, sysfs.root / "nowhere") == []


def test_devices_and_doctor_show_the_hint(
    sysfs: Hubs, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sysfs.hub("1-1", BUS)
    for port in (1, 2, 3):
        sysfs.stick_on("1-1", port)
    ports = usb_discovery.ports
    monkeypatch.setattr(usb_discovery, "ports", lambda: ports(sysfs.root))
    monkeypatch.setattr(usb_power, "power_hints", lambda given: power_hints(given, sysfs.root))
    monkeypatch.setenv("HOME", str(sysfs.root))
    monkeypatch.chdir(sysfs.root)

    assert cli.main(["devices", "--json"]) == 0

    assert THREE in json.loads(capsys.readouterr().out)["problems"]
    [check] = power_checks([THREE])
    assert (check.name, check.status, check.text) == ("USB power", Status.WARNING, THREE)
