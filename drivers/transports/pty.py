"""The emulator's end of a pseudo-terminal: any program can open the other end as a serial port.

A pty does not pace and garbles nothing, whatever the rates; an emulator that cares compares
`PseudoTerminal.baud_rate` with its own.

Source: Linux, drivers/tty/pty.c and ioctl_tty(2): in packet mode the master's reads begin with a
status byte, and with EXTPROC set each change of the client's settings is such a status.
"""

import asyncio
import fcntl
import os
import struct
import termios
import tty
from collections.abc import Callable
from pathlib import Path

from drivers.transports.base import OnData
from drivers.transports.baud_rate import baud_rate_of
from drivers.transports.outbox import Outbox

WRITE_LIMIT = 65536
"""Bytes kept for a client that does not read; what comes after them is lost, as on a real port."""

_READ_SIZE = 65536
_EXTPROC = 0o200000
_PACKET_IOCTL = 64
_LOCAL_MODES = 3  # index in what termios.tcgetattr returns


class PseudoTerminal:
    """A serial port that a program opens at `path`; it survives the program's closing it.

    ``link`` is a symbolic link kept pointing at the node while plugged in, for a name that stays
    the same; OSError if it cannot be made. ``dropped`` counts bytes that came while too many were
    waiting for a reader.
    """

    def __init__(
        self,
        *,
        on_data: OnData,
        on_baud_rate: Callable[[int], None] | None = None,
        link: Path | None = None,
        write_limit: int = WRITE_LIMIT,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._on_data = on_data
        self._on_baud_rate = on_baud_rate
        self._link = link
        self._write_limit = write_limit
        self._plugged = False
        self._closed = False
        self.dropped = 0
        self._plug_in()

    @property
    def path(self) -> str:
        """Return the name to open; of an unplugged port the last one."""
        return str(self._link or self._node)

    @property
    def baud_rate(self) -> int:
        """Return the rate the client has set, by this moment; 0 while unplugged."""
        return baud_rate_of(self._master) if self._plugged else 0

    def write(self, data: bytes) -> None:
        """Send ``data`` to the client, opened or not; swallowed while unplugged."""
        if self._plugged:
            self._sent = True
            waiting = len(self._outbox)
            if not self._outbox.write(data):
                self.dropped += len(data) - (len(self._outbox) - waiting)

    def unplug(self) -> None:
        """Close both ends: the node vanishes and the client's port hangs up."""
        if not self._plugged:
            return
        self._plugged = False
        self._loop.remove_reader(self._master)
        self._outbox.close()
        self._remove_link()
        os.close(self._slave)
        os.close(self._master)

    def replug(self) -> None:
        """Come back, perhaps as another node; harmless when plugged in or closed."""
        if not self._plugged and not self._closed:
            self._plug_in()

    def close(self) -> None:
        """Unplug for good."""
        self._closed = True
        self.unplug()

    def _plug_in(self) -> None:
        # Our own descriptor of the client's end: without it the master fails with EIO whenever
        # no client has the port open.
        self._master, self._slave = os.openpty()
        self._node = os.ttyname(self._slave)
        tty.setraw(self._slave)
        self._watch_settings()
        fcntl.ioctl(self._master, termios.TIOCPKT, struct.pack("=i", 1))
        os.set_blocking(self._master, False)
        self._known_baud_rate = baud_rate_of(self._master)
        self._sent = False
        self._outbox = Outbox(
            self._master,
            limit=self._write_limit,
            on_error=lambda _: self.unplug(),
            on_progress=self._progressed,
        )
        self._loop.add_reader(self._master, self._readable)
        self._plugged = True
        try:
            self._make_link()
        except OSError:
            self.unplug()
            raise

    def _make_link(self) -> None:
        self._remove_link()  # one left by an emulator that was killed
        if self._link:
            self._link.symlink_to(self._node)

    def _remove_link(self) -> None:
        if self._link and self._link.is_symlink():
            self._link.unlink()

    def _readable(self) -> None:
        try:
            packet = os.read(self._master, _READ_SIZE)
        except BlockingIOError:
            return
        except OSError:
            packet = b""
        if not packet:
            self.unplug()
            return
        status = packet[0]
        if status == termios.TIOCPKT_DATA:
            self._on_data(packet[1:])
        if status & termios.TIOCPKT_FLUSHREAD:
            self._input_flushed()
        if status & _PACKET_IOCTL:
            self._settings_changed()

    def _progressed(self) -> None:
        self._sent = True

    def _input_flushed(self) -> None:
        """Drop what the client no longer wants, and what we sent before hearing of it."""
        if self._sent:
            self._sent = False  # our own flush is told us too
            self._outbox.clear()
            termios.tcflush(self._slave, termios.TCIFLUSH)

    def _settings_changed(self) -> None:
        self._watch_settings()
        # A client that was killed leaves its exclusive mode behind, as the terminal lives on.
        fcntl.ioctl(self._slave, termios.TIOCNXCL)
        baud_rate = baud_rate_of(self._master)
        if baud_rate != self._known_baud_rate:
            self._known_baud_rate = baud_rate
            if self._on_baud_rate:
                self._on_baud_rate(baud_rate)

    def _watch_settings(self) -> None:
        """Ask to be told of changed settings, again if the client has cleared the flag."""
        settings = termios.tcgetattr(self._slave)
        if not settings[_LOCAL_MODES] & _EXTPROC:
            settings[_LOCAL_MODES] |= _EXTPROC
            termios.tcsetattr(self._slave, termios.TCSANOW, settings)
