"""The ports of one device as its driver has them, whatever they are: the contract of each kind."""

from typing import Protocol

from drivers.transports.base import OnData, OnLost
from drivers.transports.uart import Uart


class Ports(Protocol):
    """The ports of one device, which may be opened again and again, each once at a time.

    A port is known by its place: 0 for the data of the chips, which is often the only one.
    """

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


class PortsByWay(Ports, Protocol):
    """Ports that can be reached by more than one way."""

    @property
    def way(self) -> str:
        """Return by which way bytes travel, for people."""
        ...
