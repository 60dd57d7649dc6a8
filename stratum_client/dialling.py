"""From a host name to a connected TCP socket: resolve anew, try all addresses, first one wins.

The resolver runs in a daemon thread of its own: a name server that does not answer must not hold
up the end of the daemon, as asyncio's own executor would.

Source: RFC 8305 (happy eyeballs): families interleaved, a head start for each address.
"""

import asyncio
import contextlib
import errno
import itertools
import os
import socket
import threading
from collections.abc import Iterable

from stratum_client.config import Deadlines

HEAD_START = 0.25
"""Seconds that an address has to itself before the next one is tried beside it."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


class KnownAddresses:
    """What was learnt of a name's addresses: which one worked last, and which one failed since."""

    def __init__(self) -> None:
        self._working: Address | None = None
        self._failing: Address | None = None

    def ordered(self, addresses: Iterable[Address]) -> list[Address]:
        """Return ``addresses`` with the one that worked in front and the one that failed behind."""
        return sorted(addresses, key=lambda one: (one != self._working, one == self._failing))

    def worked(self, address: Address) -> None:
        """Begin with ``address`` from now on."""
        self._working = address
        if self._failing == address:
            self._failing = None

    def failed(self, address: Address | None = None) -> None:
        """Try ``address``, or the one that worked last, after all others from now on."""
        self._failing = address or self._working or self._failing
        if self._failing == self._working:
            self._working = None


async def connected_socket(
    host: str, port: int, known: KnownAddresses | None = None
) -> socket.socket:
    """Return a connected, non-blocking socket; raise OSError (of the last address) if none is."""
    found = interleaved(await resolve(host, port))
    return await _first_connected(known.ordered(found) if known else found)


def peer_of(sock: socket.socket) -> Address | None:
    """Return the address that ``sock`` is connected to, None if it is no more."""
    try:
        return sock.family, sock.getpeername()
    except OSError:
        return None


def tune(sock: socket.socket, deadlines: Deadlines) -> None:
    """Send at once, and let the kernel notice a dead peer. Any of it may be refused, harmlessly.

    Data that nobody confirms ends the connection after the time that unanswered probes take: the
    kernel's own limit is a quarter of an hour.
    """
    idle, interval = round(deadlines.tcp_keepalive_idle), round(deadlines.tcp_keepalive_interval)
    count = deadlines.tcp_keepalive_count
    options = (
        (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", idle),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", interval),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", count),
        (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 1000 * (idle + interval * count)),
    )
    for level, name, value in options:
        if (option := getattr(socket, name, None)) is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(level, option, value)


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a name, in the order of the resolver; raise OSError."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[Address]] = loop.create_future()

    def deliver(found: list[Address] | Exception) -> None:
        if answer.done():
            return
        if isinstance(found, Exception):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def look_up() -> None:
        found: list[Address] | Exception
        try:
            rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            found = [(family, address) for family, _, _, _, address in rows]
        except (OSError, UnicodeError) as error:
            found = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(deliver, found)

    threading.Thread(target=look_up, name=f"resolve {host}", daemon=True).start()
    return await answer


def interleaved(addresses: Iterable[Address]) -> list[Address]:
    """Return the addresses with their families taking turns, the first one's family first."""
    families: dict[socket.AddressFamily, list[Address]] = {}
    for address in addresses:
        families.setdefault(address[0], []).append(address)
    rows = itertools.zip_longest(*families.values())
    return [address for row in rows for address in row if address]


async def _first_connected(addresses: list[Address]) -> socket.socket:
    waiting, errors = list(addresses), []
    running: set[asyncio.Task[socket.socket]] = set()
    try:
        while waiting or running:
            if waiting:
                running.add(asyncio.create_task(_connect(waiting.pop(0))))
            done, running = await asyncio.wait(
                running,
                timeout=HEAD_START if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for task in done:
                error = task.exception()
                if error is None:
                    running |= done - {task}
                    return task.result()
                errors.append(error)
    finally:
        await _give_up(running)
    raise errors[-1] if errors else OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))


async def _connect(address: Address) -> socket.socket:
    family, where = address
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setblocking(False)
        await asyncio.get_running_loop().sock_connect(sock, where)
    except (OSError, asyncio.CancelledError):
        sock.close()
        raise
    return sock


async def _give_up(tasks: set[asyncio.Task[socket.socket]]) -> None:
    """End the attempts that lost the race; one may have succeeded in that very moment."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, socket.socket):
            outcome.close()
