"""What doctor says of ports and pools, from given facts."""

import asyncio
from dataclasses import replace

import pytest

from drivers.api import PortInfo
from drivers.transports.usb_errors import UDEV_COMMAND
from stratum_client.config import DeviceConfig, PoolConfig
from stratum_client.config_arguments import PoolArguments, with_arguments
from stratum_client.doctor import (
    Check,
    Status,
)
from stratum_client.doctor_pools import PoolFacts, pool_checks, pool_facts
from stratum_client.doctor_ports import NodeFacts, PortFacts, absent_checks, port_checks
from stratum_client.errors import AuthorizationError, ConnectError
from stratum_client.pool_probe import ProbeReport

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
