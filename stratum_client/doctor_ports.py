"""What `stratum-client doctor` says of ports that are or could be a miner: pure, from facts."""

from collections.abc import Iterable
from dataclasses import dataclass
from shlex import quote

from drivers.api import PortInfo
from drivers.transports.port_paths import tty_paths
from drivers.transports.usb_errors import UDEV_COMMAND
from stratum_client.config import DeviceConfig
from stratum_client.doctor import Check, Status

ROOT_GROUP = "root"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """One device node; ``holders`` are "PID (PROGRAM)" of who has it open."""

    path: str
    may_open: bool = True
    group: str = ""
    holders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PortFacts:
    """One port.

    ``driver`` takes it without being told; of ``candidates`` somebody must choose one;
    ``could_be`` share its ids and nothing else. ``devices`` are settings that mean it.
    ``kernel_drivers`` are those of its interfaces; ``module`` is the one that makes ttys of such.
    ``milliamperes`` is what it may draw, ``hub_has_power`` whether its hub has a supply of its own
    or is the computer's.
    ``has_rule``: our udev rules speak of it.
    """

    port: PortInfo
    driver: str = ""
    candidates: tuple[str, ...] = ()
    could_be: tuple[str, ...] = ()
    devices: tuple[DeviceConfig, ...] = ()
    nodes: tuple[NodeFacts, ...] = ()
    kernel_drivers: tuple[str, ...] = ()
    module: str = ""
    milliamperes: int = 0
    hub_has_power: bool = True
    has_rule: bool = False

    @property
    def is_sure(self) -> bool:
        """Return whether it is a miner, not only something like one."""
        return bool(self.driver or self.candidates or self.devices)

    @property
    def concerns_us(self) -> bool:
        """Return whether it is or could be a miner."""
        return self.is_sure or bool(self.could_be) or self.has_rule


def port_checks(
    ports: Iterable[PortFacts], *, ours: frozenset[int] = frozenset(), rules_installed: bool = False
) -> list[Check]:
    """Return one check for each miner, real or possible; one that says so if there is none.

    ``ours`` are the processes of our own daemons, which may have a port open.
    """
    checks = [
        _port_check(facts, ours, rules_installed=rules_installed)
        for facts in ports
        if facts.concerns_us
    ]
    return checks or [
        Check(
            name="ports",
            status=Status.WARNING,
            text="no miner found: is it plugged in with a cable that carries data, and powered? "
            "A demo needs none",
            fix="stratum-client demo",
        )
    ]


def absent_checks(names: Iterable[str]) -> list[Check]:
    """Return a warning for each configured device that is not plugged in."""
    return [
        Check(
            name="device",
            status=Status.WARNING,
            text=f"{name} is configured, but nothing is plugged in there",
            fix="stratum-client devices",
        )
        for name in names
    ]


def power_checks(hints: Iterable[str]) -> list[Check]:
    """Return a warning for each hub that lacks the power for what is plugged into it."""
    fix = "sudo dmesg --follow # shows which of them disconnect"
    return [Check(name="USB power", status=Status.WARNING, text=hint, fix=fix) for hint in hints]


def _port_check(facts: PortFacts, ours: frozenset[int], *, rules_installed: bool) -> Check:
    what = _what(facts)
    trouble = (
        _without_permission(facts, rules_installed=rules_installed)
        or _held(facts, ours)
        or _without_driver(facts)
        or _unclaimed(facts)
        or _underpowered(facts)
    )
    name = f"port {_name(facts)}"
    if trouble is None:
        holders = _holders(facts)
        state = "mined with by our daemon" if holders else "may be opened"
        using = f", kernel driver {', '.join(facts.kernel_drivers)}" if facts.kernel_drivers else ""
        return Check(name=name, text=f"{what}: {state}{using}")
    status, text, fix = trouble
    return Check(name=name, status=status, text=f"{what}: {text}", fix=fix)


_Trouble = tuple[Status, str, str] | None
"""Status, what is wrong, the command that puts it right."""


