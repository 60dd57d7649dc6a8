"""What is asked of a device and what it answers: works out, solutions in. Sans-IO, takes ``now``.

A lane is what takes work of its own: the whole device, or each chip of a Rockminer. Its newest
work is the one it searches, for a new packet ends the old one; but an answer may have been on its
way, so each is tried against the works before it too. What hashes to too little is wrong.
"""

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from drivers.api import Solution, Work
from drivers.icarus.frames import Answer, Kind, Label, nonce_of
from drivers.icarus.model import Model
from drivers.icarus.reader import AnswerReader
from drivers.icarus.ticket import HASHES_PER_DIFFICULTY, ticket_target
from drivers.icarus.timing import Division, Timing

QUIET = 0.1
"""Seconds after a wrong nonce until new work is sent."""

_KEPT = 3
_MOST_SEEN = 4096


@dataclass(slots=True, kw_only=True)
class Given:
    """A work that was given to a lane, and the counters found in it.

    ``is_current`` is False once the pool has declared it worthless.
    """

    work: Work
    at: float
    is_current: bool = True
    seen: set[int] = field(default_factory=set)

    def solution(self, counter: int) -> Solution:
        """Return what the device claims with ``counter``."""
        work = self.work
        return Solution(work=work, nonce=nonce_of(counter), version=work.version, ntime=work.ntime)


