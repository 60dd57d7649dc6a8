"""Whether hubs have the power that sticks on them may take, as far as the hubs say so.

All is read from sysfs; nothing is measured. A hub that lies about its supply is believed.

Source: USB 2.0, 7.2.1 (500 mA for a hub without a supply of its own and all behind it) and 9.6.3
(bmAttributes, bMaxPower); USB 3.2, 11.4.1 (900 mA); Linux, sysfs-bus-usb.
"""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from drivers.api import PortInfo
from drivers.transports.port_paths import usb_path
from drivers.transports.usb_device import PREFIX

_ROOT = Path("/")
_SELF_POWERED = 0x40
_SUPERSPEED = 5000  # Mbit/s
_SHARED, _SHARED_SUPERSPEED = 500, 900


def power_hints(ports: Iterable[PortInfo], root: Path = _ROOT) -> list[str]:
    """Return a sentence for each hub without a supply on which ``ports`` may take too much."""
    behind = defaultdict[Path, list[int]](list)
    for place in sorted({usb_path(port).removeprefix(PREFIX) for port in ports} - {""}):
        device = (root / "sys/bus/usb/devices" / place).resolve()
        milliamperes = _number(device / "bMaxPower")
        if milliamperes and _is_bus_powered(device.parent):
            behind[device.parent].append(milliamperes)
    hints = (_hint(hub, each) for hub, each in sorted(behind.items()))
    return [hint for hint in hints if hint]


def _hint(hub: Path, each: list[int]) -> str:
    speed = _number(hub / "speed")
    shared = _SHARED_SUPERSPEED if speed >= _SUPERSPEED else _SHARED
    if sum(each) + _number(hub / "bMaxPower") <= shared:
        return ""
    sticks = "1 stick" if len(each) == 1 else f"{len(each)} sticks"
    amounts = f"{each[0]} mA" if len(set(each)) == 1 else f"up to {max(each)} mA"
    every = " each" if len(each) > 1 and len(set(each)) == 1 else ""
    return (
        f"{sticks} of {amounts}{every} on a hub (usb:{hub.name}) that says it is bus-powered: "
        f"{shared} mA in all; use a powered hub, or lower frequencies"
    )


def _is_bus_powered(hub: Path) -> bool:
    """Return whether a hub says that it has no supply; False where nothing can be read."""
    try:
        return not int((hub / "bmAttributes").read_text(), 16) & _SELF_POWERED
    except (OSError, ValueError):
        return False


def _number(path: Path) -> int:
    """Return the number in a file, with or without its mA; 0 where there is none."""
    try:
        return int(float(path.read_text().strip().removesuffix("mA")))
    except (OSError, ValueError, OverflowError):
        return 0
