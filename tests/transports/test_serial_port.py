"""The serial port against ptys: real termios, real hang-ups, a kernel buffer that really fills."""

import array
import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import termios
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import serial

from drivers.transports import open_port as open_port_module
from drivers.transports import serial_port as serial_port_module
from drivers.transports.baud_rate import baud_rate_of
from drivers.transports.errors import (
    BaudRateError,
    LineControlError,
    PortBusyError,
    PortOpenError,
)
from drivers.transports.open_port import _open_error, open_port, shorten_latency
from drivers.transports.port_holders import holders_of
from drivers.transports.pty import PseudoTerminal
from drivers.transports.serial_port import SerialPort, open_serial_port
from tests.transports.contract import PATIENCE, Recorder, turns

TIOCGEXCL = 0x80045440  # include/uapi/asm-generic/ioctls.h
KERNEL_HOLDS_AT_MOST = 40_000  # bytes a pty takes when nobody reads; 18 432 seen

LOCKER = """
import serial, sys
port = serial.Serial(sys.argv[1], exclusive=True)
print("locked", flush=True)
sys.stdin.read()
"""


class SilentMaster:
    """A pty whose far end does nothing by itself."""

    def __init__(self) -> None:
        self.master, self.slave = os.openpty()
        self.path = os.ttyname(self.slave)
        os.set_blocking(self.master, False)

    def read(self) -> bytes:
        try:
            return os.read(self.master, 65536)
        except BlockingIOError:
            return b""

    async def receives(self, count: int) -> bytes:
        received = b""
        async with asyncio.timeout(PATIENCE):
            while len(received) < count:
                received += self.read()
                await turns(2)
        return received

    def close(self) -> None:
        for descriptor in (self.master, self.slave):
            if descriptor >= 0:
                os.close(descriptor)
        self.master = self.slave = -1


@pytest.fixture
def far() -> Iterator[SilentMaster]:
    far = SilentMaster()
    yield far
    far.close()


@asynccontextmanager
async def opened(path: str, **limits: float) -> AsyncIterator[tuple[SerialPort, Recorder]]:
    heard = Recorder()
    descriptor = await asyncio.to_thread(open_port, path, 115200)
    port = SerialPort(descriptor, path, on_data=heard, on_lost=heard, **limits)  # type: ignore[arg-type]  # limits are whole where they must be
    yield port, heard
    port.close()


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


# --- baud rates


@pytest.mark.parametrize(
    "baud_rate",
    [9600, 115200, 1_000_000, 1_500_000, 3_000_000, 3_125_000, 4_000_000, 6_250_000, 12_500_000],
)
async def test_the_baud_rate_changes_live_and_data_passes_at_it(
    far: SilentMaster, baud_rate: int
) -> None:
    async with opened(far.path) as (port, heard):
        port.set_baud_rate(baud_rate)
        port.write(b"there")
        os.write(far.master, b"and back")
        await heard.receives(b"and back")

        assert port.baud_rate == baud_rate
        assert baud_rate_of(far.master) == baud_rate
        assert await far.receives(5) == b"there"


async def test_setting_the_rate_leaves_the_raw_mode_alone(far: SilentMaster) -> None:
    async with opened(far.path) as (port, _):
        before = termios.tcgetattr(far.slave)
        port.set_baud_rate(6_250_000)
        port.set_baud_rate(115200)
        assert termios.tcgetattr(far.slave) == before


@pytest.mark.parametrize(("asked", "got"), [(3_125_000, 9600), (3_125_000, 3_000_000)])
async def test_a_rate_the_kernel_replaced_is_an_error(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch, asked: int, got: int
) -> None:
    async with opened(far.path) as (port, _):
        # what ftdi_sio does with a rate it cannot reach: success, and another rate
        monkeypatch.setattr(open_port_module, "set_baud_rate", lambda descriptor, rate: got)

        with pytest.raises(
            BaudRateError, match=f"asked for {asked} baud.* runs at {got}"
        ) as caught:
            port.set_baud_rate(asked)

        assert (caught.value.asked, caught.value.got) == (asked, got)


