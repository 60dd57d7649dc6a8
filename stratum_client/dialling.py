"""From a host name to a connected TCP socket: resolve anew, try all addresses, first one wins.

The resolver runs in a daemon thread of its own: a name server that does not answer must not hold
up the end of the daemon, as asyncio's own executor would.

Source: RFC 8305 (happy eyeballs): families interleaved, a head start for each address.
"""

import asyncio
import errno
import itertools
import os
import socket
import threading
from collections.abc import Iterable

HEAD_START = 0.25
"""Seconds that an address has to itself before the next one is tried beside it."""

Address = tuple[socket.AddressFamily, tuple[object, ...]]


async def connected_socket(host: str, port: int) -> socket.socket:
    """Return a connected, non-blocking socket; raise OSError (of the last address) if none is."""
    return await _first_connected(interleaved(await resolve(host, port)))


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
