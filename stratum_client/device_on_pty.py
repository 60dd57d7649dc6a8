"""An emulated device on pseudo-terminals, for any program to open as it would the real ports."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from drivers.bm13xx.emulated_device import EmulatedDevice
from drivers.bm13xx.emulated_port import EmulatedPorts
from drivers.transports.pty import PseudoTerminal

REFUSAL_LOOK = 0.5
"""Seconds between looks at what the chips refused, and at their power: no port tells of either."""

_MOST_REFUSALS = 50


class DeviceOnPty:
    """Serves ``device`` from its making until `close`; must be made on an event loop.

    With ``link`` the data port is also reachable by that name, the control port by the same with
    ``-control`` behind it; OSError when that cannot be. ``tell`` gets news in words.
    """

    def __init__(
        self, device: EmulatedDevice, *, tell: Callable[[str], None], link: Path | None = None
    ) -> None:
        self._device = device
        self._tell = tell
        self._refused: set[str] = set()
        self._power = power_of(device)
        self._ports = EmulatedPorts(
            device,
            write_data=self._write_data,
            write_control=self._write_control,
            on_plug=self._plug,
        )
        self._data = PseudoTerminal(
            on_data=self._ports.data_received,
            on_baud_rate=self._ports.baud_rate_changed,
            link=link,
        )
        self._control: PseudoTerminal | None = None
        if device.has_control:
            try:
                self._control = PseudoTerminal(
                    on_data=self._ports.control_received,
                    link=link and link.with_name(f"{link.name}-control"),
                )
            except OSError:
                self._data.close()
                raise

    @property
    def paths(self) -> tuple[str, ...]:
        """Return the ports as they are called now, the data port first."""
        return tuple(port.path for port in self._terminals)

    async def serve(self, stopped: asyncio.Event) -> None:
        """Hash and answer until ``stopped`` is set."""
        async with asyncio.TaskGroup() as group:
            serving = group.create_task(self._ports.run(), name=f"emulated {self._device.name}")
            while not stopped.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(REFUSAL_LOOK):
                        await stopped.wait()
                self._tell_refusals()
                self._tell_power()
            serving.cancel()

    def close(self) -> None:
        """Let the ports vanish; harmless when repeated."""
        for port in self._terminals:
            port.close()

    @property
    def _terminals(self) -> tuple[PseudoTerminal, ...]:
        return (self._data, self._control) if self._control else (self._data,)

    def _write_data(self, data: bytes) -> None:
        self._data.write(data)

    def _write_control(self, data: bytes) -> None:
        if self._control:
            self._control.write(data)

    def _plug(self, plugged: bool) -> None:
        for port in self._terminals:
            if plugged:
                port.replug()
            else:
                port.unplug()
        self._tell(f"plugged in again: {' '.join(self.paths)}" if plugged else "unplugged")

    def _tell_power(self) -> None:
        """Say when a board's chips were switched on or off: nothing else shows it."""
        power = power_of(self._device)
        if power != self._power:
            self._power = power
            self._tell(power)

    def _tell_refusals(self) -> None:
        """Say once, for each reason, why a real chip would not have obeyed."""
        for refusal in self._device.chain.refusals:
            if refusal not in self._refused and len(self._refused) < _MOST_REFUSALS:
                self._refused.add(refusal)
                self._tell(f"refused: {refusal}")


def power_of(device: EmulatedDevice) -> str:
    """Return in words whether a board's chips are in reset and have power; empty without a board.

    The voltage is rounded so that it does not seem to change while it stays.
    """
    board = device.board
    if board is None:
        return ""
    reset = "out of reset" if board.reset_is_high() else "in reset"
    volts = board.heat.core_volts
    return f"chips {reset}, core " + (f"at {volts:.2f} V" if volts else "off")
