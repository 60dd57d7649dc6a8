"""What every USB device answers: descriptors, status, configuration, halted endpoints.

Source: USB 2.0 specification, section 9.4.
"""

from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.bridge import stall
from drivers.transports.emulated_usb.descriptors import (
    Configuration,
    DescriptorType,
    DeviceDescriptor,
    Endpoint,
    languages_descriptor,
    string_descriptor,
)
from drivers.transports.emulated_usb.setup_packet import Recipient, Setup

if TYPE_CHECKING:
    from drivers.transports.emulated_usb.bridge import Bridge
    from drivers.transports.emulated_usb.identities import UsbIdentity

_ENDPOINT_HALT = 0


class StandardDevice:
    """The part of a device that is the same for all: descriptors and halted endpoints."""

    def __init__(self, identity: "UsbIdentity", bridge: "Bridge") -> None:
        strings = (identity.manufacturer, identity.product, identity.serial)
        indices = [place if text else 0 for place, text in enumerate(strings, start=1)]
        self.device = DeviceDescriptor(
            vid=identity.vid,
            pid=identity.pid,
            release=bridge.release,
            device_class=bridge.device_class,
            manufacturer=indices[0],
            product=indices[1],
            serial=indices[2],
        )
        self.configuration = Configuration(
            interfaces=bridge.interfaces,
            milliamperes=identity.milliamperes,
            self_powered=identity.self_powered,
        )
        self.configured = 1
        self.halted: set[int] = set()
        self._strings = {i: text for i, text in enumerate(strings, start=1) if text}
        self._endpoints = {
            endpoint.address: endpoint
            for interface in bridge.interfaces
            for endpoint in interface.endpoints
        }
        self._interfaces_at = {
            endpoint.address: interface.number
            for interface in bridge.interfaces
            for endpoint in interface.endpoints
        }

    def endpoint(self, address: int) -> Endpoint | None:
        """Return an endpoint, None if there is no such."""
        return self._endpoints.get(address)

    def interface_at(self, address: int) -> int | None:
        """Return the number of the interface an endpoint belongs to."""
        return self._interfaces_at.get(address)

    def restart(self) -> None:
        """Be as after a USB reset and the kernel's set-up."""
        self.configured = 1
        self.halted.clear()

    def control(self, setup: Setup) -> bytes:
        """Return the answer to a standard request; raise UsbTransferError (a stall)."""
        return self._answer(setup) if setup.is_in else self._order(setup)

    def _answer(self, setup: Setup) -> bytes:
        match setup.request:
            case 0x00 if setup.recipient == Recipient.ENDPOINT:
                return bytes([setup.index & 0xFF in self.halted, 0])
            case 0x00:
                return bytes([self.configuration.self_powered, 0])
            case 0x06:
                return self._descriptor(setup.value >> 8, setup.value & 0xFF)
            case 0x08:
                return bytes([self.configured])
            case 0x0A:
                return b"\0"
            case _:
                raise stall()

    def _order(self, setup: Setup) -> bytes:
        match setup.request:
            case 0x01 | 0x03 if setup.recipient == Recipient.ENDPOINT:
                address = setup.index & 0xFF
                if setup.value != _ENDPOINT_HALT or address not in self._endpoints:
                    raise stall()
                if setup.request == 0x03:
                    self.halted.add(address)
                else:
                    self.halted.discard(address)
            case 0x09 if setup.value in {0, 1}:
                self.configured = setup.value
            case 0x0B if setup.value == 0:
                pass  # each interface has the one setting
            case _:
                raise stall()
        return b""

    def _descriptor(self, kind: int, index: int) -> bytes:
        match kind:
            case DescriptorType.DEVICE:
                return self.device.packed()
            case DescriptorType.CONFIGURATION if index == 0:
                return self.configuration.packed()
            case DescriptorType.STRING if index == 0 and self._strings:
                return languages_descriptor()
            case DescriptorType.STRING if index in self._strings:
                return string_descriptor(self._strings[index])
            case _:
                raise stall()
