"""An emulated Icarus-class device on a pseudo-terminal: any program may open it as a port."""

import asyncio
from collections.abc import Callable
from pathlib import Path

from drivers.icarus.emulated import EmulatedIcarus
from drivers.icarus.emulated_port import EmulatedPort
from drivers.transports.pty import PseudoTerminal


class IcarusOnPty:
    """Serves ``device`` from its making until `close`; must be made on an event loop.

    With ``link`` the port is also reachable by that name; OSError when that cannot be. ``tell``
    gets news in words.
    """

    def __init__(
        self, device: EmulatedIcarus, *, tell: Callable[[str], None], link: Path | None = None
    ) -> None:
        self._device = device
        self._tell = tell
        self._port = EmulatedPort(device, write_data=self._write, on_plug=self._plug)
        self._terminal = PseudoTerminal(
            on_data=self._port.data_received, on_baud_rate=self._port.baud_rate_changed, link=link
        )

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the port as it is called now."""
        return (self._terminal.path,)

    async def serve(self, stopped: asyncio.Event) -> None:
        """Hash and answer until ``stopped`` is set."""
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._port.run(), name=f"emulated {self._device.name}")
            await stopped.wait()
            serving.cancel()

    def close(self) -> None:
        """Let the port vanish; harmless when repeated."""
        self._terminal.close()

    def _write(self, data: bytes) -> None:
        self._terminal.write(data)

    def _plug(self, plugged: bool) -> None:
        if plugged:
            self._terminal.replug()
        else:
            self._terminal.unplug()
        self._tell(f"plugged in again: {self._terminal.path}" if plugged else "unplugged")
