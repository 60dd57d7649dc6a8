"""Operating windows: when a rig may run, and how hard; pure, wall time and zone are handed in.

A window allows, on some days, between two times of day of one named zone. Outside of all windows
``outside`` holds; of several open ones the most permissive, but one that says idle closes all (see
`modes.allowed_by`). An exception, from a calendar, takes the place of all windows while it lasts.

All is computed between instants (seconds since 1970, UTC); only the beginnings and ends of windows
are times of day, mapped by `local_time.first_moment`. So each window opens once a day at most: the
hour that clocks show twice in autumn opens nothing again, and a time that they jump over in spring
is the moment of the jump.

Rigs are at rest when a window closes: ``lag`` before each change the tighter of both modes holds.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta, tzinfo
from itertools import pairwise
from typing import Protocol

from stratum_client.control.local_time import DAY, SECONDS, first_moment, shown_at, stamp
from stratum_client.control.modes import FULL, REST, Mode, allowed_by

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

LAG = 5.0
"""Seconds in which devices come to rest, and some to spare: one that takes 3 is warned of."""

HORIZON = 400 * SECONDS
"""How far `Schedule.at` looks for the next change: a year and a holiday that moves."""

_CHUNK = 14  # days looked at in one go


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A mode from ``start`` until before ``end``, and why."""

    start: float
    end: float
    mode: Mode
    reason: str
    is_exception: bool = False

    def holds(self, at: float) -> bool:
        """Return whether ``at`` is in it."""
        return self.start <= at < self.end


class Exceptions(Protocol):
    """A calendar."""

    def between(self, start: float, end: float) -> Sequence[Span]:
        """Return the exceptions that overlap the time from ``start`` to ``end``."""
        ...


ANY_TIME = "no window and no calendar: it runs at any time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Weekly: ``days`` (0 is Monday) on which it opens, ``start`` and ``end`` in minutes.

    One that ends no later than it starts ends on the next day.
    """

    days: frozenset[int]
    start: int
    end: int
    mode: Mode = FULL

    def __str__(self) -> str:
        """Return days and hours: ``Mon-Fri 00:00-08:00``."""
        hours = "-".join(
            f"{minutes // 60:02}:{minutes % 60:02}" for minutes in (self.start, self.end)
        )
        return f"{days_text(self.days)} {hours}"

    def span(self, day: date, zone: tzinfo) -> Span | None:
        """Return when it is open that opens on ``day``; None if it does not."""
        if day.weekday() not in self.days:
            return None
        end = self.end if self.end > self.start else self.end + DAY
        return Span(
            start=first_moment(day, self.start, zone),
            end=first_moment(day, end, zone),
            mode=self.mode,
            reason=f"window {self}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """From ``at`` on ``mode`` holds, and why; until ``until``, None: nothing else is in sight."""

    at: float
    mode: Mode
    reason: str
    until: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """All windows of a rig. Without any, it is free but for the exceptions of ``calendars``."""

    windows: tuple[Window, ...]
    zone: tzinfo
    outside: Mode = REST
    lag: float = LAG
    calendars: tuple[Exceptions, ...] = ()

    def at(self, at: float) -> Change:
        """Return what holds at an instant, and until when."""
        return next(self.changes(at, at + HORIZON))

    def changes(self, start: float, end: float) -> Iterator[Change]:
        """Yield what holds at ``start``, then each change of mode before ``end``.

        The last one's ``until`` is None if nothing changes before ``end``.
        """
        last: Change | None = None
        for change in self._modes(start, end):
            if last is None or change.mode != last.mode:
                if last:
                    yield Change(at=last.at, mode=last.mode, reason=last.reason, until=change.at)
                last = change
        if last:
            yield last

    def sentence(self, change: Change) -> str:
        """Return why and until when, as status, logs and metrics show it."""
        until = change.until and f" until {stamp(change.until, self.zone, now=change.at)}"
        return f"window: {change.reason}{until or ''}"

    def _modes(self, start: float, end: float) -> Iterator[Change]:
        """Yield what holds at each moment where that may change, in order."""
        at, step = start, _CHUNK * SECONDS
        while at < end:
            before = min(at + step, end)
            timeline = _Timeline(self, at, before + self.lag)
            for moment in timeline.moments(at, before):
                mode, reason = timeline.state(moment)
                yield Change(at=moment, mode=mode, reason=reason)
            at = before


class _Timeline:
    """What holds from ``start`` to ``end``, ``lag`` after the last moment asked for."""

    def __init__(self, schedule: Schedule, start: float, end: float) -> None:
        self._schedule = schedule
        self._spans = list(_spans(schedule, start, end))
        self._edges = sorted({edge for span in self._spans for edge in (span.start, span.end)})

    def moments(self, start: float, end: float) -> list[float]:
        """Return ``start`` and each later moment before ``end`` at which the mode may change."""
        lag = self._schedule.lag
        found = {moment for edge in self._edges for moment in (edge - lag, edge)}
        return [start, *sorted(moment for moment in found if start < moment < end)]

    def state(self, at: float) -> tuple[Mode, str]:
        """Return what holds at ``at``: the tightest from then on until ``lag`` later."""
        mode, reason = self._plain(at)
        zone, lag = self._schedule.zone, self._schedule.lag
        first, last = (bisect_right(self._edges, moment) for moment in (at, at + lag))
        for edge in self._edges[first:last]:
            later, why = self._plain(edge)
            if (tighter := mode.tightened(later)) != mode:
                mode, reason = tighter, f"{why} from {stamp(edge, zone, now=at)}"
        return mode, reason

    def _plain(self, at: float) -> tuple[Mode, str]:
        """Return what holds without any lag."""
        spans = [span for span in self._spans if span.holds(at)]
        spans = [span for span in spans if span.is_exception] or spans
        if not spans:
            if self._schedule.windows:
                return self._schedule.outside, "outside all windows"
            return FULL, "no exception" if self._schedule.calendars else ANY_TIME
        mode = allowed_by(span.mode for span in spans)
        telling = [span.reason for span in spans if span.mode == mode]
        return mode, " and ".join(dict.fromkeys(telling or [span.reason for span in spans]))


def _spans(schedule: Schedule, start: float, end: float) -> Iterator[Span]:
    first = shown_at(start, schedule.zone).date() - timedelta(days=2)
    last = shown_at(end, schedule.zone).date() + timedelta(days=1)
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        for window in schedule.windows:
            span = window.span(day, schedule.zone)
            if span and span.start < span.end:
                yield span
    for calendar in schedule.calendars:
        yield from calendar.between(start, end)


def days_text(days: Iterable[int]) -> str:
    """Return days in words, a run of three or more as its ends: ``Mon-Fri``, ``Sat, Sun``."""
    ordered = sorted(days)
    cuts = [0, *(i for i, (a, b) in enumerate(pairwise(ordered), 1) if b - a > 1), len(ordered)]
    runs = [ordered[a:b] for a, b in pairwise(cuts)]
    names = [name.capitalize() for name in DAYS]
    return ", ".join(
        f"{names[run[0]]}-{names[run[-1]]}" if len(run) > 2 else ", ".join(names[d] for d in run)
        for run in runs
    )
