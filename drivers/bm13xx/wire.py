"""The data port of a device: bytes to and from its chips, and the actions of a bring-up."""

import asyncio
from collections.abc import Callable, Iterable

from drivers.bm13xx.bring_up import Action, AwaitSilence, Send, SwitchBaud
from drivers.bm13xx.ports import DATA
from drivers.transports.base import OnData
from drivers.transports.errors import BaudRateError
from drivers.transports.failure import Failure
from drivers.transports.ports import Ports
from drivers.transports.uart import Uart

BAUD_SETTLE = 0.01
"""Seconds that chips get to switch their baud rate, as in kanoi's driver."""

LONGEST_SILENCE_WAIT = 5.0
"""Chips that are never silent are not waited for longer than this."""


class Wire:
    """The port to the chips of one device, open or not; writing to a closed one does nothing.

    ``flushed`` is called when what was received so far has become meaningless.
    """

    def __init__(self, ports: Ports, *, on_data: OnData, flushed: Callable[[], None]) -> None:
        self._ports = ports
        self._on_data = on_data
        self._flushed = flushed
        self._uart: Uart | None = None
        self._is_deaf = False
        self._heard_at = 0.0

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
        self._uart = await self._ports.open(DATA, on_data=self._received, on_lost=failure.report)

    def can_do(self, baud_rate: int) -> bool:
        """Return whether the port runs at ``baud_rate``; it is left at the rate it has."""
        if self._uart is None:
            return False
        before = self._uart.baud_rate
        try:
            self._uart.set_baud_rate(baud_rate)
        except BaudRateError:
            return False
        finally:
            self._uart.set_baud_rate(before)
        return True

    def close(self) -> None:
        """Let go of the port; harmless when repeated."""
        uart, self._uart = self._uart, None
        if uart:
            uart.close()

    def write(self, data: bytes) -> None:
        """Send ``data`` to the chips; never block, never raise."""
        if self._uart:
            self._uart.write(data)

    async def perform(
        self,
        failure: Failure,
        actions: Iterable[Action],
        *,
        still: Callable[[], bool],
        longest_pause: float = 1.0,
    ) -> bool:
        """Perform ``actions`` in order as long as ``still`` holds; tell whether it did all along.

        Raises what ``failure`` is told, and what the chain says of the answers.
        """
        for action in actions:
            match action:
                case Send(data=data, pause=pause):
                    self.write(data)
                    await failure.pause(min(pause, longest_pause))
                case AwaitSilence(seconds=seconds):
                    await self._silence(failure, seconds, still)
                case SwitchBaud(rate=rate):
                    await self._switch(failure, rate)
            if not still():
                return False
        return True

    async def _silence(self, failure: Failure, seconds: float, still: Callable[[], bool]) -> None:
        """Return when nothing was heard for ``seconds``, or as soon as ``still`` ends it.

        A chain may talk on for seconds; a nudge tells that something else may be wanted.
        """
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        limit = self._heard_at + LONGEST_SILENCE_WAIT
        while still() and (left := min(self._heard_at + seconds, limit) - loop.time()) > 0:
            await failure.nudged(left)

    async def _switch(self, failure: Failure, rate: int) -> None:
        """Change the rate when all is sent, and drop what was under way."""
        if self._uart is None:
            return
        await self._uart.drain()
        failure.check()
        self._is_deaf = True
        try:
            self._uart.set_baud_rate(rate)
            await failure.pause(BAUD_SETTLE)
        finally:
            self._is_deaf = False
        self._flushed()

    def _received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._heard_at = asyncio.get_running_loop().time()
        self._on_data(data)
