"""The one port of a device behind a USB bridge, and the bridge's free pins, as drivers want them.

Two ways lead there. Directly, by libusb: bytes and pins through one open device. Or mixed: bytes
through the kernel's tty, pins by requests that claim nothing. The shape is that of the `Ports` of
every family whose devices are opened by place; here there is one place.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from drivers.errors import DriverError, TransportLostError
from drivers.transports.base import OnData, OnLost
from drivers.transports.errors import LineControlError
from drivers.transports.serial_port import open_serial_port
from drivers.transports.uart import Uart
from drivers.transports.usb_bulk import UsbBulkTransport, open_usb_port
from drivers.transports.usb_device import PREFIX
from drivers.transports.usb_lines import BridgeLines, open_bridge_lines
from drivers.transports.usb_sysfs import place_of_terminal

GIVEN_BACK_WITHIN = 1.5
"""Seconds that a port gets in the end to let go of the device; a daemon that stops has three."""

_ROOT = Path("/")


def is_place(path: str) -> bool:
    """Return whether ``path`` opens a bridge directly: ``usb:1-1.2``."""
    return path.startswith(PREFIX)


class BridgePort(Protocol):
    """One port behind a bridge; `DirectPort` and `TerminalPort` are the two ways to one."""

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        ...

    def path(self, place: int) -> str:
        """Return what to call the port."""
        ...

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open the port; raise PortOpenError, PortBusyError or BaudRateError."""
        ...

    async def serve(self) -> None:
        """Do what the other end needs while the port is open; may end before it is cancelled."""
        ...

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, bit n for pin n.

        Raises LineControlError, PortOpenError or TransportLostError.
        """
        ...

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before all is let go; never wait, never raise."""
        ...

    async def finish(self) -> None:
        """Return when all is let go of; in `GIVEN_BACK_WITHIN` seconds, never raise."""
        ...


class DirectPort:
    """`Ports` of a bridge that is driven directly; ``path`` is its place, ``usb:1-1.2``.

    ``name`` is what to call it, the place by default. ``backend`` is a pyusb IBackend instead of
    libusb's.
    """

    def __init__(self, path: str, *, name: str = "", backend: object | None = None) -> None:
        self._path = path
        self._name = name or path
        self._backend = backend
        self._port: UsbBulkTransport | None = None

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return "usb"

    def path(self, place: int) -> str:  # noqa: ARG002 - there is one
        """Return what to call the port."""
        return self._name

    async def open(
        self,
        place: int,  # noqa: ARG002 - there is one
        *,
        on_data: OnData,
        on_lost: OnLost,
        baud_rate: int = 115200,
    ) -> Uart:
        """Open the port, once the last use of it has ended; raises as `open_usb_port`."""
        await self.finish()
        self._port = await open_usb_port(
            self._path,
            on_data=on_data,
            on_lost=on_lost,
            baud_rate=baud_rate,
            backend=self._backend,
        )
        return self._port

    async def serve(self) -> None:
        """Run until cancelled; return when the device is given back to the kernel."""
        try:
            await asyncio.Event().wait()
        finally:
            await self.finish()

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, TransportLostError."""
        if self._port is None:
            raise TransportLostError(self._name, "not open")
        await self._port.set_pins(mask=mask, levels=levels)

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``, before the port closes; never wait, never raise."""
        if self._port is not None:
            with suppress(LineControlError):
                self._port.set_pins(mask=mask, levels=levels)

    async def finish(self) -> None:
        """Return when the port, which was closed or lost, no longer holds the device."""
        if self._port is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(GIVEN_BACK_WITHIN):
                    await self._port.closed()


class TerminalPort:
    """`Ports` of a bridge whose bytes pass the kernel's tty; pins go past it.

    ``place`` is where the pins are; by default it is looked up for the tty each time.
    """

    def __init__(
        self, path: str, *, place: str = "", backend: object | None = None, root: Path = _ROOT
    ) -> None:
        self._path = path
        self._place = place
        self._backend = backend
        self._root = root
        self._lines: BridgeLines | None = None

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        return "tty"

    def path(self, place: int) -> str:  # noqa: ARG002 - there is one
        """Return the device node."""
        return self._path

    async def open(
        self,
        place: int,  # noqa: ARG002 - there is one
        *,
        on_data: OnData,
        on_lost: OnLost,
        baud_rate: int = 115200,
    ) -> Uart:
        """Open the tty for ourselves alone; raises as `open_serial_port`."""
        return await open_serial_port(
            self._path, on_data=on_data, on_lost=on_lost, baud_rate=baud_rate
        )

    async def serve(self) -> None:
        """Return: real hardware looks after itself."""

    async def set_pins(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask``; raise LineControlError, PortOpenError, a loss."""
        if self._lines is None:
            place = self._place or await asyncio.to_thread(self._looked_up)
            self._lines = await open_bridge_lines(place, backend=self._backend)
        try:
            await self._lines.set_pins(mask=mask, levels=levels)
        except DriverError:
            await self.finish()  # opened anew by the next call
            raise

    def set_pins_soon(self, *, mask: int, levels: int) -> None:
        """Drive the free pins of ``mask`` if they were ever driven; never wait, never raise."""
        if self._lines is not None:
            self._lines.set_pins(mask=mask, levels=levels)

    async def finish(self) -> None:
        """Let go of the pins once all is done; harmless when repeated."""
        lines, self._lines = self._lines, None
        if lines is not None:
            lines.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(GIVEN_BACK_WITHIN):
                    await lines.closed()

    def _looked_up(self) -> str:
        place = place_of_terminal(self._path, self._root)
        if not place:
            raise LineControlError(self._path, "pins", "it is no tty of a USB device")
        return PREFIX + place


def bridge_port(path: str) -> BridgePort:
    """Return the port at ``path``: directly for a place, ``usb:1-1.2``, else through its tty."""
    return DirectPort(path) if is_place(path) else TerminalPort(path)
