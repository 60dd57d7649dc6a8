"""What the service manager is told: ready, reloading, stopping, one line of status, still alive.

Nothing is said without NOTIFY_SOCKET, and nobody waits for who listens there. The watchdog is fed
from the event loop, so a loop that hangs starves it, and only while `is_well` says so.

Source: systemd, man sd_notify(3) and sd_watchdog_enabled(3).
"""

import asyncio
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from drivers.api import DeviceState
from stratum_client.health import health_of
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import PoolState, RigStats
from stratum_client.status_text import rate_text

LONGEST_START = 30.0
"""Seconds after which the daemon counts as started, whatever its devices are at by then."""

STATUS_EVERY = 5.0

_LOOK_EVERY = 0.2
"""Seconds between two looks while the daemon is starting; nothing tells that all have begun."""


class Notifier:
    """One end of the service manager's socket."""

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def send(self, *lines: str) -> bool:
        """Send ``lines``, each NAME=VALUE; return whether they are on their way."""
        try:
            self._socket.sendto("\n".join(lines).encode(), self._address)
        except OSError:  # a manager that does not listen must not stop the mining
            return False
        return True

    def close(self) -> None:
        """Close the socket; may be called twice."""
        self._socket.close()


def notifier_of(environ: Mapping[str, str]) -> Notifier | None:
    """Return the way to the service manager; None if there is none that we can speak to."""
    address = environ.get("NOTIFY_SOCKET", "")
    return Notifier(address) if address.startswith(("/", "@")) and len(address) > 1 else None


def watchdog_interval(environ: Mapping[str, str], pid: int) -> float | None:
    """Return how often the watchdog wants food, in seconds; None if there is none for ``pid``."""
    limit, wanted = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not (limit.isascii() and limit.isdigit() and int(limit)):
        return None
    return None if wanted and wanted != str(pid) else int(limit) / 1e6


class ServiceReport:
    """Tells ``notifier`` how the daemon is; ``watchdog`` in seconds, None without one."""

    def __init__(
        self,
        notifier: Notifier,
        *,
        watchdog: float | None = None,
        monotonic_ns: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        self._notifier = notifier
        self._watchdog = watchdog
        self._monotonic_ns = monotonic_ns
        self._is_ready = self._is_stopping = False

    async def run(self, snapshot: Callable[[], RigStats], is_well: Callable[[], bool]) -> None:
        """Tell until cancelled."""
        loop = asyncio.get_running_loop()
        every = min(STATUS_EVERY, self._watchdog / 2) if self._watchdog else STATUS_EVERY
        latest = loop.time() + LONGEST_START
        while True:
            stats = snapshot()
            lines = [] if self._is_stopping else [f"STATUS={status_line(stats)}"]
            if self._watchdog and is_well():
                lines.append("WATCHDOG=1")
            begins = not self._is_ready and (has_started(stats) or loop.time() >= latest)
            sent = self._notifier.send(*(["READY=1"] if begins else []), *lines)
            self._is_ready |= begins and sent
            await asyncio.sleep(every if self._is_ready else _LOOK_EVERY)

    @contextmanager
    def reloading(self) -> Iterator[None]:
        """Tell that the configuration is read again, and when that is over."""
        now = self._monotonic_ns() // 1000
        self._notifier.send("RELOADING=1", f"MONOTONIC_USEC={now}")
        try:
            yield
        finally:
            if self._is_ready and not self._is_stopping:
                self._notifier.send("READY=1")

    def stopping(self) -> None:
        """Tell that the end has begun."""
        self._is_stopping = True
        self._notifier.send("STOPPING=1", "STATUS=stopping")


def service_report(
    environ: Mapping[str, str] = os.environ, pid: int | None = None
) -> ServiceReport | None:
    """Return who tells the service manager of this process, None if nobody wants to know."""
    notifier = notifier_of(environ)
    if notifier is None:
        return None
    watchdog = watchdog_interval(environ, os.getpid() if pid is None else pid)
    return ServiceReport(notifier, watchdog=watchdog)


def has_started(stats: RigStats) -> bool:
    """Return whether every pool that is wanted is being tried, and every device has been opened."""
    tried = (
        pool.state is not PoolState.DISCONNECTED or pool.problem
        for pool in stats.pools
        if pool.role in {None, PoolRole.SERVING, PoolRole.CONNECTING}
    )
    opened = (device.stats.state is not DeviceState.STARTING for device in stats.devices)
    return all(tried) and all(opened)


def status_line(stats: RigStats) -> str:
    """Return the daemon's health and rates on one line."""
    line = f"{health_of(stats)[1]} · {rate_text(stats)}"
    return "".join(c if c.isprintable() else " " for c in line)
