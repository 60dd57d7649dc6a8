"""The two ends of a UART: what a driver holds, and what an emulator answers on.

`serial_port` and `loopback` offer the first, `pty` and `loopback` the second, so one driver and
one emulator meet over either.
"""

from typing import Protocol

from drivers.transports.base import Transport


class Uart(Transport, Protocol):
    """The driver's end: a Transport with a baud rate."""

    @property
    def baud_rate(self) -> int:
        """Return the rate in force; 0 once the port is lost or closed."""
        ...

    def set_baud_rate(self, baud_rate: int) -> None:
        """Change the rate at once, waiting for nothing; raise BaudRateError if it is refused."""
        ...

    def set_lines(self, *, dtr: bool | None = None, rts: bool | None = None) -> None:
        """Set modem lines, None leaves one alone; raise LineControlError where there are none."""
        ...

    async def drain(self) -> None:
        """Wait until all output has left the port; return early when the port is lost."""
        ...


class HostPort(Protocol):
    """The emulator's end, which outlives the drivers that open the other one.

    It is made with a callback for data, and one that is told each new baud rate of the driver
    before the data sent at it.
    """

    @property
    def path(self) -> str:
        """Return the name the driver's end is opened by now."""
        ...

    @property
    def baud_rate(self) -> int:
        """Return the rate the driver has set; 0 while unplugged."""
        ...

    def write(self, data: bytes) -> None:
        """Send to the driver; what nobody reads is dropped beyond a limit, as by a real UART."""
        ...

    def unplug(self) -> None:
        """Make the port vanish under the driver; harmless when repeated."""
        ...

    def replug(self) -> None:
        """Bring the port back, perhaps with another path; harmless when plugged in."""
        ...

    def close(self) -> None:
        """Unplug for good; harmless when repeated."""
        ...
