"""Small recording stand-ins for what surrounds a module under test; no mocks of our own classes."""

from dataclasses import dataclass, field

from stratum_client.job import Fate, PoolWork, Share
from stratum_client.miner import Seat


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self, *, wall: float = 1_750_000_000.0) -> None:
        self.now = 1000.0
        self._ahead = wall - self.now

    def wall(self) -> float:
        return self.now + self._ahead

    def monotonic(self) -> float:
        return self.now

    def set_wall(self, wall: float) -> None:
        self._ahead = wall - self.now


@dataclass
class RecordingLink:
    """A pool that takes every share."""

    shares: list[Share] = field(default_factory=list)

    def submit(self, share: Share) -> None:
        self.shares.append(share)


@dataclass
class RecordingWitness:
    """Somebody who is told of every share."""

    notes: list[tuple[str, Share]] = field(default_factory=list)

    def found(self, share: Share) -> None:
        self.notes.append(("found", share))

    def ended(self, share: Share, fate: Fate, reason: str) -> None:
        self.notes.append((f"{fate} {reason}".strip(), share))


@dataclass
class RecordingListener:
    """A device that notes what it is told."""

    changes: list[bool] = field(default_factory=list)

    def job_changed(self, *, clean: bool) -> None:
        self.changes.append(clean)


class FetchingListener:
    """A device that fetches work whenever it is told to, and notes what it was told."""

    def __init__(self, seat: Seat) -> None:
        self.changes: list[bool] = []
        self.work: PoolWork | None = None
        self._seat = seat
        seat.listener = self

    def job_changed(self, *, clean: bool) -> None:
        self.changes.append(clean)
        self.work = self._seat.next_work()


class RecordingLog:
    """A log that keeps its events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, str, dict[str, object]]] = []

    def debug(self, event: str, **fields: object) -> None:
        self.events.append(("debug", event, fields))

    def info(self, event: str, **fields: object) -> None:
        self.events.append(("info", event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self.events.append(("warning", event, fields))

    def error(self, event: str, **fields: object) -> None:
        self.events.append(("error", event, fields))

    def named(self, event: str) -> list[dict[str, object]]:
        return [fields for _, name, fields in self.events if name == event]
