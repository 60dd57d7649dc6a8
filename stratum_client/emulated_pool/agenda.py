"""Things to do later, without a clock of its own; shared by a pool and all its sessions."""

import heapq
from collections.abc import Callable


class Appointment:
    """Something to do at a given time, unless it is called off."""

    __slots__ = ("_action",)

    def __init__(self, action: Callable[[], None]) -> None:
        self._action: Callable[[], None] | None = action

    def call_off(self) -> None:
        """Forget it; harmless when it is already done."""
        self._action = None

    def keep(self) -> None:
        """Do it, once."""
        action, self._action = self._action, None
        if action is not None:
            action()


class Agenda:
    """Appointments in the order of their times; ``now`` is the newest time it was told."""

    def __init__(self, now: float) -> None:
        self.now = now
        self._entries: list[tuple[float, int, Appointment]] = []
        self._count = 0

    def after(self, seconds: float, action: Callable[[], None]) -> Appointment:
        """Do ``action`` ``seconds`` from now."""
        appointment = Appointment(action)
        self._count += 1
        heapq.heappush(self._entries, (self.now + seconds, self._count, appointment))
        return appointment

    def next_due(self) -> float | None:
        """Return the time of the next appointment, None when there is none."""
        return self._entries[0][0] if self._entries else None

    def advance(self, now: float) -> None:
        """Do all that is due at ``now``, each thing at its own time; time never goes back."""
        while self._entries and self._entries[0][0] <= now:
            due, _, appointment = heapq.heappop(self._entries)
            self.now = max(self.now, due)
            appointment.keep()
        self.now = max(self.now, now)
