"""The transport against emulated devices, which were written from the references on their own.

The two share no code, constant or table, so that a mistake in one does not hide in the other.
"""

import asyncio
import threading

import pytest

from drivers.transports.emulated_usb.device import Controller
from drivers.transports.emulated_usb.identities import CABLES, STICKS, BridgeModel
from drivers.transports.errors import BaudRateError
from drivers.transports.usb_bulk import UsbBulkTransport, open_usb_port
from drivers.transports.usb_lines import open_bridge_lines
from drivers.usb_discovery import libusb_ports
from tests.emulated_usb.rig import Rig, plain, rig
from tests.transports.contract import PATIENCE, Recorder

BYTES = bytes(range(128))  # less than the smallest buffer of any bridge
UNREACHABLE = {
    BridgeModel.FT232R: 2_500_000,
    BridgeModel.FT_X: 3_125_000,
    BridgeModel.FT232H: 20_000_000,
    BridgeModel.CP2102: 1_500_000,
    BridgeModel.CP2102N: 4_000_000,
    BridgeModel.CP2105: 3_000_000,
}
FASTER = {BridgeModel.FT_X: 1_500_000, BridgeModel.PL2303: 460_800}


async def opened(bench: Rig, near: Recorder) -> UsbBulkTransport:
    [port] = libusb_ports(bench.backend)
    return await open_usb_port(port.paths[0], on_data=near, on_lost=near, backend=bench.backend)


async def ended(port: UsbBulkTransport) -> None:
    port.close()
    async with asyncio.timeout(PATIENCE):
        await port.closed()


def drivers_bound(bench: Rig) -> list[bool]:
    found = bench.find()
    numbers = [one.number for one in bench.device.bridge.interfaces]
    bound = [found.is_kernel_driver_active(number) for number in numbers]
    found._ctx.dispose(found)
    return bound


@pytest.mark.parametrize("controller", Controller, ids=lambda one: one.name)
@pytest.mark.parametrize("model", BridgeModel, ids=lambda one: one.value)
async def test_bytes_pass_at_each_rate_and_an_unplug_is_a_loss(
    model: BridgeModel, controller: Controller
) -> None:
    bench, near = rig(plain(model), controller=controller), Recorder()
    before = drivers_bound(bench)
    port = await opened(bench, near)

    port.write(BYTES)
    await near.receives(BYTES)
    await port.drain()
    faster = FASTER.get(model, 500_000)
    bench.chips.baud_rate = faster
    port.set_baud_rate(faster)
    port.write(BYTES)
    await near.receives(BYTES + BYTES)
    assert bench.chips.rates[-1] == pytest.approx(port.baud_rate, rel=0.001)
    if model in UNREACHABLE:
        with pytest.raises(BaudRateError):
            port.set_baud_rate(UNREACHABLE[model])
    bench.bus.unplug(bench.device)
    await near.is_lost()
    await ended(port)

    bench.bus.replug(bench.device)
    assert drivers_bound(bench) == before


@pytest.mark.parametrize("name", [*STICKS, *CABLES])
async def test_each_stick_lives_through_twenty_plugs(name: str) -> None:
    bench = rig({**STICKS, **CABLES}[name])
    before = drivers_bound(bench)

    for number in range(20):
        near = Recorder()
        port = await opened(bench, near)
        if reset := bench.device.identity.reset:
            await port.set_pins(mask=reset.mask, levels=reset.released)
        port.write(b"job %d" % number)
        await near.receives(b"job %d" % number)
        if number % 2:
            bench.bus.unplug(bench.device)
            await near.is_lost()
            bench.bus.replug(bench.device)
        await ended(port)

    assert drivers_bound(bench) == before
    for thread in threading.enumerate():
        if thread.name.startswith("usb "):
            await asyncio.to_thread(thread.join, PATIENCE)
            assert not thread.is_alive()


async def test_a_wrong_rate_makes_garbage_that_is_counted() -> None:
    bench, near = rig(plain(BridgeModel.FT_X)), Recorder()
    port = await opened(bench, near)
    port.write(b"right")
    await near.receives(b"right")

    bench.chips.baud_rate = 500_000
    port.write(bytes(64))
    await near.until(lambda: port.line_errors > 0)

    assert bytes(64) not in bytes(bench.chips.heard)
    await ended(port)


async def test_pins_reach_the_chips_with_the_kernels_driver_in_place() -> None:
    bench = rig(STICKS["compac-f"])
    before = drivers_bound(bench)
    lines = await open_bridge_lines("usb:1-1", backend=bench.backend)

    await lines.set_pins(mask=0xF, levels=2)
    del bench.chips.resets[:]
    for levels in (0, 2):
        await lines.set_pins(mask=0xF, levels=levels)
    lines.close()
    await lines.closed()

    assert bench.chips.resets == [True, False]
    assert drivers_bound(bench) == before
    assert all(before)
