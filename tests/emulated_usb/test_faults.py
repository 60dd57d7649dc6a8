"""Scripted and random faults on transfers."""

import errno
import random

import pytest
import usb.core

from drivers.transports.emulated_usb.faults import (
    Fault,
    FaultChances,
    FaultKind,
    FaultPlan,
    Where,
)
from drivers.transports.emulated_usb.identities import STICKS
from tests.emulated_usb.rig import payload, rig, talk_cp210x, talk_ftdi

CP2102 = STICKS["compac"]
FT_X = STICKS["compac-f"]


def test_a_stall_halts_the_endpoint_and_loses_nothing() -> None:
    one = rig(CP2102, Fault(kind=FaultKind.STALL, where=Where.BULK_IN))
    found = one.opened()
    talk_cp210x(found)
    found.write(0x01, b"x")

    for _ in range(2):
        with pytest.raises(usb.core.USBError) as error:
            found.read(0x81, 64)
        assert error.value.errno == errno.EPIPE

    found.clear_halt(0x81)
    assert bytes(found.read(0x81, 64)) == b"x"


def test_a_control_stall_passes_by_itself() -> None:
    one = rig(FT_X, Fault(kind=FaultKind.STALL, where=Where.CONTROL, after=1))
    found = one.find()

    found.ctrl_transfer(0x40, 0x09, 1)
    with pytest.raises(usb.core.USBError) as error:
        found.ctrl_transfer(0x40, 0x09, 2)
    found.ctrl_transfer(0x40, 0x09, 3)

    assert error.value.errno == errno.EPIPE
    assert bytes(found.ctrl_transfer(0xC0, 0x0A, 0, 0, 1)) == b"\x03"


def test_a_short_packet_of_an_ftdi_bridge_is_half_a_status() -> None:
    one = rig(FT_X, Fault(kind=FaultKind.SHORT, where=Where.BULK_IN))
    found = one.opened()
    talk_ftdi(found)
    found.write(0x02, b"data")

    assert bytes(found.read(0x81, 512)) == b"\x01"
    assert payload(bytes(found.read(0x81, 512))) == b"data"


def test_a_short_write_says_how_much_went() -> None:
    one = rig(CP2102, Fault(kind=FaultKind.SHORT, where=Where.BULK_OUT))
    found = one.opened()
    talk_cp210x(found)

    assert found.write(0x01, b"abcdef") == 3
    assert found.write(0x01, b"def") == 3
    assert bytes(one.chips.heard) == b"abcdef"


def test_a_timeout_fault_moves_nothing() -> None:
    one = rig(CP2102, Fault(kind=FaultKind.TIMEOUT, where=Where.BULK_OUT))
    found = one.opened()
    talk_cp210x(found)

    with pytest.raises(usb.core.USBTimeoutError):
        found.write(0x01, b"lost", 5)
    assert found.write(0x01, b"kept") == 4
    assert bytes(one.chips.heard) == b"kept"


def test_an_error_repeats_for_ever_if_told_to() -> None:
    one = rig(CP2102, Fault(kind=FaultKind.IO_ERROR, where=Where.BULK_IN, times=None))
    found = one.opened()
    talk_cp210x(found)

    for _ in range(10):
        with pytest.raises(usb.core.USBError) as error:
            found.read(0x81, 64)
        assert (error.value.backend_error_code, error.value.errno) == (-1, errno.EIO)


def test_a_device_may_vanish_as_its_strings_are_read() -> None:
    one = rig(FT_X, Fault(kind=FaultKind.VANISH, where=Where.STRING))
    found = one.find()

    with pytest.raises(ValueError, match="no langid"):
        _ = found.serial_number

    assert not one.device.plugged
    one.bus.replug(one.device)
    assert one.find().serial_number == "10000001"


def test_a_slow_device_answers_late_and_too_late_for_the_impatient() -> None:
    slow = Fault(kind=FaultKind.SLOW, where=Where.CONTROL, times=2, seconds=0.02)
    found = rig(FT_X, slow).find()

    with pytest.raises(usb.core.USBTimeoutError):
        found.ctrl_transfer(0xC0, 0x0A, 0, 0, 1, 1)
    assert bytes(found.ctrl_transfer(0xC0, 0x0A, 0, 0, 1, 1000)) == b"\x10"


def test_chance_brings_each_fault_about_as_often_as_told() -> None:
    chances = FaultChances(stall=0.1, short=0.2, io_error=0.3)
    plan = FaultPlan(random=random.Random(3), chances=chances)

    drawn = [plan.next(Where.BULK_IN) for _ in range(10_000)]

    counts = {kind: sum(1 for fault in drawn if fault and fault.kind is kind) for kind in FaultKind}
    assert counts[FaultKind.STALL] == pytest.approx(1000, rel=0.15)
    assert counts[FaultKind.SHORT] == pytest.approx(2000, rel=0.15)
    assert counts[FaultKind.IO_ERROR] == pytest.approx(3000, rel=0.15)
    assert counts[FaultKind.VANISH] == counts[FaultKind.TIMEOUT] == 0


def test_chances_without_a_source_of_chance_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="go together"):
        FaultPlan(chances=FaultChances())


def test_a_cleared_script_does_no_more_harm() -> None:
    plan = FaultPlan([Fault(kind=FaultKind.STALL, where=Where.BULK_IN, times=None)])
    assert plan.next(Where.BULK_IN)

    plan.clear()

    assert plan.next(Where.BULK_IN) is None
