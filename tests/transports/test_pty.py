"""The emulator's pseudo-terminal, opened by pyserial as any program would."""

import asyncio
import os
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import serial

from drivers.transports.pty import PseudoTerminal
from tests.transports.contract import PATIENCE, Recorder, turns


@pytest.fixture
async def heard() -> Recorder:
    return Recorder()


@pytest.fixture
async def host(heard: Recorder) -> AsyncIterator[PseudoTerminal]:
    host = PseudoTerminal(on_data=heard, on_baud_rate=heard, write_limit=5000)
    yield host
    host.close()


def exists(path: str | None) -> bool:
    return Path(path or "").exists()


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_any_program_can_open_it_and_talk(host: PseudoTerminal, heard: Recorder) -> None:
    with serial.Serial(host.path, 115200, timeout=5) as client:
        client.write(b"\x00\x03\r\n\xff")
        await heard.until(lambda: heard.data == b"\x00\x03\r\n\xff")
        host.write(b"\x11\x13\x04\r")
        assert client.read(4) == b"\x11\x13\x04\r"


@pytest.mark.parametrize("baud_rate", [9600, 1_000_000, 3_125_000, 12_500_000])
async def test_a_changed_baud_rate_is_told_without_any_data(
    host: PseudoTerminal, heard: Recorder, baud_rate: int
) -> None:
    with serial.Serial(host.path, 115200) as client:
        await heard.until(lambda: 115200 in heard.events)
        client.baudrate = baud_rate
        await heard.until(lambda: baud_rate in heard.events)
        assert host.baud_rate == baud_rate


async def test_setting_the_same_rate_again_is_not_told(
    host: PseudoTerminal, heard: Recorder
) -> None:
    for count in (1, 2, 3):
        with serial.Serial(host.path, 115200) as client:
            client.write(b"x")
            await heard.until(lambda count=count: heard.data == b"x" * count)  # type: ignore[misc]  # a default, not an argument
    assert heard.events == [115200, b"x", b"x", b"x"]


async def test_a_client_that_builds_its_settings_anew_is_still_watched(
    host: PseudoTerminal, heard: Recorder
) -> None:
    with serial.Serial(host.path, 115200) as client:
        settings = termios.tcgetattr(client.fileno())
        settings[3] = 0
        settings[4] = settings[5] = termios.B57600
        termios.tcsetattr(client.fileno(), termios.TCSANOW, settings)
        await heard.until(lambda: 57600 in heard.events)

        client.baudrate = 3_125_000
        await heard.until(lambda: 3_125_000 in heard.events)
        assert host.baud_rate == 3_125_000


async def test_what_nobody_reads_is_bounded_and_counted(host: PseudoTerminal) -> None:
    sent = 0
    while not host.dropped:
        host.write(b"z" * 1000)
        sent += 1000
        assert sent < 100_000

    host.write(b"y" * 1000)

    assert 1000 <= host.dropped <= 2000
    with serial.Serial(host.path, timeout=0) as client:
        await turns()
        assert client.read(100_000) == b""


async def test_a_client_that_reads_late_gets_what_was_kept(host: PseudoTerminal) -> None:
    with serial.Serial(host.path, timeout=0) as client:
        await turns()
        data = bytes(range(256)) * 32
        host.write(data)
        received = b""
        async with asyncio.timeout(PATIENCE):
            while len(received) < len(data):
                received += client.read(1000)
                await turns(2)
        assert received == data
        assert host.dropped == 0


async def test_unplugging_makes_the_node_vanish_under_the_client(host: PseudoTerminal) -> None:
    with serial.Serial(host.path, timeout=5) as client:
        host.unplug()
        with pytest.raises(serial.SerialException):
            client.read(1)
        assert not exists(client.port)
    host.write(b"swallowed")
    assert host.baud_rate == 0


async def test_a_link_follows_the_node(tmp_path: Path) -> None:
    link = tmp_path / "ttyEmulated"
    link.symlink_to("/dev/pts/left-behind")
    host = PseudoTerminal(on_data=Recorder(), link=link)
    assert host.path == str(link)
    serial.Serial(str(link)).close()

    host.unplug()
    assert not link.is_symlink()
    holder = os.openpty()  # takes the number that was free, so the node will be another
    host.replug()
    serial.Serial(str(link)).close()

    host.close()
    assert not link.is_symlink()
    for descriptor in holder:
        os.close(descriptor)


async def test_a_link_never_replaces_a_file(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    before = descriptors()

    with pytest.raises(FileExistsError):
        PseudoTerminal(on_data=Recorder(), link=precious)

    assert precious.read_text() == "data"
    assert descriptors() == before
