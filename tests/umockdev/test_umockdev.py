"""The emulated sticks seen through the real libusb: usbfs, udev and threads as they are.

Needs Debian's umockdev, gir1.2-umockdev-1.0, python3-gi and libusb-1.0-0; in CI their absence is a
failure, elsewhere the tests are skipped.
"""

from collections.abc import Iterator

import pytest

from tests.umockdev.bench import Bench


@pytest.fixture
def bench(packages: None) -> Iterator[Bench]:
    """Yield a mock with two sticks."""
    made = Bench("compac-f", "A1", "compac", "B2")
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
