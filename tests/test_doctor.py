"""`stratum-client doctor`: each check from given facts, the facts of made-up machines, the verb."""

import asyncio
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.api import PortInfo
from drivers.transports.emulated_usb.identities import CABLES, STICKS, UsbIdentity
from drivers.transports.usb_errors import UDEV_COMMAND
from stratum_client import doctor_facts
from stratum_client.config import DeviceConfig, DeviceMatch, PoolConfig
from stratum_client.config_arguments import PoolArguments, with_arguments
from stratum_client.doctor import (
    EARLIEST,
    Check,
    ClockFacts,
    ConfigFacts,
    StateFacts,
    Status,
    clock_check,
    config_check,
    drivers_check,
    extras_check,
    has_failed,
    kernels_check,
    library_check,
    lines,
    python_check,
    state_check,
)
from stratum_client.doctor_pools import PoolFacts, pool_checks, pool_facts
from stratum_client.doctor_ports import NodeFacts, PortFacts, absent_checks, port_checks
from stratum_client.errors import AuthorizationError, ConfigError, ConnectError
from stratum_client.pool_probe import ProbeReport
from stratum_client.state_lock import lock_state_dir
from stratum_client.udev_rules import covers, rules
from tests.processes import Running, pool, running, said
from tests.test_usb_discovery import COMPAC_F, UsbSysfs

ROOT = Path(__file__).parent.parent
PIP = "/venv/bin/python -m pip install"
LINE = re.compile(r"(ok     |warning|FAIL   )  \S.*\S")


# --- one check, from facts ---


def test_python_is_judged_by_its_version() -> None:
    assert python_check((3, 11, 0)) == Check(name="python", text="3.11.0")

    old = python_check((3, 9, 2))
    assert (old.status, old.fix) == (Status.FAIL, "sudo apt install python3.11 python3.11-venv")


def test_the_quickest_kernel_is_named_first() -> None:
    check = kernels_check("avx2", ["avx2", "portable", "hashlib"], {"sha-ni": "no such CPU"}, PIP)

    assert check.status is Status.OK
    assert check.text == "avx2 is the quickest; also portable, hashlib"


def test_a_missing_extension_is_built_by_two_commands() -> None:
    reason = "the C extension is not built (no module); for the fast kernels: gcc"
    check = kernels_check("hashlib", ["hashlib"], {"portable": reason, "avx2": reason}, PIP)

    assert check.status is Status.WARNING
    assert check.text.endswith("slow: the C extension is not built (no module)")
    assert check.fix.startswith(f"sudo apt install gcc python3-dev && {PIP} --force-reinstall")


def test_a_missing_library_fails_only_if_nothing_works_without_it() -> None:
    def of(problem: str, *, is_core: bool) -> Check:
        return library_check("x", problem, f"{PIP} x", needed_for="y", is_core=is_core)

    assert of("", is_core=True) == Check(name="x", text="can be used")
    assert of("not installed", is_core=False) == Check(
        name="x", status=Status.WARNING, text="not installed; needed for y", fix=f"{PIP} x"
    )
    assert of("not installed", is_core=True).status is Status.FAIL


def test_missing_extras_are_named_with_one_command_and_are_no_fault() -> None:
    assert extras_check({}, PIP).fix == ""
    assert extras_check(None, PIP).status is Status.OK

    check = extras_check({"web": ("aiohttp",), "gpio": ("gpiod",)}, PIP)
    assert check.status is Status.OK
    assert "gpio (gpiod), web (aiohttp)" in check.text
    assert check.fix == f"{PIP} 'stratum-client[gpio,web]'"


def test_drivers_that_cannot_be_loaded_are_warned_of() -> None:
    assert drivers_check([], PIP).status is Status.OK
    assert drivers_check(["acme: broken"], PIP).text == "acme: broken"
    assert drivers_check(["acme: broken"], PIP).status is Status.WARNING


