"""The other side of one pool: it waits for what the recording says and keeps what we send."""

import asyncio
from collections.abc import Callable

from stratum_client.errors import ConnectError, StratumError
from stratum_client.rims import Way

LATEST = 1.0
"""Seconds by which a pool's task may have ended later then than it is told to end now."""


class ReplayPoolRim:
    """Implements `rims.PoolRim`; the player lets things happen."""

    def __init__(self, saw_closing: Callable[[], bool]) -> None:
        self.hashrate = 0.0
        self._saw_closing = saw_closing
        self._is_closing = False
        self.dialled = ""
        """The address that is being dialled."""
        self.sent = bytearray()
        """What was sent and has not been compared."""
        self.has_hung_up = False
        self._connection: asyncio.Protocol | None = None
        self._is_free = False
        self._is_told_to_stop = False
        self._waiting: asyncio.Future[None] | None = None
        self._pause: asyncio.Future[None] | None = None
        self._answer: asyncio.Future[None] | None = None
        self._tick: asyncio.Future[None] | None = None
        self._lost: asyncio.Future[StratumError] | None = None

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:  # noqa: ARG002 - there is no way out of here
        """Wait for the answer that the recording has; raise ConnectError."""
        self.dialled, self._answer = address, asyncio.get_running_loop().create_future()
        self._connection, self.has_hung_up = connection, False
        self._is_closing = False
        try:
            await self._until(self._answer)
        except ConnectError:
            self._connection = None
            raise
        finally:
            self.dialled, self._answer = "", None

    async def tick(self, lost: asyncio.Future[StratumError], seconds: float) -> None:  # noqa: ARG002 - the recording knows
        """Return at the next tick of the recording, or where it saw that the connection is lost."""
        self._lost = lost
        self._tick = asyncio.get_running_loop().create_future()
        await self._until(self._tick)

    async def pause(self, seconds: float) -> None:  # noqa: ARG002 - the recording knows
        """Return when the recording dials."""
        self._pause = asyncio.get_running_loop().create_future()
        await self._until(self._pause)

    async def _until(self, happened: asyncio.Future[None]) -> None:
        """Wait for what the player lets happen; the end of the pool's task is such a thing, too.

        Raises CancelledError when the recording ends the task, whoever has cancelled it before.
        """
        self._waiting = happened
        while not happened.done():
            try:
                patience = LATEST if self._is_told_to_stop else None
                done, _ = await asyncio.wait([happened], timeout=patience)
                if not done:
                    happened.cancel()
            except asyncio.CancelledError:
                if self._is_free:
                    raise
                self._is_told_to_stop = True
        self._is_told_to_stop = self._is_told_to_stop and not happened.cancelled()
        happened.result()

    # --- what the player lets happen; each returns whether it could ---

    def let_stop(self) -> bool:
        """Let the pool's task end."""
        return self._waiting is not None and self._waiting.cancel()

    def set_free(self) -> None:
        """Let the pool's task end whenever it is told to from now on."""
        self._is_free = True
        if self._is_told_to_stop:
            self.let_stop()

    def end_pause(self) -> bool:
        """Let the pool dial."""
        return _done(self._pause)

    def open(self) -> bool:
        """Let the socket be there."""
        if self._connection is None or self._answer is None:
            return False
        self._connection.connection_made(_ReplayTransport(self))
        return True

    def connected(self) -> bool:
        """Let dialling succeed."""
        return _done(self._answer)

    def refuse(self, reason: str) -> bool:
        """Let dialling fail."""
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_exception(ConnectError(self.dialled, reason))
        return True

    def receive(self, data: bytes) -> bool:
        """Let bytes of the pool come."""
        if self._connection is None or self.has_hung_up:
            return False
        if data:
            self._connection.data_received(data)
        return True

    def let_tick(self) -> bool:
        """Let time pass, on a living connection."""
        return not self._is_lost and _done(self._tick)

    def end(self) -> bool:
        """Let the pool see that its connection is lost."""
        return self._is_lost and _done(self._tick)

    @property
    def _is_lost(self) -> bool:
        return bool(self._lost and self._lost.done())

    def pause_writing(self, *, resumed: bool) -> bool:
        """Let the pool stop reading, or read again."""
        if self._connection is None:
            return False
        if resumed:
            self._connection.resume_writing()
        else:
            self._connection.pause_writing()
        return True

    def lose(self, reason: str) -> bool:
        """Let the connection end from the other side."""
        connection, self._connection = self._connection, None
        if connection is None or self.has_hung_up:
            return False
        connection.connection_lost(OSError(reason) if reason else None)
        return True

    # --- what the connection does ---

    def hang_up(self) -> None:
        """Take note that we end the connection."""
        connection, self._connection = self._connection, None
        if connection and not self.has_hung_up:
            self.has_hung_up = True
            asyncio.get_running_loop().call_soon(connection.connection_lost, None)

    @property
    def is_closing(self) -> bool:
        """Return whether either side has ended the connection, or was seen to then."""
        self._is_closing = self._is_closing or self._saw_closing()
        return self._is_closing or self._connection is None


class _ReplayTransport(asyncio.Transport):
    """A socket that is none."""

    def __init__(self, rim: ReplayPoolRim) -> None:
        super().__init__()
        self._rim = rim

    def get_extra_info(self, name: str, default: object = None) -> object:  # noqa: ARG002 - there is none
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._rim.sent += data

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return self._rim.is_closing

    def close(self) -> None:
        self._rim.hang_up()

    abort = close


def _done(future: asyncio.Future[None] | None) -> bool:
    if future is None or future.done():
        return False
    future.set_result(None)
    return True
