"""The facts of this machine that `stratum-client doctor` judges: read, never changed.

No device is opened and no lock taken, so a running daemon does not notice. Everything here reads
files, /proc or sysfs, or asks the kernel; where it looks is a parameter.

Source: Linux, adjtimex(2) and struct timex of <sys/timex.h>; sysfs-bus-usb.
"""

import ctypes
import grp
import importlib
import os
import re
import shlex
import sys
import sysconfig
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from typing import ClassVar

from drivers import registry, usb_discovery
from drivers.api import PortInfo
from drivers.emulation import EMULATED
from drivers.errors import DriverError
from drivers.transports.bridges.detect import BridgeKind, kind_of
from drivers.transports.port_holders import holders_of
from drivers.transports.port_paths import usb_path
from drivers.transports.usb_device import PREFIX
from stratum_client.api.control_client import has_socket
from stratum_client.config import DeviceConfig
from stratum_client.config_checks import default_device_name
from stratum_client.device_finder import Verdict, means, verdict_on
from stratum_client.doctor import StateFacts
from stratum_client.doctor_ports import NodeFacts, PortFacts
from stratum_client.errors import ConfigError
from stratum_client.state_lock import LOCK_NAME, default_state_dir
from stratum_client.udev_rules import RULES_PATH, covers, rules

SERVICE_DIR = Path("/var/lib/stratum-client")
"""Where systemd keeps the service's state."""

_ROOT = Path("/")
_TIME_ERROR, _UNSYNCHRONIZED = 5, 0x40
_SELF_POWERED = 0x40
_DEVELOPERS = {"dev", "test"}
_MODULES = {
    BridgeKind.FTDI: "ftdi_sio",
    BridgeKind.CP210X: "cp210x",
    BridgeKind.PL2303: "pl2303",
}


class _Timex(ctypes.Structure):
    """The start of struct timex, and room for what follows: all 0 asks for no change."""

    _fields_: ClassVar = [
        ("modes", ctypes.c_uint),
        *((name, ctypes.c_long) for name in ("offset", "freq", "maxerror", "esterror")),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_byte * 512),
    ]


def is_clock_synchronized(adjtimex: Callable[[object], int] | None = None) -> bool | None:
    """Return what the kernel knows of it, by libc's ``adjtimex``; None where nobody can be asked.

    ``adjtimex`` is handed a pointer to struct timex.
    """
    timex = _Timex()
    try:
        state = (adjtimex or ctypes.CDLL(None).adjtimex)(ctypes.byref(timex))
    except (OSError, AttributeError):  # no such call on this system
        return None
    if state < 0:
        return None
    return state != _TIME_ERROR and not timex.status & _UNSYNCHRONIZED


def is_externally_managed() -> bool:
    """Return whether the system's own pip refuses to install beside its packages (PEP 668)."""
    return (Path(sysconfig.get_path("stdlib")) / "EXTERNALLY-MANAGED").exists()


def pip_command(
    prefix: str = sys.prefix, base: str = sys.base_prefix, *, is_managed: bool | None = None
) -> str:
    """Return the command that installs packages beside this program."""
    if "/pipx/venvs/" in f"{prefix}/":
        return f"pipx runpip {shlex.quote(Path(prefix).name)} install"
    command = f"{shlex.quote(sys.executable or 'python3')} -m pip install"
    if prefix != base:
        return command
    managed = is_externally_managed() if is_managed is None else is_managed
    return f"{command} --user" + (" --break-system-packages" if managed else "")


