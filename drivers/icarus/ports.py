"""Where a device's port comes from: the operating system, or an emulator in this process.

The shape is that of every family whose devices may have several ports; here there is one.
"""

from typing import Protocol

from drivers.transports.base import OnData, OnLost
from drivers.transports.uart import Uart

DATA = 0
"""The place of the only port."""


class Ports(Protocol):
    """The port of one device, which may be opened again and again, each time once."""

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        ...

    def path(self, place: int) -> str:
        """Return what to call a port."""
        ...

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open a port; raise PortOpenError, PortBusyError or BaudRateError."""
        ...

    async def serve(self) -> None:
        """Do what the other end needs while a port is open; may end before it is cancelled."""
        ...
