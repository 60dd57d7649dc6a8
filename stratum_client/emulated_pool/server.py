"""The embedded pool on a TCP port: a thin asyncio shell around `PoolEngine`."""

import asyncio
import random as random_module
from collections.abc import Callable
from dataclasses import asdict
from types import TracebackType
from typing import TYPE_CHECKING, Self

import structlog

from stratum_client.clock import SystemClock
from stratum_client.emulated_pool.connection import Connection
from stratum_client.emulated_pool.engine import PoolEngine
from stratum_client.emulated_pool.events import Event, ShareJudged
from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.faults import Fault
from stratum_client.emulated_pool.jobs import Template
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import TallySnapshot

if TYPE_CHECKING:
    import ssl

    from drivers.api import Clock


class EmulatedPool:
    """A Stratum v1 pool for tests, demos and experiments; ``async with`` starts and ends it.

    ``clock`` dates the jobs (time itself is the event loop's); ``on_event`` is called with each
    event as it happens; ``tls`` is a server's context, for a pool by TLS. The commands act at once
    on the connections that are open.
    """

    def __init__(
        self,
        settings: PoolSettings | None = None,
        *,
        clock: "Clock | None" = None,
        random: random_module.Random | None = None,
        on_event: Callable[[Event], None] | None = None,
        tls: "ssl.SSLContext | None" = None,
    ) -> None:
        self._tls = tls
        self.settings = settings or PoolSettings()
        self._wall = (clock or SystemClock()).wall
        self._random = random or random_module.Random()
        self._on_event = on_event
        self._connections: dict[int, Connection] = {}
        self._waiting: list[tuple[Callable[[TallySnapshot], bool], asyncio.Future[None]]] = []
        self._log = structlog.get_logger("emulated_pool")
        self._timer: asyncio.TimerHandle | None = None
        self._open = False

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen; raises OSError when the address cannot be had."""
        self._loop = asyncio.get_running_loop()
        self._engine = PoolEngine(
            self.settings, wall=self._wall, random=self._random, now=self._loop.time()
        )
        self.port = self.settings.listen_port
        await self.listen_again()
        self._open = True
        self._settle()

    async def close(self) -> None:
        """Stop listening and end every connection; returns when all are gone."""
        self._open = False
        self._server.close()
        connections = list(self._connections.values())
        for connection in connections:
            connection.abandon("the pool closed")
        for connection in connections:
            await connection.gone
        self._set_timer()
        for _, done in self._waiting:
            done.cancel()
        await self._server.wait_closed()

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._server.close()

    async def listen_again(self) -> None:
        """Take new connections, at the port of before."""
        unsent = self.settings.max_unsent
        self._server = await self._loop.create_server(
            lambda: Connection(self, max_unsent=unsent),
            self.settings.listen_host,
            self.port,
            ssl=self._tls,
        )
        self.port = int(self._server.sockets[0].getsockname()[1])

    @property
    def clients(self) -> int:
        """Return how many connections are open."""
        return len(self._connections)

    def tally(self) -> TallySnapshot:
        """Return the counts as they are now."""
        return self._engine.tally()

    async def wait_for(self, condition: Callable[[TallySnapshot], bool]) -> None:
        """Return as soon as ``condition`` holds of the tally; it is asked after each change."""
        if condition(self.tally()):
            return
        done = self._loop.create_future()
        self._waiting.append((condition, done))
        await done

    def new_block(self, *, clean: bool | None = None) -> None:
        """Let somebody else find a block; ``clean`` None announces it as the profile does."""
        self._engine.new_block(self._loop.time(), clean=clean)
        self._settle()

    def new_work(self, *, clean: bool = False) -> None:
        """Give every client new work on the same block."""
        self._engine.new_work(self._loop.time(), clean=clean)
        self._settle()

    def adopt(self, template: Template, *, clean: bool) -> None:
        """Give every client a job made elsewhere, and every later client too."""
        self._engine.adopt(template, self._loop.time(), clean=clean)
        self._settle()

    def set_difficulty(self, difficulty: float, *, with_job: bool = True) -> None:
        """Set every client's difficulty and, with ``with_job``, give it a job to apply it to."""
        self._engine.set_difficulty(difficulty, self._loop.time(), with_job=with_job)
        self._settle()

    def set_extranonce(
        self,
        *,
        extranonce1: bytes | None = None,
        size: int | None = None,
        extranonce2_size: int | None = None,
        everyone: bool = False,
    ) -> int:
        """Give clients other extranonces and a clean job; return how many there were.

        Only those who subscribed to such changes get them, or all with ``everyone``. Without
        ``extranonce1`` each gets its own, of ``size`` bytes or as long as before.
        """
        count = self._engine.set_extranonce(
            self._loop.time(),
            extranonce1=extranonce1,
            size=size,
            extranonce2_size=extranonce2_size,
            everyone=everyone,
        )
        self._settle()
        return count

    def set_version_mask(self, mask: int, *, everyone: bool = False) -> int:
        """Set the mask of all clients that roll versions (or tell all); return how many."""
        count = self._engine.set_version_mask(mask, self._loop.time(), everyone=everyone)
        self._settle()
        return count

    def inject(self, fault: Fault | str, *, lasting: bool = False) -> None:
        """Arm a fault, or its text, on open connections; with ``lasting`` on later ones too."""
        chosen = fault_of(fault) if isinstance(fault, str) else fault
        self._engine.inject(chosen, self._loop.time(), lasting=lasting)
        self._settle()

    def ask(self, method: str, *params: object, identifier: object = None) -> None:
        """Send every client a request with ``identifier``, or a notification if it is None."""
        self._engine.ask(method, list(params), self._loop.time(), identifier=identifier)
        self._settle()

    def drop_clients(self, *, reset: bool = False) -> None:
        """Close every connection, politely or with RST."""
        self._engine.drop_clients(self._loop.time(), reset=reset)
        self._settle()

    def restart(self) -> None:
        """Close every connection and start again: job ids from 1, no session remembered."""
        self._engine.restart(self._loop.time())
        self._settle()

    def send_raw(self, data: bytes) -> None:
        """Write ``data`` to every client as it is."""
        self._engine.send_raw(data, self._loop.time())
        self._settle()

    def joined(self, connection: Connection, peer: str) -> bool:
        """Take in a client that just connected; return False when there is no room."""
        number = self._engine.connect(peer, self._loop.time())
        if number is None:
            return False
        connection.number = number
        self._connections[number] = connection
        self._settle()
        return True

    def received(self, connection: Connection, data: bytes) -> None:
        """Take bytes from a client."""
        self._engine.receive_data(connection.number, data, self._loop.time())
        self._settle()

    def left(self, connection: Connection, reason: str) -> None:
        """Forget a client that is gone."""
        self._connections.pop(connection.number, None)
        self._engine.disconnected(connection.number, reason, self._loop.time())
        self._settle()

    def _settle(self) -> None:
        """Perform what the engine wants done, and wake up when it wants more."""
        for number, outputs in self._engine.take_outputs():
            if connection := self._connections.get(number):
                connection.perform(outputs)
        events = self._engine.take_events()
        for event in events:
            if not isinstance(event, ShareJudged):
                self._log.debug("pool.event", kind=type(event).__name__, **asdict(event))
            if self._on_event:
                self._on_event(event)
        if events and self._waiting:
            self._wake_waiting()
        self._set_timer()

    def _wake_waiting(self) -> None:
        tally = self.tally()
        waiting, self._waiting = self._waiting, []
        for condition, done in waiting:
            if done.done():
                continue
            if condition(tally):
                done.set_result(None)
            else:
                self._waiting.append((condition, done))

    def _set_timer(self) -> None:
        due = self._engine.next_due() if self._open else None
        if self._timer and self._timer.when() == due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._engine.advance(self._loop.time())
        self._settle()
