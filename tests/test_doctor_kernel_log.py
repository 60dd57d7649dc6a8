"""What doctor reads out of the kernel's log."""

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.doctor import Status
from stratum_client.doctor_kernel_log import RECENT, LogRecord, kernel_log, kernel_log_check

GONE = "usb 1-1.2: USB disconnect, device number 7"


def told(*texts: str, age: float = 10.0) -> tuple[Status, str]:
    check = kernel_log_check([LogRecord(age=age, text=text) for text in texts])
    return check.status, check.text


def test_a_quiet_log_is_fine_and_an_unreadable_one_is_no_fault() -> None:
    assert told("usb 1-1.2: new full-speed USB device number 7 using xhci_hcd")[0] is Status.OK
    assert kernel_log_check(None).status is Status.OK
    assert "only root" in kernel_log_check(None).text


def test_a_device_that_comes_and_goes_is_short_of_power() -> None:
    status, text = told(GONE, GONE, GONE)

    assert status is Status.WARNING
    assert "usb:1-1.2 was disconnected 3 times" in text
    assert "powered hub" in text


def test_unplugging_by_hand_or_long_ago_is_no_pattern() -> None:
    assert told(GONE, GONE, "usb 1-1.3: USB disconnect, device number 8")[0] is Status.OK
    assert told(GONE, GONE, GONE, age=RECENT + 1)[0] is Status.OK


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("usb 2-1: device descriptor read/64, error -71", "usb:2-1 did not answer"),
        ("usb 2-1.4: device not accepting address 9, error -71", "usb:2-1.4 did not answer"),
        ("usb 2-1-port3: unable to enumerate USB device", "usb:2-1.3 did not answer"),
        ("usb usb1-port2: unable to enumerate USB device", "usb:1-2 did not answer"),
        ("usb usb1-port2: over-current condition", "over-current"),
        ("hwmon hwmon1: Undervoltage detected!", "supply was too weak"),
        ("Under-voltage detected! (0x00050005)", "supply was too weak"),
    ],
)
def test_bad_cables_and_weak_supplies_are_named(text: str, words: str) -> None:
    assert told(text)[0] is Status.WARNING
    assert words in told(text)[1]


def test_records_come_with_their_age(tmp_path: Path) -> None:
    path = tmp_path / "kmsg"
    since_boot = time.clock_gettime(time.CLOCK_MONOTONIC)
    path.write_bytes(f"6,1,{int((since_boot - 5) * 1e6)},-;{GONE}\n SUBSYSTEM=usb\n".encode())

    records = kernel_log(path)

    assert records is not None
    [record] = records
    assert record.text == GONE
    assert 5 <= record.age < 600
    assert kernel_log(tmp_path / "missing") is None


@given(st.binary())
def test_any_bytes_in_the_log_do_no_harm(data: bytes) -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, data)
        os.close(writer)
        records = kernel_log(Path(f"/proc/self/fd/{reader}"))
    finally:
        os.close(reader)

    assert records is not None
    assert kernel_log_check(records).name == "USB log"