def test_a_configuration_is_valid_missing_or_opened_where_it_is_wrong() -> None:
    path = Path("/etc/sc.toml")
    assert config_check(ConfigFacts()).status is Status.OK
    assert config_check(ConfigFacts(path=path, pools=2)).text.startswith("/etc/sc.toml: valid")

    warned = config_check(ConfigFacts(path=path, warnings=("password is in the open",)))
    assert warned.status is Status.WARNING
    assert "password is in the open" in warned.text

    def fix(where: str, problem: str) -> str:
        check = config_check(ConfigFacts(path=path, error=ConfigError(where, problem)))
        assert check.status is Status.FAIL
        return check.fix

    assert fix("/etc/my sc.toml:7", "no such key") == "${EDITOR:-nano} +7 '/etc/my sc.toml'"
    assert "setfacl" in fix("/etc/sc.toml", "cannot be read: Permission denied")
    assert fix("/etc/sc.toml", "cannot be read: No such file or directory") == "ls -l /etc/sc.toml"
    assert fix("SC_RIG_NAME", "is empty") == "env | grep ^SC_"


def test_a_state_directory_in_use_is_a_note_and_names_the_holder() -> None:
    check = state_check(StateFacts(path=Path("/s"), exists=True, holders=("7 (stratum-client)",)))

    assert check.status is Status.OK
    assert "process 7 (stratum-client)" in check.text


@pytest.mark.parametrize(
    ("facts", "status", "text", "fix"),
    [
        (StateFacts(path=None, problem="no home"), Status.FAIL, "no home", "SC_STATE_DIR"),
        (StateFacts(path=Path("/s"), exists=True), Status.OK, "can be used", ""),
        (StateFacts(path=Path("/s")), Status.OK, "first start", ""),
        (StateFacts(path=Path("/s"), is_usable=False), Status.FAIL, "cannot write", "install -d"),
        (StateFacts(path=Path("/s"), problem="/s is a file"), Status.FAIL, "is a file", "/s"),
        (StateFacts(path=Path("/s"), free=9 << 20), Status.WARNING, "9 MiB", "vacuum"),
        (StateFacts(path=Path("/s"), free=9 << 30), Status.OK, "first start", ""),
    ],
)
def test_a_state_directory_is_judged(
    facts: StateFacts, status: Status, text: str, fix: str
) -> None:
    check = state_check(facts)

    assert check.status is status
    assert text in check.text
    assert fix in check.fix


@pytest.mark.parametrize(
    ("wall", "synchronized", "status"),
    [
        (EARLIEST + 1, True, Status.OK),
        (EARLIEST + 1, False, Status.WARNING),
        (EARLIEST + 1, None, Status.WARNING),
        (0, True, Status.FAIL),
        (5e9, True, Status.FAIL),
    ],
)
def test_a_clock_must_be_plausible_and_should_be_synchronised(
    wall: float, synchronized: bool | None, status: Status
) -> None:
    check = clock_check(ClockFacts(wall=wall, shown="then", is_synchronized=synchronized))

    assert check.status is status
    assert check.fix == ("" if status is Status.OK else "sudo timedatectl set-ntp true")


# --- how checks are shown ---


def test_lines_have_columns_and_the_command_last() -> None:
    shown = lines(
        [
            Check(name="clock", text="fine"),
            Check(name="long name", status=Status.FAIL, text="bad", fix="do it"),
        ]
    )

    assert shown == ["ok       clock      fine", "FAIL     long name  bad; run: do it"]
    assert lines([]) == []


@given(st.text(), st.text(), st.sampled_from(Status))
def test_any_text_makes_one_harmless_line(name: str, text: str, status: Status) -> None:
    [line] = lines([Check(name=name, status=status, text=text)])

    assert line.isprintable()
    assert line.startswith(f"{status:<7}  ")


def test_colours_are_for_the_status_alone() -> None:
    [line] = lines([Check(name="a", status=Status.FAIL, text="b")], colours=True)

    assert line == "\x1b[1;31mFAIL   \x1b[0m  a  b"


def test_only_a_failure_fails() -> None:
    warning = Check(name="a", status=Status.WARNING, text="")

    assert not has_failed([Check(name="a", text=""), warning])
    assert has_failed([warning, replace(warning, status=Status.FAIL)])


# --- ports, from facts ---

STICK = PortInfo(
    paths=("/dev/ttyUSB0", "usb:1-1"), vid=0x0403, pid=0x6015, product="CompacF Bitcoin Miner"
)
CABLE = replace(STICK, vid=0x10C4, pid=0xEA60, product="CP2102")
TTY = NodeFacts(path="/dev/ttyUSB0", group="dialout")
USB = NodeFacts(path="/dev/bus/usb/001/002", group="root")
MINER = PortFacts(port=STICK, driver="compac-f", nodes=(TTY, USB), has_rule=True)
PERHAPS = PortFacts(port=CABLE, could_be=("antminer-u3", "rbox"), nodes=(TTY,))


