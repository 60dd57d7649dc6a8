"""How to spend some watts on several devices so that they hash the most; pure.

Each device rests or takes one of its operating points: a multiple-choice knapsack. Its relaxation
(points may be mixed) is solved by taking the steps between the points of each device's convex
hull in the order of hash rate per watt; what it leaves over goes to whatever still fits. Branch and
bound on the device that a relaxation would split closes the gap, but for `CLOSE` or until `EFFORT`
is spent; then devices are gone through by two for what is better still.

Source: Kellerer, Pferschy, Pisinger, Knapsack Problems (2004), chapter 11.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from itertools import combinations
from math import inf, isfinite
from operator import truediv

from drivers.api import OperatingPoint

CLOSE = 0.001
"""The part of the hash rate for which no search goes on."""

EFFORT = 8_000
"""Steps looked at before the best that was found is taken: some milliseconds."""

POLISH = 12_000
"""The same for what comes after the search."""

MOST_POINTS = 256
"""Points of all devices that the search looks at; those between are tried afterwards."""

FEWEST_POINTS = 16
"""Points of each device that it looks at in any case."""

SLACK = 1e-9
"""The part of a budget by which rounding may overstep it."""

HEADROOM = 0.01
"""The part by which a device may waver above its operating point, where there is power left."""

_LEAST = 1e-6  # watts: no point is for nothing

Plan = tuple[OperatingPoint | None, ...]


@dataclass(frozen=True, slots=True)
class _Rungs:
    """What a device may choose, ever more watts for ever more hash rate; the first is rest."""

    watts: tuple[float, ...]
    rates: tuple[float, ...]

    def some(self, numbers: Sequence[int]) -> "_Rungs":
        """Return those of these numbers."""
        if len(numbers) == len(self.watts):
            return self
        watts, rates = self.watts, self.rates
        return _Rungs(tuple([watts[n] for n in numbers]), tuple([rates[n] for n in numbers]))


_Step = tuple[float, int, int, float, float]
"""From one point of a device's hull to the next: hash rate per watt, the number of the device, that
of the rung it leads to, the watts and the hash rate it adds."""

RATIO, DEVICE, TO, WATTS, GAIN = range(5)


@dataclass(frozen=True, slots=True)
class _Relaxed:
    """``bound`` is what no choice beneath exceeds, ``rate`` what ``chosen`` does.

    ``split`` is the device that the relaxation would split, None where it splits none.
    """

    bound: float
    rate: float
    chosen: tuple[int, ...]
    split: int | None


def usable(points: Iterable[OperatingPoint]) -> tuple[OperatingPoint, ...]:
    """Return the points worth taking, the least watts first: each hashes more than those before.

    Such as make no sense are left out.
    """
    given = tuple(points)
    if _is_ascending(given):
        return given
    sane = (p for p in given if isfinite(p.watts) and isfinite(p.hashrate) and p.watts > 0)
    found: list[OperatingPoint] = []
    for point in sorted(sane, key=lambda p: (p.watts, -p.hashrate, p.mhz)):
        if point.hashrate > (found[-1].hashrate if found else 0.0):
            found.append(point)
    return tuple(found)


def _is_ascending(points: Iterable[OperatingPoint]) -> bool:
    """Return whether points are `usable` as they are, as most are."""
    watts = rate = 0.0
    for point in points:
        if not (watts < point.watts < inf and rate < point.hashrate < inf):
            return False
        watts, rate = point.watts, point.hashrate
    return True


def most_efficient(points: Sequence[OperatingPoint]) -> OperatingPoint | None:
    """Return the point of the fewest watts for a hash, the faster of two; None without any."""
    return max(usable(points), key=lambda p: (p.hashrate / p.watts, p.hashrate), default=None)


def shared_out(
    planned: Mapping[str, OperatingPoint | None],
    choices: Mapping[str, Sequence[OperatingPoint]],
    budget: float,
) -> Mapping[str, float]:
    """Return the watts of each that runs: of its point, and a part of what all points leave over.

    Everybody gets a little to waver in, and those who could run faster the rest.
    """
    running = {name: point for name, point in planned.items() if point}
    watts = {name: point.watts for name, point in running.items()}
    spent = sum(watts.values())
    if not spent:
        return {}
    headroom = min(HEADROOM, max(budget / spent - 1, 0.0))
    slower = [name for name, point in running.items() if point is not choices[name][-1]] or watts
    rest = max(budget - spent * (1 + headroom), 0.0) / sum(watts[name] for name in slower)
    return {
        name: own * (1 + headroom + (rest if name in slower else 0.0))
        for name, own in watts.items()
    }


class Dealing:
    """One budget and those it is for; ``ladders`` are the `usable` points of each device.

    ``budget`` is for those that run; who rests takes ``rest`` watts besides, which it no longer
    does beside its points. ``bonus`` is what each is worth, in H/s, for running at all; it may be
    negative. ``bound`` is what no plan exceeds, in hash rate and bonus together.
    """

    def __init__(
        self,
        ladders: Sequence[Sequence[OperatingPoint]],
        budget: float,
        *,
        bonus: Sequence[float] = (),
        rest: Sequence[float] = (),
    ) -> None:
        extra, saved = bonus or [0.0] * len(ladders), rest or [0.0] * len(ladders)
        self._budget = budget * (1 + SLACK)
        self._points = [
            (None, *(points if more >= 0 else (p for p in points if p.hashrate + more > 0)))
            for points, more in zip(ladders, extra, strict=True)
        ]
        self._full = list(map(_rungs, self._points, extra, saved))
        most = max(MOST_POINTS // max(len(ladders), 1), FEWEST_POINTS)
        self._thin = [_thinned(rungs, most) for rungs in self._full]
        self._rungs = list(map(_Rungs.some, self._full, self._thin))
        steps = [step for n, rungs in enumerate(self._rungs) for step in _steps(n, rungs)]
        self._steps = sorted(steps, key=lambda step: (-step[RATIO], step[DEVICE], step[TO]))
        self._best_rate = 0.0
        self._best: tuple[int, ...] = (0,) * len(self._rungs)
        self._root = self._relaxed({})
        self.bound = self._root.bound if self._root else 0.0

    def plan(self) -> Plan:
        """Return for each device the point to take, None for rest."""
        self._search()
        chosen = [self._thin[number][rung] for number, rung in enumerate(self._best)]
        polish = _Polish(self._full, chosen, self._budget, enough=self.bound * (1 - CLOSE))
        return tuple(self._points[number][rung] for number, rung in enumerate(polish.chosen()))

    def _search(self) -> None:
        """Branch on the device that a relaxation splits, the most promising first."""
        node_effort = len(self._steps) + 3 * len(self._rungs) + 20
        effort, count = EFFORT, 0
        queue: list[tuple[float, int, Mapping[int, int], _Relaxed]] = []
        if self._root:
            heappush(queue, (-self._root.bound, count, {}, self._root))
        while queue and effort > 0:
            bound, _, fixed, node = heappop(queue)
            if -bound <= self._best_rate * (1 + CLOSE):
                return
            if node.split is None:
                continue
            for rung in range(len(self._rungs[node.split].watts)):
                narrower = {**fixed, node.split: rung}
                effort -= node_effort
                below = self._relaxed(narrower)
                if below and below.bound > self._best_rate * (1 + CLOSE):
                    count += 1
                    heappush(queue, (-below.bound, count, narrower, below))

    def _relaxed(self, fixed: Mapping[int, int]) -> _Relaxed | None:
        """Solve the relaxation with some devices ``fixed``; None if those take too much alone."""
        chosen = [fixed.get(number, 0) for number in range(len(self._rungs))]
        room = self._budget - sum(self._rungs[n].watts[rung] for n, rung in fixed.items())
        rate = sum(self._rungs[n].rates[rung] for n, rung in fixed.items())
        if room < 0:
            return None
        bound, split, closed = -1.0, None, set(fixed)
        for ratio, device, to, watts, gain in self._steps:
            if device in closed:
                continue
            if watts <= room:
                room, rate = room - watts, rate + gain
                chosen[device] = to
                continue
            if split is None:
                bound, split = rate + room * ratio, device
            closed.add(device)
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


def _rungs(points: Sequence[OperatingPoint | None], bonus: float, rest: float) -> _Rungs:
    """Return watts beyond those of rest, and worth, of each point; the first is rest."""
    watts = [point.watts - rest for point in points if point]
    if watts and watts[0] < _LEAST:
        watts = [max(value, _LEAST) for value in watts]
    return _Rungs((0.0, *watts), (0.0, *[point.hashrate + bonus for point in points if point]))


def _thinned(rungs: _Rungs, most: int) -> list[int]:
    """Return the numbers of ``most`` rungs: rest, first, last, most efficient, some between."""
    last = len(rungs.watts) - 1
    if last < most:
        return list(range(last + 1))
    ratios = list(map(truediv, rungs.rates[1:], rungs.watts[1:]))
    return [0, *sorted(_spread(last, most) | {1 + ratios.index(max(ratios))})]


@lru_cache(maxsize=64)
def _spread(last: int, most: int) -> frozenset[int]:
    """Return ``most`` - 1 numbers from 1 to ``last``, both included, as even as can be."""
    return frozenset(1 + round(n * (last - 1) / (most - 2)) for n in range(most - 1))


def _steps(device: int, rungs: _Rungs) -> list[_Step]:
    """Return the steps of a device's upper hull, which get ever less efficient."""
    watts, rates = rungs.watts, rungs.rates
    found: list[_Step] = []
    low = 0
    for rung in range(1, len(watts)):
        more, gain = watts[rung] - watts[low], rates[rung] - rates[low]
        while found and gain * found[-1][WATTS] >= found[-1][GAIN] * more:
            _, _, _, watts_before, gain_before = found.pop()
            more, gain = more + watts_before, gain + gain_before
        found.append((gain / more, device, rung, more, gain))
        low = rung
    return found