def import_problem(module: str) -> str:
    """Return why ``module`` cannot be imported; empty if it can."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        return printable_error(module, error)
    return ""


def file_problem(path: Path) -> str:
    """Return why a file cannot be read; empty if it can."""
    try:
        path.open("rb").close()
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    return ""


def printable_error(module: str, error: Exception) -> str:
    """Return what is wrong with a library."""
    if isinstance(error, ModuleNotFoundError):
        return "not installed"
    return f"{module} does not start: {type(error).__name__}: {error}"


def missing_extras(
    requirements: Callable[[], Sequence[str] | None] = lambda: metadata.requires("stratum-client"),
    version: Callable[[str], str] = metadata.version,
) -> dict[str, tuple[str, ...]] | None:
    """Return the missing packages of each extra that lacks any; None if nothing is known."""
    try:
        required = requirements() or ()
    except metadata.PackageNotFoundError:
        return None
    missing: dict[str, tuple[str, ...]] = {}
    for text in required:
        found = re.match(r"""([\w.-]+)[^;]*;.*extra\s*==\s*["']([\w.-]+)["']""", text)
        if found and found[2] not in _DEVELOPERS and not _is_installed(found[1], version):
            missing[found[2]] = (*missing.get(found[2], ()), found[1])
    return missing


def state_facts(configured: Path | None, proc: Path = Path("/proc")) -> StateFacts:
    """Return what is known of the state directory: as configured, else ours, else the service's."""
    try:
        path = configured or default_state_dir()
    except ConfigError as error:
        return StateFacts(path=None, problem=error.problem)
    if configured is None and not has_socket(path) and has_socket(SERVICE_DIR):
        path = SERVICE_DIR
    above = _nearest(path)
    usable = above.is_dir() and os.access(above, os.W_OK | os.X_OK)
    return StateFacts(
        path=path,
        problem="" if above.is_dir() else f"{above} is a file",
        exists=above == path,
        is_usable=usable and _may_write(path / LOCK_NAME),
        holders=holders_of(str(path / LOCK_NAME), proc),
        free=_free(above),
    )


def are_rules_installed(root: Path = _ROOT) -> bool:
    """Return whether our udev rules are there, and are those of this release.

    A file in /etc hides one that a distribution's package brought.
    """
    name = Path(RULES_PATH).name
    for folder in ("etc", "run", "usr/local/lib", "usr/lib", "lib"):
        path = root / folder / "udev/rules.d" / name
        try:
            return path.read_text() == rules()
        except FileNotFoundError:
            continue
        except (OSError, UnicodeError):
            return False
    return False


def driver_problems() -> list[str]:
    """Return why drivers cannot be used; loads all; raise DriverClashError as `registry.names`."""
    for name in registry.names():
        with suppress(DriverError):  # noted by the registry
            registry.driver(name)
    return [str(problem) for problem in registry.problems()]


def absent_devices(devices: Iterable[DeviceConfig], ports: Iterable[PortFacts]) -> list[str]:
    """Return the configured devices that are not plugged in, by name and where they should be."""
    known = list(ports)
    return [
        f"{device.name or default_device_name(device)} ({device.port or 'by its match'})"
        for device in devices
        if _needs_port(device) and not any(device in port.devices for port in known)
    ]


def _needs_port(device: DeviceConfig) -> bool:
    """Return whether a device must be plugged in: a pseudo-terminal, too, is there or not."""
    if device.match:
        return True
    return any(not path.startswith(EMULATED) and not Path(path).exists() for path in device.paths)


def port_facts(
    devices: Sequence[DeviceConfig] = (), root: Path = _ROOT, proc: Path = Path("/proc")
) -> list[PortFacts]:
    """Return what is known of each port; raise DriverClashError when packages collide."""
    return [_facts_of(port, devices, root, proc) for port in usb_discovery.ports(root)]


def _facts_of(port: PortInfo, devices: Sequence[DeviceConfig], root: Path, proc: Path) -> PortFacts:
    verdict = verdict_on(port)
    directory = _usb_directory(port, root)
    has_power = True
    if directory and (hub := directory.resolve().parent) and (hub / "bmAttributes").exists():
        has_power = bool(_number(hub / "bmAttributes", 16) & _SELF_POWERED)
    kind = kind_of(port.vid, port.pid)
    return PortFacts(
        port=port,
        driver=verdict.driver,
        candidates=verdict.candidates,
        could_be=verdict.possible,
        devices=tuple(device for device in devices if _is_meant(device, verdict)),
        nodes=tuple(_node(path, root, proc) for path in port.paths),
        kernel_drivers=_kernel_drivers(directory) if directory else (),
        module=_MODULES[kind] if kind else "cdc_acm",
        milliamperes=_number(directory / "bMaxPower") if directory else 0,
        hub_has_power=has_power,
        has_rule=covers(port),
    )


def _is_meant(device: DeviceConfig, verdict: Verdict) -> bool:
    return bool(device.paths or device.match) and means(device, verdict)


def _node(path: str, root: Path, proc: Path) -> NodeFacts:
    node = usb_discovery.node_at(path, root) if path.startswith(PREFIX) else Path(path)
    if node is None or not node.exists():
        return NodeFacts(path=path)
    try:
        group = grp.getgrgid(node.stat().st_gid).gr_name
    except (OSError, KeyError):
        group = ""
    may_open = os.access(node, os.R_OK | os.W_OK)
    return NodeFacts(
        path=str(node), may_open=may_open, group=group, holders=holders_of(str(node), proc)
    )


def _usb_directory(port: PortInfo, root: Path) -> Path | None:
    """Return the sysfs directory of the port's USB device; None of a UART."""
    if place := usb_path(port).removeprefix(PREFIX):
        return root / "sys/bus/usb/devices" / place
    for path in port.paths:
        start = (root / "sys/class/tty" / Path(path).name / "device").resolve()
        for directory in (start, *start.parents):
            if (directory / "idVendor").exists():
                return directory
    return None


def _kernel_drivers(directory: Path) -> tuple[str, ...]:
    links = sorted(directory.resolve().glob("*:*/driver"))
    return tuple(dict.fromkeys(link.resolve().name for link in links))


def _number(path: Path, base: int = 10) -> int:
    try:
        return int(path.read_text().strip().removesuffix("mA"), base)
    except (OSError, ValueError):
        return 0


def _is_installed(package: str, version: Callable[[str], str]) -> bool:
    try:
        return bool(version(package))
    except metadata.PackageNotFoundError:
        return False


def _nearest(path: Path) -> Path:
    """Return ``path``, or what there is of it."""
    for candidate in (path.absolute(), *path.absolute().parents):
        try:
            if candidate.exists():
                return path if candidate == path.absolute() else candidate
        except OSError:
            continue  # not ours to see
    return _ROOT


def _may_write(path: Path) -> bool:
    try:
        return not path.exists() or os.access(path, os.W_OK)
    except OSError:
        return False


def _free(path: Path) -> int | None:
    try:
        room = os.statvfs(path)
    except OSError:
        return None
    return room.f_bavail * room.f_frsize
