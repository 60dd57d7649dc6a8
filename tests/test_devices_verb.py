"""`stratum-client devices`: what it shows of ports and drivers, and what it has a daemon do."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from drivers import registry, usb_discovery
from drivers.transports import usb_device
from drivers.transports.usb_errors import UsbLibraryMissingError
from stratum_client import cli
from stratum_client.device_listing import device_lines
from tests.fake_sysfs import FakeSysfs
from tests.processes import Running
from tests.test_emulate_verb import ports_of
from tests.test_usb_discovery import UsbSysfs

STRANGER = ("Acme", "Modem", "M1")
BITAXE = ("OSMU", "Bitaxe", "b1")
EMBERONE = ("256F", "EmberOne00", "e1")


@pytest.fixture
def machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> FakeSysfs:
    """Return a machine to plug things into; the verb runs in this process and sees its ports."""
    (tmp_path / "root").mkdir()
    fake, ports = FakeSysfs(tmp_path / "root"), usb_discovery.ports
    monkeypatch.setattr(usb_discovery, "ports", lambda: ports(fake.root))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    return fake


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert cli.main(["devices", *arguments]) == 0
    return capsys.readouterr().out


def test_without_anything_plugged_in_it_says_what_to_try(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no serial port found" in shown(capsys)
    assert "stratum-client demo" in shown(capsys)
    assert json.loads(shown(capsys, "--json")) == {"ports": [], "devices": None, "problems": []}


def test_a_port_is_shown_with_what_it_is_taken_for(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.plug("1-1", ["ttyACM0", "ttyACM1"], strings=EMBERONE)
    dev = machine.root / "dev"

    [port] = json.loads(shown(capsys, "--json"))["ports"]
    assert port == {
        "port": f"{dev}/ttyACM1+{dev}/ttyACM0",
        "paths": [f"{dev}/ttyACM1", f"{dev}/ttyACM0"],
        "vid": "1209",
        "pid": "256f",
        "manufacturer": "256F",
        "product": "EmberOne00",
        "serial": "e1",
        "driver": "emberone-00",
        "candidates": [],
        "possible": [],
        "claim": None,
        "ways": ["tty"],
        "device": None,
        "way": None,
        "problems": [],
    }
    head, line = shown(capsys).splitlines()
    assert head.split() == ["PORT", "WHAT", "SERIAL", "TAKEN", "FOR", "WAYS", "MINED", "WITH", "AS"]
    assert "256F EmberOne00 1209:256f  e1" in line
    assert "emberone-00" in line


def test_why_nobody_takes_a_port_is_said_below_it(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.plug("1-1", ["ttyUSB0"], vid=0xACE, strings=STRANGER)
    machine.plug("1-2", ["ttyACM0", "ttyACM1"], vid=0xC0DE, pid=0xCAFE, strings=BITAXE)
    machine.uart("ttyS0", 4)
    monkeypatch.setattr(type(registry.driver("bitaxe-gamma")), "match", _if_bitaxe)

    out = shown(capsys)

    assert "no driver knows it" in out
    assert "several boards share these ids: bitaxe-max, bitaxe-ultra" in out
    assert f"--device bitaxe-max@{machine.root}/dev/ttyACM1+" in out
    assert (
        f"a UART does not say what is on it; name it, as in --device bm1366@{machine.root}" in out
    )


def _if_bitaxe(_driver: object, port: Any) -> int:
    return 5 if port.product == "Bitaxe" else 0


def test_a_port_in_use_names_its_holder(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.plug("1-1", ["ttyUSB0"], strings=STRANGER)

    with (machine.root / "dev/ttyUSB0").open() as node:
        fcntl.flock(node, fcntl.LOCK_EX)
        out = shown(capsys)

    assert f"ttyUSB0: in use by {os.getpid()} (this very program)" in out


def test_a_missing_permission_comes_with_the_command(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.plug("1-1", ["ttyUSB0"], strings=STRANGER)
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may open anything

    assert "ttyUSB0: permission denied; " in shown(capsys)


def test_what_a_stranger_calls_itself_cannot_move_the_cursor(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str]
) -> None:
    machine.plug("1-1", ["ttyUSB0"], strings=("\x1b[2J", "a\rb", "\x07"))

    assert not set(shown(capsys)) & set("\x1b\r\x07")


def test_every_driver_is_listed_with_the_name_for_device(
    machine: FakeSysfs, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = {
        row["name"]: row for row in json.loads(shown(capsys, "--supported", "--json"))["drivers"]
    }

    assert rows.keys() == set(registry.names())
    assert rows["bitaxe-hex"] == {
        "name": "bitaxe-hex",
        "kind": "board",
        "chips": "6 x BM1366",
        "ports": 2,
        "driver": "bm13xx",
        "emulated": True,
        "problem": None,
    }
    assert (rows["bm1397"]["kind"], rows["cpu"]["kind"]) == ("chip", "software")
    lines = shown(capsys, "--supported").splitlines()
    assert [line.split()[0] for line in lines] == ["NAME", *registry.names()]


def test_an_unclaimed_bridge_is_shown_with_what_it_could_be_and_the_line_that_claims_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs, ports = UsbSysfs(tmp_path), usb_discovery.ports
    monkeypatch.setattr(usb_discovery, "ports", lambda: ports(sysfs.root))
    monkeypatch.chdir(tmp_path)
    cable = ("Silicon Labs", "CP2102 USB to UART Bridge Controller", "0001")
    sysfs.stick("1-1.3", ids=(0x10C4, 0xEA60), strings=cable, tty="ttyUSB0")
    sysfs.stick("1-2", tty="ttyUSB1")

    unclaimed, stick = json.loads(shown(capsys, "--json"))["ports"]

    assert (unclaimed["driver"], unclaimed["candidates"]) == (None, [])
    assert {"antminer-u1", "antminer-u3", "block-erupter", "rbox"} <= set(unclaimed["possible"])
    assert unclaimed["claim"] == f"--device {unclaimed['possible'][0]}@usb:1-1.3"
    assert unclaimed["ways"] == stick["ways"] == ["tty", "usb"]
    assert (stick["driver"], stick["possible"], stick["claim"]) == ("compac-f", [], None)
    out = shown(capsys)
    assert f"could be {', '.join(unclaimed['possible'])}, or anything else" in out
    assert unclaimed["claim"] in out
    assert '[[device]] with port = "usb:1-1.3"' in out


def test_missing_libusb_is_said_once_and_only_where_it_matters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(wanted_by: str = "USB") -> object:
        raise UsbLibraryMissingError(wanted_by, library="libusb", command="apt install it")

    sysfs, ports = UsbSysfs(tmp_path), usb_discovery.ports
    monkeypatch.setattr(usb_discovery, "ports", lambda: ports(sysfs.root))
    monkeypatch.setattr(usb_device, "libusb", missing)
    monkeypatch.chdir(tmp_path)
    assert "libusb" not in shown(capsys)
    for number in (1, 2):
        sysfs.stick(f"1-{number}", tty=f"ttyUSB{number}")

    out = shown(capsys)

    assert out.count("libusb is missing; install it with: apt install it") == 1
    assert out.count("compac-f") == 2


def test_a_stick_that_may_not_be_opened_comes_with_the_command_that_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sysfs, ports = UsbSysfs(tmp_path), usb_discovery.ports
    monkeypatch.setattr(usb_discovery, "ports", lambda: ports(sysfs.root))
    monkeypatch.setattr(usb_discovery, "node_at", lambda _: tmp_path / "no such node")
    monkeypatch.chdir(tmp_path)
    sysfs.stick("1-1")

    [port] = json.loads(shown(capsys, "--json"))["ports"]

    [problem] = port["problems"]
    assert problem.startswith("usb:1-1: permission denied; let udev give access: stratum-client ")


# --- a running daemon ---


@contextmanager
def started(*arguments: str, folder: Path) -> Iterator[Running]:
    run = Running(*arguments, folder=folder)
    try:
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def said(*arguments: str, folder: Path) -> tuple[int, str, str]:
    with started("devices", *arguments, folder=folder) as run:
        return run.exit_code(), run.out, run.err


@contextmanager
def daemon(folder: Path) -> Iterator[Running]:
    """A daemon whose pool is not there: devices wait, and take orders all the same."""
    words = ("--pool", "stratum+tcp://127.0.0.1:1", "--user", "x", "--device", "cpu,threads=1")
    board = ("--device", "emulated:bitaxe-gamma,name=gamma")
    with started("run", *words, *board, folder=folder) as run:
        run.wait_for("cpu.ready")
        yield run


class Console:
    """The verb, called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def said(self, *arguments: str) -> tuple[int, str, str]:
        code = cli.main(["devices", *arguments])
        return code, *self._capsys.readouterr()

    def devices(self) -> dict[str, dict[str, Any]]:
        code, out, _ = self.said("--json")
        assert code == 0
        return {device["name"]: device for device in json.loads(out)["devices"]}


