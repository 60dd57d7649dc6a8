"""Drivers on emulated hardware: ``emulated:NAME`` is the driver NAME with nothing plugged in."""

from collections.abc import Mapping

from drivers.api import Context, Cooled, Device, Driver, HeatGoals, PortInfo
from drivers.errors import SettingError

EMULATED = "emulated:"
"""What stands before a driver's name to have its hardware emulated in this process."""


def emulation_at(port: PortInfo) -> str | None:
    """Return the name of the driver whose hardware is emulated at ``port``; None at a real one."""
    if len(port.paths) == 1 and port.paths[0].startswith(EMULATED):
        return port.paths[0].removeprefix(EMULATED)
    return None


class EmulatedDriver:
    """Makes devices of another driver on emulated ports; that driver knows them by their path."""

    def __init__(self, driver: Driver) -> None:
        self.name = f"{EMULATED}{driver.name}"
        self._driver = driver

    def match(self, port: PortInfo) -> int:  # noqa: ARG002 - none is ever ours
        """Return 0: an emulated device is not plugged in."""
        return 0

    def with_heat(self, settings: Mapping[str, object], goals: HeatGoals) -> Mapping[str, object]:
        """Return what the other driver makes of ``goals``: nothing, where it has no sensors."""
        driver = self._driver
        return driver.with_heat(settings, goals) if isinstance(driver, Cooled) else settings

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        if port.paths:
            raise SettingError(self.name, "port", f"there is none, not {port.name!r}")
        return self._driver.open(PortInfo(paths=(self.name,)), settings, context)
