"""The control port of a bitaxe-raw board: one request under way, each with a deadline.

The firmware looks at one frame per USB packet and drops a partial one after 4 ms, so requests are
written whole and never overlap. After anything unexpected the line is drained until it is silent
and the request is sent once more; all of them may be repeated without harm.

When a board must be off at once, `send_now` writes without waiting for anybody and `abandon`
makes whoever waits give up; the next request then starts with a drained line.

Source: firmware korbin/bitaxe-raw src/control/mod.rs (4 ms, 64-byte packets, queue of 8).
"""

import asyncio
from dataclasses import dataclass
from itertools import cycle

from drivers.api import Log
from drivers.errors import DriverError, TransportLostError, TransportTimeoutError
from drivers.peripherals.bitaxe_raw import (
    NO_ID,
    Request,
    gpio_read,
    gpio_write,
    i2c_read,
    i2c_write,
    i2c_write_read,
)
from drivers.peripherals.bitaxe_raw_replies import (
    PROBE,
    PROBE_ID,
    Garbled,
    Outcome,
    ProbeReader,
    Refused,
    ReplyReader,
    ResponseFormat,
    Success,
)
from drivers.peripherals.errors import (
    ControlOutOfStepError,
    ControlRefusedError,
    PeripheralError,
    RequestAbandonedError,
)
from drivers.transports.base import Transport

REPLY_TIMEOUT = 0.25
"""An I2C transaction at 100 kHz takes below 2 ms, so this is ample."""

SILENCE = 0.05
"""No byte for this long, and the line counts as drained."""

LONGEST_DRAIN = 0.5
"""A line that is never silent is not waited for longer than this."""

Answer = Outcome | ResponseFormat


@dataclass(slots=True, kw_only=True)
class ChannelCounts:
    """What has happened on a control channel since it was made."""

    requests: int = 0
    timeouts: int = 0
    refused: int = 0
    garbled: int = 0
    stray_bytes: int = 0


