"""The drivers of the BM13xx family by name: each chip as a bare chain, each board, each stick.

Sticks with telemetry are in `guarded_stick`.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from drivers.api import Context, Device, Driver, HeatGoals, PortInfo, Product
from drivers.bm13xx.board import Board
from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.chip import ChipSpec
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.controls import Controls, ControlsRequest
from drivers.bm13xx.device import Bm13xxDevice
from drivers.bm13xx.guarded_board import GuardedBoard
from drivers.bm13xx.guarded_stick import GuardedStickDriver
from drivers.bm13xx.ports import SerialPorts
from drivers.bm13xx.resting import board_off, stick_off
from drivers.bm13xx.settings import (
    CHANGEABLE,
    VOLTAGE,
    BoardSettings,
    LiveSettings,
    board_settings,
    chain_settings,
    stick_settings,
)
from drivers.bm13xx.stick import Stick
from drivers.bm13xx.stick_board import StickBoard
from drivers.bm13xx.stick_port import stick_port
from drivers.bm13xx.sticks.table import GUARDED_STICKS, STICKS
from drivers.brown_out import SupplyMemory
from drivers.emulation import EmulatedDriver, emulation_at
from drivers.errors import SettingError
from drivers.heat_goals import with_goals
from drivers.transports.bridge_ports import BridgePort, bridge_port
from drivers.transports.port_paths import is_place, power_place, tty_paths
from drivers.transports.ports import Ports
from drivers.transports.tap import tapped

FAMILY = "bm13xx"


class Bm13xxDriver(Driver, Protocol):
    """A driver of this family."""

    @property
    def chip(self) -> ChipSpec:
        """Return the chip model."""
        ...

    def on_ports(
        self, ports: Ports, settings: Mapping[str, object], context: Context
    ) -> Bm13xxDevice:
        """Return a device on ports that are at hand; raise SettingError."""
        ...


class BareChainDriver:
    """Makes devices of chips on a UART, with nothing around them that could be driven."""

    def __init__(self, name: str, chip: ChipSpec) -> None:
        self.name = name
        self.chip = chip

    @property
    def product(self) -> Product:
        """Return what the driver is for."""
        return Product(kind="chip", chips=self.chip.name, ports=1, family=FAMILY)

    def match(self, port: PortInfo) -> int:  # noqa: ARG002 - a UART does not say what is on it
        """Return 0: only the operator knows which chips are on a UART."""
        return 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        ports, own = _ports_of(self.name, port, settings, context, count=1)
        return self.on_ports(ports, own, context)

    def on_ports(
        self, ports: Ports, settings: Mapping[str, object], context: Context
    ) -> Bm13xxDevice:
        """Return a device on ports that are at hand; raise SettingError."""
        live = LiveSettings(
            self.name, settings, lambda given: (chain_settings(self.name, given, self.chip), None)
        )
        return Bm13xxDevice(self.chip, live, context, tapped(ports, context))

    def emulated(self) -> EmulatedDriver:
        """Return the driver of such chips emulated in this process."""
        return EmulatedDriver(self)


class BoardDriver:
    """Makes devices of a board."""

    def __init__(self, board: Board) -> None:
        self.name = board.name
        self.chip = board.chip
        self.board = board

    @property
    def product(self) -> Product:
        """Return what the driver is for."""
        chips = f"{self.board.chips} x {self.chip.name}"
        return Product(kind="board", chips=chips, ports=self.board.ports, family=FAMILY)

    def match(self, port: PortInfo) -> int:
        """Return how sure the strings that a board shows on USB make us; 0 for a stranger."""
        has_all = len(tty_paths(port)) == self.board.ports
        return self.board.usb.match(port) if self.board.usb and has_all else 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> Device:
        """Return a device, not yet running; raise SettingError for a setting it cannot take."""
        ports, own = _ports_of(self.name, port, settings, context, count=self.board.ports)
        return self.on_ports(ports, own, context)

    def on_ports(
        self, ports: Ports, settings: Mapping[str, object], context: Context
    ) -> Bm13xxDevice:
        """Return a device on ports that are at hand; raise SettingError."""
        live = LiveSettings(
            self.name,
            settings,
            lambda given: board_settings(self.name, given, self.board),
            changeable=(*CHANGEABLE, *VOLTAGE) if self.board.voltages else CHANGEABLE,
        )
        assert live.board
        ports = tapped(ports, context)
        controls = self._controls(ports, live.board, context)
        mhz = live.chain.frequency
        board = GuardedBoard(self.board, live.board, controls, context, mhz=mhz)
        return Bm13xxDevice(self.chip, live, context, ports, board)

    def with_heat(self, settings: Mapping[str, object], goals: HeatGoals) -> Mapping[str, object]:
        """Return ``settings`` with ``goals`` in them, none above the board's own limits."""
        highest = min(sensor.limits.trip for sensor in self.board.sensors)
        return with_goals(settings, goals, highest=highest)

    def emulated(self) -> EmulatedDriver | None:
        """Return the driver of such boards emulated in this process, None where there is none."""
        from drivers.bm13xx.emulated_plug import can_emulate  # noqa: PLC0415 - rarely needed

        return EmulatedDriver(self) if can_emulate(self.name) else None

    async def safe_off(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Switch a board off that nobody runs, fans at full; return in words what was seen.

        For what is left behind by a process that was killed. Raises DriverError when the board
        cannot be reached, or was not seen safe.
        """
        ports, own = _ports_of(self.name, port, settings, context, count=self.board.ports)
        return await self.safe_off_on(ports, own, context)

    async def safe_off_on(
        self, ports: Ports, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Switch off a board on ports that are at hand; see `safe_off`."""
        _, settled = board_settings(self.name, settings, self.board)
        controls = self._controls(ports, settled, context)
        return await board_off(ports, controls)

    def _controls(self, ports: Ports, settings: BoardSettings, context: Context) -> Controls:
        request = ControlsRequest(ports=ports, context=context, options=settings.options)
        return self.board.wiring.controls(request)


class StickDriver:
    """Makes devices of a USB stick."""

    def __init__(self, stick: Stick) -> None:
        self.name = stick.name
        self.chip = stick.chip
        self.stick = stick

    @property
    def product(self) -> Product:
        """Return what the driver is for."""
        chips = f"{self.stick.chips} x {self.chip.name}"
        return Product(kind="board", chips=chips, ports=1, family=FAMILY)

    def match(self, port: PortInfo) -> int:
        """Return how sure the strings that a stick shows on USB make us; 0 for a stranger."""
        return self.stick.match(port)

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
    ) -> Bm13xxDevice:
        """Return a device on a port that is at hand; raise SettingError.

        ``supply`` is what is known of the power there, if anything.
        """
        live = LiveSettings(
            self.name, settings, lambda given: (stick_settings(self.name, given, self.stick), None)
        )
        port = tapped(port, context)
        board = StickBoard(self.stick, port, context.log, mhz=live.chain.frequency)
        return Bm13xxDevice(self.chip, live, context, port, board, supply)

    def emulated(self) -> EmulatedDriver:
        """Return the driver of such a stick emulated in this process."""
        return EmulatedDriver(self)

    async def safe_off(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[str, ...]:
        """Hold the chips of a stick that nobody runs in reset; return in words what was seen.

        Those without a reset line are slowed down. Raises DriverError when the stick cannot be
        reached, or was not seen in reset.
        """
        return await self.safe_off_on(*self._reached(port, settings, context))

    async def safe_off_on(
        self, port: BridgePort, settings: Mapping[str, object]
    ) -> tuple[str, ...]:
        """Put the chips of a stick on a port that is at hand to rest; see `safe_off`."""
        stick_settings(self.name, settings, self.stick)
        return await stick_off(self.stick, port)

    def _reached(
        self, port: PortInfo, settings: Mapping[str, object], context: Context
    ) -> tuple[BridgePort, Mapping[str, object]]:
        """Return the port by the way wanted, and the settings that are the driver's own."""
        return stick_port(self.name, port, settings, random=context.random)


def _ports_of(
    driver: str, port: PortInfo, settings: Mapping[str, object], context: Context, *, count: int
) -> tuple[Ports, Mapping[str, object]]:
    """Return the ports that ``port`` names, and the settings that are the driver's own."""
    emulated = emulation_at(port)
    if emulated is not None:
        from drivers.bm13xx.emulated_plug import plugged_in  # noqa: PLC0415 - rarely needed

        return plugged_in(emulated, settings, context.random, ports=count)
    paths = tty_paths(port) or port.paths
    if len(paths) != count:
        form = "+".join(("DATA_PORT", "CONTROL_PORT")[:count])
        problem = f"expected {driver}@{form}, got {port.name!r}"
        raise SettingError(driver, "port", problem)
    if count == 1 and is_place(paths[0]):
        return bridge_port(paths[0]), settings
    return SerialPorts(paths), settings


DRIVERS: Mapping[str, BareChainDriver | BoardDriver | StickDriver | GuardedStickDriver]
DRIVERS = MappingProxyType(
    {name: BareChainDriver(name, chip) for name, chip in CHIPS.items()}
    | {name: BoardDriver(board) for name, board in BOARDS.items()}
    | {name: StickDriver(stick) for name, stick in STICKS.items()}
    | {name: GuardedStickDriver(stick) for name, stick in GUARDED_STICKS.items()}
)