def test_devices_are_ordered_about_while_the_daemon_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)
    monkeypatch.chdir(tmp_path)
    console = Console(capsys)
    with daemon(tmp_path) as run:
        assert console.said("disable", "cpu")[:2] == (0, "cpu: told to rest\n")
        run.wait_for("cpu.idle .*disabled by user")
        cpu = console.devices()["cpu"]
        assert (cpu["enabled"], cpu["state"]) == (False, "idle")
        assert "idle, disabled" in console.said()[1]

        assert console.said("enable", "cpu")[:2] == (0, "cpu: told to mine\n")
        assert console.devices()["cpu"]["enabled"]

        code, out, _ = console.said("set", "gamma", "frequency=450", "fan=80")
        assert (code, out) == (0, "gamma: told to run with frequency=450, fan=80\n")

        for words, problem in (
            (("disable", "cpuu"), "no device is called 'cpuu'; there are: cpu, gamma"),
            (("set", "cpu", "threads=2"), "cpu cannot be set while it runs"),
            (("set", "gamma", "frequency=9000"), "gamma: frequency: must be"),
            (("identify", "cpu"), "cpu has no way to show itself"),
            (("disable", "cpuu", "--dry-run"), "no device is called 'cpuu'"),
            (("safe-off",), "this state directory is used by stratum-client"),
        ):
            code, out, err = console.said(*words)
            assert (code, out) == (1, ""), words
            assert problem in err

        code, out, _ = console.said("disable", "cpu", "--dry-run")
        assert (code, out) == (0, "cpu: would be told to rest; nothing was done\n")
        assert console.devices()["cpu"]["enabled"]
        assert run.ended() == 0

    code, _, err = console.said("disable", "cpu")
    assert code == 1
    assert f"nobody listens at {tmp_path}/state/stratum-client/control.sock" in err


