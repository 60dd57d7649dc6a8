"""The running program from outside: start to the first byte at a pool, memory, CPU when idle.

Linux only: what a process costs is read from /proc.
"""

import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.lines import Line, Section

AIM_RESIDENT, AIM_IDLE, AIM_START = 45e6, 0.01, 0.4
"""Bytes, share of a core, seconds."""

PROGRAM = (sys.executable, "-m", "stratum_client")
IDLE_DEVICE = "cpu,threads=1,duty=1"
"""A device that is ready and does next to nothing, in a process of its own."""

_ROOT = str(Path(__file__).parents[2])
_SETTLE = 3.0  # s until start-up work is over
_PATIENCE = 30.0  # s for anything that must come about


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from starting the process to its first byte at the pool; ``python``: to nothing."""

    first_byte: float
    python: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What a connected client costs while its devices rest, workers apart.

    ``resident`` in bytes; ``cpu_share`` of one core.
    """

    resident: int
    cpu_share: float


def section(seconds: float = 20.0) -> Section:
    """Start the client often, then let it rest for ``seconds``."""
    started, resting = start(), idle(seconds)
    ratio = started.first_byte / started.python
    return Section(
        "running program",
        "bare Python",
        [
            Line("bare Python, start to end", f"{started.python:.3f} s", "1.0"),
            Line(
                "start to first byte at the pool",
                f"{started.first_byte:.3f} s",
                f"{ratio:.1f}",
                f"{AIM_START:g} s",
                started.first_byte <= AIM_START,
            ),
            Line(
                "resident memory, workers apart",
                f"{resting.resident / 1e6:.1f} MB",
                aim=f"{AIM_RESIDENT / 1e6:g} MB",
                met=resting.resident <= AIM_RESIDENT,
            ),
            Line(
                "CPU share of a core when idle",
                f"{resting.cpu_share:.2%}",
                aim=f"{AIM_IDLE:.0%}",
                met=resting.cpu_share <= AIM_IDLE,
            ),
        ],
    )


def start(repetitions: int = 9) -> Start:
    """Return medians; starts of the client and of a bare Python take turns.

    The first start, which compiles the modules, does not count.
    """
    first_bytes, pythons = [], []
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        listener.settimeout(_PATIENCE)
        _first_byte(listener, folder)
        for _ in range(repetitions):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", "pass"], check=True, cwd=folder)
            pythons.append(time.perf_counter() - began)
            first_bytes.append(_first_byte(listener, folder))
    return Start(first_byte=statistics.median(first_bytes), python=statistics.median(pythons))


def idle(seconds: float = 20.0) -> Idle:
    """Return the memory and the CPU share of a client at an embedded pool in another process."""
    with ExitStack() as stack:
        folder = stack.enter_context(_folder())
        arguments = ("pool", "--listen", "127.0.0.1:0", "--difficulty", "1000000")
        pool = stack.enter_context(_process(arguments, folder))
        address = _wait_for(pool, r"stratum\+tcp://(\S+:\d+)")
        client = stack.enter_context(_process(_run_arguments(address), folder))
        _wait_for(client, r"cpu\.ready")
        time.sleep(_SETTLE)
        before, began = _cpu_seconds(client.pid), time.perf_counter()
        time.sleep(seconds)
        spent = _cpu_seconds(client.pid) - before
        share = spent / (time.perf_counter() - began)
        return Idle(resident=_resident(client.pid), cpu_share=share)


def _first_byte(listener: socket.socket, folder: Path) -> float:
    host, port = listener.getsockname()
    began = time.perf_counter()
    with _process(_run_arguments(f"{host}:{port}"), folder), listener.accept()[0] as connection:
        connection.settimeout(_PATIENCE)
        connection.recv(1)
        return time.perf_counter() - began


def _run_arguments(address: str) -> tuple[str, ...]:
    pool = ("--pool", f"stratum+tcp://{address}", "--user", "account.rig")
    return ("run", *pool, "--device", IDLE_DEVICE)


@contextmanager
def _folder() -> Iterator[Path]:
    """Make an empty folder to run in: no configuration, room for state and compiled modules."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@contextmanager
def _process(arguments: tuple[str, ...], folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run the program; at the end it is told to stop."""
    homes = ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "PYTHONPYCACHEPREFIX")
    environment = {**os.environ, **dict.fromkeys(homes, str(folder)), "PYTHONPATH": _ROOT}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    process = subprocess.Popen(
        [*PROGRAM, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with process:
            yield process
            process.terminate()
            process.communicate(timeout=_PATIENCE)
    finally:
        if process.poll() is None:
            process.kill()


def _wait_for(process: "subprocess.Popen[str]", pattern: str) -> str:
    """Return the first group (or all) of what matches in the output."""
    assert process.stdout
    seen = []
    for line in process.stdout:
        seen.append(line)
        if found := re.search(pattern, line):
            return found[found.re.groups and 1]
    raise RuntimeError(f"{pattern!r} never came:\n{''.join(seen)}")


def _cpu_seconds(pid: int) -> float:
    """Return the CPU time of all threads of a process, to the nanosecond."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def _resident(pid: int) -> int:
    [kilobytes] = re.findall(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return 1024 * int(kilobytes)
