"""The places of a board's ports, and ports that the operating system has."""

from collections.abc import Sequence

from drivers.transports.base import OnData, OnLost
from drivers.transports.serial_port import open_serial_port
from drivers.transports.uart import Uart

DATA, CONTROL = 0, 1
"""Places of the ports: that of the chips, and that of the board's controller."""


class SerialPorts:
    """`Ports` of the operating system, the data port first."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = tuple(paths)

    def path(self, place: int) -> str:
        """Return the device node."""
        return self._paths[place]

    async def open(
        self, place: int, *, on_data: OnData, on_lost: OnLost, baud_rate: int = 115200
    ) -> Uart:
        """Open a port for ourselves alone."""
        return await open_serial_port(
            self._paths[place], on_data=on_data, on_lost=on_lost, baud_rate=baud_rate
        )

    async def serve(self) -> None:
        """Return: real hardware looks after itself."""
