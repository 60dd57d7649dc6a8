"""The port of a device: bytes to it, bytes from it to whoever listens at the time."""

import asyncio

from drivers.transports.base import OnData
from drivers.transports.failure import Failure
from drivers.transports.ports import Ports
from drivers.transports.uart import Uart

DATA = 0
"""The place of the only port."""

LONGEST_SILENCE_WAIT = 2.0
"""A device that is never silent is not waited for longer than this, in seconds."""


class Wire:
    """A port, open or not; writing to a closed one does nothing.

    ``on_data`` gets what is received, except while `listen` or `silence` takes it.
    """

    def __init__(self, ports: Ports, *, on_data: OnData, baud_rate: int) -> None:
        self._ports = ports
        self._on_data = on_data
        self._wanted_baud_rate = baud_rate
        self._uart: Uart | None = None
        self._heard: bytearray | None = None
        self._heard_at = 0.0
        self._news = asyncio.Event()

    @property
    def name(self) -> str:
        """Return what to call the port."""
        return self._ports.path(DATA)

    @property
    def baud_rate(self) -> int:
        """Return the rate in force; 0 while closed or lost."""
        return self._uart.baud_rate if self._uart else 0

    async def open(self, failure: Failure) -> None:
        """Open the port, ``failure`` being told of its loss; raise DriverError if that fails."""
        self._uart = await self._ports.open(
            DATA,
            on_data=self._received,
            on_lost=failure.report,
            baud_rate=self._wanted_baud_rate,
        )

    def close(self) -> None:
        """Let go of the port; harmless when repeated."""
        uart, self._uart = self._uart, None
        if uart:
            uart.close()

    def write(self, data: bytes) -> None:
        """Send ``data``; never block, never raise."""
        if self._uart:
            self._uart.write(data)

    async def silence(self, failure: Failure, seconds: float) -> None:
        """Drop what is received until nothing was for ``seconds``."""
        loop = asyncio.get_running_loop()
        self._heard, self._heard_at = bytearray(), loop.time()
        limit = self._heard_at + LONGEST_SILENCE_WAIT
        try:
            while (left := min(self._heard_at + seconds, limit) - loop.time()) > 0:
                await failure.pause(left)
        finally:
            self._heard = None

    async def listen(self, failure: Failure, data: bytes, *, enough: int, seconds: float) -> bytes:
        """Send ``data``; return what comes within ``seconds``, no longer than for ``enough``."""
        loop = asyncio.get_running_loop()
        self._heard = bytearray()
        end = loop.time() + seconds
        try:
            self.write(data)
            while len(self._heard) < enough and (left := end - loop.time()) > 0:
                await self._heard_more(failure, left)
            return bytes(self._heard)
        finally:
            self._heard = None

    async def _heard_more(self, failure: Failure, seconds: float) -> None:
        self._news.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass
        failure.check()

    def _received(self, data: bytes) -> None:
        if self._heard is None:
            self._on_data(data)
            return
        self._heard += data
        self._heard_at = asyncio.get_running_loop().time()
        self._news.set()
