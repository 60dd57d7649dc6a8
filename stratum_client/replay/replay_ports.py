"""A device's ports without anything behind them: the recording answers."""

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar, cast

from drivers.errors import TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import BaudRateError, LineControlError, PortOpenError
from drivers.transports.tap import Openable
from drivers.transports.uart import Uart
from stratum_client.recording.entries import Entry, What

P = TypeVar("P", bound=Openable)


class Stage(Protocol):
    """Who plays the recording."""

    def do(self, what: What, place: int, data: bytes = b"", **fields: object) -> Entry | None:
        """Compare what the driver does with what it did; return that."""
        ...


class ReplayTap:
    """Implements `drivers.transports.tap.PortTap`; what happens to ports is called by the stage."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.uarts: dict[int, ReplayUart] = {}
        self._waits: dict[tuple[What, int], asyncio.Future[Entry]] = {}

    def ports(self, ports: P) -> P:
        """Return ports that are called as ``ports`` are."""
        return cast(P, _ReplayPorts(self, ports))

    def happen(self, entry: Entry) -> bool:
        """Let something happen to a port; return whether it could."""
        place = entry.number("place")
        uart = self.uarts.get(place)
        match entry.what:
            case What.IN:
                return uart is not None and uart.receive(entry.data)
            case What.LOST:
                return uart is not None and uart.lose(entry.text("reason"))
        key = What.OPEN if entry.what is What.REFUSED else entry.what
        waiting = self._waits.pop((key, place), None)
        if waiting is None or waiting.done():
            return False
        waiting.set_result(entry)
        return True

    async def until(self, what: What, place: int) -> Entry:
        """Return the entry of that kind, when it comes."""
        waiting: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._waits[what, place] = waiting
        return await waiting


class _ReplayPorts:
    """Also what a bridge has: pins."""

    def __init__(self, tap: ReplayTap, ports: Openable) -> None:
        self._tap = tap
        self._ports = ports

    def __getattr__(self, name: str) -> object:
        return getattr(self._ports, name)

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        self._tap.stage.do(What.OPENING, place, rate=baud_rate)
        answer = await self._tap.until(What.OPEN, place)
        if answer.what is What.REFUSED:
            raise PortOpenError(self._ports.path(place), answer.text("reason"))
        path = self._ports.path(place)
        rate = answer.number("rate")
        uart = ReplayUart(self._tap, place, path, rate, on_data, on_lost)
        self._tap.uarts[place] = uart
        return uart

    async def serve(self) -> None:
        """Return: nothing is there."""

    async def finish(self) -> None:
        """Return: nothing is held."""

    async def set_pins(self, *, mask: int, levels: int) -> None:
        self._tap.stage.do(What.PINS, 0, mask=mask, levels=levels)
        answer = await self._tap.until(What.PINS_SET, 0)
        self._check(answer)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        self._tap.stage.do(What.PINS, 0, mask=mask, levels=levels)

    async def read_pins(self) -> int:
        self._tap.stage.do(What.PINS_ASKED, 0)
        answer = await self._tap.until(What.PINS_READ, 0)
        self._check(answer)
        return answer.number("levels")

    def _check(self, answer: Entry) -> None:
        if answer.text("error"):
            raise LineControlError(self._ports.path(0), "pins", answer.text("error"))


class ReplayUart:
    """The driver's end of a port that is not there."""

    def __init__(
        self,
        tap: ReplayTap,
        place: int,
        path: str,
        baud_rate: int,
        on_data: Callable[[bytes], None],
        on_lost: OnLost,
    ) -> None:
        self.path = path
        self._tap = tap
        self._place = place
        self._baud_rate = baud_rate
        self._on_data = on_data
        self._on_lost = on_lost
        self._is_open = True

    @property
    def baud_rate(self) -> int:
        """Return the rate in force; 0 once the port is lost or closed."""
        return self._baud_rate if self._is_open else 0

    def write(self, data: bytes) -> None:
        """Let ``data`` be compared."""
        self._tap.stage.do(What.OUT, self._place, bytes(data))

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change the rate; raise BaudRateError if it was refused then."""
        then = self._tap.stage.do(What.BAUD_RATE, self._place, rate=baud_rate)
        self._baud_rate = then.number("got") if then else baud_rate
        if then and then.fields.get("refused"):
            raise BaudRateError(self.path, asked=baud_rate, got=self._baud_rate)

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set modem lines; raise LineControlError if that was refused then."""
        then = self._tap.stage.do(What.LINES, self._place, dtr=dtr, rts=rts)
        if then and then.text("problem"):
            raise LineControlError(self.path, then.text("line"), then.text("problem"))

    async def drain(self) -> None:
        """Wait until all had left the port then."""
        self._tap.stage.do(What.DRAIN, self._place)
        await self._tap.until(What.DRAINED, self._place)

    def close(self) -> None:
        """Let go."""
        self._is_open = False
        self._tap.stage.do(What.CLOSE, self._place)

    def receive(self, data: bytes) -> bool:
        """Hand over what came then."""
        if self._is_open:
            self._on_data(data)
        return self._is_open

    def lose(self, reason: str) -> bool:
        """Be lost as then."""
        was_open, self._is_open = self._is_open, False
        if was_open:
            self._on_lost(TransportLostError(self.path, reason))
        return was_open
