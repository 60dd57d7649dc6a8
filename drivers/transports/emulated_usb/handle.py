"""An open device, as a program has it through libusb on Linux: transfers that wait, and claims.

Every method may be called from any thread and raises only UsbTransferError. A time-out is in
milliseconds, 0 for none. A transfer that has moved some bytes before it times out succeeds.

Source: torvalds/linux drivers/usb/core/devio.c (control requests of the vendor kind need no
claimed interface, others to an interface claim it on the way) and libusb/os/linux_usbfs.c.
"""

from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.descriptors import DescriptorType
from drivers.transports.emulated_usb.faults import Fault, FaultKind, Where
from drivers.transports.emulated_usb.setup_packet import Kind, Recipient, Setup
from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError

if TYPE_CHECKING:
    from drivers.transports.emulated_usb.device import EmulatedUsbDevice


class UsbHandle:
    """One open device; it stays useless after its device was unplugged, also when that is back."""

    def __init__(self, device: "EmulatedUsbDevice", plug_count: int) -> None:
        with device.changed:
            if not device.plugged or device.plug_count != plug_count:
                raise UsbTransferError(Status.NO_DEVICE)
            if not device.accessible:
                raise UsbTransferError(Status.ACCESS)
            self.device = device
            self._plug_count = plug_count
            device.handles.add(self)

    @property
    def gone(self) -> bool:
        """Return whether the device was unplugged since, or the handle closed."""
        device = self.device
        present = device.plugged and device.plug_count == self._plug_count
        return not present or self not in device.handles

    def close(self) -> None:
        """Give everything back; harmless when repeated."""
        with self.device.changed:
            self.device.handles.discard(self)
            self.device.claims.release_all(self)
            self.device.changed.notify_all()

    # -- transfers

    def control(self, setup: Setup, data: bytes, timeout: int) -> bytes:
        """Do a control request; return what the device sent, empty for a request to it."""
        device = self.device
        with device.changed:
            self._check_transfer()
            if setup.kind is not Kind.VENDOR:
                self._claim_recipient(setup)
            fault = device.faults.next(_place_of(setup))
            if fault:
                self._suffer(fault, timeout)
                if fault.kind is FaultKind.SHORT:
                    return b""
            return device.control(setup, data)

    def bulk_in(self, endpoint: int, size: int, timeout: int) -> bytes:
        """Read up to ``size`` bytes; wait for the first of them."""
        device = self.device
        with device.changed:
            self._check_endpoint(endpoint, to_host=True)
            deadline = self._deadline(timeout)
            fault = device.faults.next(Where.BULK_IN)
            if fault:
                self._suffer(fault, timeout, endpoint)
                if fault.kind is FaultKind.SHORT:
                    return device.bridge.short_packet[:size]
            data = bytearray()
            while not device.move_in(endpoint, data, size):
                if not self._wait(deadline, device.packet_due(endpoint)):
                    if data:
                        break
                    raise UsbTransferError(Status.TIMEOUT)
            return bytes(data)

    def bulk_out(self, endpoint: int, data: bytes, timeout: int) -> int:
        """Write ``data``; return how many bytes went, fewer when time ran out."""
        device = self.device
        with device.changed:
            self._check_endpoint(endpoint, to_host=False)
            deadline = self._deadline(timeout)
            fault = device.faults.next(Where.BULK_OUT)
            if fault:
                self._suffer(fault, timeout, endpoint)
                if fault.kind is FaultKind.SHORT:
                    data = data[: len(data) // 2]
            while not device.move_out(endpoint, data):
                if not self._wait(deadline, None):
                    raise UsbTransferError(Status.TIMEOUT)
            if fault and fault.kind is FaultKind.SHORT and not data:
                raise UsbTransferError(Status.TIMEOUT)
            return len(data)

    def clear_halt(self, endpoint: int) -> None:
        """Let a stalled endpoint work again."""
        with self.device.changed:
            self._check()
            if self.device.standard.endpoint(endpoint) is None:
                raise UsbTransferError(Status.NOT_FOUND)
            self.device.standard.halted.discard(endpoint)

    # -- the device as a whole

    def reset(self) -> None:
        """Reset the device on the bus; this handle keeps what it has claimed."""
        with self.device.changed:
            if self.gone:
                raise UsbTransferError(Status.NOT_FOUND)
            self.device.usb_reset()

    def configuration(self) -> int:
        """Return the number of the configuration in force."""
        with self.device.changed:
            self._check()
            return self.device.standard.configured

    def set_configuration(self, number: int) -> None:
        """Set the configuration, which resets the device's state; nobody may own an interface."""
        device = self.device
        with device.changed:
            self._check()
            if number not in {0, 1}:
                raise UsbTransferError(Status.NOT_FOUND)
            owned = [i.number for i in device.bridge.interfaces if device.claims.bound(i.number)]
            if owned or device.claims.claimed:
                raise UsbTransferError(Status.BUSY)
            device.standard.restart()
            device.standard.configured = number

    # -- interfaces

    def claim(self, interface: int) -> None:
        """Take an interface for this handle."""
        with self.device.changed:
            self._check()
            self.device.claims.claim(self, interface)

    def release(self, interface: int) -> None:
        """Give an interface back."""
        with self.device.changed:
            self._check()
            self.device.claims.release(self, interface)

    def kernel_driver_active(self, interface: int) -> bool:
        """Return whether the kernel's driver has an interface."""
        with self.device.changed:
            self._check()
            return self.device.claims.bound(interface)

    def detach(self, interface: int) -> None:
        """Take an interface from the kernel's driver."""
        with self.device.changed:
            self._check()
            self.device.claims.detach(interface)
        self.device.driver_changed()

    def attach(self, interface: int) -> None:
        """Give an interface to the kernel's driver."""
        with self.device.changed:
            self._check()
            self.device.claims.attach(interface)
        self.device.driver_changed()

    # -- inside; the condition is held

    def _check(self) -> None:
        if self.gone:
            raise UsbTransferError(Status.NO_DEVICE)

    def _check_transfer(self) -> None:
        if self.gone:
            raise UsbTransferError(self.device.controller.value)

    def _check_endpoint(self, endpoint: int, *, to_host: bool) -> None:
        self._check_transfer()
        interface = self.device.standard.interface_at(endpoint)
        if interface is None or bool(endpoint & 0x80) is not to_host:
            raise UsbTransferError(Status.NOT_FOUND)
        self._claim_on_the_way(interface)

    def _claim_recipient(self, setup: Setup) -> None:
        if setup.recipient == Recipient.INTERFACE:
            self._claim_on_the_way(setup.index & 0xFF)
        if setup.recipient == Recipient.ENDPOINT and setup.index & 0x0F:
            interface = self.device.standard.interface_at(setup.index & 0xFF)
            if interface is None:
                raise UsbTransferError(Status.IO)
            self._claim_on_the_way(interface)

    def _claim_on_the_way(self, interface: int) -> None:
        try:
            self.device.claims.claim(self, interface)
        except UsbTransferError as error:
            raise UsbTransferError(Status.IO) from error

    def _deadline(self, timeout: int) -> float | None:
        return self.device.now() + timeout / 1000 if timeout > 0 else None

    def _wait(self, deadline: float | None, due: float | None) -> bool:
        """Wait for a change or until ``due``; return False once it is too late."""
        now = self.device.now()
        if deadline is not None and now >= deadline:
            return False
        until = [moment for moment in (deadline, due) if moment is not None]
        self.device.changed.wait(max(0.0, min(until) - now) if until else None)
        self._check_transfer()
        return True

    def _suffer(self, fault: Fault, timeout: int, endpoint: int = 0) -> None:
        """Let a fault happen; return if the transfer goes on after all."""
        device = self.device
        match fault.kind:
            case FaultKind.STALL:
                if endpoint:
                    device.standard.halted.add(endpoint)
                raise UsbTransferError(Status.PIPE)
            case FaultKind.IO_ERROR:
                raise UsbTransferError(Status.IO)
            case FaultKind.TIMEOUT:
                device.changed.wait_for(lambda: self.gone, timeout / 1000 if timeout > 0 else None)
                self._check_transfer()
                raise UsbTransferError(Status.TIMEOUT)
            case FaultKind.SLOW:
                late = timeout > 0 and timeout / 1000 < fault.seconds
                device.changed.wait_for(
                    lambda: self.gone, timeout / 1000 if late else fault.seconds
                )
                self._check_transfer()
                if late:
                    raise UsbTransferError(Status.TIMEOUT)
            case FaultKind.VANISH:
                device.pull_plug()
                self._check_transfer()
            case FaultKind.SHORT:
                pass  # the transfer itself knows how it ends


def _place_of(setup: Setup) -> Where:
    reads_descriptor = setup.kind is Kind.STANDARD and setup.request == 0x06
    if reads_descriptor and setup.value >> 8 == DescriptorType.STRING:
        return Where.STRING
    return Where.CONTROL
