"""A scripted pyusb backend: USB devices in memory that do and refuse what a test tells them.

It answers as libusb does: timeouts in ms (0: for ever), errors with libusb's code and errno, an
IndexError behind the last descriptor.
"""

import errno
import os
import threading
from array import array
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import usb.backend
import usb.core

LIBUSB_CODES = {
    errno.EIO: -1,
    errno.EACCES: -3,
    errno.ENODEV: -4,
    errno.ENOENT: -5,
    errno.EBUSY: -6,
    errno.ETIMEDOUT: -7,
    errno.EOVERFLOW: -8,
    errno.EPIPE: -9,
}


def usb_error(number: int) -> OSError:
    kind = usb.core.USBTimeoutError if number == errno.ETIMEDOUT else usb.core.USBError
    error: OSError = kind(os.strerror(number), LIBUSB_CODES.get(number, -99), number)
    return error


@dataclass(kw_only=True)
class ScriptedInterface:
    number: int = 0
    usb_class: tuple[int, int] = (0xFF, 0)
    incoming: int = 0
    outgoing: int = 0
    packet_size: int = 64
    extra: bytes = b""


@dataclass(kw_only=True, eq=False)
class ScriptedDevice:
    """One device; ``controls`` and ``written`` record, the ``*_faults`` are errnos to raise next.

    ``answers`` maps (request, value) to what a reading control request gets; None refuses it.
    ``refused`` are writing requests to stall. ``echo`` makes it send back what it gets.
    """

    vid: int
    pid: int
    interfaces: tuple[ScriptedInterface, ...]
    bus: int = 1
    ports: tuple[int, ...] | None = (1,)
    address: int = 5
    bcd_device: int = 0x1000
    strings: tuple[str | int | None, ...] = ("GekkoScience", "CompacF Bitcoin Miner", "10051234")
    heads: bytes = b""  # before the data of every IN packet
    idle: float = 0.0  # s after which such a packet comes without data
    on_out: Callable[[bytes], None] | None = None
    answers: dict[tuple[int, int], bytes | None] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    kernel_driver: set[int] = field(default_factory=set)
    controls: list[tuple[str, bytes]] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    written: bytearray = field(default_factory=bytearray)
    read_faults: deque[int] = field(default_factory=deque)
    write_faults: deque[int] = field(default_factory=deque)
    control_faults: deque[int] = field(default_factory=deque)
    endless_fault: int = 0
    takes: int = 1 << 30
    configuration: int = 1
    plugged: bool = True
    claims: dict[int, object] = field(default_factory=dict)
    handles: set[object] = field(default_factory=set)
    changed: threading.Condition = field(default_factory=threading.Condition)
    pending: dict[int, deque[bytes]] = field(default_factory=dict)

    def send(self, data: bytes, interface: int = 0) -> None:
        """Send ``data`` in packets, each with its head."""
        room = self.interfaces[interface].packet_size - len(self.heads)
        pieces = [data[start : start + room] for start in range(0, len(data), room)]
        with self.changed:
            queue = self.pending.setdefault(self.interfaces[interface].incoming, deque())
            queue.extend(self.heads + piece for piece in pieces)
            self.changed.notify_all()

    def unplug(self) -> None:
        with self.changed:
            self.plugged = False
            self.changed.notify_all()

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()


def ftdi_stick(**changes: Any) -> ScriptedDevice:
    defaults: dict[str, Any] = {
        "vid": 0x0403,
        "pid": 0x6015,
        "interfaces": (ScriptedInterface(incoming=0x81, outgoing=0x02),),
        "heads": b"\x01\x60",
        "idle": 0.002,
        "answers": {(0x05, 0): b"\x01\x60"},
    }
    return ScriptedDevice(**defaults | changes)


def cp2102_stick(**changes: Any) -> ScriptedDevice:
    defaults: dict[str, Any] = {
        "vid": 0x10C4,
        "pid": 0xEA60,
        "bcd_device": 0x0100,
        "interfaces": (ScriptedInterface(incoming=0x81, outgoing=0x01),),
        "answers": {(0xFF, 0x370B): b"\x02", (0x10, 0): bytes(19)},
    }
    return ScriptedDevice(**defaults | changes)


def cp2105_stick(**changes: Any) -> ScriptedDevice:
    interfaces = (
        ScriptedInterface(number=0, incoming=0x81, outgoing=0x01),
        ScriptedInterface(number=1, incoming=0x82, outgoing=0x02, packet_size=32),
    )
    answers = {(0xFF, 0x370B): b"\x05", (0x10, 0): bytes(19)}
    return cp2102_stick(**{"pid": 0xEA70, "interfaces": interfaces, "answers": answers} | changes)