def port_check(facts: PortFacts, *, installed: bool = False) -> Check:
    [check] = port_checks([facts], ours=frozenset({4711}), rules_installed=installed)
    return check


def test_a_miner_that_may_be_opened_is_fine() -> None:
    check = port_check(replace(MINER, kernel_drivers=("ftdi_sio",)))

    assert check.status is Status.OK
    assert check.name == "port /dev/ttyUSB0"
    assert check.text == (
        "compac-f CompacF Bitcoin Miner 0403:6015: may be opened, kernel driver ftdi_sio"
    )


def test_without_any_miner_a_demo_is_offered() -> None:
    stranger = PortFacts(port=replace(STICK, vid=0x1234))

    [check] = port_checks([stranger])

    assert check.status is Status.WARNING
    assert check.fix == "stratum-client demo"


def denied(facts: PortFacts, **changes: str) -> PortFacts:
    first, *others = facts.nodes
    node = NodeFacts(path=first.path, may_open=False, group=changes.get("group", first.group))
    return replace(facts, nodes=(node, *others))


def test_a_miner_without_permission_fails_with_the_udev_rules() -> None:
    check = port_check(denied(MINER))

    assert check.status is Status.FAIL
    assert "/dev/ttyUSB0: permission denied" in check.text
    assert check.fix == UDEV_COMMAND


def test_with_the_rules_in_place_it_is_the_group_that_is_missing() -> None:
    check = port_check(denied(MINER), installed=True)
    assert check.fix.startswith('sudo usermod -aG dialout "$(id -un)"')

    stale = port_check(denied(MINER, group="root"), installed=True)
    assert stale.fix.startswith("sudo udevadm control --reload")


def test_what_no_rule_speaks_of_needs_its_group_or_a_grant_of_its_own() -> None:
    device = DeviceConfig(driver="bm1366", port="/dev/ttyS0")
    uart = PortFacts(port=PortInfo(paths=("/dev/ttyS0",)), devices=(device,), nodes=(TTY,))

    assert "usermod -aG dialout" in port_check(denied(uart)).fix
    assert "setfacl" in port_check(denied(uart, group="root")).fix
    assert port_check(denied(uart)).status is Status.FAIL
    assert port_check(uart).text == "bm1366 a UART: may be opened"


def test_a_miner_whose_tty_opens_but_whose_usb_node_does_not_is_a_warning() -> None:
    closed = replace(USB, may_open=False)
    check = port_check(replace(MINER, nodes=(TTY, closed)))

    assert check.status is Status.WARNING
    assert "/dev/bus/usb/001/002: permission denied" in check.text


def test_what_could_be_anything_never_fails() -> None:
    check = port_check(denied(PERHAPS))
    assert check.status is Status.WARNING
    assert "could be antminer-u3 or rbox" in check.text

    held = port_check(replace(PERHAPS, nodes=(replace(TTY, holders=("8 (minicom)",)),)))
    assert held.status is Status.WARNING


@pytest.mark.parametrize(
    ("holder", "fix"),
    [
        ("99 (minicom)", "kill 99"),
        ("99 (ModemManager)", "sudo systemctl disable --now ModemManager"),
        ("99 (brltty)", "sudo apt remove brltty"),
    ],
)
def test_who_holds_a_port_is_named_with_the_way_to_be_rid_of_him(holder: str, fix: str) -> None:
    check = port_check(replace(MINER, nodes=(replace(TTY, holders=(holder,)),)))

    assert check.status is Status.FAIL
    assert holder in check.text
    assert check.fix == fix


def test_our_own_daemon_may_hold_a_port() -> None:
    held = replace(TTY, holders=("4711 (stratum-client)",))
    check = port_check(replace(MINER, nodes=(held, USB)))

    assert check.status is Status.OK
    assert "mined with by our daemon" in check.text


def test_a_bridge_without_kernel_driver_names_the_module() -> None:
    bare = replace(STICK, paths=("usb:1-1",))
    check = port_check(replace(MINER, port=bare, nodes=(USB,), module="ftdi_sio"))
    assert check.status is Status.WARNING
    assert check.fix == "sudo modprobe ftdi_sio"

    taken = replace(MINER, port=bare, module="ftdi_sio", kernel_drivers=("usbfs",))
    assert port_check(taken).status is Status.OK


