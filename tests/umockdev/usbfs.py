"""Usbfs for one emulated device: the ioctls that libusb makes, answered by the device model.

Runs in Debian's python3 under umockdev, outside our environment: the standard library, GObject
introspection and the sans-IO models are all there is.

Source: torvalds/linux include/uapi/linux/usbdevice_fs.h (numbers and struct usbdevfs_urb, 64 bit)
and drivers/usb/core/devio.c; what libusb makes of it: libusb/os/linux_usbfs.c.
"""

import errno
import struct
from collections.abc import Callable
from typing import Any

from drivers.transports.emulated_usb.device import EmulatedUsbDevice
from drivers.transports.emulated_usb.handle import UsbHandle
from drivers.transports.emulated_usb.setup_packet import SETUP_SIZE, parse_setup
from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError
from tests.umockdev.introspected import GLib, UMockdev

_SUBMIT = 0x8038550A
_DISCARD = 0x550B
_REAP = 0x4008550D
_CLAIM = 0x8004550F
_RELEASE = 0x80045510
_GET_DRIVER = 0x41045508
_SET_CONFIGURATION = 0x80045505
_CLEAR_HALT = 0x80045515
_RESET = 0x5514
_INDIRECT = 0xC0105512
_CAPABILITIES = 0x8004551A
_DISCONNECT = 0x5516
_CONNECT = 0x5517

_URB = struct.Struct("<BBxxiIxxxxQiiiiiIQ")
_STATUS_AT = 4
_BUFFER_AT = 16
_ACTUAL_AT = 28
_CONTROL_URB = 2
_HOLD = 1
"""Milliseconds that a vain reap takes: the node always polls ready, and libusb would spin."""


class Urb:
    """A transfer in flight. ``memory`` and ``buffer`` are the client's."""

    def __init__(self, argument: Any) -> None:
        self.address = int.from_bytes(bytes(argument.retrieve()), "little")
        self.memory = argument.resolve(0, _URB.size)
        fields = _URB.unpack(bytes(self.memory.retrieve()))
        self.kind, self.endpoint, self.length = fields[0], fields[1], fields[5]
        self.buffer = self.memory.resolve(_BUFFER_AT, self.length) if self.length else None
        self.moved = bytearray()

    def sent(self) -> bytes:
        """Return what the client put into the buffer."""
        return bytes(self.buffer.retrieve()) if self.buffer else b""

    def finish(self, status: int, data: bytes = b"", actual: int = 0, at: int = 0) -> None:
        """Write the outcome into the client's memory; it gets there when reaped."""
        if data and self.buffer:
            self.buffer.update(at, list(data))
        self.memory.update(_STATUS_AT, list(struct.pack("<i", status)))
        self.memory.update(_ACTUAL_AT, list(struct.pack("<i", actual or len(data))))


class Client:
    """One open file: its handle and its transfers."""

    def __init__(self, handle: UsbHandle) -> None:
        self.handle = handle
        self.flying: list[Urb] = []
        self.done: list[Urb] = []


