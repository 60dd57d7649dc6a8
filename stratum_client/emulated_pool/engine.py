"""The whole pool, sans-IO: all sessions, and what the operator can order."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.events import ClientConnected, ClientGone, Event
from stratum_client.emulated_pool.faults import Fault
from stratum_client.emulated_pool.jobs import Template
from stratum_client.emulated_pool.mischief import ArmedFault
from stratum_client.emulated_pool.outputs import Output
from stratum_client.emulated_pool.profiles import BlockJob
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
        if settings.own_work:
            self._state.block_found = lambda block_hash: self._block(block_hash, clean=None)
        self._state.block_wanted = lambda clean: self._block(None, clean=clean)
        self._state.restart_wanted = self._restart
        self._manners = settings.profile.manners
        self._faults = [ArmedFault(fault) for fault in settings.faults]
        self._sessions: dict[int, PoolSession] = {}
        self._connections = 0
        self._blocks = 0
        self._schedule()

    def connect(self, peer: str, now: float) -> int | None:
        """Begin a session; return the number of its connection, None when the pool is full."""
        self.advance(now)
        if len(self._sessions) >= self._state.settings.max_clients:
            return None
        self._connections += 1
        number = self._connections
        session = PoolSession(self._state, number)
        self._sessions[number] = session
        self._state.events.append(ClientConnected(connection=number, peer=peer))
        for armed in self._faults:
            session.mischief.arm(armed)
        return number

    def receive_data(self, number: int, data: bytes, now: float) -> None:
        """Take bytes that came on a connection; never raises for what they say."""
        self.advance(now)
        if session := self._sessions.get(number):
            session.receive_data(data)

    def disconnected(self, number: int, reason: str, now: float) -> None:
        """End the session of a connection that is gone."""
        self.advance(now)
        if session := self._sessions.pop(number, None):
            session.ended()
            self._state.events.append(ClientGone(connection=number, reason=reason))

    def advance(self, now: float) -> None:
        """Do all that is due at ``now``."""
        self._state.agenda.advance(now)

    def next_due(self) -> float | None:
        """Return when `advance` is to be called next."""
        return self._state.agenda.next_due()

    def take_outputs(self) -> list[tuple[int, list[Output]]]:
        """Return what connections have to do, and forget it."""
        numbers, self._state.dirty = sorted(self._state.dirty), set()
        sessions = [(number, self._sessions.get(number)) for number in numbers]
        return [(number, session.outbox.take()) for number, session in sessions if session]

    def take_events(self) -> list[Event]:
        """Return what happened since the last call."""
        events, self._state.events = self._state.events, []
        return events

    def tally(self) -> TallySnapshot:
        """Return the counts as they are now."""
        return self._state.tally.snapshot()

    @property
    def height(self) -> int:
        """Return the height of the block that is being looked for."""
        return self._state.chain.height

    def new_block(self, now: float, *, clean: bool | None = None) -> None:
        """Let somebody else find a block; ``clean`` None announces it as the profile does."""
        self.advance(now)
        self._block(None, clean=clean)

    def new_work(self, now: float, *, clean: bool = False) -> None:
        """Give every client new work on the same block."""
        self.advance(now)
        self._announce(self._state.chain.refresh(), clean=clean)

    def adopt(self, template: Template, now: float, *, clean: bool) -> None:
        """Give every client a job made elsewhere, and every later client too."""
        self.advance(now)
        self._state.chain.adopt(template)
        self._announce(template, clean=clean)

    def set_difficulty(self, difficulty: float, now: float, *, with_job: bool = True) -> None:
        """Set every client's difficulty and, with ``with_job``, give it a job to apply it to."""
        self.advance(now)
        for session in self._miners():
            session.change_difficulty(difficulty, with_job=with_job)

    def set_extranonce(
        self,
        now: float,
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
        self.advance(now)
        chosen = [s for s in self._miners() if everyone or s.wants_extranonce()]
        for session in chosen:
            session.change_extranonce(
                extranonce1=extranonce1, size=size, extranonce2_size=extranonce2_size
            )
        return len(chosen)

    def set_version_mask(self, mask: int, now: float, *, everyone: bool = False) -> int:
        """Set the mask of all clients that roll versions (or tell all); return how many."""
        self.advance(now)
        chosen = [s for s in self._miners() if everyone or s.mask is not None]
        for session in chosen:
            session.change_mask(mask)
        return len(chosen)

    def inject(self, fault: Fault, now: float, *, lasting: bool = False) -> None:
        """Arm ``fault`` on every open connection; with ``lasting`` on later ones too."""
        self.advance(now)
        armed = ArmedFault(fault)
        for session in list(self._sessions.values()):
            session.mischief.arm(armed)
        if lasting:
            self._faults.append(armed)

    def ask(self, method: str, params: list[object], now: float, *, identifier: object) -> None:
        """Send every client a request with ``identifier``, or a notification if it is None."""
        self.advance(now)
        for session in self._sessions.values():
            session.ask(method, params, identifier)

    def drop_clients(self, now: float, *, reset: bool = False) -> None:
        """Close every connection."""
        self.advance(now)
        for session in self._sessions.values():
            session.close("dropped by order", reset=reset)

    def restart(self, now: float) -> None:
        """Close every connection and start again: job ids from 1, no session remembered."""
        self.advance(now)
        self._restart()

    def send_raw(self, data: bytes, now: float) -> None:
        """Write ``data`` to every client as it is."""
        self.advance(now)
        for session in self._sessions.values():
            session.outbox.raw(data)

    def _miners(self) -> list[PoolSession]:
        return [session for session in self._sessions.values() if session.takes_jobs]

    def _restart(self) -> None:
        for session in self._sessions.values():
            session.close("the pool restarts", reset=False)
            session.forget()
        self._state.restart()

    def _block(self, block_hash: bytes | None, *, clean: bool | None) -> None:
        self._state.chain.extend(block_hash)
        self._blocks += 1
        if clean is None:
            clean = (self._blocks - 1) % self._manners.clean_block_every == 0
        for part in self._manners.block_jobs:
            self._announce_part(part, clean=clean and part.clean)

    def _announce_part(self, part: BlockJob, *, clean: bool) -> None:
        if part.delay <= 0:
            self._announce(self._template_for(part), clean=clean)
            return
        height = self._state.chain.height

        def unless_overtaken() -> None:
            if self._state.chain.height == height:
                self._announce(self._state.chain.refresh(), clean=clean)

        self._state.agenda.after(part.delay, unless_overtaken)

    def _template_for(self, part: BlockJob) -> Template:
        chain = self._state.chain
        template = chain.empty() if part.empty else chain.current
        return replace(template, job_id=part.prefix + template.job_id)

    def _announce(self, template: Template, *, clean: bool) -> None:
        for session in self._miners():
            session.notify(template, clean=clean)

    def _schedule(self) -> None:
        settings = self._state.settings
        if settings.own_work:
            self._repeat(settings.work_period, self._new_work)
            self._repeat(settings.block_every, lambda: self._block(None, clean=None))
        self._repeat(settings.extranonce_period, self._new_extranonces)
        if vardiff := settings.vardiff_in_force:
            self._repeat(vardiff.interval / 4, self._review_difficulties)
        self._repeat(settings.idle_limit / 4, self._drop_the_idle)
        self._repeat((self._manners.ping_after or 0.0) / 4, self._ping_the_quiet)

    def _new_work(self) -> None:
        self._announce(self._state.chain.refresh(), clean=False)

    def _new_extranonces(self) -> None:
        for session in self._miners():
            if session.wants_extranonce():
                session.change_extranonce()

    def _review_difficulties(self) -> None:
        for session in self._miners():
            session.review_difficulty()

    def _drop_the_idle(self) -> None:
        limit = self._state.agenda.now - self._state.settings.idle_limit
        for session in self._sessions.values():
            if session.last_heard <= limit:
                session.close("idle")

    def _ping_the_quiet(self) -> None:
        limit = self._state.agenda.now - (self._manners.ping_after or 0.0)
        for session in self._miners():
            if session.last_told <= limit:
                session.ask("mining.ping", [], self._manners.ping_id)

    def _repeat(self, seconds: float, action: Callable[[], None]) -> None:
        if seconds <= 0:
            return

        def again() -> None:
            self._state.agenda.after(seconds, again)
            action()

        self._state.agenda.after(seconds, again)
