"""A child process as a port: its standard input and output carry the bytes.

The child gets a session of its own, so that Ctrl-C in the terminal reaches the daemon alone, and
is expected to end by itself at the end of its input: that comes when we close the port, and also
when we are killed, because nobody else holds the other end of that pipe.

asyncio's own subprocesses are not used: they pass data on in a further turn of the event loop, and
until Python 3.12 keep a thread per child.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from typing import IO

from drivers.errors import BringUpError, TransportLostError
from drivers.transports.base import OnData, OnLost

GRACE = 0.3
"""Seconds a child has to end by itself before it is terminated."""

_TERMINATE_GRACE = 0.2
_KILL_GRACE = 0.4  # a killed process is gone at once unless the operating system itself is stuck
_READ_SIZE = 4096  # what is handled in one turn of the event loop
_KEPT_ERRORS = 4096


class PipeTransport:
    """The transport to one child process, which it starts."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        name: str,
        on_data: OnData,
        on_lost: OnLost,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Start ``command``; raise BringUpError if that fails.

        ``name`` is what errors call the port; ``environment`` is the child's, else ours.
        """
        self._name = name
        self._on_data = on_data
        self._on_lost = on_lost
        self._errors = b""
        self._closed = False  # by the driver, or lost and said so
        self._loop = asyncio.get_running_loop()
        self._gone = self._loop.create_future()
        self._process = _started(command, name, environment)
        self._input, self._output, self._error_output = _pipes_of(self._process)
        self._loop.add_reader(self._output, self._readable)
        self._loop.add_reader(self._error_output, self._errors_readable)

    @property
    def pid(self) -> int:
        """Return the child's process id."""
        return self._process.pid

    def write(self, data: bytes) -> None:
        """Send ``data`` at once; nothing is kept.

        A child that does not read what a pipe holds (64 KiB on Linux) counts as lost.
        """
        if self._closed:
            return
        try:
            written = os.write(self._input.fileno(), data)
        except BlockingIOError:
            written = 0
        except BrokenPipeError:
            return  # the end of its output follows, and says more
        if written < len(data):
            self._loop.call_soon(self._lose, "it does not read its input")

    def close(self) -> None:
        """Let go: the child sees the end of its input. `ended` waits until it is gone."""
        self._closed = True
        self._input.close()

    async def ended(self) -> None:
        """Close, and return when the child is gone: left to end, then terminated, then killed.

        Takes less than a second whatever the child does.
        """
        self.close()
        for grace, press in (
            (GRACE, self._process.terminate),
            (_TERMINATE_GRACE, self._process.kill),
            (_KILL_GRACE, self._let_go),
        ):
            await asyncio.wait([self._gone], timeout=grace)
            if self._gone.done():
                return
            press()

    def _readable(self) -> None:
        try:
            data = os.read(self._output.fileno(), _READ_SIZE)
        except BlockingIOError:
            return
        if not data:
            self._output_ended()
        elif not self._closed:
            self._on_data(data)

    def _errors_readable(self) -> None:
        try:
            while data := os.read(self._error_output.fileno(), _READ_SIZE):
                self._errors = (self._errors + data)[-_KEPT_ERRORS:]
        except BlockingIOError:
            return
        self._loop.remove_reader(self._error_output)

    def _output_ended(self) -> None:
        """Reap the child, which is about to be gone; in a thread, for waiting blocks."""
        self._loop.remove_reader(self._output)
        timer = self._loop.call_later(GRACE, self._process.kill)  # should it live on without output
        reaped = self._loop.run_in_executor(None, self._process.wait)
        reaped.add_done_callback(lambda _: timer.cancel())
        reaped.add_done_callback(lambda _: self._reaped())

    def _reaped(self) -> None:
        if not self._error_output.closed:
            self._errors_readable()  # the last words, which say why
        self._lose(_end_in_words(self._process.returncode, self._errors))
        self._let_go()
        if not self._gone.done():
            self._gone.set_result(None)

    def _lose(self, reason: str) -> None:
        if not self._closed:
            self._closed = True
            self._on_lost(TransportLostError(self._name, reason))

    def _let_go(self) -> None:
        for pipe in (self._output, self._error_output):
            if not pipe.closed:
                self._loop.remove_reader(pipe)
                pipe.close()
        self._input.close()


def _started(
    command: Sequence[str], name: str, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise BringUpError(name, f"cannot start {command[0]!r}: {error}") from error


def _pipes_of(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    assert process.stdin
    assert process.stdout
    assert process.stderr
    for pipe in (process.stdin, process.stdout, process.stderr):
        os.set_blocking(pipe.fileno(), False)
    return process.stdin, process.stdout, process.stderr


def _end_in_words(code: int, errors: bytes) -> str:
    if code < 0:
        how = f"killed by signal {-code} ({signal.strsignal(-code) or 'unknown'})"
    else:
        how = f"ended with exit code {code}"
    said = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    return f"{how}: {said[-1]}" if said else how
