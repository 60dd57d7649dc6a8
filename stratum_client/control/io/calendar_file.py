"""Exceptions and holidays from an iCalendar file (RFC 5545), recurring ones included.

Needs the extra ``calendar``. A whole-day event lasts from midnight to midnight of the rig's zone, a
time without a zone is of the rig's zone, a cancelled event is none.
"""

import importlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Any

from stratum_client.control.local_time import SECONDS, first_moment, instant_of
from stratum_client.control.modes import Mode
from stratum_client.control.schedule import HORIZON, Span
from stratum_client.wire import printable

COMMAND = "pip install 'stratum-client[calendar]'"

_LARGEST = 8 << 20
_BLOCK = 32 * SECONDS
_MOST_BLOCKS = 64
_LONGEST = 80


class CalendarError(ValueError):
    """A file is no calendar that can be read here."""


@dataclass(slots=True)
class CalendarFile:
    """The events of one file, each in force with one mode."""

    mode: Mode
    zone: tzinfo
    _series: Any  # of recurring_ical_events, which has no types
    _blocks: dict[int, tuple[Span, ...]] = field(default_factory=dict)

    def between(self, start: float, end: float) -> Sequence[Span]:
        """Return the events that overlap a time."""
        numbers = range(int(start // _BLOCK), int(end // _BLOCK) + 1)
        found = {span: None for number in numbers for span in self._block(number)}
        return [span for span in found if span.start < end and span.end > start]

    def _block(self, number: int) -> tuple[Span, ...]:
        if number not in self._blocks:
            if len(self._blocks) >= _MOST_BLOCKS:
                self._blocks.clear()
            self._blocks[number] = tuple(self._expanded(number * _BLOCK, (number + 1) * _BLOCK))
        return self._blocks[number]

    def _expanded(self, start: float, end: float) -> list[Span]:
        """Return what overlaps, and by a day more: days begin elsewhere than in UTC."""
        first, last = (
            datetime.fromtimestamp(at, UTC) for at in (start - 2 * SECONDS, end + 2 * SECONDS)
        )
        events = self._series.between(first, last)
        spans = [self._span(event) for event in events if not _is_cancelled(event)]
        return [span for span in spans if span.start < span.end]

    def _span(self, event: Any) -> Span:  # noqa: ANN401 - as above
        name = printable(str(event.get("SUMMARY", "")).strip(), _LONGEST) or "without a name"
        return Span(
            start=self._instant(event.start),
            end=self._instant(event.end),
            mode=self.mode,
            reason=f"calendar: {name}",
            is_exception=True,
        )

    def _instant(self, given: date) -> float:
        if not isinstance(given, datetime):
            return first_moment(given, 0, self.zone)
        return instant_of(given, self.zone)


def read_calendar(path: Path, mode: Mode, zone: tzinfo, *, now: float) -> CalendarFile:
    """Return the events in a file; raise CalendarError, also if the next year cannot be told."""
    try:
        icalendar = importlib.import_module("icalendar")
        recurring = importlib.import_module("recurring_ical_events")
    except ImportError as error:
        problem = f'reading it needs the extra "calendar": {COMMAND}'
        raise CalendarError(problem) from error
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise CalendarError(f"{path} cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST:
        raise CalendarError(f"{path} is larger than {_LARGEST} bytes: hardly a calendar")
    try:
        calendar = icalendar.Calendar.from_ical(data)
        strict = CalendarFile(mode, zone, recurring.of(calendar))
        strict.between(now, now + HORIZON)
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        problem = printable(str(error), 200) or type(error).__name__
        raise CalendarError(f"{path} is no calendar: {problem}") from error
    # A rule that turns out bad in a later year costs its own events, not the rig.
    lenient = CalendarFile(mode, zone, recurring.of(calendar, skip_bad_series=True))
    lenient.between(now, now + HORIZON)  # known by now, so that nobody waits for it later
    return lenient


def _is_cancelled(event: Any) -> bool:  # noqa: ANN401 - as above
    return str(event.get("STATUS", "")).upper() == "CANCELLED"
