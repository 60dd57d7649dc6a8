"""The mixed way: a bridge's free pins while the kernel's driver has its data.

Vendor requests need no claimed interface, so a board whose tty is open can be reset all the same:
nothing is detached and nothing claimed. Baud rate and modem lines stay the tty's business.

Source: torvalds/linux drivers/usb/core/devio.c, check_ctrlrecip (vendor requests pass); pyusb
claims of itself for other requests to an interface only.
"""

import asyncio
from contextlib import ExitStack, suppress
from functools import partial

from drivers.errors import TransportLostError
from drivers.transports.bridges.bridge import Bridge, Control
from drivers.transports.errors import LineControlError
from drivers.transports.usb_connect import asked, known_bridge, perform
from drivers.transports.usb_device import UsbDevice, find_device
from drivers.transports.usb_errors import Fault, Patience, fault_of, open_error
from drivers.transports.usb_opening import open_in_thread
from drivers.transports.usb_writer import Writer

CLOSE_WITHIN = 0.5
"""Seconds that requests made before `BridgeLines.close` get."""


async def open_bridge_lines(
    path: str, *, uart: int = 0, backend: object | None = None
) -> "BridgeLines":
    """Open the pins of the bridge at ``path`` (``usb:1-1.2``) in a thread, claiming nothing.

    Raises PortOpenError; LineControlError if the bridge has no pins.
    """
    device, bridge = await open_in_thread(
        partial(_open, path, uart, backend), lambda opened: opened[0].close()
    )
    return BridgeLines(device, bridge)


async def reset_usb_device(path: str, *, backend: object | None = None) -> None:
    """Reset the device's USB port in a thread; its kernel driver binds anew.

    Nobody else may have the device open. Raises PortOpenError.
    """
    await asyncio.to_thread(_reset, path, backend)


class BridgeLines:
    """The free pins of a bridge that somebody else reads and writes; see `open_bridge_lines`.

    `set_pins` and `release_pins` are those of `UsbBulkTransport`.
    """

    def __init__(self, device: UsbDevice, bridge: Bridge) -> None:
        self._loop = asyncio.get_running_loop()
        self._device = device
        self._bridge = bridge
        self._patience = Patience()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._writer = Writer(
            f"usb pins {device.path}",
            send=lambda data, _: len(data),
            lost=lambda _: None,
            ended=self._let_go,
            limit=0,
            stuck_after=CLOSE_WITHIN,
        )
        self._writer.start()

    @property
    def path(self) -> str:
        """Return the name the pins were opened by."""
        return self._device.path

    @property
    def bridge(self) -> str:
        """Return the name of the bridge's chip."""
        return self._bridge.name

    def set_pins(self, *, mask: int, levels: int) -> asyncio.Future[None]:
        """Drive the pins of ``mask`` to ``levels``, bit n for pin n.

        May be awaited: raises LineControlError if the bridge refuses, TransportLostError when it is
        gone. Whoever does not wait is safe from both.
        """
        controls = self._bridge.set_pins(mask=mask, levels=levels)
        return self._submit(controls, f"pins {mask:#x} to {levels:#x}")

    def release_pins(self) -> asyncio.Future[None]:
        """Give the pins back to their own functions; otherwise as `set_pins`."""
        return self._submit(self._bridge.release_pins(), "pins free")

    async def read_pins(self) -> int:
        """Return the level of each pin, bit n for pin n.

        Raises LineControlError if the bridge does not tell, TransportLostError.
        """
        query = self._bridge.pins_query()
        if query is None:
            raise LineControlError(self.path, "pins", f"a {self.bridge} does not tell their levels")
        answers: list[bytes] = []

        def work() -> None:
            answers.append(asked(self._device, query, self._patience, pins="pins"))

        await self._writer.submit(work)
        if not answers or not answers[0]:
            raise TransportLostError(self.path, "does not tell the levels of its pins")
        return int.from_bytes(answers[0], "little")

    def close(self) -> None:
        """Let go of the device once all requests are done; returns at once, may be repeated."""
        self._writer.close(CLOSE_WITHIN)

    async def closed(self) -> None:
        """Wait until the device is let go, after `close` or its loss."""
        await asyncio.shield(self._ended)
        self._writer.join()

    def _submit(self, controls: tuple[Control, ...], pins: str) -> asyncio.Future[None]:
        def work() -> None:
            for control in controls:
                perform(self._device, control, self._patience, pins=pins)

        return self._writer.submit(work)

    def _let_go(self) -> None:
        self._device.close()
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._ended.done():
            self._ended.set_result(None)


def _open(path: str, uart: int, backend: object | None) -> tuple[UsbDevice, Bridge]:
    device = find_device(path, backend)
    with ExitStack() as undo:
        undo.callback(device.close)
        try:
            bridge = known_bridge(device, uart)
        except OSError as error:
            device.close()  # or we ourselves were among who holds it
            raise open_error(path, device.node, error) from error
        if not bridge.pins_name:
            raise LineControlError(path, "pins", f"a {bridge.name} has no free pins")
        undo.pop_all()
    return device, bridge


def _reset(path: str, backend: object | None) -> None:
    device = find_device(path, backend)
    try:
        device.reset()
    except OSError as error:
        device.close()
        if fault_of(error) is not Fault.GONE:  # that is: it is back under another address
            raise open_error(path, device.node, error) from error
    device.close()
