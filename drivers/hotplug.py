"""Ports that come and go, as events; from udev's events where it runs, else from slow scans.

An event of udev says only "look again": what is there is always read from sysfs, so a lost or
doubled event does no harm. It has to be udev's, as the kernel's own come before permissions are
set.
"""

import asyncio
import errno
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from drivers.api import PortInfo
from drivers.discovery import Found
from drivers.usb_discovery import is_still, scan

READY_WITHIN = 2.0
"""Seconds after which a port is reported though a part of it is still missing.

Source: bitaxe-raw boards show their second node and its permissions up to so long after the first.
"""

RESCAN = 2.0
"""Seconds between scans without udev."""

RESCAN_WITH_UDEV = 60.0  # the kernel drops events when memory is short
_RESCAN_UNREADY = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class PortAdded:
    """A port is there and may be opened."""

    port: PortInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class PortRemoved:
    """A port that was added is gone."""

    port: PortInfo


PortEvent = PortAdded | PortRemoved


class Monitor(Protocol):
    """The part of pyudev.Monitor that is used."""

    def start(self) -> None:
        """Begin to receive."""

    def fileno(self) -> int:
        """Return a descriptor that is readable when an event waits."""
        ...

    def poll(self, timeout: float) -> object | None:
        """Take an event, None when there is none."""
        ...


async def watch_ports(
    scanner: Callable[[], Sequence[Found]] = scan,
    *,
    monitor: Callable[[], Monitor | None] | None = None,
    rescan: float = RESCAN,
) -> AsyncGenerator[PortEvent, None]:
    """Yield PortAdded for each port there is, then each change, for ever.

    A port plugged out and in between two looks is removed and added. Scans run in a thread; one
    that fails with OSError is repeated soon.
    Use `contextlib.aclosing` around it when leaving before it is cancelled.
    """
    changed = asyncio.Event()
    changes = PortChanges()
    source = await asyncio.to_thread(monitor or udev_monitor)
    with _listening(source, changed) as is_listening:
        while True:
            changed.clear()
            patience = RESCAN_WITH_UDEV if is_listening() else rescan
            try:
                found = await asyncio.to_thread(scanner)
            except OSError:  # something vanished while it was looked at
                patience = _RESCAN_UNREADY
            else:
                for event in changes.update(found, asyncio.get_running_loop().time()):
                    yield event
            with suppress(TimeoutError):
                async with asyncio.timeout(_RESCAN_UNREADY if changes.unready else patience):
                    await changed.wait()


class PortChanges:
    """Turns one scan after another into events; knows no clock."""

    def __init__(self) -> None:
        self._known: dict[str, PortInfo] = {}
        self._since: dict[str, float] = {}

    @property
    def unready(self) -> bool:
        """Return whether a port is held back because a part of it is missing."""
        return bool(self._since)

    def update(self, found: Sequence[Found], now: float) -> list[PortEvent]:
        """Return what has changed by this scan, made at ``now``; what is gone comes first."""
        self._since = {
            one.attachment: self._since.get(one.attachment, now)
            for one in found
            if not one.ready and one.attachment not in self._known
        }
        present = {one.attachment: self._port(one) for one in found if self._counts(one, now)}
        events: list[PortEvent] = [
            PortRemoved(port=port)
            for attachment, port in self._known.items()
            if present.get(attachment) != port
        ]
        events += [
            PortAdded(port=port)
            for attachment, port in present.items()
            if self._known.get(attachment) != port
        ]
        self._known = present
        return events

    def _port(self, one: Found) -> PortInfo:
        """Return a port as it was added: taking its tty for ourselves is no change."""
        known = self._known.get(one.attachment)
        return known if known and is_still(known, one.port) else one.port

    def _counts(self, one: Found, now: float) -> bool:
        since = self._since.get(one.attachment)
        if since is None or now - since < READY_WITHIN:
            return since is None
        del self._since[one.attachment]
        return True


def udev_monitor() -> Monitor | None:
    """Return a monitor of udev's events for ttys and USB devices.

    None where udev or its library is missing.
    """
    if not Path("/run/udev/control").exists():
        return None
    try:
        import pyudev  # type: ignore[import-untyped]  # noqa: PLC0415 - no types; not everywhere

        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source="udev")
        monitor.filter_by("tty")
        monitor.filter_by("usb", "usb_device")
    except (ImportError, OSError):
        return None
    return monitor  # type: ignore[no-any-return]  # pyudev has no types


@contextmanager
def _listening(monitor: Monitor | None, changed: asyncio.Event) -> Iterator[Callable[[], bool]]:
    """Set ``changed`` at each event; gives a function that tells whether events still come."""
    if monitor is None:
        yield lambda: False
        return
    loop, descriptor = asyncio.get_running_loop(), monitor.fileno()
    listening = True

    def readable() -> None:
        nonlocal listening
        changed.set()
        try:
            while monitor.poll(timeout=0) is not None:
                pass
        except OSError as error:
            if error.errno != errno.ENOBUFS:  # that is: some were lost, look again
                loop.remove_reader(descriptor)
                listening = False

    monitor.start()
    loop.add_reader(descriptor, readable)
    try:
        yield lambda: listening
    finally:
        loop.remove_reader(descriptor)