@dataclass(slots=True)
class Lane:
    """One taker of work; ``due`` is when it needs more."""

    due: float = -math.inf
    next_tag: int = 0
    by_tag: dict[int, Given] = field(default_factory=dict)
    newest: deque[Given] = field(default_factory=lambda: deque(maxlen=_KEPT))


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A right nonce, not found before, for a work that is still worth something."""

    solution: Solution
    engine: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrong:
    """An answer that hashes to too little with every work it could belong to."""

    frame: bytes


@dataclass(slots=True, kw_only=True)
class Counters:
    """What came in: right nonces, wrong ones, repeated ones, those of worthless work."""

    nonces: int = 0
    errors: int = 0
    duplicates: int = 0
    stale: int = 0
    corrected: int = 0


@dataclass(frozen=True, slots=True)
class _Meant:
    """An answer that makes sense, with the work it belongs to if it is a nonce."""

    answer: Answer
    given: Given | None = None
    counter: int = 0
    is_corrected: bool = False


class Exchange:
    """The works and answers of one device; ``ticket`` is the difficulty it reports from on."""

    def __init__(
        self,
        model: Model,
        *,
        timing: Timing,
        ticket: float = 1.0,
        baud_rate: int = 115200,
    ) -> None:
        self.timing = timing
        self.counters = Counters()
        self.engines: dict[int, int] = {}
        self.temperature: float | None = None
        self.mhz = model.clocks.default or 0.0 if model.clocks else 0.0
        self.hashes_per_nonce = ticket * HASHES_PER_DIFFICULTY
        self._model = model
        self._form = model.form
        self._target = ticket_target(ticket)
        self._wire_seconds = model.form.answer_size * 10 / baud_rate
        self._lanes = tuple(Lane() for _ in range(model.lanes))
        self._reader = AnswerReader[_Meant](model.form.answer_size, self._meaning)

    # -- works

    @property
    def next_due(self) -> float:
        """Return when `due` or `look` has something to do."""
        deadline = self._reader.deadline
        dues = [lane.due for lane in self._lanes]
        return min(dues if deadline is None else [*dues, deadline])

    @property
    def dropped(self) -> int:
        """Return how many bytes were received that belonged to no answer."""
        return self._reader.dropped

    def due(self, now: float) -> tuple[int, ...]:
        """Return the lanes that need work now."""
        return tuple(number for number, lane in enumerate(self._lanes) if lane.due <= now)

    def want_work(self) -> None:
        """Make all lanes need new work now."""
        for lane in self._lanes:
            lane.due = -math.inf

    def assign(self, number: int, work: Work, now: float) -> bytes:
        """Return the packet that starts a lane on ``work``, which ends what it did before."""
        lane = self._lanes[number]
        tag = lane.next_tag % self._form.tags
        given = Given(work=work, at=now)
        lane.next_tag = 0 if self._asks else tag + 1
        lane.by_tag[tag] = given
        lane.newest.appendleft(given)
        lane.due = now + (self._model.task_seconds or self.timing.work_seconds)
        return self._form.encode(work.header(), Label(lane=number, tag=tag, mhz=self.mhz))

    def forget_work(self) -> None:
        """Take note that all works so far are worthless; answers to them are not wrong, though."""
        for lane in self._lanes:
            for given in (*lane.newest, *lane.by_tag.values()):
                given.is_current = False

    def reset(self) -> None:
        """Forget everything that was sent and half received."""
        for lane in self._lanes:
            lane.by_tag.clear()
            lane.newest.clear()
        self.want_work()
        self._reader.reset()

    # -- answers

    def receive_data(self, data: bytes, now: float) -> list[Found | Wrong]:
        """Return what ``data`` brings; a device that asks for work is `due` afterwards."""
        return list(self._events(self._reader.feed(data, now), now))

    def look(self, now: float) -> list[Found | Wrong]:
        """Return what the passing of time has decided."""
        dropped = self._reader.dropped
        events = list(self._events(self._reader.look(now), now))
        if self._reader.dropped != dropped and self._model.stops_after_nonce:
            self.want_work()  # the rest of an answer was lost, and its sender is idle
        return events

    @property
    def _asks(self) -> bool:
        return self._model.task_seconds is not None

    def _events(self, frames: list[_Meant | bytes], now: float) -> Iterator[Found | Wrong]:
        for frame in frames:
            if isinstance(frame, bytes):
                self.counters.errors += 1
                self._hasten(now + QUIET)
                yield Wrong(frame=frame)
            elif found := self._take(frame, now):
                yield found

    def _take(self, meant: _Meant, now: float) -> Found | None:
        answer, given = meant.answer, meant.given
        lane = self._lanes[answer.lane]
        if answer.temperature is not None:
            self.temperature = answer.temperature
        if given is None:
            lane.next_tag = answer.tag or 0
            lane.due = -math.inf if answer.kind is Kind.TASK_WANTED else now + self._task_seconds
            return None
        if self._model.stops_after_nonce and given is lane.newest[0]:
            lane.due = -math.inf
        self.counters.corrected += meant.is_corrected
        return self._judged(meant.counter, given, now)

    def _judged(self, counter: int, given: Given, now: float) -> Found | None:
        if counter in given.seen:
            self.counters.duplicates += 1
            return None
        if len(given.seen) < _MOST_SEEN:
            given.seen.add(counter)
        self.timing.add(counter, now - given.at - self._wire_seconds, now)
        if not given.is_current:
            self.counters.stale += 1
            return None
        engine = self.timing.division.engine(counter)
        self.counters.nonces += 1
        self.engines[engine] = self.engines.get(engine, 0) + 1
        return Found(solution=given.solution(counter), engine=engine)

    def _meaning(self, frame: bytes) -> _Meant | None:
        """Return what ``frame`` means, None for what cannot have been sent."""
        try:
            answer = self._form.decode(frame)
        except ValueError:
            return None
        if answer.kind is not Kind.NONCE:
            return _Meant(answer)
        for given in self._candidates(answer):
            for correction in self._model.corrections:
                counter = answer.counter + correction & 0xFFFFFFFF
                if given.solution(counter).hash() <= self._target:
                    return _Meant(answer, given, counter, correction != 0)
        return None

    def _candidates(self, answer: Answer) -> Iterator[Given]:
        lane = self._lanes[answer.lane]
        tagged = None if answer.tag is None else lane.by_tag.get(answer.tag)
        if tagged:
            yield tagged
        yield from (given for given in lane.newest if given is not tagged)

    def _hasten(self, due: float) -> None:
        for lane in self._lanes:
            lane.due = min(lane.due, due)

    @property
    def _task_seconds(self) -> float:
        return self._model.task_seconds or 0.0


def silent_engines(engines: dict[int, int], division: Division) -> tuple[int, ...]:
    """Return the parts of the nonces in which nothing is found, though chance would not do that.

    With so many nonces the odds of missing one of the parts are below one in a hundred million.
    """
    total = sum(engines.values())
    if division.parts < 2 or total * -math.log1p(-1 / division.parts) < -math.log(1e-8):
        return ()
    return tuple(part for part in range(division.parts) if not engines.get(part))
