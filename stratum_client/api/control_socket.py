"""The control socket: orders to a running daemon, from this machine only.

A unix socket in the state directory, mode 0660: who may open it may give orders, so it is for the
daemon's user and group (systemd: StateDirectoryMode=0750). What can be ordered is a table of
handlers; each is a plain call on the event loop, or a coroutine where a disk has to be waited for.
Source of SO_PEERCRED: unix(7).
"""

import asyncio
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Iterator, Mapping
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from types import TracebackType

from drivers.api import Log
from stratum_client.api.control_lines import (
    ControlSession,
    Handler,
    Order,
    OrderError,
    Reply,
    refusal,
)

SOCKET_NAME = "control.sock"

IDLE_LIMIT = 60.0
"""Seconds without a request after which a connection is closed."""

LINE_LIMIT = 5.0
"""Seconds that a line may take from its first byte to its end, and a reply to be taken."""

END_WAIT = 1.0
"""Seconds that orders being followed have when the daemon ends."""

MAX_CONNECTIONS = 32

_MODE = 0o660
_LONGEST_PATH = 100  # of 108 in sockaddr_un


class ControlSocket:
    """Serves orders at ``directory``/control.sock while entered.

    Whoever enters must have the directory for himself: a socket left behind is replaced.
    """

    def __init__(self, directory: Path, handlers: Mapping[str, Handler], log: Log) -> None:
        self.path = directory / SOCKET_NAME
        self.connections: set[_Connection] = set()
        self._handlers = handlers
        self._log = log
        self._server: asyncio.Server | None = None
        self._following: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "ControlSocket":
        try:
            listening = _listening(self.path)
        except OSError as error:
            reason = error.strerror or str(error)
            self._log.error("control.unavailable", path=str(self.path), error=reason)
            return self
        loop = asyncio.get_running_loop()
        self._server = await loop.create_unix_server(lambda: _Connection(self), sock=listening)
        self._log.debug("control.ready", path=str(self.path))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server:
            self._server.close()
            self.path.unlink(missing_ok=True)
        if self._following:
            await asyncio.wait(self._following, timeout=END_WAIT)
        for connection in list(self.connections):
            connection.abort()
        for task in self._following:
            task.cancel()

    def follow(self, what: str, fields: Mapping[str, object], by: str) -> Reply | Awaitable[Reply]:
        """Return what the handler of an order returns; raise OrderError."""
        handler = self._handlers.get(what)
        if handler is None:
            near = get_close_matches(what[:60], self._handlers, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise OrderError(f"no such request; {hint}known: {', '.join(self._handlers)}")
        try:
            return handler(Order(fields=fields, by=by))
        except OrderError:
            raise
        except Exception as error:  # our bug or a plug-in's: it must cost this request only
            raise self._crash(what, error) from error

    def finish(self, what: str, reply: Awaitable[Reply], connection: "_Connection") -> None:
        """Answer ``connection`` when ``reply`` is there."""
        task = asyncio.create_task(self._answer(what, reply, connection), name=f"order {what}")
        self._following.add(task)
        task.add_done_callback(self._following.discard)

    async def _answer(self, what: str, reply: Awaitable[Reply], connection: "_Connection") -> None:
        result: Reply | OrderError
        try:
            result = await reply
        except OrderError as error:
            result = error
        except Exception as error:  # noqa: BLE001  # as in `follow`
            result = self._crash(what, error)
        connection.answer(result)

    def _crash(self, what: str, error: Exception) -> OrderError:
        self._log.error("control.crashed", request=what, exc_info=error)
        return OrderError(f"failed: {type(error).__name__}: {error}")


class _Connection(asyncio.Protocol):
    """One client."""

    def __init__(self, server: ControlSocket) -> None:
        self._server = server
        self._by = "unknown user"
        self._session = ControlSession(self._follow)
        self._loop = asyncio.get_running_loop()
        self._deadline: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._is_deaf = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._server.connections) >= MAX_CONNECTIONS:
            transport.write(refusal("too many connections"))
            transport.close()
            return
        self._server.connections.add(self)
        self._by = _peer(transport.get_extra_info("socket"))
        self._allow(IDLE_LIMIT)

    def data_received(self, data: bytes) -> None:
        assert self._transport
        was_within_line = self._session.is_within_line
        self._say(self._session.receive_data(data), was_within_line=was_within_line)

    def answer(self, result: Reply | OrderError) -> None:
        """Reply to the order that took its time, and to those behind it."""
        if self._transport and not self._transport.is_closing():
            self._say(self._session.answer(result), was_within_line=False)

    def _follow(self, what: str, fields: Mapping[str, object]) -> Reply | None:
        reply = self._server.follow(what, fields, self._by)
        if isinstance(reply, Mapping):
            return reply
        self._server.finish(what, reply, self)
        return None

    def _say(self, replies: bytes, *, was_within_line: bool) -> None:
        assert self._transport
        self._transport.write(replies)
        if self._session.closed:
            self._transport.close()
            self._allow(LINE_LIMIT)
            return
        self._read_or_not()
        if self._is_deaf:
            pass  # the deadline of the reply that is not taken holds
        elif self._session.is_waiting or not self._session.is_within_line:
            self._allow(IDLE_LIMIT)
        elif replies or not was_within_line:
            self._allow(LINE_LIMIT)

    def pause_writing(self) -> None:
        self._is_deaf = True
        self._read_or_not()
        self._allow(LINE_LIMIT)

    def resume_writing(self) -> None:
        assert self._transport
        self._is_deaf = False
        self._read_or_not()
        if not self._transport.is_closing():
            self._allow(IDLE_LIMIT)

    def _read_or_not(self) -> None:
        """Take no more requests while one is followed, or while replies are not taken."""
        assert self._transport
        if self._transport.is_closing():
            return
        if self._is_deaf or self._session.is_waiting:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # a client may go
        self._server.connections.discard(self)
        if self._deadline:
            self._deadline.cancel()

    def abort(self) -> None:
        if self._transport:
            self._transport.abort()

    def _allow(self, seconds: float) -> None:
        """Close the connection unless something good happens within ``seconds``."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self._loop.call_later(seconds, self.abort)


@contextmanager
def address_of(path: Path) -> Iterator[str]:
    """Give the name under which ``path`` can be bound or connected to, however long it is."""
    if len(os.fsencode(path)) <= _LONGEST_PATH:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _listening(path: Path) -> socket.socket:
    """Return a socket that listens at ``path``; at no moment may others than ours open it."""
    if path.is_socket():
        path.unlink()
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listening.fileno(), _MODE)  # bind then makes it so, less what umask forbids
        with address_of(path) as address:
            listening.bind(address)
        path.chmod(_MODE)
        listening.listen(MAX_CONNECTIONS)
    except OSError:
        listening.close()
        raise
    return listening


def _peer(connection: socket.socket) -> str:
    """Return who is at the other end, as the kernel knows it."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    try:
        return f"user {pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"user {user}"
