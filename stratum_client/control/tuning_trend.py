"""How a board ages: what its chips got right and wrong, day by day, for years; pure.

Days older than `DAYS` are kept as `MONTH` days together, so that the record stays small.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

DAYS = 45
MONTH = 30
MONTHS = 36

LEAST_NONCES = 2000
"""Before so many nonces a time is not compared with another."""

SURE = 5.0
"""Standard deviations beyond which a change is worth telling."""

MATERIAL = 1.5
"""How many times as many errors are worth telling."""

ALIKE = 0.03
"""Days at speeds further apart say nothing of age."""

_SECONDS = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some days: the first and the last (since 1970, UTC), and what happened in them.

    ``mhz_seconds`` are seconds times MHz; ``chips`` the good and bad nonces of each chip.
    """

    first: int
    last: int
    seconds: float = 0.0
    mhz_seconds: float = 0.0
    chips: tuple[tuple[int, int], ...] = ()

    @property
    def mhz(self) -> float:
        """Return the mean frequency."""
        return self.mhz_seconds / self.seconds if self.seconds else 0.0

    @property
    def nonces(self) -> int:
        """Return how many nonces there were, good and bad."""
        return sum(good + bad for good, bad in self.chips)

    @property
    def error_ratio(self) -> float:
        """Return the share of bad ones."""
        return sum(bad for _, bad in self.chips) / max(self.nonces, 1)


def with_work(
    spans: Sequence[Span],
    wall: float,
    *,
    seconds: float,
    mhz: float,
    chips: Sequence[tuple[int, int]],
) -> tuple[Span, ...]:
    """Return ``spans`` with what a board has done in the last ``seconds``."""
    day = int(wall // _SECONDS)
    new = Span(first=day, last=day, seconds=seconds, mhz_seconds=seconds * mhz, chips=tuple(chips))
    if spans and spans[-1].last == day:
        return (*spans[:-1], _joined(spans[-1], new))
    return _thinned([*spans, new])


def change(spans: Sequence[Span]) -> str:
    """Return in words how a board has aged, empty while nothing is to be told."""
    told = [span for span in spans if span.nonces >= LEAST_NONCES]
    new = told[-1] if told else None
    alike = [span for span in told if new and abs(span.mhz - new.mhz) <= ALIKE * new.mhz]
    if new is None or len(alike) < 2:
        return ""
    old = alike[0]
    parts = []
    if _has_grown(_whole(old), _whole(new)):
        was, now = old.error_ratio, new.error_ratio
        parts.append(f"errors {100 * was:.2f} % -> {100 * now:.2f} %")
    for number, (before, after) in enumerate(zip(old.chips, new.chips, strict=False)):
        if len(new.chips) > 1 and _has_grown(before, after):
            was, now = _ratio(before), _ratio(after)
            parts.append(f"chip {number} {100 * was:.2f} % -> {100 * now:.2f} %")
    if not parts:
        return ""
    days = max(new.last - old.first, 1)
    return f"{', '.join(parts[:4])} within {days} days, at {new.mhz:.0f} MHz"


def _whole(span: Span) -> tuple[int, int]:
    return sum(good for good, _ in span.chips), sum(bad for _, bad in span.chips)


def _ratio(counts: tuple[int, int]) -> float:
    return counts[1] / max(sum(counts), 1)


def _has_grown(old: tuple[int, int], new: tuple[int, int]) -> bool:
    """Return whether errors are more by now, by much and beyond chance."""
    (was, before), (now, after) = (_ratio(old), sum(old)), (_ratio(new), sum(new))
    if not (before and after) or now <= MATERIAL * was:
        return False
    share = (old[1] + new[1]) / (before + after)
    return now - was > SURE * math.sqrt(share * (1 - share) * (1 / before + 1 / after))


def _joined(one: Span, other: Span) -> Span:
    longest = max(len(one.chips), len(other.chips))
    pairs = zip(_padded(one.chips, longest), _padded(other.chips, longest), strict=True)
    return replace(
        one,
        last=max(one.last, other.last),
        seconds=one.seconds + other.seconds,
        mhz_seconds=one.mhz_seconds + other.mhz_seconds,
        chips=tuple((a[0] + b[0], a[1] + b[1]) for a, b in pairs),
    )


def _padded(chips: tuple[tuple[int, int], ...], length: int) -> tuple[tuple[int, int], ...]:
    return chips + ((0, 0),) * (length - len(chips))


def _thinned(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Return ``spans``, the older ones joined; the very old are let go."""
    old, recent = list(spans[:-DAYS]), spans[-DAYS:]
    months: list[Span] = []
    for span in old:
        if months and span.last - months[-1].first < MONTH:
            months[-1] = _joined(months[-1], span)
        else:
            months.append(span)
    return (*months[-MONTHS:], *recent)
