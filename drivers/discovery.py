"""Which serial ports there are, and what is plugged into them, read from sysfs.

No port is opened: that would toggle its modem lines and reset some boards. All ttys of one USB
device make one port, because they belong to one board. Sticks without a tty are not seen here.
Every function reads files, some milliseconds in all: not for the event loop.

Source: Linux, Documentation/ABI (sysfs-class-tty, sysfs-bus-usb); /run/udev/data as systemd's udev
writes it, after it has set a node's permissions.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from drivers.api import PortInfo

CONTROL_FIRST = {"OSMU", "256F"}
"""Manufacturers whose boards have their control interface before the data interface.

Source: korbin/bitaxe-raw and 256foundation/emberone-usbserial-fw; all else has the data first.
"""

_ROOT = Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A port in a scan.

    ``attachment`` differs each time the same device is plugged in again; ``ready`` is False while
    the kernel or udev is still at work on a part of it.
    """

    port: PortInfo
    attachment: str
    ready: bool


def ports(root: Path = _ROOT) -> tuple[PortInfo, ...]:
    """Return the ports there are now, in the order of their names."""
    return tuple(found.port for found in scan(root))


def port_at(paths: Iterable[str], root: Path = _ROOT) -> PortInfo:
    """Return what is known of the device with one of ``paths``, which the result keeps as given.

    Each may be a link such as /dev/serial/by-id/...; of an unknown device only paths are known.
    """
    wanted = tuple(paths)
    for port in ports(root):
        if any(is_at(port, path) for path in wanted):
            return replace(port, paths=wanted)
    return PortInfo(paths=wanted)


def is_at(port: PortInfo, path: str) -> bool:
    """Return whether ``path``, a device node or a link to one, is one of the port's."""
    node = os.path.realpath(path)
    return any(os.path.realpath(own) == node for own in port.paths)


def scan(root: Path = _ROOT) -> tuple[Found, ...]:
    """Return the ports there are now, ready or not, in the order of their names."""
    terminals = defaultdict[Path, list[_Terminal]](list)
    for terminal in _terminals(root):
        terminals[terminal.device].append(terminal)
    found = [_found(device, members, root) for device, members in terminals.items()]
    return tuple(sorted(found, key=lambda one: _natural(one.port.name)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terminal:
    """One tty: its name, the directory of its device, and which USB interface it is (else -1)."""

    name: str
    node: Path
    device: Path
    interface: int


def _terminals(root: Path) -> Iterator[_Terminal]:
    for node in _entries(root / "sys/class/tty"):
        if not (node / "device").exists():
            continue  # a console or pseudo-terminal
        place = (node / "device").resolve()
        for directory in (place, *place.parents):
            if (directory / "bInterfaceNumber").exists():
                interface = _number(directory / "bInterfaceNumber", 16)
                yield _Terminal(
                    name=node.name, node=node, device=directory.parent, interface=interface
                )
                break
        else:
            if _number(node / "type"):  # 0: a UART the kernel has a name for but never found
                yield _Terminal(name=node.name, node=node, device=node.resolve(), interface=-1)


def _found(device: Path, members: list[_Terminal], root: Path) -> Found:
    manufacturer = _text(device / "manufacturer")
    members = sorted(members, key=lambda member: member.interface)
    if len(members) == 2 and manufacturer in CONTROL_FIRST:
        members.reverse()
    port = PortInfo(
        paths=tuple(str(root / "dev" / member.name) for member in members),
        vid=_number(device / "idVendor", 16),
        pid=_number(device / "idProduct", 16),
        serial=_text(device / "serial"),
        manufacturer=manufacturer,
        product=_text(device / "product"),
    )
    return Found(
        port=port,
        attachment=f"{device}#{_text(device / 'devnum')}",
        ready=_is_complete(device) and all(_is_set_up(member, root) for member in members),
    )


def _is_complete(device: Path) -> bool:
    """Return whether all interfaces of a USB device are there; their ttys come with them."""
    present = sum((entry / "bInterfaceNumber").exists() for entry in _entries(device))
    return present >= _number(device / "bNumInterfaces")


def _is_set_up(terminal: _Terminal, root: Path) -> bool:
    """Return whether udev, where it runs, has made the node accessible."""
    if not (root / "run/udev/control").exists():
        return True
    return (root / "run/udev/data" / f"c{_text(terminal.node / 'dev')}").exists()


def _entries(directory: Path) -> list[Path]:
    try:
        return list(directory.iterdir())
    except OSError:  # not there, or just unplugged
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:  # no such property, or just unplugged
        return ""


def _number(path: Path, base: int = 10) -> int:
    try:
        return int(_text(path), base)
    except ValueError:
        return 0


def _natural(name: str) -> tuple[str, int, str]:
    """Return a sorting key that puts ttyACM9 before ttyACM10."""
    first = name.split("+", 1)[0]
    stem = first.rstrip("0123456789")
    return stem, int(first[len(stem) :] or 0), name
