"""The udev rules, as a reader of their own applies them: to miners, and to nobody else's device."""

import re
import shutil
import subprocess
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import PortInfo
from drivers.transports.emulated_usb.identities import CABLES, STICKS, UsbIdentity
from stratum_client.udev_rules import covers, rules

ROOT = Path(__file__).parent.parent


class Udev:
    """Applies a rules file to one USB device, as udev does: a reader of its own."""

    def __init__(self, text: str) -> None:
        joined = (line.strip() for line in text.splitlines())
        self.rules = [self._tokens(line) for line in joined if line and not line.startswith("#")]

    def _tokens(self, line: str) -> list[tuple[str, str, str]]:
        token = re.compile(r'([A-Z]+(?:\{\w+\})?)(==|!=|\+=|=)"([^"]*)"(?:, |$)')
        found = list(token.finditer(line))
        assert "".join(one[0] for one in found) == line, f"not a rule: {line}"
        return [(one[1], one[2], one[3]) for one in found]

    def applied(self, properties: dict[str, str]) -> dict[str, str]:
        """Return what is assigned to a device with these properties."""
        assigned: dict[str, str] = {}
        wanted = ""
        for rule in self.rules:
            labels = [value for key, _, value in rule if key == "LABEL"]
            if wanted and wanted not in labels:
                continue
            wanted = ""
            for key, operator, value in rule:
                if operator in {"==", "!="}:
                    fits = any(fnmatchcase(properties.get(key, ""), v) for v in value.split("|"))
                    if fits != (operator == "=="):
                        break
                elif key == "GOTO":
                    wanted = value
                elif key != "LABEL":
                    assigned[key] = value
        assert not wanted, f"no label {wanted}"
        return assigned


def usb_properties(port: PortInfo, subsystem: str = "usb") -> dict[str, str]:
    return {
        "ACTION": "add",
        "SUBSYSTEM": subsystem,
        "ENV{DEVTYPE}": "usb_device",
        "ATTRS{idVendor}": f"{port.vid:04x}",
        "ATTRS{idProduct}": f"{port.pid:04x}",
        "ATTRS{manufacturer}": port.manufacturer,
        "ATTRS{product}": port.product,
    }


def port_of(identity: UsbIdentity) -> PortInfo:
    return PortInfo(
        vid=identity.vid,
        pid=identity.pid,
        manufacturer=identity.manufacturer,
        product=identity.product,
    )


UDEV = Udev(rules())
NAMELESS = {"antminer-u3", "rbox", "icarus", "lancelot"}
"""Sticks that show nothing but their bridge's own strings."""


def test_the_rules_file_is_what_doctor_prints() -> None:
    assert (ROOT / "config/70-miners.rules").read_text() == rules()


@pytest.mark.parametrize("name", sorted(STICKS.keys() - NAMELESS))
def test_every_stick_that_says_what_it_is_may_be_opened(name: str) -> None:
    port = port_of(STICKS[name])

    by_usb, by_tty = (UDEV.applied(usb_properties(port, kind)) for kind in ("usb", "tty"))

    shared = {"MODE": "0660", "TAG": "uaccess", "ENV{ID_MM_DEVICE_IGNORE}": "1"}
    assert by_usb == shared | {"GROUP": "plugdev"}
    assert by_tty == shared | {"GROUP": "dialout"}
    assert covers(port)


@pytest.mark.parametrize(
    "port",
    [
        PortInfo(vid=0xC0DE, pid=0xCAFE, manufacturer="OSMU", product="Bitaxe"),
        PortInfo(vid=0xC0DE, pid=0xB17D, manufacturer="OSMU", product="BitaxeBonanza"),
        PortInfo(vid=0x1209, pid=0x256F, manufacturer="256F", product="EmberOne00"),
        PortInfo(vid=0x10C4, pid=0xEA60, manufacturer="bitshopperde", product="Compac"),
    ],
)
def test_boards_with_names_of_their_own_may_be_opened(port: PortInfo) -> None:
    assert UDEV.applied(usb_properties(port))["TAG"] == "uaccess"
    assert covers(port)


@pytest.mark.parametrize("name", sorted(NAMELESS))
@pytest.mark.parametrize("subsystem", ["usb", "tty"])
def test_a_stick_with_its_bridges_strings_is_not_touched(name: str, subsystem: str) -> None:
    assert UDEV.applied(usb_properties(port_of(STICKS[name]), subsystem)) == {}
    assert not covers(port_of(STICKS[name]))


@pytest.mark.parametrize("name", sorted(CABLES))
def test_somebody_elses_cable_is_not_touched(name: str) -> None:
    assert UDEV.applied(usb_properties(port_of(CABLES[name]))) == {}
    assert not covers(port_of(CABLES[name]))


@pytest.mark.parametrize(
    "change",
    [{"ACTION": "remove"}, {"SUBSYSTEM": "net"}, {"ENV{DEVTYPE}": "usb_interface"}],
)
def test_rules_are_for_nodes_that_are_there(change: dict[str, str]) -> None:
    properties = usb_properties(port_of(STICKS["compac-f"])) | change

    assert UDEV.applied(properties) == {}


@given(st.builds(PortInfo, manufacturer=st.text(), product=st.text()), st.sampled_from([*STICKS]))
def test_the_rules_and_our_reading_of_them_agree(strings: PortInfo, name: str) -> None:
    ids = STICKS[name]
    port = replace(strings, vid=ids.vid, pid=ids.pid)

    assert bool(UDEV.applied(usb_properties(port))) == covers(port)


def test_udev_itself_accepts_the_rules(tmp_path: Path) -> None:
    udevadm = shutil.which("udevadm")
    if not udevadm:
        pytest.skip("there is no udev here")
    asked = subprocess.run([udevadm, "verify", "--help"], capture_output=True, check=False)
    if asked.returncode:
        pytest.skip("this udevadm cannot verify rules: it came with systemd 254")
    path = tmp_path / "70-miners.rules"
    path.write_text(rules())
    # Names are resolved when rules are verified; the groups need not exist on this machine.
    done = subprocess.run(
        [udevadm, "verify", "--resolve-names=never", path],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