class Usbfs(UMockdev.IoctlBase):  # type: ignore[misc]  # GObject introspection has no type hints
    """Answers the ioctls on a device's node. The interface's driver is that of the model."""

    def __init__(self, device: EmulatedUsbDevice) -> None:
        super().__init__()
        self._device = device
        self._clients: dict[Any, Client] = {}
        self._answers: dict[int, Callable[[Any, Client], None]] = {
            _SUBMIT: self._submit,
            _DISCARD: self._discard,
            _REAP: self._reap,
            _GET_DRIVER: self._driver,
            _CAPABILITIES: self._capabilities,
            _INDIRECT: self._indirect,
            _CLAIM: lambda call, client: self._done(call, client.handle.claim, _number(call)),
            _RELEASE: lambda call, client: self._done(call, client.handle.release, _number(call)),
            _CLEAR_HALT: lambda call, client: self._done(
                call, client.handle.clear_halt, _number(call)
            ),
            _SET_CONFIGURATION: lambda call, client: self._done(
                call, client.handle.set_configuration, _number(call)
            ),
            _RESET: lambda call, client: self._done(call, client.handle.reset),
        }

    def do_handle_ioctl(self, call: Any) -> bool:
        """Answer an ioctl, perhaps later."""
        client = self._client(call)
        answer = self._answers.get(call.get_request())
        if client is None:
            call.complete(-1, errno.ENODEV)
        elif answer is None:
            call.complete(-1, errno.ENOTTY)
        else:
            answer(call, client)
        return True

    def do_client_vanished(self, call: Any) -> None:
        """Close the handle of a file that was closed."""
        client = self._clients.pop(call, None)
        if client:
            client.handle.close()

    def _client(self, call: Any) -> Client | None:
        if call not in self._clients:
            try:
                handle = UsbHandle(self._device, self._device.plug_count)
            except UsbTransferError:
                return None
            self._clients[call] = Client(handle)
        return self._clients[call]

    def _done(self, call: Any, action: Any, *arguments: int) -> None:
        try:
            action(*arguments)
        except UsbTransferError as error:
            call.complete(-1, error.status.errno)
        else:
            call.complete(0, 0)

    def _capabilities(self, call: Any, client: Client) -> None:
        del client
        call.get_arg().resolve(0, 4).update(0, list(struct.pack("<I", 0)))
        call.complete(0, 0)

    def _driver(self, call: Any, client: Client) -> None:
        request = call.get_arg().resolve(0, 260)
        [number] = struct.unpack("<I", bytes(request.retrieve())[:4])
        if client.handle.gone:
            call.complete(-1, errno.ENODEV)
        elif self._device.claims.bound(number):
            name = self._device.bridge.kernel_driver.encode() + b"\0"
            request.update(4, list(name))
            call.complete(0, 0)
        else:
            call.complete(-1, errno.ENODATA)

    def _indirect(self, call: Any, client: Client) -> None:
        """Attach or detach the kernel's driver."""
        number, what = struct.unpack("<iI", bytes(call.get_arg().resolve(0, 16).retrieve())[:8])
        handle = client.handle
        action = {_DISCONNECT: handle.detach, _CONNECT: handle.attach}.get(what)
        try:
            if action is None:
                call.complete(-1, errno.ENOTTY)
            else:
                action(number)
                call.complete(0, 0) if what == _DISCONNECT else call.complete(1, 0)
        except UsbTransferError as error:
            missing = error.status is Status.NOT_FOUND
            call.complete(-1, errno.ENODATA if missing else error.status.errno)

    # -- transfers

    def _submit(self, call: Any, client: Client) -> None:
        if client.handle.gone:
            call.complete(-1, errno.ENODEV)
            return
        urb = Urb(call.get_arg())
        client.flying.append(urb)
        self._advance(client)
        call.complete(0, 0)

    def _discard(self, call: Any, client: Client) -> None:
        address = int.from_bytes(bytes(call.get_arg().retrieve()), "little")
        for urb in client.flying:
            if urb.address == address:
                client.flying.remove(urb)
                urb.finish(-errno.ENOENT, bytes(urb.moved))
                client.done.append(urb)
                call.complete(0, 0)
                return
        call.complete(-1, errno.EINVAL)

    def _reap(self, call: Any, client: Client) -> None:
        self._advance(client)
        if client.done:
            self._give(call, client)
        else:
            GLib.timeout_add(_HOLD, self._reap_later, call, client)

    def _reap_later(self, call: Any, client: Client) -> bool:
        self._advance(client)
        if client.done:
            self._give(call, client)
        else:
            call.complete(-1, errno.ENODEV if client.handle.gone else errno.EAGAIN)
        return bool(GLib.SOURCE_REMOVE)

    def _give(self, call: Any, client: Client) -> None:
        call.get_arg().resolve(0, 8).set_ptr(0, client.done.pop(0).memory)
        call.complete(0, 0)

    def _advance(self, client: Client) -> None:
        for urb in tuple(client.flying):
            if self._moved(client, urb):
                client.flying.remove(urb)
                client.done.append(urb)

    def _moved(self, client: Client, urb: Urb) -> bool:
        """Move what can be moved; return whether the transfer is over."""
        device = self._device
        if client.handle.gone:
            urb.finish(-errno.ESHUTDOWN)
            return True
        try:
            with device.changed:
                if urb.kind == _CONTROL_URB:
                    self._control(client, urb)
                elif not self._bulk(urb):
                    return False
        except UsbTransferError as error:
            urb.finish(-error.status.errno, bytes(urb.moved))
        return True

    def _bulk(self, urb: Urb) -> bool:
        """Move data; return whether the transfer is over."""
        device = self._device
        if urb.endpoint & 0x80:
            over = device.move_in(urb.endpoint, urb.moved, urb.length)
            if over:
                urb.finish(0, bytes(urb.moved))
            return over
        over = device.move_out(urb.endpoint, urb.sent())
        if over:
            urb.finish(0, actual=urb.length)
        return over

    def _control(self, client: Client, urb: Urb) -> None:
        content = urb.sent()
        setup = parse_setup(content[:SETUP_SIZE])
        if setup.is_in:
            urb.finish(0, client.handle.control(setup, b"", 0), at=SETUP_SIZE)
        else:
            client.handle.control(setup, content[SETUP_SIZE:], 0)
            urb.finish(0, actual=setup.length)


def _number(call: Any) -> int:
    [number] = struct.unpack("<i", bytes(call.get_arg().resolve(0, 4).retrieve()))
    return int(number)