async def test_a_rate_within_a_uarts_tolerance_is_accepted(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(far.path) as (port, _):
        monkeypatch.setattr(open_port_module, "set_baud_rate", lambda descriptor, rate: 115_384)
        port.set_baud_rate(115_200)


async def test_a_rate_that_is_refused_outright_is_an_error_too(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, rate: int) -> int:
        raise OSError(errno.EINVAL, "Invalid argument")

    async with opened(far.path) as (port, heard):
        monkeypatch.setattr(open_port_module, "set_baud_rate", refuse)

        with pytest.raises(BaudRateError, match="runs at 115200"):
            port.set_baud_rate(3_000_000)
        await turns()
        assert heard.losses == []


async def test_a_port_that_opens_at_the_wrong_rate_is_closed_again(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_port_module, "set_baud_rate", lambda descriptor, rate: 9600)
    before = descriptors()

    with pytest.raises(BaudRateError):
        await open_serial_port(far.path, on_data=Recorder(), on_lost=Recorder())

    assert descriptors() == before


# --- hang-up


async def test_the_end_of_file_is_read_once_and_never_again(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[bytes] = []
    real_read = os.read

    async with opened(far.path) as (_, heard):

        def counted(descriptor: int, size: int) -> bytes:
            reads.append(real_read(descriptor, size))
            return reads[-1]

        monkeypatch.setattr(os, "read", counted)
        far.close()
        loss = await heard.is_lost()
        await turns(1000)
        monkeypatch.undo()

        assert reads == [b""]
        assert "unplugged" in str(loss)
        assert far.path in str(loss)


async def test_a_lost_port_frees_its_descriptor_at_once(far: SilentMaster) -> None:
    before = descriptors()
    async with opened(far.path) as (port, heard):
        assert len(descriptors() - before) == 1

        far.close()
        await heard.is_lost()
        port.set_baud_rate(9600)
        port.set_lines(dtr=True)
        await port.drain()

        assert descriptors() <= before
        assert port.baud_rate == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.ENXIO, errno.ENODEV])
