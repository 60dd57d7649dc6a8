"""The emulated sticks seen through the real libusb: usbfs, udev and threads as they are.

Needs Debian's umockdev, gir1.2-umockdev-1.0, python3-gi and libusb-1.0-0; in CI their absence is a
failure, elsewhere the tests are skipped.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

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
    """A mock with a Compac F (A1) and a Compac (B2), and programs run in it."""

    def __init__(self) -> None:
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._emulator = subprocess.Popen(
            [
                *("umockdev-wrapper", PYTHON, "-m", "tests.umockdev.emulator"),
                *("compac-f", "A1", "compac", "B2"),
            ],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._root = self._heard()

    def run(self, program: str) -> list[str]:
        """Return what a program of `client` says; the emulator does what it asks for."""
        environment = {
            **self._environment,
            "LD_PRELOAD": "libumockdev-preload.so.0",
            "UMOCKDEV_DIR": self._root,
        }
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


@pytest.fixture(scope="module")
def packages() -> None:
    """Skip without the packages, but never in CI."""
    reason = missing()
    if reason and os.environ.get("CI") != "true":
        pytest.skip(reason)
    assert not reason


@pytest.fixture
def bench(packages: None) -> Iterator[Bench]:
    """Yield a mock with two sticks."""
    made = Bench()
    yield made
    made.close()


def test_libusb_finds_both_sticks_with_their_strings(bench: Bench) -> None:
    assert sorted(bench.run("lists")) == [
        "0403:6015 A1 CompacF Bitcoin Miner",
        "10c4:ea60 B2 Compac BM1384 Bitcoin Miner",
    ]


def test_data_goes_both_ways_through_both_bridges(bench: Bench) -> None:
    assert bench.run("echoes") == ["True", "True"]
    assert bench.told("rates 0") == str(3_000_000 / 26)
    assert bench.told("rates 1") == "115200.0"


def test_libusb_reports_faults_as_the_emulated_backend_does(bench: Bench) -> None:
    assert bench.run("fails") == [
        "USBTimeoutError -7 110",
        "USBError -9 32",
        "USBError -6 16",
        "USBError -8 75",
    ]


def test_vendor_requests_pass_beside_the_kernels_driver(bench: Bench) -> None:
    assert bench.run("shares") == ["True", "ok 0", "USBError -6 16", "True"]


def test_a_stick_is_lost_during_a_read_and_used_again_when_it_is_back(bench: Bench) -> None:
    cycle = ["True", "USBError -4 19", "True", "True", "True"]
    assert bench.run("survives") == cycle * 3