class ControlChannel:
    """Asks one board's controller, in order; also the `I2cBus` of that board.

    Make it, open the transport with `receive_data` and `lost` as callbacks, `attach`, `probe`.
    A request that fails raises TransportTimeoutError, ControlRefusedError, ControlOutOfStepError,
    RequestAbandonedError or TransportLostError.
    """

    def __init__(self, port: str, log: Log) -> None:
        self.counts = ChannelCounts()
        self._port = port
        self._log = log
        self._transport: Transport | None = None
        self._lost: TransportLostError | None = None
        self._format: ResponseFormat | None = None
        self._ids = cycle(range(NO_ID))
        self._turn = asyncio.Lock()
        self._abandoned = 0
        self._out_of_step = True
        self._noise = asyncio.Event()
        self._exchange: _Exchange | None = None

    def attach(self, transport: Transport) -> None:
        """Use ``transport`` from now on."""
        self._transport = transport

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the transport; its ``on_data`` callback."""
        self._noise.set()
        if self._exchange is None or not self._exchange.takes(data):
            self.counts.stray_bytes += len(data)
            self._out_of_step = True

    def lost(self, error: TransportLostError) -> None:
        """Fail the request under way and all later ones; the transport's ``on_lost`` callback."""
        self._lost = error
        if self._exchange:
            self._exchange.give_up(error)

    def abandon(self) -> None:
        """Make the request under way and those queued give up; later ones are served again."""
        self._abandoned += 1
        if self._exchange:
            self._exchange.give_up(RequestAbandonedError(self._port, self._exchange.name))

    def send_now(self, request: Request) -> None:
        """Write ``request`` at once, whatever is under way; nobody waits for the reply.

        Sent twice while another request may be under way: if the first copy shares a USB packet
        with that one, the firmware looks at it only when another packet follows within 4 ms.
        """
        if self._transport is None or self._lost:
            return
        for _ in range(2 if self._out_of_step else 1):
            self._transport.write(request.frame(next(self._ids)))
        self._out_of_step = True

    async def probe(self) -> ResponseFormat:
        """Find out how this firmware frames its replies; do this once, before any request."""
        match await self._ask(PROBE):
            case ResponseFormat() as found:
                self._format = found
                return found
            case other:
                raise AssertionError(other)

    async def request(self, request: Request) -> bytes:
        """Return the payload of the reply, empty if the firmware sends none."""
        if self._format is None:
            raise ValueError("probe the response format before the first request")
        self.counts.requests += 1
        match await self._ask(request, self._format):
            case Success(payload=payload):
                return payload
            case Refused(code=code, text=text):
                self.counts.refused += 1
                raise ControlRefusedError(self._port, request.name, code=code, text=text)
            case other:
                raise AssertionError(other)

    async def write(self, address: int, data: bytes) -> None:
        """Write ``data`` to the I2C part at ``address``."""
        await self.request(i2c_write(address, data))

    async def read(self, address: int, count: int) -> bytes:
        """Return ``count`` bytes from the I2C part at ``address``."""
        return await self.request(i2c_read(address, count))

    async def write_read(self, address: int, data: bytes, count: int) -> bytes:
        """Write ``data``, then read ``count`` bytes, the bus held between."""
        return await self.request(i2c_write_read(address, data, count))

    async def pin(self, pin: int) -> bool:
        """Return the level of a GPIO pin."""
        return await self.request(gpio_read(pin)) == b"\x01"

    async def set_pin(self, pin: int, *, high: bool) -> None:
        """Drive a GPIO pin; raise PeripheralError if it does not take the level."""
        level = await self.request(gpio_write(pin, high=high))
        if level != bytes([high]):
            raise PeripheralError(f"{self._port}: GPIO {pin}", f"stays {level[0]}")

    async def _ask(self, request: Request, response_format: ResponseFormat | None = None) -> Answer:
        """Return the answer, asking twice if need be; without a format ask for that."""
        abandoned = self._abandoned
        async with self._turn:
            answer: Answer | None = None
            for _ in range(2):
                transport = await self._silent_line(request, abandoned)
                if request.payload_size is None:
                    transport.write(request.frame(next(self._ids)))
                    return Success(payload=b"")
                answer = await self._attempt(transport, request, response_format)
                if answer and not isinstance(answer, Garbled):
                    return answer
                self._count_failure(request, answer)
            if isinstance(answer, Garbled):
                raise ControlOutOfStepError(self._port, request.name, answer.data)
            waited_for = f"reply to {request.name}"
            raise TransportTimeoutError(self._port, waited_for=waited_for, seconds=REPLY_TIMEOUT)

    async def _silent_line(self, request: Request, abandoned: int) -> Transport:
        """Return the transport, its line drained; raise if there is nothing to ask any more."""
        if self._out_of_step and not self._lost and self._abandoned == abandoned:
            await self._drain()
        if self._lost:
            raise self._lost
        if self._abandoned != abandoned:
            raise RequestAbandonedError(self._port, request.name)
        if self._transport is None:
            raise TransportLostError(self._port, "not open")
        return self._transport

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        limit = loop.time() + LONGEST_DRAIN
        while loop.time() < limit:
            self._noise.clear()
            try:
                async with asyncio.timeout(SILENCE):
                    await self._noise.wait()
            except TimeoutError:
                return

    async def _attempt(
        self, transport: Transport, request: Request, response_format: ResponseFormat | None
    ) -> Answer | None:
        """Send ``request`` once; return the answer, None if the deadline passed."""
        request_id = next(self._ids) if response_format else PROBE_ID
        reader = (
            ReplyReader(response_format, request, request_id) if response_format else ProbeReader()
        )
        exchange = self._exchange = _Exchange(request.name, reader)
        self._out_of_step = True  # until the whole reply is there
        transport.write(request.frame(request_id))
        try:
            answer = await exchange.answer()
        finally:
            self._exchange = None
        self._out_of_step = answer is None or isinstance(answer, Garbled) or reader.excess > 0
        return answer

    def _count_failure(self, request: Request, answer: Answer | None) -> None:
        if answer is None:
            self.counts.timeouts += 1
        else:
            self.counts.garbled += 1
        problem = "no reply" if answer is None else "garbled reply"
        self._log.warning("control.failed", request=request.name, problem=problem)


class _Exchange:
    """One request under way: takes bytes until the reply is complete or nobody wants it."""

    def __init__(self, name: str, reader: ReplyReader | ProbeReader) -> None:
        self.name = name
        self._reader = reader
        self._done: asyncio.Future[Answer | DriverError] = (
            asyncio.get_running_loop().create_future()
        )

    def takes(self, data: bytes) -> bool:
        """Feed ``data`` to the reader; return False if it belongs to nobody."""
        if self._done.done():
            return False
        if answer := self._reader.feed(data):
            self._done.set_result(answer)
        return True

    def give_up(self, error: DriverError) -> None:
        if not self._done.done():
            self._done.set_result(error)

    async def answer(self) -> Answer | None:
        """Return the reply, None when its deadline has passed; raise what made us give up."""
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                result = await self._done
        except TimeoutError:
            return self._reader.expire()
        if isinstance(result, DriverError):
            raise result
        return result