@pytest.mark.parametrize("call", ["read", "write"])
async def test_every_errno_of_an_unplug_is_a_loss(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch, number: int, call: str
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    async with opened(far.path) as (port, heard):
        os.write(far.master, b"?")
        monkeypatch.setattr(os, call, fail)
        port.write(b"x")
        loss = await heard.is_lost()
        monkeypatch.undo()

        assert loss.reason == os.strerror(number)


async def test_a_port_lost_while_its_rate_changes_is_lost_and_no_error(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(descriptor: int, rate: int) -> int:
        raise OSError(errno.EIO, "Input/output error")

    async with opened(far.path) as (port, heard):
        monkeypatch.setattr(open_port_module, "set_baud_rate", gone)
        port.set_baud_rate(9600)
        await heard.is_lost()


async def test_closing_from_within_on_data_is_safe(far: SilentMaster) -> None:
    heard = Recorder()

    def close_at_once(data: bytes) -> None:
        heard(data)
        port.close()

    descriptor = open_port(far.path, 115200)
    port = SerialPort(descriptor, far.path, on_data=close_at_once, on_lost=heard)
    os.write(far.master, b"first")
    await heard.receives(b"first")
    os.write(far.master, b"second")
    far.close()
    await turns()

    assert heard.events == [b"first"]


# --- back-pressure


async def test_a_slow_reader_gets_every_byte_in_order(far: SilentMaster) -> None:
    data = bytes(range(256)) * 300

    async with opened(far.path) as (port, heard):
        for start in range(0, len(data), 100):
            port.write(data[start : start + 100])

        assert await far.receives(len(data)) == data
        assert heard.events == []


async def test_a_port_nobody_reads_is_lost_beyond_the_limit(far: SilentMaster) -> None:
    written = 0
    async with opened(far.path, write_limit=10_000) as (port, heard):
        while not heard.losses:
            port.write(bytes(100))
            written += 100
            await turns(1)
            assert written < KERNEL_HOLDS_AT_MOST + 10_000

        assert written > 10_000
        assert "10000 bytes are waiting" in heard.losses[0].reason


async def test_a_port_that_takes_nothing_for_long_is_lost(far: SilentMaster) -> None:
    async with opened(far.path, stuck_after=0.02) as (port, heard):
        port.write(bytes(KERNEL_HOLDS_AT_MOST))
        loss = await heard.is_lost()
        assert "no data for 0.02 s" in loss.reason


async def test_draining_ends_when_a_stuck_port_is_lost(far: SilentMaster) -> None:
    async with opened(far.path, stuck_after=0.02) as (port, heard):
        port.write(bytes(KERNEL_HOLDS_AT_MOST))
        async with asyncio.timeout(PATIENCE):
            await port.drain()
        await heard.is_lost()


async def test_a_stuck_port_can_be_closed_without_waiting(far: SilentMaster) -> None:
    before = descriptors()
    async with opened(far.path) as (port, heard):
        port.write(bytes(KERNEL_HOLDS_AT_MOST))
        port.close()
        await turns()
        assert heard.events == []
        assert descriptors() <= before


async def test_a_port_that_still_sends_is_closed_in_a_thread(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = descriptors()
    closers: list[int] = []
    real_close = os.close

    def watched(descriptor: int) -> None:
        closers.append(threading.get_ident())
        real_close(descriptor)

    async with opened(far.path) as (port, _):
        # a pty has sent everything the moment it is written; a real port has not
        monkeypatch.setattr(serial_port_module, "_bytes_in_kernel", lambda descriptor: 5)
        monkeypatch.setattr(os, "close", watched)
        port.close()
        for thread in threading.enumerate():
            if thread.name == f"close {far.path}":
                thread.join(5)
        monkeypatch.undo()

    assert len(closers) == 1
    assert threading.get_ident() not in closers
    assert descriptors() <= before


async def test_draining_waits_for_the_kernel_too(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [3, 2, 1]

    async with opened(far.path) as (port, _):
        monkeypatch.setattr(
            serial_port_module, "_bytes_in_kernel", lambda descriptor: left.pop() if left else 0
        )
        await port.drain()

    assert left == []


# --- exclusive use


async def test_a_second_opening_names_the_program_that_holds_the_port(far: SilentMaster) -> None:
    other = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOCKER, far.path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert other.stdout
    assert await other.stdout.readline() == b"locked\n"

    with pytest.raises(PortBusyError) as caught:
        await open_serial_port(far.path, on_data=Recorder(), on_lost=Recorder())

    await other.communicate(b"")
    program = Path(sys.executable).name
    assert str(caught.value) == f"{far.path}: already in use by {other.pid} ({program})"


async def test_a_port_is_locked_against_those_who_do_not_ask(far: SilentMaster) -> None:
    def locked() -> bool:
        answer = array.array("i", [0])
        fcntl.ioctl(far.slave, TIOCGEXCL, answer)
        return bool(answer[0])

    async with opened(far.path) as (port, _):
        assert locked()
        with pytest.raises(serial.SerialException):
            serial.Serial(far.path, exclusive=True)

        port.close()
        assert not locked()
        serial.Serial(far.path, exclusive=True).close()


async def test_a_killed_driver_does_not_lock_the_next_one_out_of_a_pty() -> None:
    program = (
        "import os, sys; from drivers.transports.open_port import open_port;"
        "open_port(sys.argv[1], 115200); os.kill(os.getpid(), 9)"
    )
    host = PseudoTerminal(on_data=Recorder())
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program, host.path], check=False)
    await turns()

    answer = array.array("i", [1])
    fcntl.ioctl(host._slave, TIOCGEXCL, answer)
    assert answer[0] == 0
    port = await open_serial_port(host.path, on_data=Recorder(), on_lost=Recorder())
    port.close()
    host.close()


def test_the_holder_is_read_from_the_locks_and_else_from_the_descriptors(tmp_path: Path) -> None:
    node = tmp_path / "ttyUSB0"
    node.touch()
    status = node.stat()
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}:{status.st_ino}"
    proc = tmp_path / "proc"
    for pid, words in ((11, b"/usr/bin/minicom\0-D\0x"), (12, b"/usr/bin/python3\0/opt/miner.py")):
        (proc / str(pid) / "fd").mkdir(parents=True)
        (proc / str(pid) / "cmdline").write_bytes(words)
        (proc / str(pid) / "fd" / "3").symlink_to(node)
    (proc / "13").mkdir()

    locks = proc / "locks"
    locks.write_text(f"1: FLOCK  ADVISORY  WRITE 12 {device} 0 EOF\n2: POSIX ADVISORY READ 9 0:0:1")
    assert holders_of(str(node), proc) == ("12 (python3 miner.py)",)

    locks.write_text(f"1: FLOCK  ADVISORY  WRITE -1 {device} 0 EOF\n")
    assert holders_of(str(node), proc) == ("11 (minicom)", "12 (python3 miner.py)")

    assert holders_of(str(tmp_path / "none"), proc) == ()


# --- opening


async def test_opening_a_port_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(PortOpenError, match=r"ttyACM7: no such port; is the device plugged in\?"):
        await open_serial_port(str(tmp_path / "ttyACM7"), on_data=Recorder(), on_lost=Recorder())


@pytest.mark.parametrize("kind", ["file", "directory", "device"])
def test_opening_what_is_no_serial_port_says_so(tmp_path: Path, kind: str) -> None:
    path = {"file": tmp_path / "file", "directory": tmp_path, "device": Path("/dev/null")}[kind]
    if kind == "file":
        path.touch()
    before = descriptors()

    with pytest.raises(PortOpenError, match="not a serial port"):
        open_port(str(path), 115200)

    assert descriptors() == before


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.EACCES, "permission denied"),
        (errno.ENODEV, "does not respond"),
        (errno.EBUSY, "already in use by a program this user may not see"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_an_error_on_opening_is_put_in_words(number: int, advice: str, tmp_path: Path) -> None:
    error = _open_error(str(tmp_path / "tty"), serial.SerialException(number, os.strerror(number)))
    assert advice in str(error)


async def test_a_cancelled_opening_leaves_nothing_open(far: SilentMaster) -> None:
    before = descriptors()
    opening = asyncio.ensure_future(
        open_serial_port(far.path, on_data=Recorder(), on_lost=Recorder())
    )
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    await asyncio.get_running_loop().shutdown_default_executor()
    await turns()

    assert descriptors() == before


async def test_opening_and_closing_many_times_leaks_nothing(far: SilentMaster) -> None:
    before = descriptors()
    for _ in range(50):
        port = SerialPort(
            open_port(far.path, 115200), far.path, on_data=Recorder(), on_lost=Recorder()
        )
        port.close()
    assert descriptors() == before


# --- modem lines and latency


async def test_modem_lines_that_a_port_lacks_are_reported_by_name(far: SilentMaster) -> None:
    async with opened(far.path) as (port, heard):
        with pytest.raises(LineControlError, match="cannot set DTR: the port has no such line"):
            port.set_lines(dtr=False)
        with pytest.raises(LineControlError, match="cannot set RTS"):
            port.set_lines(rts=True)
        port.set_lines()
        await turns()
        assert heard.losses == []


async def test_modem_lines_are_set_one_by_one(
    far: SilentMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[tuple[int, int]] = []

    async with opened(far.path) as (port, _):
        monkeypatch.setattr(
            fcntl,
            "ioctl",
            lambda _, request, word: requests.append((request, int.from_bytes(word, "little"))),
        )
        port.set_lines(dtr=True, rts=False)
        port.set_lines(rts=True)
        monkeypatch.undo()

    # asm-generic/ioctls.h and termios.h: TIOCMBIS 0x5416, TIOCMBIC 0x5417, DTR 2, RTS 4
    assert requests == [(0x5416, 2), (0x5417, 4), (0x5416, 4)]


def test_the_latency_timer_is_shortened_where_there_is_one(
    far: SilentMaster, tmp_path: Path
) -> None:
    timer = tmp_path / "class/tty" / Path(far.path).name / "device/latency_timer"
    timer.parent.mkdir(parents=True)
    timer.write_text("16\n")

    with serial.Serial(far.path) as port:
        shorten_latency(port, far.path, tmp_path)
        assert timer.read_text() == "1"

        timer.unlink()
        shorten_latency(port, far.path, tmp_path)
        assert not timer.exists()
