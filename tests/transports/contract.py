"""What every transport must keep, as checks that run against any of them.

A transport's test builds a `Rig` around it and runs each check of `TRANSPORT_CONTRACT`; an
emulator's end builds a `HostRig` for `HOST_CONTRACT`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random

import pytest

from drivers.errors import DriverError, TransportLostError
from drivers.transports.base import Transport
from drivers.transports.errors import PortBusyError, PortOpenError
from drivers.transports.uart import HostPort, Uart

PATIENCE = 10.0


class Recorder:
    """Keeps what the callbacks were told, in order, and lets a test wait for it."""

    def __init__(self) -> None:
        self.events: list[bytes | int | TransportLostError] = []
        self._changed = asyncio.Event()

    def __call__(self, event: bytes | int | TransportLostError) -> None:
        self.events.append(event)
        self._changed.set()

    @property
    def data(self) -> bytes:
        return b"".join(event for event in self.events if isinstance(event, bytes))

    @property
    def losses(self) -> list[TransportLostError]:
        return [event for event in self.events if isinstance(event, TransportLostError)]

    async def until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    async def receives(self, data: bytes) -> None:
        await self.until(lambda: len(self.data) >= len(data))
        assert self.data == data

    async def is_lost(self) -> TransportLostError:
        await self.until(lambda: bool(self.losses))
        [loss] = self.losses
        return loss


async def turns(count: int = 50) -> None:
    """Let the loop look at every descriptor ``count`` times."""
    for _ in range(count):
        await asyncio.sleep(0)


@dataclass(kw_only=True)
class Rig:
    """A transport under test and its far end.

    ``send`` makes the far end send, ``far`` records what it received, ``lose`` takes it away.
    """

    port: Transport
    near: Recorder
    far: Recorder
    send: Callable[[bytes], None]
    lose: Callable[[], None]


Check = Callable[[Rig], Awaitable[None]]


async def bytes_arrive_in_order_both_ways(rig: Rig) -> None:
    pieces = [bytes([value]) * (value % 7 + 1) for value in range(256)]

    for piece in pieces:
        rig.port.write(piece)
    await rig.far.receives(b"".join(pieces))

    before = len(rig.near.data)
    for piece in pieces:
        rig.send(piece)
    await rig.near.until(lambda: len(rig.near.data) - before >= len(b"".join(pieces)))
    assert rig.near.data[-len(b"".join(pieces)) :] == b"".join(pieces)


async def a_mebibyte_passes_unharmed_under_way_in_windows(rig: Rig) -> None:
    data = Random(1).randbytes(1 << 20)
    window = 16384

    for start in range(0, len(data), window):
        end = start + window
        rig.port.write(data[start:end])
        await rig.far.until(lambda end=end: sum(map(len, rig.far.events)) >= end)  # type: ignore[misc,arg-type]  # the far end gets bytes only

    assert rig.far.data == data


async def nothing_is_delivered_from_within_write(rig: Rig) -> None:
    rig.send(b"from afar")
    rig.port.write(b"to afar")
    assert rig.near.events == []
    assert rig.far.events == []

    await rig.far.until(lambda: b"to afar" in rig.far.data)


async def loss_is_told_once_and_last(rig: Rig) -> None:
    rig.send(b"last words")
    await rig.near.receives(b"last words")

    rig.lose()
    await rig.near.is_lost()
    await turns()

    assert [type(event) for event in rig.near.events][-1] is TransportLostError
    assert len(rig.near.losses) == 1


async def loss_found_by_writing_is_told_once_and_later(rig: Rig) -> None:
    rig.lose()
    for _ in range(100):
        rig.port.write(b"a job nobody gets")
    assert rig.near.losses == []

    await rig.near.is_lost()
    await turns()
    rig.port.write(b"still swallowed")
    await turns()

    assert len(rig.near.losses) == 1


async def the_loss_says_which_port_and_why(rig: Rig) -> None:
    rig.lose()

    loss = await rig.near.is_lost()

    assert loss.port
    assert loss.reason
    assert isinstance(loss, DriverError)


async def nothing_is_told_after_close(rig: Rig) -> None:
    rig.send(b"too late")
    rig.port.close()
    rig.port.write(b"swallowed")
    await turns()
    rig.lose()
    await turns()

    assert rig.near.events == []


async def close_is_harmless_when_repeated_and_after_loss(rig: Rig) -> None:
    rig.lose()
    await rig.near.is_lost()

    rig.port.close()
    rig.port.close()
    await turns()

    assert len(rig.near.losses) == 1


TRANSPORT_CONTRACT: tuple[Check, ...] = (
    bytes_arrive_in_order_both_ways,
    a_mebibyte_passes_unharmed_under_way_in_windows,
    nothing_is_delivered_from_within_write,
    loss_is_told_once_and_last,
    loss_found_by_writing_is_told_once_and_later,
    the_loss_says_which_port_and_why,
    nothing_is_told_after_close,
    close_is_harmless_when_repeated_and_after_loss,
)


Opener = Callable[[str, Recorder, int], Awaitable[Uart]]


@dataclass(kw_only=True)
class HostRig:
    """An emulator's end: `host` was made with ``heard``, which records data and baud rates."""

    host: HostPort
    heard: Recorder
    opener: Opener
    opened: list[tuple[Uart, Recorder]] = field(default_factory=list)

    async def open(self, baud_rate: int = 115200) -> tuple[Uart, Recorder]:
        recorder = Recorder()
        uart = await self.opener(self.host.path, recorder, baud_rate)
        self.opened.append((uart, recorder))
        return uart, recorder

    def close(self) -> None:
        for uart, _ in self.opened:
            uart.close()
        self.host.close()


