"""The kernel's side of an emulated bus: ttys for devices that the kernel's driver has.

A tty is there while the driver has the interface, and goes when a program detaches the driver or
somebody pulls the plug. Control requests work meanwhile, as they do with usbfs.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from drivers.transports.pty import PseudoTerminal

if TYPE_CHECKING:
    from drivers.transports.emulated_usb.bus import EmulatedBus
    from drivers.transports.emulated_usb.device import EmulatedUsbDevice


class KernelTtys:
    """Keeps a pseudo-terminal for each port of each device; made on the running loop.

    ``directory``, if given, gets links that keep their names: ``ttyUSB0`` and so on.
    ``on_change`` is called on the loop when a tty came or went.
    """

    def __init__(
        self,
        bus: "EmulatedBus",
        *,
        directory: Path | None = None,
        on_change: Callable[[], None] | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._directory = directory
        self._on_change = on_change
        self._ttys: dict[tuple[EmulatedUsbDevice, int], PseudoTerminal] = {}
        self._numbers: dict[tuple[EmulatedUsbDevice, int], int] = {}
        self._silence = bus.listen(self._changed)
        for device in bus.devices:
            self._look_at(device)

    def path(self, device: "EmulatedUsbDevice", port: int = 0) -> str | None:
        """Return the tty of a port, None while there is none."""
        terminal = self._ttys.get((device, port))
        return terminal.path if terminal else None

    def paths(self, device: "EmulatedUsbDevice") -> tuple[str, ...]:
        """Return all ttys of a device."""
        ports = range(len(device.bridge.ports))
        return tuple(path for port in ports if (path := self.path(device, port)))

    def close(self) -> None:
        """Remove all ttys."""
        self._silence()
        for device, port in tuple(self._ttys):
            self._remove(device, port)

    def _changed(self, device: "EmulatedUsbDevice") -> None:
        try:
            self._loop.call_soon_threadsafe(self._look_at, device)
        except RuntimeError:  # the loop is closed
            return

    def _look_at(self, device: "EmulatedUsbDevice") -> None:
        before = set(self._ttys)
        for port, group in enumerate(device.bridge.drives_together):
            wanted = device.plugged and all(device.claims.bound(number) for number in group)
            if wanted and (device, port) not in self._ttys:
                self._make(device, port)
            elif not wanted and (device, port) in self._ttys:
                self._remove(device, port)
        if self._on_change and before != set(self._ttys):
            self._on_change()

    def _make(self, device: "EmulatedUsbDevice", port: int) -> None:
        uart = device.bridge.ports[port]

        def data_written(data: bytes) -> None:
            with device.changed:
                if device.plugged:
                    uart.to_chips(data)

        def rate_changed(baud_rate: int) -> None:
            with device.changed:
                device.bridge.set_rate(port, baud_rate)

        number = self._numbers.setdefault((device, port), len(self._numbers))
        terminal = PseudoTerminal(
            on_data=data_written,
            on_baud_rate=rate_changed,
            link=self._directory / f"ttyUSB{number}" if self._directory else None,
        )
        self._ttys[device, port] = terminal
        rate_changed(terminal.baud_rate)
        with device.changed:
            uart.divert = self._to_tty(terminal)

    def _to_tty(self, terminal: PseudoTerminal) -> Callable[[bytes], None]:
        def sent(data: bytes) -> None:
            try:
                self._loop.call_soon_threadsafe(terminal.write, data)
            except RuntimeError:  # the loop is closed
                return

        return sent

    def _remove(self, device: "EmulatedUsbDevice", port: int) -> None:
        with device.changed:
            device.bridge.ports[port].divert = None
        self._ttys.pop((device, port)).close()