def _without_permission(facts: PortFacts, *, rules_installed: bool) -> _Trouble:
    denied = [node for node in facts.nodes if not node.may_open]
    if not denied:
        return None
    first = denied[0]
    # A tty that opens is enough to mine; resets by USB requests then go without.
    is_fatal = facts.is_sure and first == facts.nodes[0]
    status = Status.FAIL if is_fatal else Status.WARNING
    text = f"{first.path}: permission denied"
    if not facts.is_sure and facts.could_be:
        text = f"{_could_be(facts)}; {text}"
    return status, text, _permission_fix(facts, first, rules_installed=rules_installed)


def _permission_fix(facts: PortFacts, node: NodeFacts, *, rules_installed: bool) -> str:
    if facts.has_rule and not rules_installed:
        return UDEV_COMMAND
    if node.group and node.group != ROOT_GROUP:
        return f'sudo usermod -aG {quote(node.group)} "$(id -un)" # then log out and in again'
    if facts.has_rule:
        return "sudo udevadm control --reload && sudo udevadm trigger # then plug it in again"
    return f'sudo setfacl -m "u:$(id -un):rw" {quote(node.path)} # holds until it is unplugged'


def _held(facts: PortFacts, ours: frozenset[int]) -> _Trouble:
    strangers = [holder for holder in _holders(facts) if _pid(holder) not in ours]
    if not strangers:
        return None
    status = Status.FAIL if facts.is_sure else Status.WARNING
    return status, f"in use by process {' and '.join(strangers)}", _release(strangers[0])


def _release(holder: str) -> str:
    """Return how to make a program let go: two that take ports by themselves would come back."""
    if "ModemManager" in holder:
        return "sudo systemctl disable --now ModemManager"
    if "brltty" in holder:
        return "sudo apt remove brltty"
    return f"kill {_pid(holder)}"


def _without_driver(facts: PortFacts) -> _Trouble:
    """Return what to load for a bridge that has neither a tty nor anybody who drives it."""
    if tty_paths(facts.port) or facts.kernel_drivers or not facts.module or not facts.is_sure:
        return None
    text = f"no kernel driver has made a tty of it, so only USB reaches it; {facts.module} would"
    return Status.WARNING, text, f"sudo modprobe {facts.module}"


def _unclaimed(facts: PortFacts) -> _Trouble:
    if facts.driver or facts.devices:
        return None
    if not facts.candidates and not facts.could_be:
        return (
            Status.WARNING,
            "no driver of this release knows it",
            "stratum-client devices --supported",
        )
    guess = (facts.candidates or facts.could_be)[0]
    fix = f"stratum-client run --device {quote(f'{guess}@{_device_path(facts.port)}')}"
    if facts.candidates:
        names = ", ".join(facts.candidates)
        return Status.WARNING, f"several boards share these ids: {names}; say which", fix
    return Status.WARNING, f"not claimed: {_could_be(facts)}; if it is one, say so", fix


def _underpowered(facts: PortFacts) -> _Trouble:
    if facts.hub_has_power or facts.milliamperes <= 100:
        return None
    text = (
        f"may draw {facts.milliamperes} mA from a hub without power supply, which has 100 for "
        "it: use a powered hub, then see that it stays"
    )
    return Status.WARNING, text, "sudo dmesg --follow"


def _holders(facts: PortFacts) -> list[str]:
    return list(dict.fromkeys(holder for node in facts.nodes for holder in node.holders))


def _pid(holder: str) -> int:
    number = holder.partition(" ")[0]
    return int(number) if number.isdecimal() else 0


def _device_path(port: PortInfo) -> str:
    """Return what stands behind the @ of --device: the ttys, else the place on USB."""
    return "+".join(tty_paths(port)) or port.name


def _could_be(facts: PortFacts) -> str:
    return f"could be {' or '.join(facts.could_be)}, or anything else"


def _name(facts: PortFacts) -> str:
    return facts.port.paths[0] if facts.port.paths else facts.port.name


def _driver(facts: PortFacts) -> str:
    named = next((device.driver for device in facts.devices if device.driver), "")
    return named or facts.driver


def _what(facts: PortFacts) -> str:
    port = facts.port
    ids = f"{port.vid:04x}:{port.pid:04x}" if port.vid else "a UART"
    words = (_driver(facts), port.product or port.manufacturer, ids, port.serial)
    return " ".join(word for word in words if word)