def test_an_unclaimed_port_comes_with_the_line_that_claims_it() -> None:
    check = port_check(PERHAPS)
    assert check.status is Status.WARNING
    assert check.fix == "stratum-client run --device antminer-u3@/dev/ttyUSB0"

    bare = replace(PERHAPS, port=replace(CABLE, paths=("usb:1-1",)))
    assert port_check(bare).fix == "stratum-client run --device antminer-u3@usb:1-1"

    several = replace(MINER, driver="", candidates=("bitaxe-ultra", "bitaxe-gamma"))
    assert "say which" in port_check(several).text
    assert port_check(several).fix.endswith("bitaxe-ultra@/dev/ttyUSB0")


def test_a_miner_that_no_driver_knows_is_said_to_be_one() -> None:
    check = port_check(replace(MINER, driver=""))

    assert check.status is Status.WARNING
    assert check.fix == "stratum-client devices --supported"


def test_a_hub_without_supply_is_too_weak_for_a_stick() -> None:
    weak = replace(MINER, milliamperes=500, hub_has_power=False)

    assert port_check(weak).status is Status.WARNING
    assert "500 mA" in port_check(weak).text
    assert port_check(replace(weak, hub_has_power=True)).status is Status.OK
    assert port_check(replace(weak, milliamperes=100)).status is Status.OK


def test_a_configured_device_that_is_not_there_is_warned_of() -> None:
    [check] = absent_checks(["left (/dev/ttyUSB7)"])

    assert check.status is Status.WARNING
    assert "left (/dev/ttyUSB7) is configured" in check.text


# --- pools ---


def pool_config(url: str = "stratum+tcp://pool.example:3333") -> PoolConfig:
    arguments = [PoolArguments(url=url, user="account.rig", password="secret-word")]
    [made] = with_arguments(None, pools=arguments, environ={}).pools
    return made


REPORT = ProbeReport(
    connect_seconds=0.0124,
    round_trip=0.0301,
    extensions=None,
    subscription=None,
    authorized=True,
    difficulty=512.0,
    job=None,
    coinbase=None,
    messages=(),
    error=None,
)


def test_without_a_pool_it_says_how_to_try_one() -> None:
    [check] = pool_checks([])

    assert check.status is Status.OK
    assert check.fix.startswith("stratum-client doctor --pool")


def test_a_pool_that_works_is_shown_with_its_times() -> None:
    name, session = pool_checks(
        [PoolFacts(pool=pool_config(), addresses=("10.0.0.1", "10.0.0.2", "::1"), report=REPORT)]
    )

    assert name.text == "pool.example is 10.0.0.1, 10.0.0.2 and 1 more"
    assert session.status is Status.OK
    assert "connected in 12 ms, answered in 30 ms, logged in, difficulty 512" in session.text


def test_an_unknown_host_fails_before_anybody_is_dialled() -> None:
    async def unknown(host: str, port: int) -> tuple[str, ...]:
        raise OSError(-2, "Name or service not known")

    async def never(config: PoolConfig) -> ProbeReport:
        raise AssertionError

    [check] = pool_checks(asyncio.run(pool_facts([pool_config()], resolve=unknown, ask=never)))

    assert check.status is Status.FAIL
    assert "Name or service not known" in check.text
    assert check.fix == "getent hosts pool.example"


def test_a_host_that_cannot_be_a_name_is_unknown_too() -> None:
    async def unfit(host: str, port: int) -> tuple[str, ...]:
        return ("x".encode("idna").decode(), "a..b".encode("idna").decode())

    [check] = pool_checks(asyncio.run(pool_facts([pool_config()], resolve=unfit)))

    assert check.status is Status.FAIL


def test_a_pool_that_cannot_be_reached_or_refuses_fails_with_the_test_to_run() -> None:
    async def known(host: str, port: int) -> tuple[str, ...]:
        return ("10.0.0.1",)

    async def unreachable(config: PoolConfig) -> ProbeReport:
        raise ConnectError(config.url.address, "connection refused")

    async def refusing(config: PoolConfig) -> ProbeReport:
        error = AuthorizationError(config.user, 24, "unauthorized worker")
        return replace(REPORT, authorized=False, error=error)

    for ask, words in ((unreachable, "connection refused"), (refusing, "user or password")):
        _, check = pool_checks(asyncio.run(pool_facts([pool_config()], resolve=known, ask=ask)))
        assert check.status is Status.FAIL
        assert words in check.text
        assert check.fix == (
            "stratum-client pools test stratum+tcp://pool.example:3333 --user account.rig"
        )
        assert "secret-word" not in check.text + check.fix


