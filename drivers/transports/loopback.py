"""A UART in memory: a driver on one end, an emulator on the other, and faults to order between.

Both ends deliver through the event loop, so neither side is ever called from within its own
`write`, however the two answer each other. A changed baud rate overtakes what is still under way,
so a driver that forgets to `drain` is caught here as it would be by a chip.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from drivers.errors import TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import (
    BaudRateError,
    LineControlError,
    PortBusyError,
    PortOpenError,
)
from drivers.transports.noise import Noise, no_noise

_FALLEN_TO = 9600


class Line:
    """One direction of a loopback: bytes in order, damaged and delayed as its fields say.

    ``noise`` maps what is sent to what arrives, ``delay`` is in seconds, ``cut`` swallows all,
    ``chunk`` delivers at most so many bytes at a time (0: as written). All may change at any time.
    """

    def __init__(self, deliver: OnData) -> None:
        self.noise: Noise = no_noise
        self.delay = 0.0
        self.cut = False
        self.chunk = 0
        self._deliver = deliver
        self._loop = asyncio.get_running_loop()
        self._under_way: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.Handle | None = None
        self._emptied: asyncio.Future[None] | None = None

    def send(self, data: bytes) -> None:
        """Put ``data`` on the line."""
        arriving = b"" if self.cut else self.noise(data)
        due = self._loop.time() + self.delay
        if self._under_way:
            due = max(due, self._under_way[-1][0])  # never overtake
        step = self.chunk or len(arriving)
        for start in range(0, len(arriving), step or 1):
            self._under_way.append((due, arriving[start : start + step]))
        self._schedule()

    def clear(self) -> None:
        """Forget what is under way."""
        self._under_way.clear()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._tell_if_empty()

    async def empty(self) -> None:
        """Wait until nothing is under way."""
        while self._under_way:
            if self._emptied is None:
                self._emptied = self._loop.create_future()
            await asyncio.shield(self._emptied)

    def _schedule(self) -> None:
        if self._timer or not self._under_way:
            return
        due = self._under_way[0][0]
        if due > self._loop.time():
            self._timer = self._loop.call_at(due, self._arrive)
        else:
            self._timer = self._loop.call_soon(self._arrive)

    def _arrive(self) -> None:
        self._timer = None
        _, data = self._under_way.popleft()
        self._schedule()
        self._tell_if_empty()
        self._deliver(data)

    def _tell_if_empty(self) -> None:
        if self._emptied and not self._under_way:
            self._emptied.set_result(None)
            self._emptied = None


class Loopback:
    """A port in memory, seen from the emulator; drivers `open` it, one at a time.

    ``on_baud_rate`` is told each new rate of the driver's end before the data sent at it. Asked
    for more than ``max_baud_rate`` (0: no limit) it falls to 9600, as an FT232 under Linux does.
    """

    def __init__(
        self,
        name: str,
        *,
        on_data: OnData,
        on_baud_rate: Callable[[int], None] | None = None,
        max_baud_rate: int = 0,
    ) -> None:
        self.to_driver = Line(self._to_driver)
        self.to_host = Line(on_data)
        self._name = name
        self._loop = asyncio.get_running_loop()
        self._on_baud_rate = on_baud_rate
        self._max_baud_rate = max_baud_rate
        self._plugged = True
        self._closed = False
        self._driver: LoopbackUart | None = None
        self._baud_rate = _FALLEN_TO

    @property
    def path(self) -> str:
        """Return the port's name."""
        return self._name

    @property
    def baud_rate(self) -> int:
        """Return the rate the driver has set, also after it closed; 0 while unplugged."""
        return self._baud_rate if self._plugged else 0

    def open(self, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200) -> "LoopbackUart":
        """Return the driver's end; raise PortOpenError, PortBusyError or BaudRateError."""
        if not self._plugged:
            raise PortOpenError(self._name, "no such port; is the device plugged in?")
        if self._driver:
            raise PortBusyError(self._name, ("this very program",))
        self.to_driver.clear()
        self.change_baud_rate(baud_rate)
        self._driver = LoopbackUart(self, on_data=on_data, on_lost=on_lost)
        return self._driver

    def write(self, data: bytes) -> None:
        """Send ``data`` to the driver; without one nobody listens and it is dropped."""
        if self._driver:
            self.to_driver.send(data)

    def unplug(self, reason: str = "hung up; was it unplugged?") -> None:
        """Make the port vanish; the driver loses it and what was under way is gone."""
        self._plugged = False
        self.to_driver.clear()
        self.to_host.clear()
        driver, self._driver = self._driver, None
        if driver:
            driver.lose(reason)

    def replug(self) -> None:
        """Bring the port back; harmless when plugged in or closed."""
        self._plugged = not self._closed

    def close(self) -> None:
        """Unplug for good."""
        self._closed = True
        self.unplug()

    def change_baud_rate(self, baud_rate: int) -> None:
        """Take a rate from the driver's end; raise BaudRateError above the limit."""
        got = baud_rate if baud_rate <= (self._max_baud_rate or baud_rate) else _FALLEN_TO
        if got != self._baud_rate:
            self._baud_rate = got
            if self._on_baud_rate:
                self._on_baud_rate(got)
        if got != baud_rate:
            raise BaudRateError(self._name, asked=baud_rate, got=got)

    def release(self, driver: "LoopbackUart") -> None:
        """Let the next driver open the port; called by the end that closes."""
        if self._driver is driver:
            self._driver = None
            self.to_driver.clear()

    def _to_driver(self, data: bytes) -> None:
        if self._driver:
            self._driver.receive(data)


class LoopbackUart:
    """The driver's end of a `Loopback`; made by `Loopback.open`."""

    def __init__(self, link: Loopback, *, on_data: OnData, on_lost: OnLost) -> None:
        self._link = link
        self._on_data = on_data
        self._on_lost = on_lost
        self._open = True
        self._lost: asyncio.Handle | None = None

    @property
    def path(self) -> str:
        """Return the port's name."""
        return self._link.path

    @property
    def baud_rate(self) -> int:
        """Return the rate in force; 0 once the port is lost or closed."""
        return self._link.baud_rate if self._open else 0

    def write(self, data: bytes) -> None:
        """Send ``data`` to the emulator, which gets it in a later turn of the loop."""
        if self._open and data:
            self._link.to_host.send(data)

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change the rate at once; raise BaudRateError above the port's limit."""
        if self._open:
            self._link.change_baud_rate(baud_rate)

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Raise LineControlError for any line: memory has none."""
        for line, level in (("DTR", dtr), ("RTS", rts)):
            if level is not None and self._open:
                raise LineControlError(self.path, line, "the port has no such line")

    async def drain(self) -> None:
        """Wait until the emulator has been given everything; return early when the port is lost."""
        if self._open:
            await self._link.to_host.empty()

    def close(self) -> None:
        """Give the port back; what was written still arrives. May be called twice."""
        self._open = False
        self._link.release(self)
        if self._lost:
            self._lost.cancel()

    def receive(self, data: bytes) -> None:
        """Hand ``data`` to the driver; called by the link."""
        self._on_data(data)

    def lose(self, reason: str) -> None:
        """Be lost; called by the link."""
        self._open = False
        loop = asyncio.get_running_loop()
        self._lost = loop.call_soon(self._on_lost, TransportLostError(self.path, reason))
