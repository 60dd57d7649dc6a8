"""Every transport against the shared contract, and both emulator ends against theirs."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest

from drivers.transports.loopback import Loopback
from drivers.transports.pipe import PipeTransport
from drivers.transports.pty import PseudoTerminal
from drivers.transports.serial_port import open_serial_port
from drivers.transports.uart import Uart
from tests.transports.contract import (
    HOST_CONTRACT,
    TRANSPORT_CONTRACT,
    Check,
    HostCheck,
    HostRig,
    Recorder,
    Rig,
)


@asynccontextmanager
async def loopback_rig() -> AsyncIterator[Rig]:
    near, far = Recorder(), Recorder()
    link = Loopback("emulated:test", on_data=far)
    port = link.open(on_data=near, on_lost=near)
    yield Rig(port=port, near=near, far=far, send=link.write, lose=link.unplug)
    link.close()


@asynccontextmanager
async def serial_rig() -> AsyncIterator[Rig]:
    near, far = Recorder(), Recorder()
    host = PseudoTerminal(on_data=far)
    port = await open_serial_port(host.path, on_data=near, on_lost=near)
    yield Rig(port=port, near=near, far=far, send=host.write, lose=host.unplug)
    port.close()
    host.close()


@asynccontextmanager
async def pipe_rig() -> AsyncIterator[Rig]:
    """A child that echoes: what it sends is what it was sent, so both records are one."""
    near = Recorder()
    port = PipeTransport(["cat"], name="cat", on_data=near, on_lost=near)
    yield Rig(port=port, near=near, far=near, send=port.write, lose=port._process.kill)
    await port.ended()


@asynccontextmanager
async def loopback_host() -> AsyncIterator[HostRig]:
    heard = Recorder()
    link = Loopback("emulated:test", on_data=heard, on_baud_rate=heard)

    async def opener(_: str, recorder: Recorder, baud_rate: int) -> Uart:
        return link.open(on_data=recorder, on_lost=recorder, baud_rate=baud_rate)

    rig = HostRig(host=link, heard=heard, opener=opener)
    yield rig
    rig.close()


@asynccontextmanager
async def pty_host() -> AsyncIterator[HostRig]:
    heard = Recorder()
    host = PseudoTerminal(on_data=heard, on_baud_rate=heard)

    async def opener(path: str, recorder: Recorder, baud_rate: int) -> Uart:
        return await open_serial_port(path, on_data=recorder, on_lost=recorder, baud_rate=baud_rate)

    rig = HostRig(host=host, heard=heard, opener=opener)
    yield rig
    rig.close()


@pytest.mark.parametrize("check", TRANSPORT_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rig_of", [loopback_rig, serial_rig, pipe_rig], ids=lambda f: f.__name__)
async def test_a_transport_keeps_the_contract(
    check: Check, rig_of: Callable[[], AbstractAsyncContextManager[Rig]]
) -> None:
    async with rig_of() as rig:
        await check(rig)


@pytest.mark.parametrize("check", HOST_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rig_of", [loopback_host, pty_host], ids=lambda f: f.__name__)
async def test_an_emulators_end_keeps_the_contract(
    check: HostCheck, rig_of: Callable[[], AbstractAsyncContextManager[HostRig]]
) -> None:
    async with rig_of() as rig:
        await check(rig)
