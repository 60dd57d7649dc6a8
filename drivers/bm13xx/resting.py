"""Putting to rest what nobody runs: after a crash, or by hand."""

from drivers.bm13xx.controls import Controls, SafeOffError
from drivers.bm13xx.frames import WriteRegister
from drivers.bm13xx.ports import DATA
from drivers.bm13xx.stick import PinReset, Stick
from drivers.errors import DriverError
from drivers.peripherals.fan_pid import FULL
from drivers.transports.bridge_ports import BridgePort
from drivers.transports.ports import Ports
from drivers.transports.side_tasks import beside


async def board_off(ports: Ports, controls: Controls) -> tuple[str, ...]:
    """Switch a board off, fans at full; return what was seen. Raises SafeOffError."""
    async with beside("far end", ports.serve()):
        try:
            return await controls.finish_safe_off(FULL)
        finally:
            controls.close()


async def stick_off(stick: Stick, port: BridgePort) -> tuple[str, ...]:
    """Hold a stick's chips in reset, or slow them down where nothing can; return what was seen.

    Raises DriverError, SafeOffError if the chips are not seen in reset.
    """
    async with beside("far end", port.serve()):
        try:
            return await (_slowed(stick, port) if stick.reset is None else _held(stick.reset, port))
        finally:
            await port.finish()


async def _held(reset: PinReset, port: BridgePort) -> tuple[str, ...]:
    await port.set_pins(mask=reset.mask, levels=reset.hold)
    moved = (reset.run ^ reset.hold) & reset.mask
    if (await port.read_pins() ^ reset.hold) & moved:
        raise SafeOffError(port.path(DATA), ["reset: told to hold the chips, but its pin is high"])
    return ("chips held in reset",)


async def _slowed(stick: Stick, port: BridgePort) -> tuple[str, ...]:
    """Set the lowest frequency: without new work such chips are idle within seconds."""
    spec = stick.chip
    lowest = spec.pll.nearest(spec.frequency.lowest)
    uart = await port.open(DATA, on_data=_unheard, on_lost=_unnoticed)
    try:
        for register, value in lowest.writes:
            uart.write(spec.commands.encode(WriteRegister(register=register, value=value)))
        await uart.drain()
    finally:
        uart.close()
    return (f"no reset line: no work, and slowed down to {lowest.mhz:g} MHz",)


def _unheard(_data: bytes) -> None:
    """Take what chips say that nobody asked."""


def _unnoticed(_error: DriverError) -> None:
    """Take word of a loss: the next call tells."""
