"""Unmodified pyusb on emulated devices: enumeration, claims, transfers and their errors."""

import errno
import random
import threading
from array import array
from typing import Any

import pytest
import usb.core
import usb.util

from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.identities import CABLES, STICKS, BridgeModel
from tests.emulated_usb.rig import Rig, payload, plain, rig, talk_cp210x, talk_ftdi

FT_X = STICKS["compac-f"]
CP2102 = STICKS["compac"]


def failed(found: pytest.ExceptionInfo[Any]) -> tuple[int, int]:
    return found.value.backend_error_code, found.value.errno


def in_thread(rig_: Rig, read: Any) -> tuple[threading.Thread, list[Any]]:
    """Start ``read`` in a thread that keeps its result or error."""
    results: list[Any] = []

    def work() -> None:
        try:
            results.append(bytes(read()))
        except usb.core.USBError as error:
            results.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, results


# -- enumeration


@pytest.mark.parametrize("name", [*STICKS, *CABLES])
def test_every_device_shows_its_identity(name: str) -> None:
    identity = {**STICKS, **CABLES}[name]

    found = rig(identity).find()

    assert (found.idVendor, found.idProduct) == (identity.vid, identity.pid)
    assert found.manufacturer == identity.manufacturer
    assert found.product == identity.product
    assert (found.serial_number or "") == identity.serial
    assert identity.product in str(found)


@pytest.mark.parametrize(
    ("model", "endpoints", "packet", "release"),
    [
        (BridgeModel.FT232R, [0x81, 0x02], 64, 0x0600),
        (BridgeModel.FT_X, [0x81, 0x02], 64, 0x1000),
        (BridgeModel.FT232H, [0x81, 0x02], 512, 0x0900),
        (BridgeModel.CP2102, [0x81, 0x01], 64, None),
        (BridgeModel.CP2102N, [0x82, 0x02], 64, None),
        (BridgeModel.PL2303, [0x02, 0x83], 64, None),
    ],
)
def test_bridges_have_the_endpoints_of_the_real_ones(
    model: BridgeModel, endpoints: list[int], packet: int, release: int | None
) -> None:
    found = rig(plain(model)).find()

    [interface] = found.get_active_configuration()
    bulk = [end for end in interface if end.bmAttributes == usb.util.ENDPOINT_TYPE_BULK]
    assert [end.bEndpointAddress for end in bulk] == endpoints
    assert {end.wMaxPacketSize for end in bulk} == {packet}
    assert release in {None, found.bcdDevice}


def test_a_cp2105_has_two_interfaces_with_packets_of_their_own_size() -> None:
    configuration = rig(STICKS["compac-a1"]).find().get_active_configuration()

    ends = [[(end.bEndpointAddress, end.wMaxPacketSize) for end in face] for face in configuration]

    assert ends == [[(0x81, 64), (0x01, 64)], [(0x82, 32), (0x02, 32)]]


def test_cdc_devices_have_control_and_data_interfaces_with_class_descriptors() -> None:
    configuration = rig(plain(BridgeModel.CDC_ACM_PAIR)).find().get_active_configuration()

    kinds = [(face.bInterfaceClass, face.bInterfaceSubClass) for face in configuration]
    unions = [bytes(face.extra_descriptors)[9:14].hex() for face in configuration]

    assert kinds == [(2, 2), (10, 0), (2, 2), (10, 0)]
    assert unions == ["0524060001", "", "0524060203", ""]


def test_many_devices_are_told_apart_by_port_address_and_serial() -> None:
    one = rig(FT_X)
    for serial in ("10000002", "10000003"):
        one.bus.plug(EmulatedUsbDevice(FT_X.with_serial(serial), random=random.Random(1)))

    found = list(usb.core.find(find_all=True, backend=one.backend, idVendor=0x0403))

    assert [device.serial_number for device in found] == ["10000001", "10000002", "10000003"]
    assert len({device.address for device in found}) == 3
    assert [device.port_numbers for device in found] == [(1,), (2,), (3,)]


def test_a_device_that_may_not_be_opened_has_no_language() -> None:
    one = rig(FT_X, accessible=False)
    found = one.find()

    with pytest.raises(ValueError, match="no langid"):
        _ = found.serial_number
    with pytest.raises(usb.core.USBError) as error:
        found.get_active_configuration()
    assert failed(error) == (-3, errno.EACCES)


