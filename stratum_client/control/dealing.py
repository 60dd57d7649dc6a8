"""How to spend some watts on several devices so that they hash the most; pure.

Each device rests or takes one of its operating points: a multiple-choice knapsack. Its relaxation
(points may be mixed) is solved by taking the steps between the points of each device's convex
hull in the order of hash rate per watt; what it leaves over goes to whatever still fits. Branch and
bound on the device that a relaxation would split closes the gap, but for `CLOSE` or until `EFFORT`
is spent: then what was found is next to the best anyway, for one device of many is a small part.

Source: Kellerer, Pferschy, Pisinger, Knapsack Problems (2004), chapter 11.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from math import isfinite

from drivers.api import OperatingPoint

CLOSE = 0.001
"""The part of the hash rate for which no search goes on."""

EFFORT = 15_000
"""Steps looked at before the best that was found is taken: some milliseconds."""

MOST_POINTS = 16
"""Points of a device that the search looks at; what is left over goes to those between."""

SLACK = 1e-9
"""The part of a budget by which rounding may overstep it."""

Plan = tuple[OperatingPoint | None, ...]


@dataclass(frozen=True, slots=True)
class _Rungs:
    """What a device may choose, ever more watts for ever more hash rate; the first is rest."""

    watts: tuple[float, ...]
    rates: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class _Step:
    """From one point of a device's hull to the next, ``to`` being its number among the rungs."""

    ratio: float
    device: int
    to: int
    watts: float
    rate: float


@dataclass(frozen=True, slots=True)
class _Relaxed:
    """``bound`` is what no choice beneath exceeds, ``rate`` what ``chosen`` does.

    ``split`` is the device that the relaxation would split, None where it splits none.
    """

    bound: float
    rate: float
    chosen: tuple[int, ...]
    split: int | None


def best_plan(devices: Sequence[Sequence[OperatingPoint]], budget: float) -> Plan:
    """Return for each device the point to take, None for rest; at most ``budget`` watts together.

    Points may come in any order; such as make no sense are left out.
    """
    ladders = [usable(points) for points in devices]
    search = _Search([_thinned(points) for points in ladders], budget * (1 + SLACK))
    chosen = search.run()
    thin = [(None, *_thinned(points)) for points in ladders]
    plan = [thin[number][choice] for number, choice in enumerate(chosen)]
    return _filled(plan, ladders, budget * (1 + SLACK))