@pytest.mark.parametrize(
    "words", [("set", "cpu"), ("set", "cpu", "frequency"), ("disable",), ("explode", "cpu")]
)
def test_a_wrong_order_is_wrong_usage(words: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit, match="2"):
        cli.main(["devices", *words])


# --- safe-off ---


def test_a_board_is_switched_off_without_a_daemon_and_a_missing_one_is_a_failure(
    tmp_path: Path,
) -> None:
    with started("emulate", "device", "bitaxe-gamma", folder=tmp_path) as board:
        place = "+".join(ports_of(board, 2))

        words = ("--device", f"bitaxe-gamma@{place},name=here", "--device", "cpu")
        code, out, err = said("safe-off", *words, "--dry-run", folder=tmp_path)
        meant = ("here", "cpu")
        told = "".join(f"{name}: would be switched off, if its driver can\n" for name in meant)
        assert (code, out, err) == (0, f"{told}nothing was done\n", "")
        code, out, err = said("safe-off", *words, folder=tmp_path)
        assert code == 0, err
        assert f"here at {place}: off: " in out
        assert "cpu: skipped: " in out

        missing = ("--device", "bitaxe-hex@/dev/none+/dev/nothing,name=gone")
        code, out, err = said("safe-off", *words, *missing, folder=tmp_path)
        assert code == 1
        assert f"here at {place}: off: " in out
        assert "gone at /dev/none+/dev/nothing: FAILED: " in err


def test_a_configured_board_that_is_not_plugged_in_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "stratum-client.toml").write_text(
        '[[device]]\nname = "left"\nmatch = { serial = "no such", board = "bitaxe-gamma" }\n'
    )

    code, _, err = said("safe-off", folder=tmp_path)

    assert code == 1
    assert "left: FAILED: no port fits its match" in err


def test_devices_of_a_daemon_are_a_table_with_their_reasons_below() -> None:
    mining = {
        "name": "desk",
        "driver": "bitaxe-gamma",
        "port": "/dev/ttyACM0",
        "way": "tty",
        "state": "mining",
        "enabled": True,
        "claimed_hashrate": 1.1e12,
        "temperature": 58.2,
        "frequency_mhz": 525.0,
        "reason": "",
    }
    resting = {
        **mining,
        "name": "hall4-gamma-1",
        "way": None,
        "state": "idle",
        "enabled": False,
        "claimed_hashrate": 0.0,
        "temperature": None,
        "frequency_mhz": None,
        "reason": "disabled by user miner",
    }

    assert device_lines([mining, resting]) == [
        "DEVICE         DRIVER        PORT          WAY  STATE           CLAIMS    HEAT   CLOCK",
        "desk           bitaxe-gamma  /dev/ttyACM0  tty  mining          1.1 TH/s  58 °C  525 MHz",
        "hall4-gamma-1  bitaxe-gamma  /dev/ttyACM0  -    idle, disabled  0 H/s     -      -",
        "    disabled by user miner",
    ]
