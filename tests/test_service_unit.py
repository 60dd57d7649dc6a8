"""The systemd unit: what it says, what systemd makes of it, and what is there to copy."""

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.config import Config, DeviceConfig
from stratum_client.config_curtail import ContactConfig, CurtailConfig
from stratum_client.service_program import program_words, unit_needs, unreachable
from stratum_client.service_steps import Machine, WriteFile, install_steps
from stratum_client.service_unit import (
    UnitNeeds,
    command_line,
    in_homes,
    nodes_beyond_usb,
    sysusers,
    unit,
)

ROOT = Path(__file__).parent.parent
ANALYZE = shutil.which("systemd-analyze")


def settings(text: str) -> dict[str, list[str]]:
    """Return the settings of a unit, each with its values in order; a reader of its own."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line and not line.startswith(("#", "[")):
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def test_the_unit_under_config_is_what_the_program_writes() -> None:
    assert (ROOT / "config/stratum-client.service").read_text() == unit()


def test_the_unit_notifies_is_watched_and_leaves_no_board_on() -> None:
    said = settings(unit())

    assert said["Type"] == ["notify"]
    assert said["WatchdogSec"] == ["60s"]
    assert said["Restart"] == ["on-failure"]
    assert said["KillMode"] == ["mixed"]
    assert shlex.split(said["ExecStopPost"][0])[1:3] == ["devices", "safe-off"]
    assert (said["StateDirectory"], said["StateDirectoryMode"]) == (["stratum-client"], ["0750"])
    assert said["SupplementaryGroups"] == ["dialout plugdev"]
    assert said["DeviceAllow"] == ["char-ttyUSB rw", "char-ttyACM rw", "char-usb_device rw"]
    assert said["ProtectHome"] == ["yes"]
    assert "ReadWritePaths" not in said


def test_a_program_in_a_home_is_shown_to_the_service_and_the_rest_of_the_home_is_not() -> None:
    venv = "/home/ann/.local/share/pipx/venvs/stratum-client"
    needs = UnitNeeds(program=(f"{venv}/bin/stratum-client",), bound=(venv,))

    said = settings(unit(needs))

    assert said["ProtectHome"] == ["tmpfs"]
    assert said["BindReadOnlyPaths"] == [venv]
    assert said["ExecStart"][0].startswith(f"{venv}/bin/stratum-client run --config /etc/")


def test_what_is_configured_beyond_usb_is_allowed_with_its_groups() -> None:
    devices = (
        DeviceConfig(name="a", driver="bm1366", port="/dev/ttyAMA0"),
        DeviceConfig(name="b", driver="bm1370", port="/dev/ttyUSB7+usb:1-1"),
        DeviceConfig(name="c", driver="piaxe", settings={"i2c_bus": "/dev/i2c-3"}),
    )
    needs = unit_needs(Config(devices=devices, state_dir=Path("/srv/miner")))

    said = settings(unit(needs))

    extra = ["/dev/ttyAMA0 rw", "/dev/gpiochip0 rw", "/dev/i2c-3 rw"]
    assert said["DeviceAllow"][3:] == extra
    assert said["ReadWritePaths"] == ["/srv/miner"]
    assert {"m stratum-client gpio", "m stratum-client i2c"} <= {
        *sysusers(needs.devices).splitlines()
    }
    assert "gpio" not in sysusers()


@pytest.mark.parametrize(
    ("file", "devices", "groups"),
    [
        ("/sys/class/gpio/gpio17/value", [], {"gpio"}),
        ("/dev/gpiochip9", ["/dev/gpiochip9 rw"], {"gpio"}),
        ("/run/contact", [], set()),
    ],
)
def test_a_contact_that_curtails_can_be_read_by_the_service(
    file: str, devices: list[str], groups: set[str]
) -> None:
    contact = ContactConfig(file=Path(file))
    needs = unit_needs(Config(curtail=CurtailConfig(contact=contact)), ("/opt/x",))

    said = settings(unit(needs))
    steps = install_steps(Machine(), needs, "", start=True)

    assert said["DeviceAllow"][3:] == devices
    [users] = [
        step.text for step in steps if isinstance(step, WriteFile) and "sysusers" in step.path
    ]
    assert {f"m stratum-client {group}" for group in groups} <= set(users.splitlines())
    assert ("gpio" in users) == bool(groups)
    assert unreachable(needs) == ""


@pytest.mark.parametrize("file", ["/tmp/contact", "/home/ann/contact", "/root/contact"])
def test_a_contact_that_the_service_would_not_see_is_refused(file: str) -> None:
    contact = ContactConfig(file=Path(file))
    needs = unit_needs(Config(curtail=CurtailConfig(contact=contact)), ("/opt/x",))

    assert f"curtail.contact: {file} is where the service sees nothing" in unreachable(needs)


def test_only_what_homes_hide_is_bound_and_nothing_twice() -> None:
    paths = ("/usr", "/homestead/x", "/home/a/venv", "/home/a/venv/lib", "/home/a/venv2", "/root/p")

    assert in_homes(paths) == ("/home/a/venv", "/home/a/venv2", "/root/p")
    assert nodes_beyond_usb(["/dev/ttyACM3", "/dev/ttyS0", "/dev/ttyS0"]) == ("/dev/ttyS0",)


def test_the_program_is_the_one_of_this_venv_else_the_one_that_was_called(tmp_path: Path) -> None:
    venv, called = tmp_path / "venv/bin/stratum-client", tmp_path / "bin/stratum-client"
    for path in (venv, called):
        path.parent.mkdir(parents=True)
        path.touch()

    assert program_words(str(tmp_path / "venv"), "/py", str(called)) == (str(venv),)
    assert program_words(str(tmp_path), "/py", str(venv)) == (str(called),)
    assert program_words("/nowhere", "/py", str(called)) == (str(called),)
    assert program_words("/nowhere", "/py", "/x/__main__.py") == ("/py", "-m", "stratum_client")


def test_a_program_among_temporary_files_is_refused_with_a_way_out() -> None:
    assert unreachable(UnitNeeds()) == ""
    assert "/opt/stratum-client" in unreachable(UnitNeeds(program=("/tmp/v/bin/stratum-client",)))


@given(st.lists(st.text("ab$%\"\\ '#;", min_size=1), min_size=1, max_size=4))
def test_words_are_quoted_as_systemd_reads_them(words: list[str]) -> None:
    line = command_line(words)

    doubled = line.replace("%%", "\0").replace("$$", "\1")
    assert not set(doubled) & {"%", "$"}
    read = [word.replace("\0", "%").replace("\1", "$") for word in shlex.split(doubled)]
    assert read == words


@pytest.mark.skipif(ANALYZE is None, reason="needs systemd-analyze of Debian's systemd")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    needs = UnitNeeds(
        program=("/bin/true",),
        bound=("/home/a b/50%",),
        devices=("/dev/gpiochip0",),
        writable=("/srv/x",),
    )
    path = tmp_path / "stratum-client.service"
    path.write_text(unit(needs))
    assert ANALYZE

    said = subprocess.run(
        [ANALYZE, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False
    )
    exposure = subprocess.run(
        [ANALYZE, "security", "--offline=yes", "--threshold=30", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (said.returncode, said.stderr) == (0, "")
    assert exposure.returncode == 0, exposure.stdout[-2000:]
