"""Our command line in real processes: started, listened to, signalled, looked after."""

import contextlib
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from collections.abc import Callable, Iterator, Mapping
from fcntl import ioctl
from pathlib import Path
from typing import IO, Any

PATIENCE = 30.0
"""Seconds for what must come about on a machine that has much else to do."""


class _Text:
    """What was written to one stream so far, gathered by a thread."""

    def __init__(self, stream: IO[bytes] | None, changed: threading.Condition) -> None:
        self.text = ""
        self._stream = stream
        self._changed = changed
        self.thread = threading.Thread(target=self._gather, daemon=True)
        self.thread.start()

    def _gather(self) -> None:
        if not self._stream:
            return
        raw = b""
        # A terminal whose other side is closed gives an error, not an end.
        with contextlib.suppress(OSError), self._stream:
            while data := os.read(self._stream.fileno(), 65536):
                raw += data
                with self._changed:
                    self.text = raw.decode(errors="replace").replace("\r\n", "\n")
                    self._changed.notify_all()


class Running:
    """One `stratum-client` process; output is kept as it comes."""

    def __init__(
        self,
        *arguments: str,
        folder: Path,
        width: int | None = None,
        warnings: str = "error",
        more: Mapping[str, str] | None = None,
    ) -> None:
        environment = {
            **{name: value for name, value in os.environ.items() if name in {"PATH", "LANG"}},
            "HOME": str(folder),
            "XDG_STATE_HOME": str(folder / "state"),
            "PYTHONWARNINGS": warnings,
            **(more or {}),
        }
        command = [sys.executable, "-m", "stratum_client", *arguments]
        self._changed = threading.Condition()
        master, slave = (None, None) if width is None else _terminal(width)
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if slave is None else slave,
            stderr=subprocess.PIPE,
            env=environment,
            cwd=folder,
        )
        if slave is not None:
            os.close(slave)
        shown = self.process.stdout if master is None else os.fdopen(master, "rb", buffering=0)
        self._out = _Text(shown, self._changed)
        self._err = _Text(self.process.stderr, self._changed)

    @property
    def out(self) -> str:
        return self._out.text

    @property
    def err(self) -> str:
        return self._err.text

    def wait_until(self, condition: Callable[["Running"], object]) -> None:
        """Wait until the output fulfils ``condition``."""
        with self._changed:
            found = self._changed.wait_for(lambda: condition(self), timeout=PATIENCE)
        assert found, f"waited in vain; out: {self.out[-2000:]!r} err: {self.err[-2000:]!r}"

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait for text on either stream."""
        self.wait_until(lambda run: re.search(pattern, run.out) or re.search(pattern, run.err))
        found = re.search(pattern, self.out) or re.search(pattern, self.err)
        assert found
        return found

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """Wait for the end of the process and of its output."""
        code = self.process.wait(seconds)
        for text in (self._out, self._err):
            text.thread.join(PATIENCE)
        return code

    def ended(self, number: signal.Signals = signal.SIGINT, seconds: float = PATIENCE) -> int:
        """Send a signal; return the exit code."""
        self.send(number)
        return self.exit_code(seconds)

    def summary(self) -> dict[str, Any]:
        """Return the object in the last line of stdout."""
        summary: dict[str, Any] = json.loads(self.out.splitlines()[-1])
        return summary

    def children(self) -> list[int]:
        """Return the ids of the child processes."""
        tasks = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        return [int(child) for task in tasks for child in task.read_text().split()]


@contextlib.contextmanager
def running(
    *arguments: str, folder: Path, width: int | None = None, warnings: str = "error"
) -> Iterator[Running]:
    """Run a verb; it is gone when the block ends, whatever happened."""
    run = Running(*arguments, folder=folder, width=width, warnings=warnings)
    try:
        yield run
    finally:
        run.process.kill()
        run.exit_code()


@contextlib.contextmanager
def pool(*arguments: str, folder: Path) -> Iterator[tuple[Running, str]]:
    """Run the embedded pool; yield it and its URL. Its summary is JSON."""
    words = ("pool", "--listen", "127.0.0.1:0", "--json", *arguments)
    with running(*words, folder=folder) as run:
        yield run, run.wait_for(r"stratum\+(?:tcp|ssl)://127\.0\.0\.1:\d+")[0]


def said(*arguments: str, folder: Path) -> tuple[int, str, str]:
    """Run a verb to its end; return exit code, stdout and stderr."""
    with running(*arguments, folder=folder) as run:
        return run.exit_code(), run.out, run.err


def is_alive(process: int) -> bool:
    """Return whether a process still does something; a zombie does not."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def _terminal(width: int) -> tuple[int, int]:
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    return master, slave