# --- the udev rules ---


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


# --- the facts of a machine ---


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

    absent = doctor_facts.absent_devices(devices, [PortFacts(port=STICK, devices=(here,))])

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
    assert doctor_facts.pip_command("/usr", "/usr").endswith("pip install --user")
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


def test_the_clock_is_judged_as_the_system_judges_it() -> None:
    adjtimex = shutil.which("adjtimex")
    known = doctor_facts.is_clock_synchronized()

    assert known in {True, False, None}
    if adjtimex and known is not None:
        told = subprocess.run([adjtimex, "--print"], capture_output=True, text=True, check=True)
        status = re.search(r"status: (\d+)", told.stdout)
        assert status
        assert known == (not int(status[1]) & 0x40)


# --- the verb, in a real process ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_every_line_is_a_check(folder: Path) -> None:
    code, out, err = said("doctor", folder=folder)

    assert err == ""
    assert all(LINE.fullmatch(line) for line in out.splitlines()), out
    assert code == int("\nFAIL" in f"\n{out}")
    for name in ("python", "hash kernels", "libusb", "configuration", "state directory", "clock"):
        assert len(re.findall(rf"^\S+ +{name}  ", out, re.MULTILINE)) == 1
    assert not (folder / "state").exists()


def test_json_has_the_same_checks(folder: Path) -> None:
    code, out, err = said("doctor", "--json", folder=folder)

    facts = json.loads(out)
    assert err == ""
    assert facts.keys() == {"ok", "checks"}
    assert facts["ok"] == (code == 0)
    for check in facts["checks"]:
        assert check.keys() == {"check", "status", "text", "fix"}
        assert check["status"] in {"ok", "warning", "fail"}
        assert check["fix"] is None or check["fix"]


def test_a_wrong_configuration_is_one_failed_check_among_others(folder: Path) -> None:
    (folder / "bad.toml").write_text("schema = 1\nnonsense = 1\n")

    code, out, err = said("doctor", "--config", "bad.toml", folder=folder)

    assert (code, err) == (1, "")
    [line] = [line for line in out.splitlines() if line.startswith("FAIL")]
    assert "configuration" in line
    assert line.endswith("run: ${EDITOR:-nano} +2 bad.toml")


def test_a_pool_on_the_command_line_is_tried(folder: Path) -> None:
    with pool(folder=folder) as (_, url):
        code, out, err = said("doctor", "--pool", url, "--user", "account.rig", folder=folder)

    assert err == ""
    assert code == int("\nFAIL" in f"\n{out}")
    assert re.search(r"^ok +pool 127\.0\.0\.1 .*logged in, .*sent a job", out, re.MULTILINE)
    assert re.search(r"^ok +DNS 127\.0\.0\.1 +127\.0\.0\.1 is an address", out, re.MULTILINE)


def test_a_configured_pool_that_nobody_serves_fails(folder: Path) -> None:
    (folder / "stratum-client.toml").write_text(
        '[[pool]]\nname = "main"\nurl = "stratum+tcp://127.0.0.1:1"\nuser = "account"\n'
    )

    code, out, _ = said("doctor", folder=folder)

    assert code == 1
    assert re.search(r"^FAIL +pool main .*run: stratum-client pools test", out, re.MULTILINE)


def test_wrong_arguments_are_not_a_matter_of_health(folder: Path) -> None:
    code, out, err = said("doctor", "--pool", "stratum+tcp://127.0.0.1:1", folder=folder)

    assert (code, out) == (2, "")
    assert "user is missing" in err


def test_fix_udev_prints_the_rules_and_nothing_else(folder: Path) -> None:
    assert said("doctor", "--fix-udev", folder=folder) == (0, rules(), "")


@pytest.fixture
def terminal(folder: Path) -> Iterator[Running]:
    with running("doctor", folder=folder, width=100) as run:
        yield run


def test_in_a_terminal_the_status_has_a_colour(terminal: Running) -> None:
    terminal.exit_code()

    assert "\x1b[32mok     \x1b[0m  python " in terminal.out


def test_a_lock_that_a_daemon_holds_is_a_note(folder: Path) -> None:
    state = folder / "state/stratum-client"
    state.mkdir(parents=True)
    with (state / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _, out, _ = said("doctor", folder=folder)

    assert re.search(rf"^ok +state directory .*process {os.getpid()} ", out, re.MULTILINE)
