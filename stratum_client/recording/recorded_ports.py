"""A device's ports with notes: openings, bytes both ways, baud rates, lines, and how each ended."""

from typing import TYPE_CHECKING, TypeVar, cast

from drivers.errors import DriverError, TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import LineControlError
from drivers.transports.tap import Openable
from drivers.transports.uart import Uart
from stratum_client.recording.entries import Rim, What
from stratum_client.recording.notes import Notes

if TYPE_CHECKING:
    from drivers.transports.bridge_ports import BridgePort

P = TypeVar("P", bound=Openable)


class RecordedTap:
    """Implements `drivers.transports.tap.PortTap` for one device."""

    def __init__(self, notes: Notes, device: str) -> None:
        self._notes = notes
        self._device = device

    def ports(self, ports: P) -> P:
        """Return ``ports``, listened at."""
        return cast(P, _RecordedPorts(self, ports))

    def note(self, what: What, place: int, *, data: bytes = b"", **fields: object) -> None:
        """Note something of the port at ``place``."""
        self._notes.note(Rim.PORT, what, self._device, {"place": place, **fields}, data=data)


class _RecordedPorts:
    """Ports that do all that those behind them do."""

    def __init__(self, tap: RecordedTap, ports: Openable) -> None:
        self._tap = tap
        self._ports = ports

    def __getattr__(self, name: str) -> object:
        return getattr(self._ports, name)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        def data_came(data: bytes) -> None:
            self._tap.note(What.IN, place, data=data)
            on_data(data)

        def was_lost(error: TransportLostError) -> None:
            self._tap.note(What.LOST, place, reason=error.reason)
            on_lost(error)

        self._tap.note(What.OPENING, place, rate=baud_rate)
        try:
            uart = await self._ports.open(
                place, on_data=data_came, on_lost=was_lost, baud_rate=baud_rate
            )
        except DriverError as error:
            self._tap.note(What.REFUSED, place, reason=str(error))
            raise
        self._tap.note(What.OPEN, place, rate=uart.baud_rate)
        return cast(Uart, _RecordedUart(self._tap, place, uart))

    async def set_pins(self, *, mask: int, levels: int) -> None:
        self._tap.note(What.PINS, 0, mask=mask, levels=levels)
        error = ""
        try:
            await self._bridge().set_pins(mask=mask, levels=levels)
        except DriverError as failure:
            error = str(failure)
            raise
        finally:
            self._tap.note(What.PINS_SET, 0, error=error)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        self._tap.note(What.PINS, 0, mask=mask, levels=levels)
        self._bridge().set_pins_soon(mask=mask, levels=levels)

    async def read_pins(self) -> int:
        self._tap.note(What.PINS_ASKED, 0)
        error, levels = "", 0
        try:
            levels = await self._bridge().read_pins()
        except DriverError as failure:
            error = str(failure)
            raise
        finally:
            self._tap.note(What.PINS_READ, 0, levels=levels, error=error)
        return levels

    def _bridge(self) -> "BridgePort":
        """Return the ports as what they are when somebody calls for pins."""
        return cast("BridgePort", self._ports)


class _RecordedUart:
    """A port that does all that the one behind it does."""

    def __init__(self, tap: RecordedTap, place: int, uart: Uart) -> None:
        self._tap = tap
        self._place = place
        self._uart = uart

    def __getattr__(self, name: str) -> object:
        return getattr(self._uart, name)

    def write(self, data: bytes) -> None:
        self._tap.note(What.OUT, self._place, data=bytes(data))
        self._uart.write(data)

    def set_baud_rate(self, baud_rate: int) -> None:
        refused = True
        try:
            self._uart.set_baud_rate(baud_rate)
            refused = False
        finally:
            got = self._uart.baud_rate
            self._tap.note(What.BAUD_RATE, self._place, rate=baud_rate, got=got, refused=refused)

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        line = problem = ""
        try:
            self._uart.set_lines(dtr=dtr, rts=rts)
        except LineControlError as error:
            line, problem = error.line, error.problem
            raise
        finally:
            self._tap.note(What.LINES, self._place, dtr=dtr, rts=rts, line=line, problem=problem)

    async def drain(self) -> None:
        self._tap.note(What.DRAIN, self._place)
        await self._uart.drain()
        self._tap.note(What.DRAINED, self._place)

    def close(self) -> None:
        self._tap.note(What.CLOSE, self._place)
        self._uart.close()
