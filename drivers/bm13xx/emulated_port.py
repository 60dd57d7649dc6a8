"""An emulated device on an event loop: the asyncio shell between it and its ports.

The ports are somebody else's (`transports.loopback`, `transports.pty`): they hand in what the
host sends and are given what the device answers. The hashing of all emulated devices of this
process is done by one thread, in C without the GIL, or without the extension by one process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import cache

from drivers.bm13xx import emulated_search
from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_search import Hit, Search
from drivers.hashing import kernels
from drivers.hashing.search_pool import search_pool

TICK = 0.02
"""Seconds between two looks at what a device should have hashed."""

Searcher = Callable[[Search, bytearray], Awaitable[Sequence[Hit]]]
"""Does a search; comes back early when the byte becomes non-zero."""


async def search_aside(search: Search, stop: bytearray) -> Sequence[Hit]:
    """Search on the one thread, or in the one process, for all emulated devices."""
    if not _pool.cache_info().currsize:
        await asyncio.to_thread(kernels.available)  # tests the kernels, which takes its time
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool(), emulated_search.run, search, stop)


async def search_here(search: Search, stop: bytearray) -> Sequence[Hit]:
    """Search at once and block the loop meanwhile: for virtual time and very low rates."""
    return emulated_search.run(search, stop)


def _dropped(_data: bytes) -> None:
    """Take the bytes of a port that nobody asked for."""


def _unnoticed(_plugged: bool) -> None:
    """Take notice of nothing."""


class EmulatedPorts:
    """Runs ``device``: bytes in by `data_received` and `control_received`, out by the callbacks.

    ``on_plug`` is told False when a fault pulls the plug and True when it is put back. The
    callbacks are called on the loop, never from within a method of the same port.
    """

    def __init__(
        self,
        device: EmulatedDevice,
        *,
        write_data: Callable[[bytes], None],
        write_control: Callable[[bytes], None] = _dropped,
        on_plug: Callable[[bool], None] = _unnoticed,
        searcher: Searcher = search_aside,
        tick: float = TICK,
    ) -> None:
        self.device = device
        self._write_data = write_data
        self._write_control = write_control
        self._on_plug = on_plug
        self._searcher = searcher
        self._tick = tick
        self._plugged = True
        self._loop = asyncio.get_running_loop()

    def data_received(self, data: bytes) -> None:
        """Take bytes that the host sent to the data port."""
        if self._plugged:
            self._send(self._write_data, self.device.receive_data(data, self._loop.time()))

    def control_received(self, data: bytes) -> None:
        """Take bytes that the host sent to the control port."""
        if self._plugged:
            self._send(self._write_control, self.device.receive_control(data, self._loop.time()))

    def baud_rate_changed(self, baud_rate: int) -> None:
        """Take the host's new rate; a device that was never told takes any."""
        self.device.chain.host_baud = baud_rate or None

    async def run(self) -> None:
        """Hash, and send what becomes due, until cancelled."""
        stop = bytearray(1)
        try:
            while True:
                self._look_after_plug()
                self._send(self._write_control, self.device.control_due(self._loop.time()))
                search = self.device.search(self._loop.time())
                if search is None:
                    await asyncio.sleep(self._tick)
                    continue
                hits = await self._searcher(search, stop)
                self._send(self._write_data, self.device.responses(search, hits))
                await asyncio.sleep(0)  # a searcher that never waits must not keep others out
        finally:
            stop[0] = 1

    def _look_after_plug(self) -> None:
        plugged = not self.device.unplugged(self._loop.time())
        if plugged != self._plugged:
            self._plugged = plugged
            if plugged:
                self.device.plugged_in()
            self._on_plug(plugged)

    def _send(self, write: Callable[[bytes], None], data: bytes) -> None:
        if data and self._plugged:
            self._loop.call_soon(write, data)


@cache
def _pool() -> Executor:
    """Return what does the hashing; made on first use, kept for the life of the process."""
    return search_pool()
