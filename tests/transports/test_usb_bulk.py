"""The USB transport over a scripted backend: bytes, faults, and what is left behind."""

import asyncio
import errno
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from drivers.transports.bridges.bridge import DTR, LineFormat, Parity
from drivers.transports.errors import (
    BaudRateError,
    LineControlError,
    PortBusyError,
    PortOpenError,
)
from drivers.transports.usb_bulk import UsbBulkTransport, open_usb_port
from drivers.transports.usb_connect import connect
from drivers.transports.usb_errors import GIVE_UP_AFTER
from tests.transports.contract import PATIENCE, TRANSPORT_CONTRACT, Check, Recorder, Rig, turns
from tests.transports.usb_bench import (
    ScriptedBackend,
    ScriptedDevice,
    ScriptedInterface,
    cdc_board,
    cp2102_stick,
    cp2105_stick,
    ftdi_stick,
)


async def opened(
    device: ScriptedDevice, near: Recorder, path: str = "usb:1-1", **options: Any
) -> UsbBulkTransport:
    backend = ScriptedBackend(device)
    return await open_usb_port(path, on_data=near, on_lost=near, backend=backend, **options)


async def ended(port: UsbBulkTransport) -> None:
    port.close()
    async with asyncio.timeout(PATIENCE):
        await port.closed()


def to_loop(recorder: Recorder) -> Callable[[bytes], None]:
    loop = asyncio.get_running_loop()

    def deliver(data: bytes) -> None:
        loop.call_soon_threadsafe(recorder, data)

    return deliver


