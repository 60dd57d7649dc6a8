"""By which way a device behind a USB bridge is reached: the kernel's tty, or directly by libusb.

A port's paths tell both: device nodes, and its place on USB (``usb:1-1.2``). By itself the way is
that of the first path, which discovery makes the tty where there is one; the setting ``via`` forces
the other, also where only one of the two is named: then the other is looked up when it is needed.
"""

from collections.abc import Mapping

from drivers.api import PortInfo
from drivers.errors import SettingError
from drivers.transports.bridge_ports import BridgePort, DirectPort, TerminalPort
from drivers.transports.bridges.bridge import DTR, RTS
from drivers.transports.port_paths import is_place, tty_paths, usb_path

SETTING = "via"
USB, TTY, AUTO = "usb", "tty", "auto"
WAYS = (USB, TTY, AUTO)


def wanted_way(driver: str, settings: Mapping[str, object]) -> str:
    """Return one of `WAYS`; raise SettingError."""
    way = settings.get(SETTING, AUTO)
    if way not in WAYS:
        raise SettingError(driver, SETTING, f"must be {', '.join(WAYS)}, not {way!r}")
    return str(way)


def port_by_way(
    driver: str, port: PortInfo, way: str, *, count: int = 1, lines: int = DTR | RTS
) -> BridgePort:
    """Return the ports of a device whose bridge has ``count`` of them.

    ``lines`` are the modem lines to raise; a tty raises both. Raises SettingError unless ``port``
    is that of one device.
    """
    ttys, place = tty_paths(port), usb_path(port)
    is_whole = len(ttys) == count or (place and not ttys)
    if not is_whole or len(port.paths) - len(ttys) > 1:
        form = "+".join(("PORT",) * count)
        problem = f"expected {driver}@{form}, got {port.name!r}"
        raise SettingError(driver, "port", problem)
    if way == AUTO:
        way = USB if is_place(port.paths[0]) else TTY
    if way == USB:
        return DirectPort(place or ttys[0], lines=lines)
    return TerminalPort(*ttys, place=place) if ttys else TerminalPort(place)