def test_a_device_gone_between_enumeration_and_strings_has_no_language() -> None:
    one = rig(FT_X)
    found = one.find()

    one.bus.unplug(one.device)

    with pytest.raises(ValueError, match="no langid"):
        _ = found.product


# -- claims


def test_the_kernels_driver_keeps_others_out_until_it_is_detached() -> None:
    one = rig(FT_X)
    found = one.find()
    assert found.is_kernel_driver_active(0)

    with pytest.raises(usb.core.USBError) as error:
        usb.util.claim_interface(found, 0)
    assert failed(error) == (-6, errno.EBUSY)
    with pytest.raises(usb.core.USBError):
        found.write(0x02, b"x")

    found.detach_kernel_driver(0)
    usb.util.claim_interface(found, 0)
    assert one.device.claims.claimed == (0,)
    with pytest.raises(usb.core.USBError) as error:
        found.attach_kernel_driver(0)
    assert failed(error) == (-6, errno.EBUSY)
    usb.util.release_interface(found, 0)
    found.attach_kernel_driver(0)
    assert found.is_kernel_driver_active(0)


def test_detaching_a_driver_that_is_not_there_finds_nothing() -> None:
    found = rig(FT_X, has_kernel_driver=False).find()

    assert not found.is_kernel_driver_active(0)
    for call in (found.detach_kernel_driver, found.attach_kernel_driver):
        with pytest.raises(usb.core.USBError) as error:
            call(0)
        assert failed(error) == (-5, errno.ENOENT)


def test_two_handles_do_not_share_an_interface() -> None:
    one = rig(FT_X)
    first, second = one.opened(), one.find()
    usb.util.claim_interface(first, 0)

    with pytest.raises(usb.core.USBError) as error:
        usb.util.claim_interface(second, 0)
    assert failed(error) == (-6, errno.EBUSY)

    usb.util.dispose_resources(first)
    usb.util.claim_interface(second, 0)
    usb.util.dispose_resources(second)
    assert one.device.claims.claimed == ()
    assert not one.device.handles


def test_vendor_requests_need_no_claim_and_class_requests_do() -> None:
    ftdi, cdc = rig(FT_X), rig(plain(BridgeModel.CDC_ACM))

    ftdi.find().ctrl_transfer(0x40, 0x0B, 0x20F0, 0)
    with pytest.raises(usb.core.USBError) as error:
        cdc.find().ctrl_transfer(0x21, 0x22, 3, 0)

    assert ftdi.chips.resets[-1] is True
    assert failed(error) == (-6, errno.EBUSY)


def test_a_cdc_driver_leaves_both_interfaces_at_once_and_wants_both_back() -> None:
    one = rig(plain(BridgeModel.CDC_ACM))
    found = one.find()

    found.detach_kernel_driver(0)
    assert not found.is_kernel_driver_active(1)
    usb.util.claim_interface(found, 0)
    usb.util.claim_interface(found, 1)
    usb.util.release_interface(found, 1)
    with pytest.raises(usb.core.USBError):
        found.attach_kernel_driver(1)
    usb.util.release_interface(found, 0)
    found.attach_kernel_driver(0)
    assert found.is_kernel_driver_active(1)


def test_the_configuration_cannot_be_set_while_anybody_owns_an_interface() -> None:
    one = rig(FT_X)
    found = one.find()

    with pytest.raises(usb.core.USBError) as error:
        found.set_configuration()
    assert failed(error) == (-6, errno.EBUSY)

    found.detach_kernel_driver(0)
    found.set_configuration()
    assert found.get_active_configuration().bConfigurationValue == 1


# -- transfers


def test_an_ftdi_bridge_echoes_with_status_bytes_in_every_packet() -> None:
    one = rig(FT_X)
    found = one.opened()
    talk_ftdi(found)
    data = bytes(range(200))

    assert found.write(0x02, data) == 200
    packets = bytes(found.read(0x81, 512))

    assert len(packets) == 200 + 2 * 4
    assert payload(packets) == data


