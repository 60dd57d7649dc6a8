"""The ports of a device behind a USB bridge, and the bridge's free pins, as drivers want them.

Two ways lead there. Directly, by libusb: bytes and pins through one open device. Or mixed: bytes
through the kernel's tty, pins by requests that claim nothing. A port's place is the number of the
bridge's UART, nearly always 0.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from drivers.errors import DriverError
from drivers.transports.base import OnData, OnLost
from drivers.transports.bridges.bridge import DTR, RTS
from drivers.transports.errors import LineControlError, PortOpenError
from drivers.transports.port_paths import is_place
from drivers.transports.ports import PortsByWay
from drivers.transports.serial_port import open_serial_port
from drivers.transports.uart import Uart
from drivers.transports.usb_bulk import UsbBulkTransport, open_usb_port
from drivers.transports.usb_device import PREFIX
from drivers.transports.usb_lines import BridgeLines, open_bridge_lines
from drivers.transports.usb_sysfs import place_of_terminal, terminals_of

GIVEN_BACK_WITHIN = 1.5
"""Seconds that a port gets in the end to let go of the device; a daemon that stops has three."""

_ROOT = Path("/")


class BridgePort(PortsByWay, Protocol):
    """The ports behind a bridge; `DirectPort` and `TerminalPort` are the two ways to them."""

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, bit n for pin n; no port need be open.

        Raises LineControlError, PortOpenError or TransportLostError.
        """
        ...

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before all is let go; never wait, never raise."""
        ...

    async def read_pins(self) -> int:
        """Return the level of each free pin, bit n for pin n; raises as `set_pins`."""
        ...

    async def finish(self) -> None:
        """Return when all is let go of; in `GIVEN_BACK_WITHIN` seconds, never raise."""
        ...


class DirectPort:
    """`Ports` of a bridge that is driven directly; ``path``: its place (``usb:1-1.2``) or tty.

    ``name`` is what to call it, the path by default. ``lines`` are the modem lines to raise.
    ``backend`` is a pyusb IBackend instead of libusb's.
    """

    def __init__(
        self,
        path: str,
        *,
        name: str = "",
        lines: int = DTR | RTS,
        backend: object | None = None,
        root: Path = _ROOT,
    ) -> None:
        self._place = _Place(path, root)
        self._name = name or path
        self._modem_lines = lines
        self._backend = backend
        self._ports: dict[int, UsbBulkTransport] = {}
        self._pins = _Pins(backend)

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return "usb"

    def path(self, place: int) -> str:
        """Return what to call a port."""
        return f"{self._name}+{place}" if place else self._name

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open a port, once the last use of it has ended; raises as `open_usb_port`."""
        if place in self._ports:
            await _given_back((self._ports[place],))
        self._ports[place] = await open_usb_port(
            await self._place.found(),
            on_data=on_data,
            on_lost=on_lost,
            baud_rate=baud_rate,
            uart=place,
            lines=self._modem_lines,
            backend=self._backend,
        )
        return self._ports[place]

    async def serve(self) -> None:
        """Run until cancelled; return when the device is given back to the kernel."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.finish()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, PortOpenError, a loss."""
        port = self._port_with_pins()
        if port is None:
            await self._pins.set(await self._place.found(), mask=mask, levels=levels)
        else:
            await port.set_pins(mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before the port closes; never wait, never raise."""
        port = self._port_with_pins()
        if port is None:
            self._pins.set_soon(mask=mask, levels=levels)
        else:
            with suppress(LineControlError):
                port.set_pins(mask=mask, levels=levels)

    async def read_pins(self) -> int:
        """Return the level of each free pin; raise LineControlError, PortOpenError, a loss."""
        return await self._pins.read(await self._place.found())

    async def finish(self) -> None:
        """Return when the ports, which were closed or lost, no longer hold the device."""
        await self._pins.finish()
        await _given_back(self._ports.values())

    def _port_with_pins(self) -> UsbBulkTransport | None:
        """Return the port to drive pins through: what is said of them is in order with its bytes.

        Pins that were reached past it stay so: they wait for no bytes.
        """
        port = self._ports.get(0)
        return port if port and port.baud_rate and not self._pins.are_open else None


class TerminalPort:
    """`Ports` of a bridge whose bytes pass the kernel's ttys, one each; pins go past them.

    ``paths`` are the ttys, or the place, ``usb:1-1.2``, of the device that has them. ``place`` is
    where the pins are; by default it is looked up for the first tty.
    """

    def __init__(
        self, *paths: str, place: str = "", backend: object | None = None, root: Path = _ROOT
    ) -> None:
        self._paths = paths
        self._place = _Place(place or paths[0], root)
        self._root = root
        self._pins = _Pins(backend)

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return "tty"

    def path(self, place: int) -> str:
        """Return what to call a port: its device node if it was told."""
        if place < len(self._paths):
            return self._paths[place]
        return f"{self._paths[0]}+{place}"

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open the tty for ourselves alone; raises as `open_serial_port`."""
        path = self.path(place)
        if is_place(self._paths[0]):
            path = await asyncio.to_thread(self._terminal_at, place)
        return await open_serial_port(path, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate)

    async def serve(self) -> None:
        """Run until cancelled; return when the pins are let go of."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.finish()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, PortOpenError, a loss."""
        await self._pins.set(await self._place.found(), mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask`` if they were ever driven; never wait, never raise."""
        self._pins.set_soon(mask=mask, levels=levels)

    async def read_pins(self) -> int:
        """Return the level of each free pin; raise LineControlError, PortOpenError, a loss."""
        return await self._pins.read(await self._place.found())

    async def finish(self) -> None:
        """Let go of the pins once all is done; harmless when repeated."""
        await self._pins.finish()

    def _terminal_at(self, place: int) -> str:
        """Return the tty of a port of the device; raise PortOpenError without one."""
        ttys = sorted(
            terminals_of(self._paths[0].removeprefix(PREFIX), self._root),
            key=lambda tty: (len(tty.name), tty.name),
        )
        if place >= len(ttys):
            raise PortOpenError(self.path(place), "the kernel made no tty for it")
        return str(ttys[place])


class _Place:
    """Where a bridge is plugged in, ``usb:1-1.2``; looked up once where only its tty is known.

    Driven directly, it has no tty to be looked up by.
    """

    def __init__(self, path: str, root: Path) -> None:
        self._path = path
        self._root = root
        self._place = path if is_place(path) else ""

    async def found(self) -> str:
        """Return the place; raise PortOpenError if the path is no tty of a USB device."""
        if not self._place:
            self._place = await asyncio.to_thread(self._looked_up)
        return self._place

    def _looked_up(self) -> str:
        place = place_of_terminal(self._path, self._root)
        if not place:
            raise PortOpenError(self._path, "it is no tty of a USB device")
        return PREFIX + place


class _Pins:
    """A bridge's free pins, opened when they are first needed, past whoever has its data."""

    def __init__(self, backend: object | None) -> None:
        self._backend = backend
        self._lines: BridgeLines | None = None

    @property
    def are_open(self) -> bool:
        return self._lines is not None

    async def set(self, path: str, *, mask: int, levels: int) -> None:
        lines = await self._opened(path)
        try:
            await lines.set_pins(mask=mask, levels=levels)
        except DriverError:
            await self.finish()  # opened anew by the next call
            raise

    async def read(self, path: str) -> int:
        lines = await self._opened(path)
        try:
            return await lines.read_pins()
        except DriverError:
            await self.finish()
            raise

    def set_soon(self, *, mask: int, levels: int) -> None:
        if self._lines is not None:
            self._lines.set_pins(mask=mask, levels=levels)

    async def finish(self) -> None:
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
            await _given_back((lines,))

    async def _opened(self, path: str) -> BridgeLines:
        if self._lines is None:
            self._lines = await open_bridge_lines(path, backend=self._backend)
        return self._lines


async def _given_back(used: Iterable[UsbBulkTransport | BridgeLines]) -> None:
    """Return when none of ``used`` holds the device any more, or `GIVEN_BACK_WITHIN` is over."""
    with suppress(TimeoutError):
        async with asyncio.timeout(GIVEN_BACK_WITHIN):
            for one in tuple(used):
                await one.closed()


def bridge_port(path: str) -> BridgePort:
    """Return the port at ``path``: directly for a place, ``usb:1-1.2``, else through its tty."""
    return DirectPort(path) if is_place(path) else TerminalPort(path)
