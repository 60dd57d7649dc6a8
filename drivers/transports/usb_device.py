"""A USB device through pyusb: found by its place, claimed, spoken to, and given back as it was.

Every call blocks; none is for the event loop. Errors of pyusb (all OSErrors) pass through unless a
function says otherwise; `usb_errors` tells what they mean.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from ctypes.util import find_library
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import Any

from drivers.transports.bridges.bridge import Control, Descriptors
from drivers.transports.errors import PortOpenError
from drivers.transports.usb_errors import (
    LIBUSB_COMMAND,
    PYUSB_COMMAND,
    Fault,
    UsbLibraryMissingError,
    fault_of,
    open_error,
)
from drivers.transports.usb_sysfs import node_of

PREFIX = "usb:"
"""What stands before a device's place in its path: ``usb:1-1.2`` is bus 1, port 1, port 2."""

CONTROL_TIMEOUT = 1000  # ms

_COMM_CLASS, _ACM_SUBCLASS = 0x02, 0x02
_CS_INTERFACE, _UNION = 0x24, 0x06
_BULK, _TYPE_MASK, _IN = 0x02, 0x03, 0x80

_loading = Lock()
_handover = Lock()
"""Held while interfaces change hands, so that the kernel's driver is given back by who took it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """The bulk endpoints of an interface, and the packet size of the one that comes in."""

    incoming: int
    outgoing: int
    packet_size: int


def place_of(device: Any) -> str:  # noqa: ANN401 - pyusb has no types
    """Return where a pyusb device is plugged in, as the kernel names it: ``1-1.2``."""
    ports = device.port_numbers
    if not ports:
        return f"{device.bus}@{device.address}"
    return f"{device.bus}-{'.'.join(map(str, ports))}"


def devices(backend: object | None = None, *, wanted_by: str = "USB") -> Iterator[Any]:
    """Yield every USB device as pyusb's object, none of them opened.

    ``backend`` is a pyusb IBackend, libusb's unless given. Raises UsbLibraryMissingError, which
    names the port ``wanted_by``, or PortOpenError.
    """
    core = _pyusb(wanted_by)
    yield from core.find(find_all=True, backend=backend or libusb(wanted_by))


def libusb(wanted_by: str = "USB") -> object:
    """Return pyusb's backend for libusb 1.0; raise UsbLibraryMissingError without it."""
    _pyusb(wanted_by)
    from usb.backend import libusb1  # noqa: PLC0415 - loads a library

    with _loading:
        backend: object = libusb1.get_backend()
    if backend is None and find_library("usb-1.0"):
        raise PortOpenError(
            wanted_by, "libusb is there but does not start; see `stratum-client doctor`"
        )
    if backend is None:
        raise UsbLibraryMissingError(wanted_by, library="libusb", command=LIBUSB_COMMAND)
    return backend


def _pyusb(wanted_by: str) -> ModuleType:
    try:
        import usb.core  # noqa: PLC0415 - slow, and not everybody has USB
    except ImportError as error:
        raise UsbLibraryMissingError(wanted_by, library="pyusb", command=PYUSB_COMMAND) from error
    core: ModuleType = usb.core
    return core


def find_device(path: str, backend: object | None = None) -> "UsbDevice":
    """Return the device at ``path`` (``usb:1-1.2``), not yet opened.

    Raises PortOpenError if there is none, UsbLibraryMissingError.
    """
    place = path.removeprefix(PREFIX)
    try:
        for device in devices(backend, wanted_by=path):
            if place_of(device) == place:
                return UsbDevice(device, path, is_real=backend is None)
    except OSError as error:
        raise open_error(path, None, error) from error
    raise PortOpenError(path, "no such USB device; is it plugged in?")