HostCheck = Callable[[HostRig], Awaitable[None]]


async def the_host_sees_each_rate_before_the_data_sent_at_it(rig: HostRig) -> None:
    uart, _ = await rig.open(115200)
    await rig.heard.until(lambda: 115200 in rig.heard.events)
    assert (uart.baud_rate, rig.host.baud_rate) == (115200, 115200)
    del rig.heard.events[:]

    uart.write(b"faster")
    await rig.heard.receives(b"faster")
    uart.set_baud_rate(3_125_000)
    uart.write(b"now")
    await rig.heard.until(lambda: rig.heard.data == b"fasternow")

    assert rig.heard.events == [b"faster", 3_125_000, b"now"]
    assert (uart.baud_rate, rig.host.baud_rate) == (3_125_000, 3_125_000)


async def a_port_can_be_opened_again_after_closing(rig: HostRig) -> None:
    for number in range(3):
        uart, recorder = await rig.open()
        del rig.heard.events[:]
        uart.write(b"hello %d" % number)
        await rig.heard.until(lambda number=number: rig.heard.data == b"hello %d" % number)  # type: ignore[misc]  # a default, not an argument
        rig.host.write(b"welcome %d" % number)
        await recorder.receives(b"welcome %d" % number)
        uart.close()


async def what_was_sent_before_opening_does_not_arrive(rig: HostRig) -> None:
    for _ in range(100):
        rig.host.write(bytes(1000))
    uart, recorder = await rig.open()
    uart.write(b"who are you")
    await rig.heard.until(lambda: rig.heard.data == b"who are you")

    rig.host.write(b"an answer")

    await recorder.receives(b"an answer")


async def a_second_driver_is_refused(rig: HostRig) -> None:
    await rig.open()

    with pytest.raises(PortBusyError, match="this very program"):
        await rig.open()


async def an_unplugged_port_is_gone_until_replugged(rig: HostRig) -> None:
    uart, recorder = await rig.open()

    rig.host.unplug()
    rig.host.unplug()
    rig.host.write(b"swallowed")
    await recorder.is_lost()
    uart.close()
    assert (uart.baud_rate, rig.host.baud_rate) == (0, 0)
    with pytest.raises(PortOpenError, match="plugged in"):
        await rig.open()

    rig.host.replug()
    rig.host.replug()
    _, recorder = await rig.open()
    rig.host.write(b"back")
    await recorder.receives(b"back")


async def a_closed_host_does_not_come_back(rig: HostRig) -> None:
    rig.host.close()
    rig.host.replug()

    with pytest.raises(PortOpenError, match="plugged in"):
        await rig.open()


async def draining_waits_until_the_host_has_everything(rig: HostRig) -> None:
    uart, _ = await rig.open()

    uart.write(bytes(30_000))
    await uart.drain()
    await rig.heard.until(lambda: len(rig.heard.data) == 30_000)

    rig.host.unplug()
    await uart.drain()


HOST_CONTRACT: tuple[HostCheck, ...] = (
    the_host_sees_each_rate_before_the_data_sent_at_it,
    a_port_can_be_opened_again_after_closing,
    what_was_sent_before_opening_does_not_arrive,
    a_second_driver_is_refused,
    an_unplugged_port_is_gone_until_replugged,
    a_closed_host_does_not_come_back,
    draining_waits_until_the_host_has_everything,
)
