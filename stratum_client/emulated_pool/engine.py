"""The whole pool, sans-IO: all sessions, and what the operator can order."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.events import ClientConnected, ClientGone, Event
from stratum_client.emulated_pool.jobs import Template
from stratum_client.emulated_pool.outputs import Output
from stratum_client.emulated_pool.session import PoolSession
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.state import PoolState
from stratum_client.emulated_pool.tally import TallySnapshot

if TYPE_CHECKING:
    from random import Random


class PoolEngine:
    """Knows neither sockets nor clocks: every call that comes from outside brings the time.

    After each call the shell performs `take_outputs`, hands out `take_events`, and calls
    `advance` at `next_due`.
    """

    def __init__(
        self,
        settings: PoolSettings,
        *,
        wall: Callable[[], float],
        random: "Random",
        now: float,
    ) -> None:
        self._state = PoolState(settings, wall=wall, random=random, now=now)
        self._state.block_found = self._share_became_block
        self._sessions: dict[int, PoolSession] = {}
        self._connections = 0
        self._schedule()

    def connect(self, peer: str, now: float) -> int:
        """Begin a session; return the number of its connection."""
        self.advance(now)
        self._connections += 1
        number = self._connections
        self._sessions[number] = PoolSession(self._state, number)
        self._state.events.append(ClientConnected(connection=number, peer=peer))
        return number

    def receive_data(self, number: int, data: bytes, now: float) -> None:
        """Take bytes that came on a connection; never raises for what they say."""
        self.advance(now)
        if session := self._sessions.get(number):
            session.receive_data(data)

    def disconnected(self, number: int, reason: str, now: float) -> None:
        """End the session of a connection that is gone."""
        self.advance(now)
        if self._sessions.pop(number, None):
            self._state.events.append(ClientGone(connection=number, reason=reason))

    def advance(self, now: float) -> None:
        """Do all that is due at ``now``."""
        self._state.agenda.advance(now)

    def next_due(self) -> float | None:
        """Return when `advance` is to be called next."""
        return self._state.agenda.next_due()

    def take_outputs(self) -> list[tuple[int, list[Output]]]:
        """Return what each connection has to do, and forget it."""
        taken = [(number, session.take_outputs()) for number, session in self._sessions.items()]
        return [(number, outputs) for number, outputs in taken if outputs]

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._state.events = self._state.events, []
        return events

    def tally(self) -> TallySnapshot:
        """Return the counts as they are now."""
        return self._state.tally.snapshot()

    def new_block(self, now: float) -> None:
        """Let somebody else find a block: a clean job for every client."""
        self.advance(now)
        self._announce(self._state.chain.extend(), clean=True)

    def new_work(self, now: float, *, clean: bool = False) -> None:
        """Give every client new work on the same block."""
        self.advance(now)
        self._announce(self._state.chain.refresh(), clean=clean)

    def set_difficulty(self, difficulty: float, now: float) -> None:
        """Set every client's difficulty and give it a job to which it applies."""
        self.advance(now)
        for session in self._mining():
            session.set_difficulty(difficulty)
            session.notify(self._state.chain.private(), clean=False)

    def drop_clients(self, now: float, *, reset: bool = False) -> None:
        """Close every connection."""
        self.advance(now)
        for session in self._sessions.values():
            session.close("dropped by order", reset=reset)

    def send_raw(self, data: bytes, now: float) -> None:
        """Write ``data`` to every client."""
        self.advance(now)
        for session in self._sessions.values():
            session.send_raw(data)

    def _mining(self) -> list[PoolSession]:
        return [session for session in self._sessions.values() if session.mining]

    def _share_became_block(self, block_hash: bytes) -> None:
        self._announce(self._state.chain.extend(block_hash), clean=True)

    def _announce(self, template: Template, *, clean: bool) -> None:
        for session in self._mining():
            session.notify(template, clean=clean)

    def _schedule(self) -> None:
        settings = self._state.settings
        work_every = settings.work_every or settings.profile.work_every
        self._repeat(work_every, lambda: self.new_work(self._state.agenda.now))
        if settings.block_every:
            self._repeat(settings.block_every, lambda: self.new_block(self._state.agenda.now))
        if vardiff := settings.vardiff_in_force:
            self._repeat(vardiff.interval / 4, self._review_difficulties)

    def _review_difficulties(self) -> None:
        for session in self._mining():
            session.review_difficulty()

    def _repeat(self, seconds: float, action: Callable[[], None]) -> None:
        def again() -> None:
            self._state.agenda.after(seconds, again)
            action()

        self._state.agenda.after(seconds, again)
