import asyncio
import os
import select
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drivers.errors import BringUpError, TransportLostError
from drivers.transports.base import Transport
from drivers.transports.pipe import PipeTransport

TIMEOUT = 20.0
ECHO = """
import os
while data := os.read(0, 65536):
    while data:
        data = data[os.write(1, data):]
"""
READY = "import os, signal; os.write(1, b'ready');"
WAIT_FOR_INPUT = "os.read(0, 1);"
DEAF = "signal.signal(signal.SIGTERM, signal.SIG_IGN);"
FOREVER = "\nwhile True: signal.pause()"


class Port:
    """A pipe to a Python program, and everything its callbacks were told."""

    def __init__(self, program: str, *, environment: dict[str, str] | None = None) -> None:
        self.data = b""
        self.losses: list[TransportLostError] = []
        self._changed = asyncio.Event()
        self.pipe = PipeTransport(
            [sys.executable, "-S", "-c", program],
            name="child",
            on_data=self._received,
            on_lost=self._lost,
            environment=environment,
        )

    async def received(self, data: bytes) -> None:
        async with asyncio.timeout(TIMEOUT):
            while self.data != data:
                self._changed.clear()
                await self._changed.wait()

    async def lost(self) -> TransportLostError:
        async with asyncio.timeout(TIMEOUT):
            while not self.losses:
                self._changed.clear()
                await self._changed.wait()
        return self.losses[0]

    def _received(self, data: bytes) -> None:
        assert data
        assert not self.losses, "data after the loss"
        self.data += data
        self._changed.set()

    def _lost(self, error: TransportLostError) -> None:
        self.losses.append(error)
        self._changed.set()


@pytest.fixture(autouse=True)
async def _nothing_is_left_behind() -> AsyncIterator[None]:
    before = descriptors(), children()
    yield
    assert (descriptors(), children()) == before


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir() if entry.exists()}


def block_until_dead(pid: int) -> None:
    process = os.pidfd_open(pid)
    readable, _, _ = select.select([process], [], [], TIMEOUT)
    os.close(process)
    assert readable


def children() -> set[str]:
    """Return the process ids of our children, zombies included."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue  # gone meanwhile
        if int(parent) == os.getpid():
            found.add(process.name)
    return found


async def test_bytes_go_to_the_child_and_come_back() -> None:
    port = Port(ECHO)

    port.pipe.write(b"some")
    port.pipe.write(b" bytes" * 1000)

    await port.received(b"some" + b" bytes" * 1000)
    await port.pipe.ended()


async def test_it_is_a_transport() -> None:
    port = Port(ECHO)
    transport: Transport = port.pipe

    transport.close()

    await port.pipe.ended()


async def test_the_child_ends_at_the_end_of_its_input_and_that_is_no_loss() -> None:
    port = Port(READY + WAIT_FOR_INPUT + "os.write(1, b'bye')")
    await port.received(b"ready")

    port.pipe.close()
    await port.pipe.ended()

    assert port.losses == []
    assert port.data == b"ready", "what comes after close is nobody's business"


@pytest.mark.parametrize("code", [0, 3])
async def test_the_end_of_the_child_is_a_loss_reported_once_with_its_exit_code(code: int) -> None:
    port = Port(READY + WAIT_FOR_INPUT + f"os._exit({code})")
    await port.received(b"ready")

    port.pipe.write(b"x")
    error = await port.lost()
    await port.pipe.ended()

    assert str(error) == f"child: lost: ended with exit code {code}"
    assert len(port.losses) == 1


async def test_all_the_child_wrote_arrives_before_the_loss() -> None:
    port = Port("import os; os.write(1, b'x' * 60000)")

    await port.lost()
    await port.pipe.ended()

    assert port.data == b"x" * 60000


async def test_what_the_child_complained_of_last_is_in_the_error() -> None:
    port = Port("import sys; sys.stderr.write('noise\\n' * 5000); raise ValueError('no such')")

    error = await port.lost()
    await port.pipe.ended()

    assert error.reason == "ended with exit code 1: ValueError: no such"


async def test_a_killed_child_is_a_loss() -> None:
    port = Port(READY + FOREVER)
    await port.received(b"ready")

    os.kill(port.pipe.pid, signal.SIGKILL)
    error = await port.lost()
    await port.pipe.ended()

    assert error.port == "child"
    assert error.reason == "killed by signal 9 (Killed)"


async def test_writes_after_the_loss_are_swallowed() -> None:
    port = Port("pass")
    await port.lost()

    port.pipe.write(b"more")

    await port.pipe.ended()
    assert len(port.losses) == 1


async def test_writes_to_a_child_that_just_died_are_swallowed() -> None:
    port = Port("pass")
    block_until_dead(port.pipe.pid)  # without a turn of the event loop

    port.pipe.write(b"more")
    port.pipe.write(b"and more")

    error = await port.lost()
    await port.pipe.ended()
    assert error.reason == "ended with exit code 0"


async def test_writes_after_close_are_swallowed() -> None:
    port = Port(ECHO)
    port.pipe.close()
    port.pipe.close()

    port.pipe.write(b"more")

    await port.pipe.ended()
    assert (port.data, port.losses) == (b"", [])


async def test_a_child_that_does_not_read_is_lost_once_the_pipe_is_full() -> None:
    port = Port(READY + FOREVER)
    await port.received(b"ready")

    for _ in range(100):
        port.pipe.write(bytes(4096))
    told_within_write = bool(port.losses)
    error = await port.lost()
    await port.pipe.ended()

    assert not told_within_write
    assert error.reason == "it does not read its input"
    assert len(port.losses) == 1


async def test_a_child_that_closes_its_output_but_lives_is_killed() -> None:
    port = Port(READY + "os.close(1);" + DEAF + FOREVER)
    await port.received(b"ready")

    error = await port.lost()
    await port.pipe.ended()

    assert error.reason == "killed by signal 9 (Killed)"


async def test_a_child_that_ignores_the_end_of_its_input_is_terminated() -> None:
    port = Port(READY + FOREVER)
    await port.received(b"ready")

    await port.pipe.ended()

    assert port.losses == []


async def test_a_child_that_ignores_that_too_is_killed() -> None:
    port = Port("import signal;" + DEAF + READY + FOREVER)
    await port.received(b"ready")

    await port.pipe.ended()

    assert port.losses == []


async def test_a_program_that_cannot_be_started_is_a_bring_up_error(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")

    with pytest.raises(BringUpError, match="cannot start") as caught:
        PipeTransport([missing], name="child", on_data=print, on_lost=print)

    assert caught.value.port == "child"


async def test_the_child_has_a_session_of_its_own() -> None:
    port = Port(READY + WAIT_FOR_INPUT)
    await port.received(b"ready")

    session = os.getsid(port.pipe.pid)

    assert session == port.pipe.pid
    await port.pipe.ended()


async def test_the_child_gets_the_environment_that_was_given() -> None:
    port = Port(
        "import os; os.write(1, os.environ['TOLD'].encode()); os.read(0, 1)",
        environment={"TOLD": "something"},
    )

    await port.received(b"something")

    await port.pipe.ended()
