"""Unplugging and replugging: who is told what, and what is left of a device that comes back."""

import errno
import random
import threading
from typing import Any

import pytest
import usb.core
import usb.util

from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import Controller, EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import STICKS
from tests.emulated_usb.rig import rig, talk_cp210x, talk_ftdi

CP2102 = STICKS["compac"]
FT_X = STICKS["compac-f"]


def errors_of(found: Any, count: int) -> list[tuple[int, int]]:
    """Return how ``count`` writes fail."""
    seen = []
    for _ in range(count):
        with pytest.raises(usb.core.USBError) as error:
            found.write(0x01, b"x")
        seen.append((error.value.backend_error_code, error.value.errno))
    return seen


@pytest.mark.parametrize(
    ("controller", "expected"),
    [(Controller.XHCI, (-4, errno.ENODEV)), (Controller.UHCI, (-1, errno.EIO))],
)
def test_transfers_fail_after_an_unplug_as_the_controller_has_it(
    controller: Controller, expected: tuple[int, int]
) -> None:
    one = rig(CP2102, controller=controller)
    found = one.opened()
    talk_cp210x(found)
    caught: list[usb.core.USBError] = []
    reading = threading.Event()

    def read() -> None:
        reading.set()
        try:
            found.read(0x81, 64, 0)
        except usb.core.USBError as error:
            caught.append(error)

    thread = threading.Thread(target=read)
    thread.start()
    reading.wait(10)
    one.bus.unplug(one.device)
    thread.join(10)

    assert [(error.backend_error_code, error.errno) for error in caught] == [expected]
    assert errors_of(found, 6) == [expected] * 6
    assert one.find() is None


def test_a_device_that_comes_back_has_a_new_address_and_a_fresh_bridge() -> None:
    one = rig(FT_X)
    old = one.opened()
    talk_ftdi(old)
    usb.util.claim_interface(old, 0)

    one.bus.unplug(one.device)
    one.bus.replug(one.device)
    new = one.find()

    assert new.address != old.address
    assert new.port_numbers == old.port_numbers
    assert new.is_kernel_driver_active(0)
    assert one.device.bridge.ports[0].line.baud_rate == 9600
    with pytest.raises(usb.core.USBError) as error:
        old.read(0x81, 64)
    assert error.value.errno == errno.ENODEV


def test_what_was_enumerated_before_a_plug_cannot_be_opened_after_it() -> None:
    one = rig(FT_X)
    old = one.find()

    one.bus.unplug(one.device)
    one.bus.replug(one.device)

    with pytest.raises(usb.core.USBError) as error:
        old.get_active_configuration()
    assert error.value.errno == errno.ENODEV
    assert not one.device.handles


def test_bus_powered_chips_lose_their_power_and_others_do_not() -> None:
    stick, board = rig(STICKS["compac"]), rig(STICKS["antminer-u3"])
    before = [len(one.chips.resets) for one in (stick, board)]

    for one in (stick, board):
        one.bus.unplug(one.device)

    assert stick.chips.resets[before[0] :] == [True]
    assert board.chips.resets[before[1] :] == []
    assert stick.chips.resets[:2] == [True, False], "plugging in is a reset too"


def test_enabled_by_pins_chips_wait_for_them_after_a_plug() -> None:
    one = rig(STICKS["compac-a1"])
    assert one.chips.resets[-1]

    one.find().ctrl_transfer(0x41, 0xFF, 0x37E1, 0, b"\x07\x00")

    assert not one.chips.resets[-1]


def test_what_chips_send_while_unplugged_is_lost() -> None:
    one = rig(CP2102)
    one.bus.unplug(one.device)
    one.device.write(b"lost")
    one.bus.replug(one.device)
    found = one.opened()
    talk_cp210x(found)

    with pytest.raises(usb.core.USBTimeoutError):
        found.read(0x81, 64, 5)


def test_listeners_hear_of_plugs_and_of_drivers_until_they_go() -> None:
    one = rig(FT_X)
    heard: list[tuple[bool, bool]] = []
    silence = one.bus.listen(lambda device: heard.append((device.plugged, device.claims.bound(0))))

    found = one.find()
    found.detach_kernel_driver(0)
    found.attach_kernel_driver(0)
    one.bus.unplug(one.device)
    one.bus.replug(one.device)
    silence()
    one.bus.unplug(one.device)

    assert heard == [(True, False), (True, True), (False, False), (True, True)]


def test_a_port_holds_one_device_and_keeps_its_place() -> None:
    one = rig(FT_X)
    other = EmulatedUsbDevice(CP2102, random=random.Random(1))
    one.bus.unplug(one.device)

    with pytest.raises(ValueError, match="is taken"):
        one.bus.plug(other, (1,))
    one.bus.plug(other)
    assert other.port_numbers == (2,)

    one.bus.remove(one.device)
    one.bus.unplug(other)
    one.bus.plug(other, (1,))
    assert [device.port_numbers for device in one.bus.devices] == [(1,)]


def test_addresses_wrap_and_are_never_shared() -> None:

    bus = EmulatedBus()
    devices = [EmulatedUsbDevice(CP2102, random=random.Random(1)) for _ in range(5)]
    for device in devices:
        bus.plug(device)

    for _ in range(60):
        for device in devices[:3]:
            bus.unplug(device)
            bus.replug(device)
            addresses = [plugged.address for plugged in bus.devices]
            assert len(set(addresses)) == 5
            assert all(2 <= address <= 127 for address in addresses)


def test_a_hundred_cycles_leave_no_thread_handle_or_claim() -> None:
    one = rig(FT_X)
    threads = threading.active_count()

    for _ in range(100):
        found = one.opened()
        talk_ftdi(found)
        found.write(0x02, b"work")
        one.bus.unplug(one.device)
        usb.util.dispose_resources(found)
        one.bus.replug(one.device)

    assert not one.device.handles
    assert one.device.claims.claimed == ()
    assert threading.active_count() == threads
