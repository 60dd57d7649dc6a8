"""Who owns each interface of a device: the kernel's driver, a program, or nobody.

Source: torvalds/linux drivers/usb/core/devio.c for the rules, libusb/os/linux_usbfs.c for what
becomes of the errno.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from drivers.transports.emulated_usb.transfer_errors import Status, UsbTransferError

if TYPE_CHECKING:
    from drivers.transports.emulated_usb.handle import UsbHandle

_MOST = 32


class Claims:
    """The owners; ``together`` are the interfaces that the kernel's driver takes as one."""

    def __init__(self, together: Sequence[Sequence[int]], *, has_kernel_driver: bool) -> None:
        self._together = {number: tuple(group) for group in together for number in group}
        self._has_kernel_driver = has_kernel_driver
        self._bound: set[int] = set()
        self._owners: dict[int, UsbHandle] = {}

    @property
    def claimed(self) -> tuple[int, ...]:
        """Return the interfaces that programs own."""
        return tuple(sorted(self._owners))

    def restart(self) -> None:
        """Forget all owners and let the kernel's driver have what it wants."""
        self._owners.clear()
        self._bound = set(self._together) if self._has_kernel_driver else set()

    def vanish(self) -> None:
        """Forget all owners, the kernel's driver too."""
        self._owners.clear()
        self._bound.clear()

    def bound(self, number: int) -> bool:
        """Return whether the kernel's driver has the interface."""
        return number in self._bound

    def claim(self, handle: "UsbHandle", number: int) -> None:
        """Give an interface to a program."""
        if not 0 <= number < _MOST:
            raise UsbTransferError(Status.INVALID)
        if number not in self._together:
            raise UsbTransferError(Status.NOT_FOUND)
        if number in self._bound or self._owners.get(number, handle) is not handle:
            raise UsbTransferError(Status.BUSY)
        self._owners[number] = handle

    def release(self, handle: "UsbHandle", number: int) -> None:
        """Take an interface from the program that owns it."""
        if self._owners.get(number) is not handle:
            raise UsbTransferError(Status.NOT_FOUND)
        del self._owners[number]

    def release_all(self, handle: "UsbHandle") -> None:
        """Take everything from a program."""
        self._owners = {n: owner for n, owner in self._owners.items() if owner is not handle}

    def detach(self, number: int) -> None:
        """Take an interface, and what goes with it, from the kernel's driver."""
        if number not in self._bound:
            raise UsbTransferError(Status.NOT_FOUND)
        self._bound.difference_update(self._together[number])

    def attach(self, number: int) -> None:
        """Give an interface, and what goes with it, to the kernel's driver."""
        if number not in self._together:
            raise UsbTransferError(Status.INVALID)
        if number in self._owners or number in self._bound:
            raise UsbTransferError(Status.BUSY)
        group = self._together[number]
        if not self._has_kernel_driver or any(other in self._owners for other in group):
            raise UsbTransferError(Status.NOT_FOUND)
        self._bound.update(group)
