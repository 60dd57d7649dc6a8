"""The drivers of the BM13xx family by name: each chip as a bare chain, and each board."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.api import Context, Device, PortInfo
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.device import Bm13xxDevice
from drivers.bm13xx.ports import Ports, SerialPorts
from drivers.bm13xx.settings import chain_settings
from drivers.errors import SettingError

EMULATED = "emulated:"


class BareChainDriver:
    """Makes devices of chips on a UART, with nothing around them that could be driven."""

    def __init__(self, name: str, chip: ChipSpec) -> None:
        self.name = name
        self.chip = chip

    def match(self, port: PortInfo) -> int:  # noqa: ARG002 - a UART does not say what is on it
        """Return 0: only the operator knows which chips are on a UART."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        ports, given = _ports_of(self.name, port, settings, context, count=1)
        return self.on_ports(ports, given, context)

    def on_ports(
        self, ports: Ports, settings: Mapping[str, object], context: Context
    ) -> Bm13xxDevice:
        """Return a device on ports that are at hand; raise SettingError."""
        chain = chain_settings(self.name, settings, self.chip)
        return Bm13xxDevice(self.chip, chain, context, ports)

    def emulated(self) -> "EmulatedDriver":
        """Return the driver of such chips emulated in this process."""
        return EmulatedDriver(self)


class EmulatedDriver:
    """Makes devices of another driver on emulated ports, so that nothing need be plugged in."""

    def __init__(self, driver: BareChainDriver) -> None:
        self.name = f"{EMULATED}{driver.name}"
        self._driver = driver

    def match(self, port: PortInfo) -> int:  # noqa: ARG002 - none is ever ours
        """Return 0: an emulated device is not plugged in."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        if port.paths:
            raise SettingError(self.name, "port", f"there is none, not {port.name!r}")
        return self._driver.open(PortInfo(paths=(self.name,)), settings, context)


def _ports_of(
    driver: str, port: PortInfo, settings: Mapping[str, object], context: Context, *, count: int
) -> tuple[Ports, Mapping[str, object]]:
    """Return the ports that ``port`` names, and the settings that are the driver's own."""
    if len(port.paths) == 1 and port.paths[0].startswith(EMULATED):
        from drivers.bm13xx.emulated_plug import plugged_in  # noqa: PLC0415 - rarely needed

        return plugged_in(port.paths[0].removeprefix(EMULATED), settings, context.random)
    if len(port.paths) != count:
        form = "+".join(("DATA_PORT", "CONTROL_PORT")[:count])
        problem = f"expected {driver}@{form}, got {port.name!r}"
        raise SettingError(driver, "port", problem)
    return SerialPorts(port.paths), settings


DRIVERS: Mapping[str, BareChainDriver] = MappingProxyType(
    {name: BareChainDriver(name, chip) for name, chip in CHIPS.items()}
)
