"""Open a serial port for ourselves alone, raw, at a baud rate that has been read back.

Opening talks to the device and may block for as long as it does: call it in a thread. pyserial
opens, because it knows the modes of termios; what is handed out is a plain descriptor, as its own
four further ones per port would exhaust a process' limit on a large rig.
"""

import errno
import fcntl
import grp
import os
import termios
from contextlib import closing, suppress
from pathlib import Path

import serial

from drivers.transports.baud_rate import baud_rate_of, set_baud_rate
from drivers.transports.errors import (
    BaudRateError,
    PortBusyError,
    PortDeniedError,
    PortOpenError,
)
from drivers.transports.port_holders import holders_of

BAUD_RATE_TOLERANCE = 0.02
"""A UART reads the last bit of a byte wrongly from about 4.5 %; both ends share that."""

_GONE = {errno.ENXIO, errno.ENODEV, errno.EIO}


def open_port(path: str, baud_rate: int, *, sysfs: Path = Path("/sys")) -> int:
    """Return a non-blocking descriptor of ``path``: raw, 8N1, no flow control, input flushed.

    Locked twice: flock keeps out who asks, TIOCEXCL (root excepted) who does not. Raises
    PortOpenError, PortBusyError, BaudRateError.
    """
    try:
        with closing(serial.Serial(path, exclusive=True)) as port:
            fcntl.ioctl(port.fileno(), termios.TIOCEXCL)
            shorten_latency(port, path, sysfs)
            change_baud_rate(port.fileno(), path, baud_rate)
            return os.dup(port.fileno())
    except (OSError, termios.error, ValueError) as error:
        raise _open_error(path, error) from error


def unlock(descriptor: int) -> None:
    """Let others open the port while ours is still being drained; harmless if it is gone."""
    with suppress(OSError):
        fcntl.ioctl(descriptor, termios.TIOCNXCL)
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def change_baud_rate(descriptor: int, path: str, baud_rate: int) -> None:
    """Set ``baud_rate`` and read it back; raise BaudRateError when the port runs at another.

    ftdi_sio answers rates above its reach with success and 9600 baud. Raises OSError when the port
    is gone.
    """
    try:
        got = set_baud_rate(descriptor, baud_rate)
    except OSError as error:
        if error.errno in _GONE:
            raise
        got = baud_rate_of(descriptor)
    if abs(got - baud_rate) > BAUD_RATE_TOLERANCE * baud_rate:
        raise BaudRateError(path, asked=baud_rate, got=got)


def shorten_latency(port: serial.Serial, path: str, sysfs: Path) -> None:
    """Ask the kernel to hand over input at once, where it can; refusal changes nothing else.

    ftdi_sio otherwise collects input for 16 ms.
    """
    with suppress(OSError, ValueError, NotImplementedError):
        port.set_low_latency_mode(True)
    name = Path(os.path.realpath(path)).name
    timer = sysfs / "class/tty" / name / "device/latency_timer"
    with suppress(OSError):
        if timer.exists():
            timer.write_text("1")


def permission_advice(path: str) -> str:
    """Return what to do about a port that may not be opened."""
    with suppress(OSError, KeyError):
        group = grp.getgrgid(Path(path).stat().st_gid).gr_name
        if group != "root":
            return (
                f"permission denied; run: sudo usermod -aG {group} $USER, then log out and in again"
            )
    return "permission denied; install the udev rules or run as a user who may open it"


def _open_error(path: str, error: Exception) -> PortOpenError:
    # pyserial wraps a termios.error, which is no OSError, without its number.
    cause = error.__context__ if isinstance(error.__context__, termios.error) else error
    number = cause.errno if isinstance(cause, OSError) else (cause.args or (None,))[0]
    if number in (errno.EAGAIN, errno.EBUSY):
        return PortBusyError(path, holders_of(path))
    if number == errno.ENOENT:
        return PortOpenError(path, "no such port; is the device plugged in?")
    if number in (errno.EACCES, errno.EPERM):
        return PortDeniedError(path, permission_advice(path))
    if number in (errno.ENOTTY, errno.EINVAL, errno.EISDIR):
        return PortOpenError(path, "not a serial port")
    if number in _GONE:
        return PortOpenError(path, f"the device does not respond ({os.strerror(int(number))})")
    return PortOpenError(path, str(error))
