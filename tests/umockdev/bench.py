"""A mock of USB with emulated sticks, for programs that are run in it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]
PYTHON = "/usr/bin/python3"
NEEDED = (
    "import ctypes, gi; gi.require_version('UMockdev', '1.0'); from gi.repository import UMockdev;"
    "ctypes.CDLL('libusb-1.0.so.0')"
)


def missing() -> str:
    """Return what keeps the tests from running, empty if nothing does."""
    if not shutil.which("umockdev-wrapper") or not Path(PYTHON).exists():
        return "umockdev or Debian's python3 is not installed"
    tried = subprocess.run([PYTHON, "-c", NEEDED], capture_output=True, text=True, check=False)
    return tried.stderr.strip().splitlines()[-1] if tried.returncode else ""


class Bench:
    """A mock and programs run in it; ``arguments`` are the emulator's."""

    def __init__(self, *arguments: str) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._emulator = subprocess.Popen(
            ["umockdev-wrapper", PYTHON, "-m", "tests.umockdev.emulator", *arguments],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._root = self._heard()

    @property
    def inside(self) -> Mapping[str, str]:
        """Return what puts a program into the mock: variables of its environment."""
        return {"LD_PRELOAD": "libumockdev-preload.so.0", "UMOCKDEV_DIR": self._root}

    def run(self, program: str) -> list[str]:
        """Return what a program of `client` says; the emulator does what it asks for."""
        environment = {**self._environment, **self.inside}
        command = ["timeout", "60", sys.executable, "-m", "tests.umockdev.client", program]
        said = []
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdout
            assert client.stdin
            for line in client.stdout:
                if line.startswith("? "):
                    client.stdin.write(self.told(line[2:]) + "\n")
                    client.stdin.flush()
                else:
                    said.append(line.rstrip())
        assert client.returncode == 0, f"exit code {client.returncode} after {said}"
        return said

    def told(self, command: str) -> str:
        """Return the emulator's answer to a command."""
        assert self._emulator.stdin
        self._emulator.stdin.write(command.strip() + "\n")
        self._emulator.stdin.flush()
        return self._heard()

    def close(self) -> None:
        """End the emulator."""
        assert self._emulator.stdin
        assert self._emulator.stdout
        self._emulator.stdin.close()
        self._emulator.wait(10)
        self._emulator.stdout.close()

    def _heard(self) -> str:
        assert self._emulator.stdout
        line = self._emulator.stdout.readline()
        assert line, "the emulator died"
        return line.strip()