def cdc_board(**changes: Any) -> ScriptedDevice:
    union = bytes.fromhex("0524001001 0424020 2 0524060 001".replace(" ", ""))
    defaults: dict[str, Any] = {
        "vid": 0xC0DE,
        "pid": 0xCAFE,
        "interfaces": (
            ScriptedInterface(number=0, usb_class=(2, 2), extra=union),
            ScriptedInterface(number=1, usb_class=(10, 0), incoming=0x83, outgoing=0x03),
        ),
    }
    return ScriptedDevice(**defaults | changes)


class ScriptedBackend(usb.backend.IBackend):  # type: ignore[misc]  # pyusb has no types
    """libusb with these devices plugged in."""

    def __init__(self, *devices: ScriptedDevice) -> None:
        self.devices = list(devices)

    # -- descriptors

    def enumerate_devices(self) -> Iterator[ScriptedDevice]:
        return iter([device for device in self.devices if device.plugged])

    def get_parent(self, dev: ScriptedDevice) -> None:
        return None

    def get_device_descriptor(self, dev: ScriptedDevice) -> Any:
        given = [index if text is not None else 0 for index, text in enumerate(dev.strings, 1)]
        return SimpleNamespace(
            bLength=18,
            bDescriptorType=1,
            bcdUSB=0x200,
            bDeviceClass=0,
            bDeviceSubClass=0,
            bDeviceProtocol=0,
            bMaxPacketSize0=64,
            idVendor=dev.vid,
            idProduct=dev.pid,
            bcdDevice=dev.bcd_device,
            iManufacturer=given[0],
            iProduct=given[1],
            iSerialNumber=given[2],
            bNumConfigurations=1,
            address=dev.address,
            bus=dev.bus,
            port_number=dev.ports[-1] if dev.ports else None,
            port_numbers=dev.ports,
            speed=2,
        )

    def get_configuration_descriptor(self, dev: ScriptedDevice, config: int) -> Any:
        if config:
            raise IndexError(config)
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=2,
            wTotalLength=9,
            bNumInterfaces=len(dev.interfaces),
            bConfigurationValue=1,
            iConfiguration=0,
            bmAttributes=0x80,
            bMaxPower=250,
            extra_descriptors=[],
        )

    def get_interface_descriptor(
        self, dev: ScriptedDevice, intf: int, alt: int, config: int
    ) -> Any:
        if alt or intf >= len(dev.interfaces):
            raise IndexError(intf)
        interface = dev.interfaces[intf]
        return SimpleNamespace(
            bLength=9,
            bDescriptorType=4,
            bInterfaceNumber=interface.number,
            bAlternateSetting=0,
            bNumEndpoints=len(self._endpoints(dev, intf)),
            bInterfaceClass=interface.usb_class[0],
            bInterfaceSubClass=interface.usb_class[1],
            bInterfaceProtocol=0,
            iInterface=0,
            extra_descriptors=list(interface.extra),
        )

    def _endpoints(self, dev: ScriptedDevice, intf: int) -> list[int]:
        interface = dev.interfaces[intf]
        return [address for address in (interface.incoming, interface.outgoing) if address]

    def get_endpoint_descriptor(
        self, dev: ScriptedDevice, ep: int, intf: int, alt: int, config: int
    ) -> Any:
        return SimpleNamespace(
            bLength=7,
            bDescriptorType=5,
            bEndpointAddress=self._endpoints(dev, intf)[ep],
            bmAttributes=2,
            wMaxPacketSize=dev.interfaces[intf].packet_size,
            bInterval=0,
            bRefresh=0,
            bSynchAddress=0,
            extra_descriptors=[],
        )

    # -- handles

    def open_device(self, dev: ScriptedDevice) -> Any:
        if dev.control_faults and dev.control_faults[0] == errno.EACCES:
            raise usb_error(errno.EACCES)
        handle = SimpleNamespace(device=self._there(dev))
        handle.key = object()
        dev.handles.add(handle.key)
        dev.calls.append("open")
        return handle

    def close_device(self, dev_handle: Any) -> None:
        dev_handle.device.handles.discard(dev_handle.key)
        dev_handle.device.calls.append("close")

    def set_configuration(self, dev_handle: Any, config_value: int) -> None:
        self._there(dev_handle.device).configuration = config_value

    def get_configuration(self, dev_handle: Any) -> int:
        return self._there(dev_handle.device).configuration

    def claim_interface(self, dev_handle: Any, intf: int) -> None:
        device = self._there(dev_handle.device)
        owner = device.claims.get(intf, dev_handle.key)
        if intf in device.kernel_driver or owner is not dev_handle.key:
            raise usb_error(errno.EBUSY)
        device.claims[intf] = dev_handle.key
        device.calls.append(f"claim {intf}")

    def release_interface(self, dev_handle: Any, intf: int) -> None:
        device = dev_handle.device
        if device.claims.get(intf) is dev_handle.key:
            del device.claims[intf]
        device.calls.append(f"release {intf}")
        self._there(device)

    def is_kernel_driver_active(self, dev_handle: Any, intf: int) -> bool:
        return intf in self._there(dev_handle.device).kernel_driver

    def detach_kernel_driver(self, dev_handle: Any, intf: int) -> None:
        device = self._there(dev_handle.device)
        device.kernel_driver.remove(intf)
        device.calls.append(f"detach {intf}")

    def attach_kernel_driver(self, dev_handle: Any, intf: int) -> None:
        device = self._there(dev_handle.device)
        device.kernel_driver.add(intf)
        device.calls.append(f"attach {intf}")

    def clear_halt(self, dev_handle: Any, ep: int) -> None:
        self._there(dev_handle.device).calls.append(f"clear {ep:#x}")

    def reset_device(self, dev_handle: Any) -> None:
        self._there(dev_handle.device).calls.append("reset")

    # -- transfers

    def ctrl_transfer(
        self,
        dev_handle: Any,
        bmRequestType: int,  # noqa: N803 - pyusb's names
        bRequest: int,  # noqa: N803 - as above
        wValue: int,  # noqa: N803 - as above
        wIndex: int,  # noqa: N803 - as above
        data: Any,
        timeout: int,
    ) -> int:
        device = self._there(dev_handle.device)
        self._fault(device, device.control_faults)
        setup = b"".join(
            value.to_bytes(size, "little")
            for value, size in ((bmRequestType, 1), (bRequest, 1), (wValue, 2), (wIndex, 2))
        )
        setup += len(data).to_bytes(2, "little")
        if bmRequestType == 0x80:
            return self._string(device, wValue, data)
        device.controls.append((setup.hex(), b"" if bmRequestType & 0x80 else data.tobytes()))
        if not bmRequestType & 0x80:
            if bRequest in device.refused:
                raise usb_error(errno.EPIPE)
            return len(data)
        answer = device.answers.get((bRequest, wValue))
        if answer is None:
            raise usb_error(errno.EPIPE)
        data[: len(answer)] = array("B", answer)
        return len(answer)

    def bulk_read(self, dev_handle: Any, ep: int, intf: int, buff: Any, timeout: int) -> int:
        device: ScriptedDevice = dev_handle.device
        with device.changed:
            queue = device.pending.setdefault(ep, deque())
            patience = min(timeout / 1000, device.idle or timeout / 1000)
            device.changed.wait_for(
                lambda: queue or not device.plugged or device.endless_fault or device.read_faults,
                patience,
            )
            self._there(device)
            self._fault(device, device.read_faults)
            if not queue:
                if not device.heads:
                    raise usb_error(errno.ETIMEDOUT)
                queue.append(device.heads)
            size = next(one.packet_size for one in device.interfaces if one.incoming == ep)
            filled = 0
            while queue and filled + size <= len(buff):
                packet = queue.popleft()
                buff[filled : filled + len(packet)] = array("B", packet)
                filled += len(packet)
                if len(packet) < size:
                    break
            return filled

    def bulk_write(self, dev_handle: Any, ep: int, intf: int, data: Any, timeout: int) -> int:
        device = self._there(dev_handle.device)
        self._fault(device, device.write_faults)
        taken = data.tobytes()[: device.takes]
        if not taken:
            with device.changed:
                device.changed.wait_for(lambda: not device.plugged, timeout / 1000)
            self._there(device)
            raise usb_error(errno.ETIMEDOUT)
        device.takes -= len(taken)
        device.written += taken
        device.calls.append("write")
        if device.on_out:
            device.on_out(taken)
        return len(taken)

    def _there(self, device: ScriptedDevice) -> ScriptedDevice:
        if not device.plugged:
            raise usb_error(device.endless_fault or errno.ENODEV)
        return device

    def _fault(self, device: ScriptedDevice, faults: deque[int]) -> None:
        if device.endless_fault:
            raise usb_error(device.endless_fault)
        if faults:
            raise usb_error(faults.popleft())

    def _string(self, device: ScriptedDevice, value: int, data: Any) -> int:
        index = value & 0xFF
        text = device.strings[index - 1] if index else ""
        if isinstance(text, int):
            raise usb_error(text)
        body = text.encode("utf-16-le") if text else b"\x09\x04"
        answer = bytes((len(body) + 2, 3)) + body
        data[: len(answer)] = array("B", answer)
        return len(answer)
