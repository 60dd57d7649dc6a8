"""What goes wrong on USB: libusb's codes as a few kinds of fault, and what a user can do about it.

Source: libusb-1.0 libusb.h (enum libusb_error); errno at unplug as seen with xHCI (ENODEV), UHCI
and EHCI with companions (EIO again and again).
"""

import errno
import grp
from contextlib import suppress
from enum import Enum
from pathlib import Path

from drivers.transports.errors import PortBusyError, PortDeniedError, PortOpenError
from drivers.transports.port_holders import holders_of

LIBUSB_COMMAND = "sudo apt install libusb-1.0-0"
PYUSB_COMMAND = "pip install pyusb"
UDEV_COMMAND = (
    "stratum-client doctor --fix-udev | sudo tee /etc/udev/rules.d/70-miners.rules"
    " && sudo udevadm control --reload && sudo udevadm trigger"
)

GIVE_UP_AFTER = 3
"""Failures in a row after which a device counts as unplugged."""


class UsbLibraryMissingError(PortOpenError):
    """USB devices cannot be reached at all; ``command`` installs what is missing."""

    def __init__(self, port: str, *, library: str, command: str) -> None:
        super().__init__(port, f"{library} is missing; install it with: {command}")
        self.library = library
        self.command = command


class Fault(Enum):
    """What a failed transfer means."""

    QUIET = "nothing came in time"
    GONE = "was it unplugged?"
    STALLED = "the device refused it"
    OVERFLOW = "the device sent more than a packet"
    BUSY = "another program uses it"
    DENIED = "permission denied"
    OTHER = "the transfer failed"


_BY_ERRNO = {
    errno.ETIMEDOUT: Fault.QUIET,
    errno.ENODEV: Fault.GONE,
    errno.ENXIO: Fault.GONE,
    errno.ENOENT: Fault.GONE,
    errno.ESHUTDOWN: Fault.GONE,
    errno.EPIPE: Fault.STALLED,
    errno.EOVERFLOW: Fault.OVERFLOW,
    errno.EBUSY: Fault.BUSY,
    errno.EACCES: Fault.DENIED,
    errno.EPERM: Fault.DENIED,
}
_BY_LIBUSB_CODE = {
    -3: Fault.DENIED,
    -4: Fault.GONE,
    -5: Fault.GONE,
    -6: Fault.BUSY,
    -7: Fault.QUIET,
    -8: Fault.OVERFLOW,
    -9: Fault.STALLED,
}


def fault_of(error: OSError) -> Fault:
    """Return what an error of pyusb, all of which are OSErrors, means."""
    from usb.core import USBTimeoutError  # noqa: PLC0415 - who has such an error has pyusb

    if isinstance(error, USBTimeoutError):
        return Fault.QUIET
    if error.errno in _BY_ERRNO:
        return _BY_ERRNO[error.errno]
    return _BY_LIBUSB_CODE.get(getattr(error, "backend_error_code", 0), Fault.OTHER)


def words_of(error: OSError) -> str:
    """Return an error in words, with its name where it has one."""
    name = errno.errorcode.get(error.errno or 0, "")
    text = error.strerror or str(error) or type(error).__name__
    return f"{text} ({name})" if name else text


class Patience:
    """Tells a passing fault of one endpoint from the end of the device."""

    def __init__(self) -> None:
        self._failures = 0

    def succeeded(self) -> None:
        """Forget earlier faults."""
        self._failures = 0

    def verdict(self, error: OSError) -> str:
        """Return why the device is lost; empty as long as it may recover."""
        fault = fault_of(error)
        if fault is Fault.QUIET:
            self._failures = 0
            return ""
        self._failures += 1
        if fault in {Fault.GONE, Fault.DENIED, Fault.BUSY}:
            return f"{words_of(error)}; {fault.value}"
        if self._failures >= GIVE_UP_AFTER:
            return f"{words_of(error)}, {self._failures} times in a row; {Fault.GONE.value}"
        return ""


def open_error(path: str, node: Path | None, error: OSError) -> PortOpenError:
    """Return what to tell a user of a device that could not be opened.

    ``node`` is its /dev/bus/usb/..., our own handle closed by now; None if it has none.
    """
    match fault_of(error):
        case Fault.BUSY:
            return PortBusyError(path, holders_of(str(node)) if node else ())
        case Fault.DENIED:
            return PortDeniedError(path, permission_advice(node))
        case Fault.GONE:
            return PortOpenError(path, "the device vanished; was it unplugged?")
        case Fault.STALLED:
            return PortOpenError(path, f"the device refuses a request of its bridge: {error}")
    return PortOpenError(path, f"the device does not respond: {words_of(error)}")


def permission_advice(node: Path | None) -> str:
    """Return what to do about a USB device that may not be opened; ``node`` is its /dev/bus/usb."""
    with suppress(OSError, KeyError):
        group = grp.getgrgid(node.stat().st_gid).gr_name if node else "root"
        if group != "root":
            return (
                f"permission denied; run: sudo usermod -aG {group} $USER, then log out and in again"
            )
    return f"permission denied; let udev give access: {UDEV_COMMAND}"
