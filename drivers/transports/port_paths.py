"""The two kinds of path that a port may have: device nodes, and a place on USB (``usb:1-1.2``)."""

from drivers.api import PortInfo
from drivers.transports.usb_device import PREFIX


def is_place(path: str) -> bool:
    """Return whether ``path`` opens a bridge directly: ``usb:1-1.2``."""
    return path.startswith(PREFIX)


def tty_paths(port: PortInfo) -> tuple[str, ...]:
    """Return the device nodes of the port, the data port first."""
    return tuple(path for path in port.paths if not is_place(path))


def usb_path(port: PortInfo) -> str:
    """Return the path that opens the device directly, ``usb:1-1.2``; empty if it has none."""
    return next((path for path in port.paths if is_place(path)), "")


def power_place(port: PortInfo) -> tuple[str, str]:
    """Return which device takes its power where: its serial number, and its place or its path."""
    return port.serial, usb_path(port) or port.name
