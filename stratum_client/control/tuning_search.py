"""Which speed to look at next, so that the best one is found in few steps; pure.

Merit over speed has one top. From a middle speed both neighbours at a stride are looked at; where
one is better it becomes the middle, where none is the stride is halved, and with the smallest
stride the search is over. Each speed is looked at once in a search, and each move goes to one
that was seen to be better; so it ends, whatever noise does, and noise costs no more than it hides.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from stratum_client.control.tuning_evidence import Estimate, Goal, consistent

NOTHING_BETTER = 0.002
"""The merit by which a speed must be better to be moved to, in a search from scratch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A search in progress: ``stride`` in steps of the ladder, ``sides`` in the order of looking.

    A move takes ``margin`` more of merit, and ``doubt`` times the standard error of the difference.
    """

    centre: float
    stride: int
    sides: tuple[int, ...] = (-1, 1)
    margin: float = NOTHING_BETTER
    doubt: float = 0.0


def next_speed(
    search: Search,
    ladder: Sequence[float],
    known: Mapping[float, Estimate],
    may_try: Callable[[float], bool],
    goal: Goal,
) -> tuple[Search, float | None]:
    """Return the search as far as ``known`` takes it, and the speed to look at; None: it is over.

    ``ladder`` holds the speeds, the slowest first, and the search's centre among them.
    """
    known = consistent(known)
    while search.centre in known:
        found = _better_or_unknown(search, ladder, known, may_try, goal)
        if isinstance(found, float):
            return search, found
        if found is not None:
            was_bad = known[search.centre].is_excessive
            is_bad = known[ladder[found[0]]].is_excessive
            search = _moved(search, ladder, found, was_bad=was_bad, is_bad=is_bad)
        elif search.stride > 1:
            search = replace(search, stride=search.stride // 2)
        else:
            return search, None
    return search, search.centre


def is_better(new: Estimate, old: Estimate, search: Search, goal: Goal) -> bool:
    """Return whether a speed is better than another; one with too many errors never is.

    Of two with too many, the slower one is.
    """
    if new.is_excessive or old.is_excessive:
        return not new.is_excessive or (old.is_excessive and new.mhz < old.mhz)
    doubt = search.doubt * math.hypot(new.uncertainty, old.uncertainty)
    return new.merit(goal) - old.merit(goal) > search.margin + doubt


def thinned(speeds: Sequence[float], step: float) -> tuple[float, ...]:
    """Return ``speeds`` in order, none closer to the next faster one than ``step``."""
    kept: list[float] = []
    for mhz in sorted(speeds, reverse=True):
        if not kept or kept[-1] - mhz >= step - 1e-6:
            kept.append(mhz)
    return tuple(reversed(kept))


def nearest(ladder: Sequence[float], mhz: float) -> float:
    """Return the speed of ``ladder`` next to ``mhz``."""
    return min(ladder, key=lambda step: abs(step - mhz))


def _better_or_unknown(
    search: Search,
    ladder: Sequence[float],
    known: Mapping[float, Estimate],
    may_try: Callable[[float], bool],
    goal: Goal,
) -> float | tuple[int, int] | None:
    """Return a neighbour to look at, or the place and side of a better one, or None."""
    here = ladder.index(search.centre)
    for side in search.sides:
        there = min(max(here + side * search.stride, 0), len(ladder) - 1)
        mhz = ladder[there]
        if there == here or not (mhz in known or may_try(mhz)):
            continue
        if mhz not in known:
            return mhz
        if is_better(known[mhz], known[search.centre], search, goal):
            return there, side
    return None


def _moved(
    search: Search, ladder: Sequence[float], to: tuple[int, int], *, was_bad: bool, is_bad: bool
) -> Search:
    """Return the search around a better speed: away from bad ones in longer strides.

    Once it is out of them the best speed is not far: within the last stride.
    """
    place, side = to
    stride = search.stride
    if was_bad:
        stride = min(2 * stride, max(len(ladder) // 4, stride)) if is_bad else max(stride // 2, 1)
    return replace(search, centre=ladder[place], sides=(side, -side), stride=stride)
