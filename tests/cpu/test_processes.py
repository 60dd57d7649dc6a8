"""The workers as processes: what becomes of them when their daemon is interrupted or killed."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from drivers.cpu.process import _command, _environment
from tests.cpu.standins import TIMEOUT

ROOT = Path(__file__).parents[2]


@contextmanager
def mining_program() -> Iterator[subprocess.Popen[str]]:
    """Run the miniature daemon in a process group of its own, as a terminal does."""
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.cpu.mining_program"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
    )
    with program:
        try:
            yield program
        finally:
            program.kill()


def line(program: subprocess.Popen[str]) -> str:
    assert program.stdout
    readable, _, _ = select.select([program.stdout], [], [], TIMEOUT)
    assert readable, "the program says nothing"
    return program.stdout.readline().strip()


def wait_for_the_end(descriptor: int) -> None:
    """Return when the process behind the pidfd, which need not be our child, is gone."""
    readable, _, _ = select.select([descriptor], [], [], TIMEOUT)
    os.close(descriptor)
    assert readable, "the worker outlives its daemon"


def test_workers_end_when_their_daemon_is_killed() -> None:
    with mining_program() as program:
        workers = [os.pidfd_open(int(pid)) for pid in line(program).split()]

        program.send_signal(signal.SIGKILL)
        program.wait(TIMEOUT)

        for worker in workers:
            wait_for_the_end(worker)
    assert len(workers) == 2


def test_an_interrupt_from_the_terminal_does_not_reach_the_workers() -> None:
    with mining_program() as program:
        workers = line(program)

        os.killpg(program.pid, signal.SIGINT)

        assert line(program) == "still mining"
    assert len(workers.split()) == 2


@pytest.mark.parametrize("module", ["drivers", "queue", "struct"])
def test_the_worker_does_not_care_what_lies_in_the_current_directory(
    module: str, tmp_path: Path
) -> None:
    (tmp_path / f"{module}.py").write_text("raise SystemExit('imported from the wrong place')")
    command, environment = _command("hashlib"), _environment()

    worker = subprocess.run(
        command,
        env=environment,
        cwd=tmp_path,
        input=b"",
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )

    assert (worker.returncode, worker.stderr) == (0, b"")
    assert worker.stdout == b"\x08Rhashlib"


def test_a_kernel_that_does_not_exist_is_told_in_plain_words() -> None:
    command, environment = _command("quickest"), _environment()

    worker = subprocess.run(
        command, env=environment, input=b"", capture_output=True, timeout=TIMEOUT, check=False
    )

    assert worker.returncode == 1
    assert worker.stderr.startswith(b"kernel 'quickest': unknown; this machine has: ")


def test_a_command_that_makes_no_sense_ends_the_worker() -> None:
    command, environment = _command("hashlib"), _environment()

    worker = subprocess.run(
        command, env=environment, input=b"\x02??", capture_output=True, timeout=TIMEOUT, check=False
    )

    assert b"FrameError: no frame has kind b'?'" in worker.stderr
