"""The drivers of the Icarus family by name."""

from collections.abc import Mapping
from types import MappingProxyType

from drivers.api import Context, Device, HeatGoals, PortInfo, Product
from drivers.brown_out import SupplyMemory
from drivers.emulation import EmulatedDriver, emulation_at
from drivers.errors import SettingError
from drivers.heat_goals import TRIP, with_goals
from drivers.icarus.device import IcarusDevice
from drivers.icarus.model import Model
from drivers.icarus.models.table import MODELS
from drivers.icarus.settings import parsed
from drivers.transports.port_paths import power_place
from drivers.transports.ports import PortsByWay
from drivers.transports.tap import tapped
from drivers.transports.ways import SETTING, TTY, port_by_way, wanted_way


class IcarusDriver:
    """Makes devices of one model."""

    def __init__(self, model: Model) -> None:
        self.name = model.name
        self.model = model
        self.product = Product(kind="board", chips=model.chips, ports=1, family="icarus")

    def match(self, port: PortInfo) -> int:
        """Return 0 unless the strings of ``port`` name such a device: its ids tell nothing."""
        return self.model.match(port)

    def may_be(self, port: PortInfo) -> bool:
        """Return whether ``port`` has ids that such a device can have; it may be anything else."""
        return self.model.may_be(port)

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        way, emulated = wanted_way(self.name, settings), emulation_at(port)
        if emulated is None:
            ports = port_by_way(self.name, port, way)
            return self.on_ports(ports, settings, context, context.supplies.of(power_place(port)))
        if way == TTY:
            raise SettingError(self.name, SETTING, "an emulated device has no tty")
        return self._open_emulated(emulated, settings, context)

    def on_ports(
        self,
        ports: PortsByWay,
        settings: Mapping[str, object],
        context: Context,
        supply: SupplyMemory | None = None,
    ) -> IcarusDevice:
        """Return a device on a port that is at hand; raise SettingError.

        ``supply`` is what is known of the power there, if anything.
        """
        own = parsed(self.name, settings, self.model)
        return IcarusDevice(self.model, own, context, tapped(ports, context), supply)

    def with_heat(self, settings: Mapping[str, object], goals: HeatGoals) -> Mapping[str, object]:
        """Return ``settings`` with what of ``goals`` a model with a sensor can keep: the trip."""
        if self.model.most_degrees is None:
            return settings
        return with_goals(settings, goals, highest=self.model.most_degrees, names=(TRIP,))

    def emulated(self) -> EmulatedDriver:
        """Return the driver of such a device emulated in this process."""
        return EmulatedDriver(self)

    def _open_emulated(
        self, name: str, settings: Mapping[str, object], context: Context
    ) -> IcarusDevice:
        from drivers.icarus.emulated_usb_plug import stick_in  # noqa: PLC0415 - rarely needed

        ports, left = stick_in(name, settings, context.random)
        return self.on_ports(ports, left, context)


DRIVERS: Mapping[str, IcarusDriver] = MappingProxyType(
    {name: IcarusDriver(model) for name, model in MODELS.items()}
)
