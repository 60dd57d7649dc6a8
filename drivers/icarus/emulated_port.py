"""An emulated device on an event loop: the asyncio shell between it and its port.

The port is somebody else's (a loopback, a pseudo-terminal, an emulated USB bridge): it hands in
what the host sends and is given what the device answers. The hashing of all emulated devices of
this process is done by one thread, in C without the GIL, or without the extension by one process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from functools import cache

from drivers.hashing import kernels
from drivers.hashing.search_pool import search_pool
from drivers.icarus import emulated_sweep
from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_sweep import Search

PLUG_LOOK = 0.1
"""Seconds between two looks at whether a fault moves the plug."""

Searcher = Callable[[Search, bytearray], Awaitable[Sequence[int]]]
"""Does a search; comes back early when the byte becomes non-zero."""


async def search_aside(search: Search, stop: bytearray) -> Sequence[int]:
    """Search on the one thread, or in the one process, for all emulated devices."""
    if not _pool.cache_info().currsize:
        await asyncio.to_thread(kernels.best, 1)  # tests and times the kernels
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_pool(), emulated_sweep.run, search, stop)


async def search_here(search: Search, stop: bytearray) -> Sequence[int]:
    """Search at once and block the loop meanwhile: for virtual time and very low rates."""
    return emulated_sweep.run(search, stop)


def _unnoticed(_plugged: bool) -> None:
    """Take notice of nothing."""


class EmulatedPort:
    """Runs ``device``: bytes in by `data_received`, out by ``write_data``.

    ``on_plug`` is told False when a fault pulls the plug and True when it is put back. The
    callbacks are called on the loop, never from within a method of the same port.
    """

    def __init__(
        self,
        device: EmulatedIcarus,
        *,
        write_data: Callable[[bytes], None],
        on_plug: Callable[[bool], None] = _unnoticed,
        searcher: Searcher = search_aside,
    ) -> None:
        self.device = device
        self._write_data = write_data
        self._on_plug = on_plug
        self._searcher = searcher
        self._plugged = True
        self._loop = asyncio.get_running_loop()
        self._news = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Take bytes that the host sent."""
        if self._plugged:
            self._send(self.device.receive_data(data, self._loop.time()))
            self._news.set()

    def baud_rate_changed(self, baud_rate: int) -> None:
        """Take the host's new rate; a device that was never told takes any."""
        self.device.host_baud = baud_rate or None

    def reset(self) -> None:
        """Switch the device's power off and on."""
        self.device.plugged_in()
        self._news.set()

    async def run(self) -> None:
        """Hash, and say what becomes due, until cancelled."""
        stop = bytearray(1)
        try:
            while True:
                self._look_after_plug()
                self._send(self.device.due(self._loop.time()))
                search = self.device.search(self._loop.time()) if self._plugged else None
                if search is None:
                    await self._until_due()
                    continue
                self.device.found(search, await self._searcher(search, stop))
                await asyncio.sleep(0)  # a searcher that never waits must not keep others out
        finally:
            stop[0] = 1

    async def _until_due(self) -> None:
        """Return when something is due or has come."""
        due = self.device.next_due if self._plugged else None
        faults = self.device.faults
        if faults.unplug_after is not None or faults.browns_out_above is not None:
            look = self._loop.time() + PLUG_LOOK
            due = look if due is None else min(due, look)
        self._news.clear()
        try:
            async with asyncio.timeout_at(due):
                await self._news.wait()
        except TimeoutError:
            pass

    def _look_after_plug(self) -> None:
        plugged = not self.device.unplugged(self._loop.time())
        if plugged != self._plugged:
            self._plugged = plugged
            if plugged:
                self.device.plugged_in()
            self._on_plug(plugged)

    def _send(self, data: bytes) -> None:
        if data and self._plugged:
            self._loop.call_soon(self._write_data, data)


@cache
def _pool() -> Executor:
    """Return what does the hashing; made on first use, kept for the life of the process."""
    return search_pool()