def test_an_idle_ftdi_bridge_sends_its_status_and_nothing_else() -> None:
    one = rig(FT_X)
    found = one.opened()
    talk_ftdi(found)

    assert [bytes(found.read(0x81, 512, 1000)).hex() for _ in range(3)] == ["0160"] * 3


def test_a_plain_bridge_echoes_and_times_out_when_idle() -> None:
    one = rig(CP2102)
    found = one.opened()
    talk_cp210x(found)

    found.write(0x01, b"hello")
    assert bytes(found.read(0x81, 64)) == b"hello"
    with pytest.raises(usb.core.USBTimeoutError) as error:
        found.read(0x81, 64, 5)
    assert failed(error) == (-7, errno.ETIMEDOUT)


def test_a_read_smaller_than_the_packet_overflows() -> None:
    one = rig(CP2102)
    found = one.opened()
    talk_cp210x(found)
    found.write(0x01, bytes(64))

    with pytest.raises(usb.core.USBError) as error:
        found.read(0x81, 40)
    assert failed(error) == (-8, errno.EOVERFLOW)


def test_a_read_into_a_callers_array_returns_the_count() -> None:
    one = rig(CP2102)
    found = one.opened()
    talk_cp210x(found)
    found.write(0x01, b"abc")
    buffer = array("B", bytes(64))

    assert found.read(0x81, buffer) == 3
    assert buffer[:3].tobytes() == b"abc"


def test_unknown_requests_stall() -> None:
    found = rig(FT_X).find()

    for setup in ((0x40, 0x55), (0xC0, 0x55), (0x41, 0x00), (0x40, 0x09, 0), (0x40, 0x0B, 0x7700)):
        with pytest.raises(usb.core.USBError) as error:
            found.ctrl_transfer(*setup)
        assert failed(error) == (-9, errno.EPIPE)


def test_a_blocked_read_is_woken_by_data() -> None:
    one = rig(CP2102)
    found = one.opened()
    talk_cp210x(found)
    thread, results = in_thread(one, lambda: found.read(0x81, 64, 0))

    one.device.write(b"nonce")

    thread.join(10)
    assert results == [b"nonce"]


def test_reading_and_writing_at_once_lose_nothing() -> None:
    one = rig(FT_X)
    found = one.opened()
    talk_ftdi(found)
    data = bytes(range(256)) * 8
    echoed = bytearray()

    def read_all() -> None:
        while len(echoed) < len(data):
            echoed.extend(payload(bytes(found.read(0x81, 512, 5000))))

    thread = threading.Thread(target=read_all)
    thread.start()
    for at in range(0, len(data), 64):
        while one.device.bridge.ports[0].waiting > 256:
            pass  # the chip's buffer is small, and there is no flow control
        found.write(0x02, data[at : at + 64])

    thread.join(10)
    assert bytes(echoed) == data
    assert one.device.bridge.ports[0].garbage == 0


# -- reset and halts


def test_a_reset_puts_the_bridge_back_and_leaves_the_chips_powered() -> None:
    one = rig(FT_X)
    found = one.opened()
    talk_ftdi(found)
    resets = len(one.chips.resets)

    found.reset()

    assert one.device.bridge.ports[0].line.baud_rate == 9600
    assert len(one.chips.resets) == resets
    assert not found.is_kernel_driver_active(0), "a reset does not bring the driver back"


def test_resetting_a_device_that_is_gone_finds_nothing() -> None:
    one = rig(FT_X)
    found = one.opened()
    usb.util.claim_interface(found, 0)
    one.bus.unplug(one.device)

    with pytest.raises(usb.core.USBError) as error:
        found.reset()
    assert failed(error) == (-5, errno.ENOENT)


def test_a_halted_endpoint_stalls_until_it_is_cleared() -> None:
    one = rig(CP2102)
    found = one.opened()
    talk_cp210x(found)
    found.ctrl_transfer(0x02, 0x03, 0, 0x81)

    for _ in range(2):
        with pytest.raises(usb.core.USBError) as error:
            found.read(0x81, 64)
        assert failed(error) == (-9, errno.EPIPE)

    found.clear_halt(0x81)
    found.write(0x01, b"x")
    assert bytes(found.read(0x81, 64)) == b"x"