class UsbDevice:
    """One device, opened with the first request and closed by `close`.

    Reading, writing and control requests may run in different threads at the same time; `close`
    only when no other call runs.
    """

    def __init__(self, device: Any, path: str, *, is_real: bool) -> None:  # noqa: ANN401 - pyusb has no types
        self.path = path
        self.place = place_of(device)
        self.node: Path | None = node_of(device.bus, device.address) if is_real else None
        self._device = device
        self._claimed: list[int] = []
        self._detached: list[int] = []

    def descriptors(self) -> Descriptors:
        """Return what tells which bridge this is."""
        device = self._device
        return Descriptors(
            vid=device.idVendor,
            pid=device.idProduct,
            bcd_device=device.bcdDevice,
            bcd_usb=device.bcdUSB,
            device_class=device.bDeviceClass,
            control_packet_size=device.bMaxPacketSize0,
            functions=tuple(_acm_functions(self._configuration())),
        )

    def endpoints(self, interface: int) -> Endpoints:
        """Return the first bulk endpoint of each direction; raise PortOpenError without them."""
        bulk = [
            endpoint
            for candidate in self._configuration()
            if candidate.bInterfaceNumber == interface and not candidate.bAlternateSetting
            for endpoint in candidate
            if endpoint.bmAttributes & _TYPE_MASK == _BULK
        ]
        incoming = [one for one in bulk if one.bEndpointAddress & _IN]
        outgoing = [one for one in bulk if not one.bEndpointAddress & _IN]
        if not incoming or not outgoing:
            raise PortOpenError(self.path, f"interface {interface} has no pair of bulk endpoints")
        return Endpoints(
            incoming=incoming[0].bEndpointAddress,
            outgoing=outgoing[0].bEndpointAddress,
            packet_size=incoming[0].wMaxPacketSize & 0x7FF or 64,
        )

    def claim(self, interfaces: Iterable[int]) -> None:
        """Take interfaces for ourselves alone, from the kernel's driver if it has them."""
        from usb.util import claim_interface  # noqa: PLC0415 - as above

        with _handover:
            for interface in interfaces:
                self._take_from_kernel(interface)
                claim_interface(self._device, interface)
                self._claimed.append(interface)

    def perform(self, control: Control) -> bytes:
        """Do a control transfer; return what came in, b"" if it was refused and may be."""
        try:
            answer = self._device.ctrl_transfer(
                control.request_type,
                control.request,
                control.value,
                control.index,
                control.length if control.is_read else control.data,
                CONTROL_TIMEOUT,
            )
        except OSError as error:
            if control.may_stall and fault_of(error) is Fault.STALLED:
                return b""
            raise
        return bytes(answer) if control.is_read else b""

    def ask(self, control: Control) -> bytes | None:
        """Do a control transfer that reads; return None if the device refuses it."""
        try:
            return bytes(self.perform(control)) or None
        except OSError as error:
            if fault_of(error) is Fault.STALLED:
                return None
            raise

    def read_into(self, endpoint: int, buffer: "array[int]", timeout_ms: int) -> int:
        """Wait for a bulk transfer; return how many bytes of ``buffer`` it filled."""
        return int(self._device.read(endpoint, buffer, timeout_ms))

    def write(self, endpoint: int, data: bytes, timeout_ms: int) -> int:
        """Send a bulk transfer; return how many bytes were taken."""
        return int(self._device.write(endpoint, data, timeout_ms))

    def clear_halt(self, endpoint: int) -> None:
        """Let a stalled endpoint go on."""
        self._device.clear_halt(endpoint)

    def reset(self) -> None:
        """Reset the device's USB port; it may come back under another address."""
        self._device.reset()

    def close(self) -> None:
        """Release what was claimed, give it back to the kernel's driver, close; never raises."""
        from usb.util import dispose_resources, release_interface  # noqa: PLC0415 - see `claim`

        with _handover:
            for interface in self._claimed:
                _leniently(partial(release_interface, self._device, interface))
            for interface in self._detached:
                _leniently(partial(self._device.attach_kernel_driver, interface))
            self._claimed.clear()
            self._detached.clear()
            _leniently(partial(dispose_resources, self._device))

    def _configuration(self) -> Any:  # noqa: ANN401 - pyusb has no types
        try:
            return self._device.get_active_configuration()
        except OSError as error:
            if fault_of(error) is not Fault.OTHER:
                raise
            self._device.set_configuration()  # it has none yet: nobody can mind
            return self._device.get_active_configuration()

    def _take_from_kernel(self, interface: int) -> None:
        try:
            if not self._device.is_kernel_driver_active(interface):
                return
        except (NotImplementedError, OSError) as error:
            if isinstance(error, OSError) and fault_of(error) is not Fault.OTHER:
                raise
            return  # a system without such drivers
        self._device.detach_kernel_driver(interface)
        self._detached.append(interface)


def _leniently(action: Callable[[], object]) -> None:
    """Do what cannot be done on a device that is gone."""
    with suppress(OSError, NotImplementedError):
        action()


def _acm_functions(configuration: Any) -> Iterator[tuple[int, int]]:  # noqa: ANN401 - pyusb has no types
    """Yield the control and data interface of each CDC-ACM function."""
    for interface in configuration:
        kind = (interface.bInterfaceClass, interface.bInterfaceSubClass)
        if kind == (_COMM_CLASS, _ACM_SUBCLASS) and not interface.bAlternateSetting:
            number = interface.bInterfaceNumber
            yield number, _data_interface(bytes(interface.extra_descriptors), number + 1)


def _data_interface(extra: bytes, otherwise: int) -> int:
    """Return the first subordinate interface that the union descriptor names."""
    while len(extra) >= 2 and extra[0] >= 2:
        descriptor, extra = extra[: extra[0]], extra[extra[0] :]
        if len(descriptor) >= 5 and descriptor[1:3] == bytes((_CS_INTERFACE, _UNION)):
            return descriptor[4]
    return otherwise
