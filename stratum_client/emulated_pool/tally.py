"""What became of the shares: counted for the pool, each worker and each connection."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Fate(StrEnum):
    """What the pool made of one share."""

    ACCEPTED = "accepted"
    STALE = "stale"
    DUPLICATE = "duplicate"
    LOW_DIFFICULTY = "low-difficulty"
    INVALID = "invalid"
    UNAUTHORIZED = "unauthorized"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Shares by fate.

    ``blocks`` are among ``accepted``; ``accepted_difficulty`` is the sum of the difficulties
    that were asked for, not of those reached. ``unanswered`` shares were counted by their fate
    too, but a fault kept the answer from the client.
    """

    accepted: int = 0
    stale: int = 0
    duplicate: int = 0
    low_difficulty: int = 0
    invalid: int = 0
    unauthorized: int = 0
    blocks: int = 0
    unanswered: int = 0
    accepted_difficulty: float = 0.0

    @property
    def refused(self) -> int:
        """Return how many shares were not accepted, whatever the reason."""
        return self.stale + self.duplicate + self.low_difficulty + self.invalid + self.unauthorized

    @property
    def shares(self) -> int:
        """Return how many shares came in."""
        return self.accepted + self.refused


@dataclass(frozen=True, slots=True, kw_only=True)
class TallySnapshot:
    """All counts at one moment; connections are keyed by their number, counted from 1."""

    total: Counts
    workers: Mapping[str, Counts]
    connections: Mapping[int, Counts]


@dataclass(slots=True)
class _Row:
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    blocks: int = 0
    unanswered: int = 0
    accepted_difficulty: float = 0.0

    def counts(self) -> Counts:
        return Counts(
            accepted=self.fates[Fate.ACCEPTED],
            stale=self.fates[Fate.STALE],
            duplicate=self.fates[Fate.DUPLICATE],
            low_difficulty=self.fates[Fate.LOW_DIFFICULTY],
            invalid=self.fates[Fate.INVALID],
            unauthorized=self.fates[Fate.UNAUTHORIZED],
            blocks=self.blocks,
            unanswered=self.unanswered,
            accepted_difficulty=self.accepted_difficulty,
        )


class Tally:
    """The running count. At most ``limit`` workers and connections are told apart."""

    def __init__(self, *, limit: int = 10_000) -> None:
        self._limit = limit
        self._total = _Row()
        self._workers: dict[str, _Row] = {}
        self._connections: dict[int, _Row] = {}

    def add(
        self, fate: Fate, *, worker: str, connection: int, difficulty: float, block: bool
    ) -> None:
        """Count one share; ``difficulty`` is what was asked of it."""
        for row in self._rows(worker, connection):
            row.fates[fate] += 1
            if fate is Fate.ACCEPTED:
                row.accepted_difficulty += difficulty
                row.blocks += block

    def add_unanswered(self, *, worker: str, connection: int) -> None:
        """Count one share, already added, whose answer was withheld."""
        for row in self._rows(worker, connection):
            row.unanswered += 1

    def snapshot(self) -> TallySnapshot:
        """Return the counts as they are now; later shares do not change it."""
        workers = {name: row.counts() for name, row in self._workers.items()}
        connections = {number: row.counts() for number, row in self._connections.items()}
        return TallySnapshot(
            total=self._total.counts(),
            workers=MappingProxyType(workers),
            connections=MappingProxyType(connections),
        )

    def _rows(self, worker: str, connection: int) -> list[_Row]:
        rows = [self._total]
        if worker in self._workers or len(self._workers) < self._limit:
            rows.append(self._workers.setdefault(worker, _Row()))
        if connection in self._connections or len(self._connections) < self._limit:
            rows.append(self._connections.setdefault(connection, _Row()))
        return rows
