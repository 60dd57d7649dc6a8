"""A pyusb backend whose devices are emulated: pyusb's upper half runs unchanged.

Source: pyusb 1.3.1, usb/backend/__init__.py and usb/backend/libusb1.py, for what a backend returns
and raises.
"""

import struct
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace

import usb.backend
import usb.core

from drivers.transports.emulated_usb.bus import EmulatedBus
from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.handle import UsbHandle
from drivers.transports.emulated_usb.setup_packet import Setup
from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError

_FULL_SPEED = 2
_HIGH_SPEED = 3
_LAYOUTS = {
    "device": (
        "<BBHBBBBHHHBBBB",
        "bLength bDescriptorType bcdUSB bDeviceClass bDeviceSubClass bDeviceProtocol"
        " bMaxPacketSize0 idVendor idProduct bcdDevice iManufacturer iProduct iSerialNumber"
        " bNumConfigurations",
    ),
    "configuration": (
        "<BBHBBBBB",
        "bLength bDescriptorType wTotalLength bNumInterfaces bConfigurationValue iConfiguration"
        " bmAttributes bMaxPower",
    ),
    "interface": (
        "<9B",
        "bLength bDescriptorType bInterfaceNumber bAlternateSetting bNumEndpoints"
        " bInterfaceClass bInterfaceSubClass bInterfaceProtocol iInterface",
    ),
    "endpoint": (
        "<BBBBHB",
        "bLength bDescriptorType bEndpointAddress bmAttributes wMaxPacketSize bInterval",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """A device as it was enumerated; of no use once it was unplugged."""

    device: EmulatedUsbDevice
    plug_count: int


class EmulatedBackend(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no type hints
    """Pass it to `usb.core.find` as ``backend``; all buses are looked through in order."""

    def __init__(self, *buses: EmulatedBus) -> None:
        self._buses = buses

    # -- enumeration

    def enumerate_devices(self) -> Iterator[_Found]:
        """Yield what is plugged in at this moment."""
        found = [_Found(device, device.plug_count) for bus in self._buses for device in bus.devices]
        return iter(found)

    def get_parent(self, dev: _Found) -> None:
        """Return None: hubs are not shown."""

    def get_device_descriptor(self, dev: _Found) -> SimpleNamespace:
        """Return the device descriptor and where the device is; also of one that is gone."""
        device = dev.device
        descriptor = _fields("device", device.standard.device.packed())
        descriptor.bus = device.bus_number
        descriptor.address = device.address
        descriptor.port_number = device.port_numbers[-1]
        descriptor.port_numbers = device.port_numbers
        descriptor.speed = _HIGH_SPEED if device.bridge.high_speed else _FULL_SPEED
        return descriptor

    def get_configuration_descriptor(self, dev: _Found, config: int) -> SimpleNamespace:
        """Return the one configuration; IndexError for another."""
        if config != 0:
            raise IndexError(f"no configuration {config}")
        return _fields("configuration", dev.device.standard.configuration.header())

    def get_interface_descriptor(
        self, dev: _Found, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        """Return an interface by its place; IndexError ends pyusb's iteration."""
        interfaces = dev.device.bridge.interfaces
        if config != 0 or alt != 0 or not 0 <= intf < len(interfaces):
            raise IndexError(f"no interface {intf}, {alt}, {config}")
        return _fields("interface", interfaces[intf].header(), interfaces[intf].extra)

    def get_endpoint_descriptor(
        self, dev: _Found, ep: int, intf: int, alt: int, config: int
    ) -> SimpleNamespace:
        """Return an endpoint by its place; IndexError for another."""
        self.get_interface_descriptor(dev, intf, alt, config)
        endpoints = dev.device.bridge.interfaces[intf].endpoints
        if not 0 <= ep < len(endpoints):
            raise IndexError(f"no endpoint {ep}")
        return _fields("endpoint", endpoints[ep].packed())

    # -- open devices

    def open_device(self, dev: _Found) -> UsbHandle:
        """Open a device."""
        with _errors():
            return UsbHandle(dev.device, dev.plug_count)

    def close_device(self, dev_handle: UsbHandle) -> None:
        """Close a device."""
        dev_handle.close()

    def get_configuration(self, dev_handle: UsbHandle) -> int:
        """Return the number of the configuration in force."""
        with _errors():
            return dev_handle.configuration()

    def set_configuration(self, dev_handle: UsbHandle, config_value: int) -> None:
        """Set the configuration."""
        with _errors():
            dev_handle.set_configuration(config_value)

    def set_interface_altsetting(self, dev_handle: UsbHandle, intf: int, altsetting: int) -> None:
        """Accept the one setting each interface has."""
        with _errors():
            if altsetting != 0 or intf >= len(dev_handle.device.bridge.interfaces):
                raise UsbTransferError(Status.NOT_FOUND)
            dev_handle.claim(intf)

    def claim_interface(self, dev_handle: UsbHandle, intf: int) -> None:
        """Take an interface."""
        with _errors():
            dev_handle.claim(intf)

    def release_interface(self, dev_handle: UsbHandle, intf: int) -> None:
        """Give an interface back."""
        with _errors():
            dev_handle.release(intf)

    def is_kernel_driver_active(self, dev_handle: UsbHandle, intf: int) -> bool:
        """Return whether the kernel's driver has an interface."""
        with _errors():
            return dev_handle.kernel_driver_active(intf)

    def detach_kernel_driver(self, dev_handle: UsbHandle, intf: int) -> None:
        """Take an interface from the kernel's driver."""
        with _errors():
            dev_handle.detach(intf)

    def attach_kernel_driver(self, dev_handle: UsbHandle, intf: int) -> None:
        """Give an interface to the kernel's driver."""
        with _errors():
            dev_handle.attach(intf)

    def clear_halt(self, dev_handle: UsbHandle, ep: int) -> None:
        """Let a stalled endpoint work again."""
        with _errors():
            dev_handle.clear_halt(ep)

    def reset_device(self, dev_handle: UsbHandle) -> None:
        """Reset the device."""
        with _errors():
            dev_handle.reset()

    # -- transfers

    def bulk_write(
        self, dev_handle: UsbHandle, ep: int, intf: int, data: "array[int]", timeout: int
    ) -> int:
        """Write; return how many bytes went."""
        del intf  # the endpoint says it
        with _errors():
            return dev_handle.bulk_out(ep, data.tobytes(), timeout)

    def bulk_read(
        self, dev_handle: UsbHandle, ep: int, intf: int, buff: "array[int]", timeout: int
    ) -> int:
        """Read into ``buff``; return how many bytes came."""
        del intf  # the endpoint says it
        size = len(buff) * buff.itemsize
        with _errors():
            return _fill(buff, dev_handle.bulk_in(ep, size, timeout))

    def intr_write(
        self, dev_handle: UsbHandle, ep: int, intf: int, data: "array[int]", timeout: int
    ) -> int:
        """Write to an interrupt endpoint; nothing here has one."""
        return self.bulk_write(dev_handle, ep, intf, data, timeout)

    def intr_read(
        self, dev_handle: UsbHandle, ep: int, intf: int, buff: "array[int]", timeout: int
    ) -> int:
        """Read from an interrupt endpoint; none here ever has anything to say."""
        return self.bulk_read(dev_handle, ep, intf, buff, timeout)

    def ctrl_transfer(
        self,
        dev_handle: UsbHandle,
        bmRequestType: int,  # noqa: N803  # pyusb's name
        bRequest: int,  # noqa: N803  # pyusb's name
        wValue: int,  # noqa: N803  # pyusb's name
        wIndex: int,  # noqa: N803  # pyusb's name
        data: "array[int]",
        timeout: int,
    ) -> int:
        """Do a control request with or into ``data``; return how many bytes moved."""
        size = len(data) * data.itemsize
        with _errors():
            setup = Setup(
                request_type=bmRequestType,
                request=bRequest,
                value=wValue,
                index=wIndex,
                length=size,
            )
            if setup.is_in:
                return _fill(data, dev_handle.control(setup, b"", timeout))
            dev_handle.control(setup, data.tobytes(), timeout)
            return size


@contextmanager
def _errors() -> Iterator[None]:
    """Turn our errors into those that pyusb's backend for libusb raises."""
    try:
        yield
    except UsbTransferError as error:
        status = error.status
        pyusb_error = usb.core.USBTimeoutError if status is Status.TIMEOUT else usb.core.USBError
        raise pyusb_error(status.words, status.code, status.errno) from error


def _fields(kind: str, packed: bytes, extra: bytes = b"") -> SimpleNamespace:
    """Return a descriptor as pyusb wants it: an object with the specification's names."""
    layout, names = _LAYOUTS[kind]
    values = struct.unpack(layout, packed)
    fields = dict(zip(names.split(), values, strict=True))
    return SimpleNamespace(**fields, bRefresh=0, bSynchAddress=0, extra_descriptors=list(extra))


def _fill(buffer: "array[int]", data: bytes) -> int:
    memoryview(buffer).cast("B")[: len(data)] = data
    return len(data)
