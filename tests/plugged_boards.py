"""Drivers of boards that exist only as ports, and a device that does what a test tells it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping

from drivers.api import Context, DeviceState, DeviceStats, PortInfo, Setpoint
from drivers.errors import SettingError
from drivers.hotplug import PortAdded, PortEvent, PortRemoved


class ToldDevice:
    """Runs until told how to end; notes what it is told."""

    def __init__(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> None:
        self.port = port
        self.settings = dict(settings)
        self.context = context
        self.setpoint = Setpoint(run=True)
        self.errors = 0
        self.blinks = 0
        self.started = asyncio.Event()
        self.ended = asyncio.Event()
        self._failure: asyncio.Future[None] | None = None

    async def run(self) -> None:
        self._failure = asyncio.get_running_loop().create_future()
        self.started.set()
        self.ended.clear()
        try:
            await self._failure
        finally:
            self.started.clear()
            self.ended.set()

    def fail(self, error: Exception) -> None:
        assert self._failure
        self._failure.set_exception(error)

    def job_changed(self, *, clean: bool) -> None:
        pass

    def apply(self, setpoint: Setpoint) -> None:
        self.setpoint = setpoint

    def adjust(self, settings: Mapping[str, object]) -> None:
        _check(settings)
        self.settings |= settings

    def identify(self) -> None:
        self.blinks += 1

    def stats(self) -> DeviceStats:
        return DeviceStats(state=DeviceState.MINING, hardware_errors=self.errors)


class BoardDriver:
    """Wants ports whose product is one of ``products``, with ``score``."""

    def __init__(self, name: str, *products: str, score: int = 10) -> None:
        self.name = name
        self.opened: asyncio.Queue[ToldDevice] = asyncio.Queue()
        self._products = products
        self._score = score

    def match(self, port: PortInfo) -> int:
        return self._score if port.product in self._products else 0

    def open(self, port: PortInfo, settings: Mapping[str, object], context: Context) -> ToldDevice:
        _check(settings)
        device = ToldDevice(port, settings, context)
        self.opened.put_nowait(device)
        return device


def _check(settings: Mapping[str, object]) -> None:
    for name in settings.keys() - {"frequency", "fan"}:
        raise SettingError("board", name, "unknown")


class Sockets:
    """Where boards are plugged in and out; `events` is what a fleet watches."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[PortEvent] = asyncio.Queue()

    def plug(self, port: PortInfo) -> None:
        self._events.put_nowait(PortAdded(port=port))

    def unplug(self, port: PortInfo) -> None:
        self._events.put_nowait(PortRemoved(port=port))

    async def events(self) -> AsyncGenerator[PortEvent, None]:
        while True:
            yield await self._events.get()