def usable(points: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Return the points worth taking, the least watts first: each hashes more than those before."""
    sane = (p for p in points if isfinite(p.watts) and isfinite(p.hashrate) and p.watts > 0)
    found: list[OperatingPoint] = []
    for point in sorted(sane, key=lambda p: (p.watts, -p.hashrate, p.mhz)):
        if point.hashrate > (found[-1].hashrate if found else 0.0):
            found.append(point)
    return tuple(found)


def most_efficient(points: Sequence[OperatingPoint]) -> OperatingPoint | None:
    """Return the point of the fewest watts for a hash, the faster of two; None without any."""
    return max(usable(points), key=lambda p: (p.hashrate / p.watts, p.hashrate), default=None)


class _Search:
    """Branch and bound over the rungs of all devices."""

    def __init__(self, ladders: Sequence[Sequence[OperatingPoint]], budget: float) -> None:
        self._budget = budget
        self._rungs = [_rungs(points) for points in ladders]
        steps = [step for n, rungs in enumerate(self._rungs) for step in _steps(n, rungs)]
        self._steps = sorted(steps, key=lambda s: (-s.ratio, s.device, s.to))
        self._best_rate = 0.0
        self._best: tuple[int, ...] = (0,) * len(self._rungs)

    def run(self) -> tuple[int, ...]:
        """Return the number of the rung that each device is to take."""
        root = self._relaxed({})
        if root is None:
            return self._best
        effort, count = EFFORT, 0
        queue: list[tuple[float, int, Mapping[int, int], _Relaxed]] = []
        heappush(queue, (-root.bound, count, {}, root))
        while queue and effort > 0:
            bound, _, fixed, node = heappop(queue)
            if -bound <= self._best_rate * (1 + CLOSE):
                break
            if node.split is None:
                continue
            for rung in range(len(self._rungs[node.split].watts)):
                narrower = {**fixed, node.split: rung}
                effort -= len(self._steps) + 10
                below = self._relaxed(narrower)
                if below and below.bound > self._best_rate * (1 + CLOSE):
                    count += 1
                    heappush(queue, (-below.bound, count, narrower, below))
        return self._best

    def _relaxed(self, fixed: Mapping[int, int]) -> _Relaxed | None:
        """Solve the relaxation with some devices ``fixed``; None if those take too much alone."""
        chosen = [fixed.get(number, 0) for number in range(len(self._rungs))]
        room = self._budget - sum(self._rungs[n].watts[rung] for n, rung in fixed.items())
        rate = sum(self._rungs[n].rates[rung] for n, rung in fixed.items())
        if room < 0:
            return None
        bound, split, closed = -1.0, None, set(fixed)
        for step in self._steps:
            if step.device in closed:
                continue
            if step.watts <= room:
                room, rate = room - step.watts, rate + step.rate
                chosen[step.device] = step.to
                continue
            if split is None:
                bound, split = rate + room * step.ratio, step.device
            closed.add(step.device)
        relaxed = _Relaxed(rate if split is None else bound, rate, tuple(chosen), split)
        self._note(relaxed, room, fixed)
        return relaxed

    def _note(self, relaxed: _Relaxed, room: float, fixed: Mapping[int, int]) -> None:
        """Remember what was found if it is the best so far, what is left over spent as well."""
        rate, chosen = relaxed.rate, list(relaxed.chosen)
        gains = (self._gain(n, chosen[n], room) for n in range(len(chosen)) if n not in fixed)
        gain, number, rung = max(gains, default=(0.0, 0, 0))
        if gain > 0:
            rate, chosen[-number] = rate + gain, rung
        if rate > self._best_rate:
            self._best_rate, self._best = rate, tuple(chosen)

    def _gain(self, number: int, rung: int, room: float) -> tuple[float, int, int]:
        """Return what one device would make of all that is left, its number negative, its rung."""
        rungs = self._rungs[number]
        reached = bisect_right(rungs.watts, rungs.watts[rung] + room) - 1
        return rungs.rates[reached] - rungs.rates[rung], -number, reached


def _rungs(points: Sequence[OperatingPoint]) -> _Rungs:
    return _Rungs((0.0, *(p.watts for p in points)), (0.0, *(p.hashrate for p in points)))


def _thinned(points: Sequence[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Return some of many points: the first, the last, the most efficient, and those between."""
    last = len(points) - 1
    if last < MOST_POINTS:
        return tuple(points)
    kept = {round(n * last / (MOST_POINTS - 2)) for n in range(MOST_POINTS - 1)}
    kept.add(max(range(last + 1), key=lambda n: points[n].hashrate / points[n].watts))
    return tuple(points[n] for n in sorted(kept))


def _steps(device: int, rungs: _Rungs) -> list[_Step]:
    """Return the steps of a device's upper hull, which get ever less efficient."""
    hull: list[int] = [0]
    for rung in range(1, len(rungs.watts)):
        while len(hull) > 1 and _ratio(rungs, hull[-2], hull[-1]) <= _ratio(rungs, hull[-1], rung):
            hull.pop()
        hull.append(rung)
    return [
        _Step(
            _ratio(rungs, low, high),
            device,
            high,
            rungs.watts[high] - rungs.watts[low],
            rungs.rates[high] - rungs.rates[low],
        )
        for low, high in pairwise(hull)
    ]


def _ratio(rungs: _Rungs, low: int, high: int) -> float:
    return (rungs.rates[high] - rungs.rates[low]) / (rungs.watts[high] - rungs.watts[low])


def _filled(
    plan: list[OperatingPoint | None],
    ladders: Sequence[Sequence[OperatingPoint]],
    budget: float,
) -> Plan:
    """Return ``plan`` with what it leaves of the budget given to whoever makes the most of it."""
    room = budget - sum(point.watts for point in plan if point)
    for _ in plan:
        best_gain, best_number, best_point = 0.0, 0, None
        for number, points in enumerate(ladders):
            now = plan[number]
            watts, rate = (now.watts, now.hashrate) if now else (0.0, 0.0)
            reached = bisect_right(points, watts + room, key=lambda p: p.watts) - 1
            if reached >= 0 and points[reached].hashrate - rate > best_gain:
                best_gain = points[reached].hashrate - rate
                best_number, best_point = number, points[reached]
        if best_point is None:
            break
        before = plan[best_number]
        room -= best_point.watts - (before.watts if before else 0.0)
        plan[best_number] = best_point
    return tuple(plan)
