"""What sysfs tells of one USB device without opening it: its node, and the ttys it has.

Source: Linux, Documentation/ABI (sysfs-bus-usb); a usb-serial tty hangs below its interface, a CDC
tty one level deeper.
"""

import os
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/")


def terminals_of(place: str, root: Path = _ROOT) -> tuple[Path, ...]:
    """Return the tty nodes of the device at ``place``, such as ``1-1.2``; in no special order."""
    devices = root / "sys/bus/usb/devices"
    found = [
        root / "dev" / tty.name
        for interface in _matching(devices, f"{place}:*")
        for pattern in ("tty/*", "*/tty/*")
        for tty in _matching(interface, pattern)
    ]
    return tuple(found)


def place_of_terminal(path: str, root: Path = _ROOT) -> str:
    """Return where the USB device of a tty is, such as ``1-1.2``; empty if it is of none."""
    name = Path(os.path.realpath(path)).name
    directory = (root / "sys/class/tty" / name / "device").resolve()
    for above in (directory, *directory.parents):
        if (above / "bInterfaceNumber").exists():
            return above.parent.name
    return ""


def node_of(bus: int, address: int, root: Path = _ROOT) -> Path:
    """Return the node of usbfs that opens the device."""
    return root / f"dev/bus/usb/{bus:03d}/{address:03d}"


def _matching(directory: Path, pattern: str) -> list[Path]:
    with suppress(OSError):  # unplugged while we look
        return list(directory.glob(pattern))
    return []
