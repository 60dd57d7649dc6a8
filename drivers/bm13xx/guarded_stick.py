"""The drivers of sticks with telemetry: guarded as boards are, reached as sticks are."""

from collections.abc import Mapping

from drivers.api import Context, Device, HeatGoals, PortInfo, Product
from drivers.bm13xx.board import Board
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.controls import Controls, ControlsRequest
from drivers.bm13xx.device import Bm13xxDevice
from drivers.bm13xx.either_chip import EitherChipDevice
from drivers.bm13xx.guarded_board import GuardedBoard
from drivers.bm13xx.resting import board_off
from drivers.bm13xx.settings import (
    CHANGEABLE,
    VOLTAGE,
    BoardSettings,
    LiveSettings,
    board_settings,
)
from drivers.bm13xx.stick_port import stick_port
from drivers.brown_out import SupplyMemory
from drivers.emulation import EmulatedDriver
from drivers.errors import SettingError
from drivers.heat_goals import with_goals
from drivers.settings_reader import AUTO
from drivers.transports.bridge_ports import BridgePort
from drivers.transports.bridges.bridge import DTR
from drivers.transports.port_paths import power_place
from drivers.transports.tap import tapped

FAMILY = "bm13xx"
PORTS = 2
"""UARTs of the bridge: that of the chips, and that of the micro."""

CHIP = "chip"
"""The setting that names the chip where a stick may have one of several."""


class GuardedStickDriver:
    """Makes devices of a USB stick with telemetry."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.chip = board.chip
        self.board = board

    @property
    def product(self) -> Product:
        """Return what the driver is for."""
        chips = f"{self.board.chips} x {self.chip.name}"
        return Product(kind="board", chips=chips, ports=PORTS, family=FAMILY)

    def match(self, port: PortInfo) -> int:
        """Return how sure the strings that a stick shows on USB make us; 0 for a stranger."""
        return self.board.usb.match(port) if self.board.usb else 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        supply = context.supplies.of(power_place(port))
        return self.on_port(*self._reached(port, settings, context), context, supply)

    def on_port(
        self,
        port: BridgePort,
        settings: Mapping[str, object],
        context: Context,
        supply: SupplyMemory | None = None,
    ) -> EitherChipDevice:
        """Return a device on a port that is at hand; raise SettingError.

        ``supply`` is what is known of the power there, if anything.
        """
        live = LiveSettings(
            self.name,
            settings,
            lambda given: board_settings(self.name, given, self.board),
            changeable=(*CHANGEABLE, *VOLTAGE),
        )
        assert live.board
        chips = self._chips(live.board)
        port = tapped(port, context)
        controls = self._controls(port, live.board, context)
        board = GuardedBoard(self.board, live.board, controls, context, mhz=live.chain.frequency)
        return EitherChipDevice(
            chips, lambda chip: Bm13xxDevice(chip, live, context, port, board, supply), context.log
        )

    def with_heat(self, settings: Mapping[str, object], goals: HeatGoals) -> Mapping[str, object]:
        """Return ``settings`` with ``goals`` in them, none above the board's own limits."""
        highest = min(sensor.limits.trip for sensor in self.board.sensors)
        return with_goals(settings, goals, highest=highest)

    def emulated(self) -> EmulatedDriver:
        """Return the driver of such a stick emulated in this process."""
        return EmulatedDriver(self)

    async def safe_off(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Switch a stick off that nobody runs; return in words what was seen.

        For what is left behind by a process that was killed. Raises DriverError when the stick
        cannot be reached, or was not seen safe.
        """
        return await self.safe_off_on(*self._reached(port, settings, context), context)

    async def safe_off_on(
        self, port: BridgePort, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Switch off a stick on a port that is at hand; see `safe_off`."""
        _, settled = board_settings(self.name, settings, self.board)
        return await board_off(port, self._controls(port, settled, context))

    def _reached(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[BridgePort, Mapping[str, object]]:
        """Return the port by the way wanted, and the settings that are the driver's own."""
        return stick_port(self.name, port, settings, random=context.random, count=PORTS, lines=DTR)

    def _chips(self, settings: BoardSettings) -> tuple[ChipSpec, ...]:
        """Return the chip models there may be, the usual one first, or that of the settings."""
        name = settings.options.get(CHIP, "")
        if not name:
            return (self.chip,)
        known = {chip.name.lower(): chip for chip in (self.chip, *self.board.other_chips)}
        if name == AUTO:
            return tuple(known.values())
        if name.lower() not in known:
            allowed = ", ".join((AUTO, *known))
            raise SettingError(self.name, CHIP, f"must be one of {allowed}, not {name!r}")
        return (known[name.lower()],)

    def _controls(self, port: BridgePort, settings: BoardSettings, context: Context) -> Controls:
        request = ControlsRequest(ports=port, context=context, options=settings.options)
        return self.board.wiring.controls(request)