def usb_threads() -> list[str]:
    """Return the threads that do not end by themselves."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("usb ")]
    for thread in ours:
        thread.join(PATIENCE)
    return [thread.name for thread in ours if thread.is_alive()]


@asynccontextmanager
async def rig_on(device: ScriptedDevice) -> AsyncIterator[Rig]:
    near, far = Recorder(), Recorder()
    device.on_out = to_loop(far)
    port = await opened(device, near)
    yield Rig(port=port, near=near, far=far, send=device.send, lose=device.unplug)
    await ended(port)
    assert usb_threads() == []


def ftdi_rig() -> AbstractAsyncContextManager[Rig]:
    return rig_on(ftdi_stick())


def cp2102_rig() -> AbstractAsyncContextManager[Rig]:
    return rig_on(cp2102_stick())


def cdc_rig() -> AbstractAsyncContextManager[Rig]:
    board = cdc_board()
    board.interfaces = board.interfaces[::-1]  # sending is from the first of them
    return rig_on(board)


@pytest.mark.parametrize("check", TRANSPORT_CONTRACT, ids=lambda check: check.__name__)
@pytest.mark.parametrize("rig_of", [ftdi_rig, cp2102_rig, cdc_rig], ids=lambda f: f.__name__)
async def test_a_usb_port_keeps_the_transports_contract(
    check: Check, rig_of: Callable[[], AbstractAsyncContextManager[Rig]]
) -> None:
    async with rig_of() as rig:
        await check(rig)


# --- opening and giving back


async def test_the_kernels_driver_is_put_aside_and_given_back() -> None:
    device = ftdi_stick(kernel_driver={0})

    port = await opened(device, Recorder())
    assert device.kernel_driver == set()
    await ended(port)

    assert device.calls == ["open", "detach 0", "claim 0", "release 0", "attach 0", "close"]
    assert (device.kernel_driver, device.claims, device.handles) == ({0}, {}, set())


async def test_a_cdc_board_is_claimed_whole_and_only_its_driver_given_back() -> None:
    device = cdc_board(kernel_driver={0})

    await ended(await opened(device, Recorder()))

    assert device.calls[1:4] == ["detach 0", "claim 0", "claim 1"]
    assert device.kernel_driver == {0}


async def test_the_bridge_is_started_before_and_stopped_after_use() -> None:
    device = cp2102_stick()

    port = await opened(device, Recorder())
    started = [setup for setup, _ in device.controls]
    await ended(port)

    assert started[:2] == ["c0ff0b3700000100", "4100010000000000"]
    assert device.controls[-1][0] == "4100000000000000"
    assert port.bridge == "CP2102"


async def test_both_uarts_of_a_cp2105_are_two_ports() -> None:
    device, near = cp2105_stick(kernel_driver={0, 1}), (Recorder(), Recorder())
    data, telemetry = [await opened(device, near[n], uart=n) for n in (0, 1)]

    device.send(b"nonce", 0)
    device.send(b"volts", 1)
    await near[0].receives(b"nonce")
    await near[1].receives(b"volts")
    await ended(data)
    device.send(b" and amperes", 1)
    await near[1].receives(b"volts and amperes")
    await ended(telemetry)

    assert device.kernel_driver == {0, 1}


async def test_what_was_written_before_closing_is_still_sent() -> None:
    device = ftdi_stick()
    port = await opened(device, Recorder())

    port.write(b"chips idle")
    off = port.set_pins(mask=0xF, levels=0)
    port.close()
    await port.closed()

    assert bytes(device.written) == b"chips idle"
    assert ("400bf02001000000", b"") in device.controls
    assert off.done()


async def test_twenty_lives_leave_no_thread_descriptor_or_claim_behind() -> None:
    device = ftdi_stick(kernel_driver={0})
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the count is all

    for number in range(20):
        near = Recorder()
        device.plugged = True
        port = await opened(device, near)
        device.send(b"nonce")
        await near.receives(b"nonce")
        if number % 2:
            device.unplug()
            await near.is_lost()
            device.plugged = True  # back before the threads have ended
            device.kernel_driver, device.claims = {0}, {}
        port.close()

    await port.closed()
    assert await asyncio.to_thread(usb_threads) == []
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208 - as above
    assert (device.claims, device.handles, device.kernel_driver) == ({}, set(), {0})


async def test_a_port_may_be_opened_again_at_once_after_closing() -> None:
    device, near = cp2102_stick(kernel_driver={0}), Recorder()
    (await opened(device, Recorder())).close()

    port = await opened(device, near)
    device.send(b"again")
    await near.receives(b"again")
    await ended(port)

    assert device.kernel_driver == {0}


async def test_giving_up_while_opening_leaves_nothing_open() -> None:
    device = ftdi_stick(kernel_driver={0})
    opening = asyncio.ensure_future(opened(device, Recorder()))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    async with asyncio.timeout(PATIENCE):
        while "close" not in device.calls:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0.001)
    assert (device.handles, device.kernel_driver) == (set(), {0})


@pytest.mark.parametrize("chances", [0, 1, 20])
def test_a_program_that_ends_while_opening_leaves_the_kernels_driver(chances: int) -> None:
    device = ftdi_stick(kernel_driver={0})

    async def ending() -> None:
        opening = asyncio.ensure_future(opened(device, Recorder()))
        for _ in range(chances):
            await asyncio.sleep(0.0005)
        opening.cancel()

    asyncio.run(ending())

    assert usb_threads() == []
    assert (device.kernel_driver, device.handles) == ({0}, set())


def test_a_loop_that_ends_without_closing_ends_the_threads() -> None:
    device = ftdi_stick(kernel_driver={0})
    asyncio.run(opened(device, Recorder()))

    assert usb_threads() == []
    assert device.kernel_driver == {0}


# --- refusals


async def test_a_place_with_nothing_plugged_in_is_named() -> None:
    with pytest.raises(PortOpenError, match=r"usb:1-4\.2: no such USB device; is it plugged in"):
        await opened(ftdi_stick(), Recorder(), "usb:1-4.2")


async def test_a_device_in_use_is_refused_with_patience(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("drivers.transports.usb_connect._BUSY_PATIENCE", 0.05)
    device = ftdi_stick()
    device.claims[0] = object()

    with pytest.raises(PortBusyError, match="already in use by a program"):
        await opened(device, Recorder())
    assert device.handles == set()


async def test_a_lack_of_permission_tells_the_command() -> None:
    device = ftdi_stick()
    device.control_faults.append(errno.EACCES)

    with pytest.raises(PortOpenError, match="doctor --fix-udev"):
        await opened(device, Recorder())


async def test_an_unknown_device_is_no_port_and_left_as_it_was() -> None:
    mouse = ScriptedDevice(
        vid=0x046D, pid=0xC077, interfaces=(ScriptedInterface(usb_class=(3, 1)),), kernel_driver={0}
    )
    with pytest.raises(PortOpenError, match="no serial bridge"):
        await opened(mouse, Recorder())
    assert mouse.kernel_driver == {0}
    assert "detach 0" not in mouse.calls


async def test_a_device_that_refuses_to_start_is_given_back() -> None:
    device = cp2102_stick(kernel_driver={0}, refused={0x00})

    with pytest.raises(PortOpenError, match="refuses"):
        await opened(device, Recorder())
    assert (device.kernel_driver, device.handles) == ({0}, set())


async def test_an_interface_without_endpoints_is_refused() -> None:
    with pytest.raises(PortOpenError, match="bulk endpoints"):
        await opened(ftdi_stick(interfaces=(ScriptedInterface(),)), Recorder())


async def test_an_unconfigured_device_is_configured_once() -> None:
    device = ftdi_stick(configuration=0)
    await ended(await opened(device, Recorder()))
    assert device.configuration == 1


@pytest.mark.parametrize("baud_rate", [3_125_000, 1_562_500, 0, -1])
async def test_a_rate_out_of_reach_is_refused_with_what_could_be_had(baud_rate: int) -> None:
    device = ftdi_stick()

    with pytest.raises(BaudRateError) as caught:
        await opened(device, Recorder(), baud_rate=baud_rate)
    assert caught.value.asked == baud_rate
    assert device.handles == set()


# --- rates, lines, pins


async def test_the_rate_really_reached_is_told() -> None:
    device = ftdi_stick()
    port = await opened(device, Recorder())
    assert port.baud_rate == 115385

    port.set_baud_rate(1_500_000)
    assert port.baud_rate == 1_500_000
    with pytest.raises(BaudRateError):
        port.set_baud_rate(3_125_000)
    assert port.baud_rate == 1_500_000
    await ended(port)

    assert port.baud_rate == 0
    assert [setup for setup, _ in device.controls].count("4003020001000000") == 1


async def test_a_rate_never_overtakes_what_was_written_before() -> None:
    device, log = ftdi_stick(), list[str]()
    device.on_out = lambda data: log.append(f"{data.decode()} {len(device.controls)}")
    port = await opened(device, Recorder())
    before = len(device.controls)

    port.write(b"slow")
    port.set_baud_rate(1_500_000)
    port.write(b"fast")
    await port.drain()
    await ended(port)

    assert log == [f"slow {before}", f"fast {before + 1}"]


async def test_draining_asks_the_bridge_until_all_is_sent() -> None:
    device = ftdi_stick(answers={(0x05, 0): b"\x01\x00"})
    port = await opened(device, Recorder(), baud_rate=3_000_000)

    port.write(bytes(64))
    draining = asyncio.ensure_future(port.drain())
    async with asyncio.timeout(PATIENCE):
        while ("c005000001000200", b"") not in device.controls:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0)
    assert not draining.done()
    device.answers[0x05, 0] = b"\x01\x60"
    await draining
    await ended(port)


async def test_draining_a_bridge_that_cannot_tell_waits_for_its_uart() -> None:
    port = await opened(cdc_board(), Recorder(), baud_rate=9600)
    started = asyncio.get_running_loop().time()

    port.write(bytes(48))
    await port.drain()

    assert asyncio.get_running_loop().time() - started >= 48 * 10 / 9600
    await ended(port)
    await port.drain()


async def test_draining_ends_when_the_device_goes() -> None:
    device, near = ftdi_stick(takes=0), Recorder()
    port = await opened(device, near)

    port.write(b"never taken")
    draining = asyncio.ensure_future(port.drain())
    device.unplug()
    async with asyncio.timeout(PATIENCE):
        await draining
    await near.is_lost()
    await ended(port)


async def test_modem_lines_are_raised_at_first_and_set_one_by_one() -> None:
    ftdi, cdc = ftdi_stick(), cdc_board()
    for device in (ftdi, cdc):
        port = await opened(device, Recorder(), lines=DTR)
        port.set_lines(rts=True)
        port.set_lines(dtr=False)
        port.set_lines()
        await ended(port)
        port.set_lines(dtr=True)

    wanted = {"4001010301000000": 0, "4001020201000000": 1, "4001000101000000": 2}
    assert [s for s, _ in ftdi.controls if s.startswith("4001")] == list(wanted)
    assert [setup[4:6] for setup, _ in cdc.controls if setup.startswith("2122")] == [
        *("01", "03", "02"),
        "00",  # closed
    ]


async def test_pins_are_set_in_order_and_may_be_awaited() -> None:
    device = cp2105_stick()
    port = await opened(device, Recorder())

    await port.set_pins(mask=7, levels=0)
    assert device.controls[-1] == ("41ffe13700000200", bytes.fromhex("0700"))
    await ended(port)
    await port.set_pins(mask=7, levels=7)
    assert device.controls[-1][0] == "4100000000000000"


async def test_a_bridge_that_refuses_its_pins_says_so_and_goes_on() -> None:
    device, near = ftdi_stick(refused={0x0B}), Recorder()
    port = await opened(device, near)

    with pytest.raises(LineControlError, match="the bridge refuses"):
        await port.set_pins(mask=0xF, levels=2)
    port.release_pins()  # nobody looks
    device.send(b"mining on")
    await near.receives(b"mining on")
    await ended(port)


async def test_a_bridge_without_pins_says_so_at_once() -> None:
    port = await opened(cp2102_stick(), Recorder())
    with pytest.raises(LineControlError, match="a CP2102 has no free pins"):
        port.set_pins(mask=1, levels=0)
    await ended(port)


async def test_a_bridge_that_refuses_a_rate_is_lost() -> None:
    device, near = ftdi_stick(), Recorder()
    port = await opened(device, near)

    device.refused.add(0x03)
    port.set_baud_rate(1_500_000)

    assert "refuses request 400302" in (await near.is_lost()).reason
    await ended(port)


async def test_mark_parity_and_latency_reach_the_bridge() -> None:
    device = ftdi_stick()
    port = await opened(
        device, Recorder(), line_format=LineFormat(parity=Parity.MARK), latency_ms=16
    )
    await ended(port)

    setups = [setup for setup, _ in device.controls]
    assert "4004080301000000" in setups
    assert "4009100001000000" in setups


# --- faults


async def test_line_errors_are_counted_and_those_before_the_start_are_not() -> None:
    device, near = ftdi_stick(), Recorder()
    with device.changed:
        device.pending[0x81] = deque([b"\x01\x62", b"\x01\x62garbled"])
    port = await opened(device, near)

    await near.receives(b"garbled")

    assert port.line_errors == 1
    await ended(port)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPROTO, errno.EOVERFLOW, errno.EPIPE])
async def test_a_passing_fault_of_reading_is_survived(number: int) -> None:
    device, near = ftdi_stick(), Recorder()
    port = await opened(device, near)

    device.read_faults.extend([number] * (GIVE_UP_AFTER - 1))
    device.wake()
    device.send(b"still here")
    await near.receives(b"still here")
    await ended(port)

    assert near.losses == []
    assert device.calls.count("clear 0x81") == (2 if number == errno.EPIPE else 0)


@pytest.mark.parametrize("number", [errno.EIO, errno.EPROTO, errno.EOVERFLOW, errno.EPIPE])
async def test_a_fault_of_reading_that_stays_is_a_loss(number: int) -> None:
    device, near = cp2102_stick(), Recorder()
    port = await opened(device, near)

    device.read_faults.extend([number] * GIVE_UP_AFTER)
    device.wake()

    loss = await near.is_lost()
    assert errno.errorcode[number] in loss.reason
    assert f"{GIVE_UP_AFTER} times" in loss.reason
    await ended(port)


async def test_timeouts_between_faults_show_that_the_device_lives() -> None:
    device, near = cp2102_stick(), Recorder()
    port = await opened(device, near)

    device.read_faults.extend([errno.EIO, errno.ETIMEDOUT] * GIVE_UP_AFTER)
    device.wake()
    async with asyncio.timeout(PATIENCE):
        while device.read_faults:  # noqa: ASYNC110 - a thread does it
            await asyncio.sleep(0)
    device.send(b"alive")
    await near.receives(b"alive")
    await ended(port)


@pytest.mark.parametrize("number", [errno.ENODEV, errno.EIO])  # xHCI; UHCI and EHCI
@pytest.mark.parametrize("stick", [ftdi_stick, cp2102_stick])
async def test_unplugging_during_a_read_is_a_loss_on_any_host_controller(
    number: int, stick: Callable[..., ScriptedDevice]
) -> None:
    device, near = stick(kernel_driver={0}), Recorder()
    port = await opened(device, near)
    device.send(b"last words")
    await near.receives(b"last words")

    device.endless_fault = 0 if number == errno.ENODEV else number
    device.unplug()

    loss = await near.is_lost()
    assert errno.errorcode[number] in loss.reason
    assert "unplugged" in loss.reason
    async with asyncio.timeout(PATIENCE):
        await port.closed()
    assert usb_threads() == []


@pytest.mark.parametrize("number", [errno.EIO, errno.EPIPE])
async def test_a_passing_fault_of_writing_is_survived(number: int) -> None:
    device, near = ftdi_stick(), Recorder()
    device.write_faults.extend([number] * (GIVE_UP_AFTER - 1))
    port = await opened(device, near)

    port.write(b"a job")
    await port.drain()
    await ended(port)

    assert bytes(device.written) == b"a job"
    assert near.losses == []


async def test_a_fault_of_writing_that_stays_is_a_loss() -> None:
    device, near = ftdi_stick(), Recorder()
    device.write_faults.extend([errno.EIO] * GIVE_UP_AFTER)
    port = await opened(device, near)

    port.write(b"a job")

    assert "EIO" in (await near.is_lost()).reason
    await ended(port)


async def test_a_passing_fault_of_a_request_is_survived_and_a_lasting_one_is_a_loss() -> None:
    device, near = ftdi_stick(), Recorder()
    port = await opened(device, near)

    device.control_faults.extend([errno.EIO] * (GIVE_UP_AFTER - 1))
    port.set_baud_rate(1_500_000)
    await port.drain()
    assert near.losses == []
    device.control_faults.extend([errno.EIO] * GIVE_UP_AFTER)
    port.set_baud_rate(115_200)

    await near.is_lost()
    await ended(port)


async def test_a_request_that_is_not_answered_is_a_loss() -> None:
    device, near = ftdi_stick(), Recorder()
    port = await opened(device, near)
    device.control_faults.append(errno.ETIMEDOUT)
    port.set_lines(dtr=False)
    assert "does not answer" in (await near.is_lost()).reason
    await ended(port)


async def test_a_device_that_takes_nothing_is_lost() -> None:
    device, near = ftdi_stick(takes=10), Recorder()
    connection = await asyncio.to_thread(connection_to, device)
    port = UsbBulkTransport(connection, on_data=near, on_lost=near, stuck_after=0.05)

    port.write(bytes(100))

    assert (await near.is_lost()).reason == "has taken no data for 0.05 s"
    await ended(port)
    assert len(device.written) == 10


async def test_more_than_may_wait_is_a_loss_told_later() -> None:
    device, near = ftdi_stick(takes=0), Recorder()
    connection = await asyncio.to_thread(connection_to, device)
    port = UsbBulkTransport(connection, on_data=near, on_lost=near, write_limit=1000)

    for _ in range(11):
        port.write(bytes(100))
    assert near.losses == []

    assert "takes no more data" in (await near.is_lost()).reason
    await turns()
    assert len(near.losses) == 1
    await ended(port)


async def test_slow_devices_take_a_write_piece_by_piece() -> None:
    device, near = ftdi_stick(takes=1), Recorder()
    port = await opened(device, near)
    port.write(b"abc")
    async with asyncio.timeout(PATIENCE):
        for length in (1, 2, 3):
            while len(device.written) < length:  # noqa: ASYNC110 - a thread does it
                await asyncio.sleep(0)
            device.takes = 1
    await ended(port)
    assert bytes(device.written) == b"abc"


def connection_to(device: ScriptedDevice) -> Any:
    return connect(
        "usb:1-1",
        baud_rate=115200,
        uart=0,
        line_format=LineFormat(),
        lines=0,
        latency_ms=1,
        backend=ScriptedBackend(device),
    )
