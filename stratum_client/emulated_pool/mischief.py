"""When faults strike on one connection, and which replies they change."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.agenda import Appointment
from stratum_client.emulated_pool.events import FaultPlayed
from stratum_client.emulated_pool.faults import AlterReply, Change, Fault
from stratum_client.emulated_pool.misdeeds import perform
from stratum_client.emulated_pool.replies import Message, altered
from stratum_client.emulated_pool.wire import encode

if TYPE_CHECKING:
    from stratum_client.emulated_pool.session import PoolSession
    from stratum_client.emulated_pool.state import PoolState

MAX_DELAYED = 10_000
"""Replies that may be on their way late at once; further ones are lost."""


class ArmedFault:
    """A fault with the number of strikes it has left, for all connections together."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self._left = fault.when.times

    def spend(self) -> bool:
        """Use up one strike; return False when none is left."""
        if self._left is None:
            return True
        self._left -= 1
        return self._left >= 0


class _Alteration:
    """A change of replies in force; ``once`` for one reply only."""

    def __init__(self, armed: ArmedFault, action: AlterReply, *, once: bool) -> None:
        self.armed = armed
        self.action = action
        self.once = once

    def concerns(self, method: str) -> bool:
        return self.action.method in ("*", method)


class Mischief:
    """The faults of one connection."""

    def __init__(self, session: "PoolSession", state: "PoolState") -> None:
        self._session = session
        self._state = state
        self._on_request: dict[str, list[ArmedFault]] = {}
        self._on_shares: list[tuple[int, ArmedFault]] = []
        self._alterations: list[_Alteration] = []
        self._answered = 0
        self._delayed = 0
        self._waiting: dict[ArmedFault, Appointment] = {}

    def ended(self) -> None:
        """Forget the moments that were still to come."""
        for appointment in self._waiting.values():
            appointment.call_off()
        self._waiting.clear()

    def arm(self, armed: ArmedFault) -> None:
        """Let a fault strike on this connection, at its moment counted from now."""
        if armed.fault.when.after > 0:
            self._later(armed.fault.when.after, armed, lambda: self._start(armed))
        else:
            self._start(armed)

    def request_came(self, method: str) -> None:
        """Play what waits for a request for ``method``."""
        for armed in self._on_request.get(method, ()):
            self._strike(armed)

    def share_answered(self) -> None:
        """Play what waits for a number of shares."""
        self._answered += 1
        due = [armed for at, armed in self._on_shares if at <= self._answered]
        self._on_shares = [entry for entry in self._on_shares if entry[0] > self._answered]
        for armed in due:
            self._strike(armed)

    def send_reply(self, method: str, message: Message, lost: Callable[[], None]) -> None:
        """Send ``message`` as the faults in force have it; call ``lost`` if it is not sent."""
        alteration = self._alteration_for(method)
        if alteration is None:
            self._write([message], lost)
            return
        action = alteration.action
        self._played(alteration.armed.fault)
        messages = altered(message, action.change)
        if action.change is Change.DELAY:
            self._delay(action.seconds, messages, lost)
        else:
            self._write(messages, lost)
        if action.change in (Change.CLOSE, Change.RESET):
            reset = action.change is Change.RESET
            self._session.close("closed by a fault instead of a reply", reset=reset)

    def _delay(self, seconds: float, messages: list[Message], lost: Callable[[], None]) -> None:
        if self._delayed >= MAX_DELAYED:
            lost()
            return
        self._delayed += 1

        def send() -> None:
            self._delayed -= 1
            self._write(messages, lost)

        self._state.agenda.after(seconds, send)

    def _write(self, messages: list[Message], lost: Callable[[], None]) -> None:
        sent = [self._session.outbox.line(encode(message)) for message in messages]
        if not any(sent):
            lost()

    def _alteration_for(self, method: str) -> _Alteration | None:
        for alteration in self._alterations:
            if alteration.concerns(method) and alteration.armed.spend():
                if alteration.once:
                    self._alterations.remove(alteration)
                return alteration
        return None

    def _start(self, armed: ArmedFault) -> None:
        when = armed.fault.when
        if when.on is not None:
            self._on_request.setdefault(when.on, []).append(armed)
        elif when.shares is not None:
            self._on_shares.append((self._answered + when.shares, armed))
        elif when.every is not None:
            self._repeat(when.every, armed)
        else:
            self._strike(armed)

    def _repeat(self, seconds: float, armed: ArmedFault) -> None:
        def again() -> None:
            self._repeat(seconds, armed)
            self._strike(armed)

        self._later(seconds, armed, again)

    def _strike(self, armed: ArmedFault) -> None:
        action = armed.fault.action
        if self._session.outbox.closed:
            return
        if isinstance(action, AlterReply):
            when = armed.fault.when
            once = when.every is not None or when.on is not None
            self._alterations.append(_Alteration(armed, action, once=once))
        elif armed.spend():
            self._played(armed.fault)
            perform(self._session, self._state, action)

    def _played(self, fault: Fault) -> None:
        played = FaultPlayed(connection=self._session.number, fault=fault.name)
        self._state.events.append(played)

    def _later(self, seconds: float, armed: ArmedFault, action: Callable[[], None]) -> None:
        """Do ``action`` later; a fault waits for one moment at a time."""

        def unless_closed() -> None:
            if not self._session.outbox.closed:
                action()

        self._waiting[armed] = self._state.agenda.after(seconds, unless_closed)