class _Polish:
    """Makes a plan better by rungs that the search left out: two devices at a time.

    What two devices may take together, and what nobody takes, is spent on them as well as can be.
    """

    def __init__(
        self, ladders: Sequence[_Rungs], chosen: Sequence[int], budget: float, *, enough: float
    ) -> None:
        self._ladders = ladders
        self._chosen = list(chosen)
        had = [(one.watts[n], one.rates[n]) for one, n in zip(ladders, chosen, strict=True)]
        self._room = budget - sum(watts for watts, _ in had)
        self._missing = enough - sum(rate for _, rate in had)
        self._effort = POLISH

    def chosen(self) -> list[int]:
        """Return the numbers of the rungs of the better plan."""
        count = len(self._chosen)
        for number in range(count):
            self._improve_one(number)
        while self._effort > 0 and self._missing > 0:
            before = self._missing
            for one, other in combinations(range(count), 2):
                if self._effort > 0 and self._missing > 0:
                    self._improve(one, other)
            if self._missing == before:
                break
        return self._chosen

    def _improve_one(self, number: int) -> None:
        """Let one device take of what is left over."""
        rungs, now = self._ladders[number], self._chosen[number]
        reached = bisect_right(rungs.watts, rungs.watts[now] + self._room) - 1
        if reached > now:
            self._room -= rungs.watts[reached] - rungs.watts[now]
            self._missing -= rungs.rates[reached] - rungs.rates[now]
            self._chosen[number] = reached

    def _improve(self, one: int, other: int) -> None:
        """Spend what two devices have and what is left over."""
        lower, upper = self._ladders[one], self._ladders[other]
        low, high = self._chosen[one], self._chosen[other]
        room = self._room + lower.watts[low] + upper.watts[high]
        had = lower.rates[low] + upper.rates[high]
        best = had * (1 + SLACK)
        self._effort -= len(lower.watts) + len(upper.watts)
        top = len(upper.watts) - 1
        for rung, (watts, rate) in enumerate(zip(lower.watts, lower.rates, strict=True)):
            while top >= 0 and upper.watts[top] > room - watts:
                top -= 1
            if top < 0:
                break
            if rate + upper.rates[top] > best:
                best, low, high = rate + upper.rates[top], rung, top
        if (low, high) != (self._chosen[one], self._chosen[other]):
            self._chosen[one], self._chosen[other] = low, high
            self._room = room - lower.watts[low] - upper.watts[high]
            self._missing -= best - had
