"""How USB operations fail, named as libusb names it, each with the errno that Linux gives.

Source: libusb 1.0.26 (libusb.h, libusb/strerror.c, libusb/os/linux_usbfs.c).
"""

import errno
from enum import Enum


class Status(Enum):
    """A failed operation: libusb's code, the errno, and libusb's words."""

    IO = (-1, errno.EIO, "Input/Output Error")
    INVALID = (-2, errno.EINVAL, "Invalid parameter")
    ACCESS = (-3, errno.EACCES, "Access denied (insufficient permissions)")
    NO_DEVICE = (-4, errno.ENODEV, "No such device (it may have been disconnected)")
    NOT_FOUND = (-5, errno.ENOENT, "Entity not found")
    BUSY = (-6, errno.EBUSY, "Resource busy")
    TIMEOUT = (-7, errno.ETIMEDOUT, "Operation timed out")
    OVERFLOW = (-8, errno.EOVERFLOW, "Overflow")
    PIPE = (-9, errno.EPIPE, "Pipe error")

    @property
    def code(self) -> int:
        """Return libusb's error code, negative."""
        return self.value[0]

    @property
    def errno(self) -> int:
        """Return the errno of Linux."""
        return self.value[1]

    @property
    def words(self) -> str:
        """Return what libusb says of it."""
        return self.value[2]


class UsbTransferError(Exception):
    """A USB operation failed; ``status`` says how."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.words)
        self.status = status
