"""What one pool waits for, with notes: dialling, bytes both ways, ticks, and how each ended."""

import asyncio

from stratum_client.errors import ConnectError, StratumError
from stratum_client.recording.entries import Rim, What
from stratum_client.recording.notes import Notes
from stratum_client.rims import PlainPoolRim, Way


class RecordedPoolRim:
    """Implements `rims.PoolRim`."""

    def __init__(self, notes: Notes, pool: str) -> None:
        self._notes = notes
        self._pool = pool
        self._plain = PlainPoolRim()
        self._sessions = 0

    async def dial(self, address: str, connection: asyncio.Protocol, way: Way) -> None:
        """Connect ``connection`` by ``way``, listening in between; raise ConnectError."""
        self._notes.note_shares()
        self._sessions += 1
        self.note(What.DIAL, address=address)
        try:
            await way(_Tapped(self, connection))
        except StratumError as error:
            reason = error.reason if isinstance(error, ConnectError) else str(error)
            self.note(What.REFUSED, reason=reason)
            raise
        except asyncio.CancelledError:
            self._stopped()
            raise
        self.note(What.CONNECTED)

    async def tick(self, lost: asyncio.Future[StratumError], seconds: float) -> None:
        """Return after ``seconds``, or when the connection is lost."""
        try:
            await self._plain.tick(lost, seconds)
        except asyncio.CancelledError:
            self._stopped()
            raise
        if lost.done():
            self.note(What.ENDED)
        else:
            self._notes.note_shares()
            self.note(What.TICK)

    async def pause(self, seconds: float) -> None:
        """Return after ``seconds``."""
        try:
            await self._plain.pause(seconds)
        except asyncio.CancelledError:
            self._stopped()
            raise

    def note(self, what: What, *, data: bytes = b"", **fields: object) -> None:
        """Note something of the session that goes on."""
        self._notes.note(
            Rim.POOL, what, self._pool, {"session": self._sessions, **fields}, data=data
        )

    def _stopped(self) -> None:
        self._notes.note_shares()
        self.note(What.STOP)


class _Tapped(asyncio.Protocol):
    """Between a socket and a connection."""

    def __init__(self, rim: RecordedPoolRim, connection: asyncio.Protocol) -> None:
        self.rim = rim
        self.has_ended = False
        self._connection = connection
        self._was_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.rim.note(What.OPEN)
        self._connection.connection_made(_TappedTransport(self, transport))

    def data_received(self, data: bytes) -> None:
        self.rim.note(What.IN, data=bytes(data))
        self._connection.data_received(data)

    def eof_received(self) -> bool | None:
        return self._connection.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.rim.note(What.LOST, reason=str(exc or ""))
        self._connection.connection_lost(exc)

    def pause_writing(self) -> None:
        self.rim.note(What.PAUSED)
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        self.rim.note(What.RESUMED)
        self._connection.resume_writing()

    def is_closing(self) -> None:
        """Note, once, that an end was seen before it was told."""
        if not self.has_ended and not self._was_closing:
            self._was_closing = True
            self.rim.note(What.CLOSING)

    def hung_up(self) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.rim.note(What.HANG_UP)


class _TappedTransport(asyncio.Transport):
    """A transport as the connection sees it."""

    def __init__(self, tapped: _Tapped, transport: asyncio.Transport) -> None:
        super().__init__()
        self._tapped = tapped
        self._transport = transport

    def get_extra_info(self, name: str, default: object = None) -> object:
        return self._transport.get_extra_info(name, default)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._tapped.rim.note(What.OUT, data=bytes(data))
        self._transport.write(data)

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size()

    def is_closing(self) -> bool:
        closing = self._transport.is_closing()
        if closing:
            self._tapped.is_closing()
        return closing

    def close(self) -> None:
        self._tapped.hung_up()
        self._transport.close()

    def abort(self) -> None:
        self._tapped.hung_up()
        self._transport.abort()
