"""Where somebody may stand between a driver and its ports: to listen, or to play the other end."""

from typing import TYPE_CHECKING, Protocol, TypeVar

from drivers.transports.base import OnData, OnLost
from drivers.transports.uart import Uart

if TYPE_CHECKING:
    from drivers.api import Context


class Openable(Protocol):
    """The ports of one device, as every family has them: opened by place, each once at a time."""

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


P = TypeVar("P", bound=Openable)


class PortTap(Protocol):
    """Who stands at the ports of one device."""

    def ports(self, ports: P) -> P:
        """Return what the driver gets in place of ``ports``; it can do all that they can."""
        ...


def tapped(ports: P, context: "Context") -> P:
    """Return ``ports`` with whoever the context puts in between; drivers call this once."""
    return context.tap.ports(ports) if context.tap else ports
