"""The port of a stick: by the way that is wanted, or that of an emulated stick."""

from collections.abc import Mapping
from random import Random

from drivers.api import PortInfo
from drivers.emulation import emulation_at
from drivers.errors import SettingError
from drivers.transports.bridge_ports import BridgePort
from drivers.transports.bridges.bridge import DTR, RTS
from drivers.transports.ways import SETTING, TTY, port_by_way, wanted_way


def stick_port(
    driver: str,
    port: PortInfo,
    settings: Mapping[str, object],
    *,
    random: Random,
    count: int = 1,
    lines: int = DTR | RTS,
) -> tuple[BridgePort, Mapping[str, object]]:
    """Return the port by the way wanted, and the settings that are the driver's own.

    ``count`` and ``lines`` as in `port_by_way`. Raises SettingError.
    """
    way, emulated = wanted_way(driver, settings), emulation_at(port)
    if emulated is None:
        return port_by_way(driver, port, way, count=count, lines=lines), settings
    if way == TTY:
        raise SettingError(driver, SETTING, "an emulated stick has no tty")
    from drivers.bm13xx.emulated_usb_plug import stick_in  # noqa: PLC0415 - rarely needed

    return stick_in(emulated, settings, random)
