"""Boards, a host, a supply and a plug in numbers: what a cap is held against, by the second.

Each board takes between 14 W and 45 W by its model, and really up to ``spread`` more or less. The
plug sees that through a supply, with the host beside it, late and not exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random

from drivers.api import OperatingPoint
from stratum_client.control.cap import Cap
from stratum_client.control.claims import Claim, Claims, Decision, Level, Limit
from stratum_client.control.governor import DeviceFacts, decide
from stratum_client.control.meter import DeviceWatts, Look, Meter, PlugWatts

STEP = 0.25
"""Seconds of one step of the simulation; the cap looks every four."""

BOARDS = 16
REST_WATTS = 2.0
FALL = 40.0
"""Watts that a board's power falls in a second when it is told to take less."""


def point(step: int) -> OperatingPoint:
    mhz, volts = 300.0 + 20.0 * step, 0.9 + 0.35 * step / 16
    watts = 4.0 + 41.0 * (mhz / 620.0) * (volts / 1.25) ** 2
    return OperatingPoint(mhz=mhz, watts=watts, hashrate=mhz * 2e9, volts=volts)


POINTS = tuple(point(step) for step in range(17))


@dataclass(frozen=True, slots=True, kw_only=True)
class Second:
    """What there was to be seen: the cap, the truth, what the meter believed, the hash rate."""

    at: float
    cap: float
    true: float
    look: Look
    hashrate: float


@dataclass(slots=True, kw_only=True)
class SimulatedRack:
    """``cap``, ``is_lost`` and ``is_gone`` say for each second what holds, and who is away."""

    cap: Callable[[float], float] = lambda _: 400.0
    is_lost: Callable[[float], bool] = lambda _: False
    is_gone: Callable[[float, int], bool] = lambda _at, _number: False
    seed: int = 1
    spread: float = 0.05
    noise: float = 0.005
    host: float = 12.0
    efficiency: float = 0.92
    every: float = 1.0
    lag: float = 1.0
    rise: float = 5.0
    seconds: list[Second] = field(default_factory=list)
    _decided_for: tuple[float, float, list[bool]] | None = None

    def run(self, until: float) -> "SimulatedRack":
        """Simulate from 0 to ``until`` seconds."""
        random = Random(self.seed)
        real = [1 + random.uniform(-self.spread, self.spread) for _ in range(BOARDS)]
        watts = [REST_WATTS] * BOARDS
        cap, meter, plug = Cap(), Meter(), PlugWatts(every=self.every)
        decided: Mapping[str, Decision] = {}
        past: list[float] = []
        for count in range(round(until / STEP)):
            at = count * STEP
            self._move(at, watts, decided)
            drawn = sum(w * factor for w, factor in zip(watts, real, strict=True))
            past.append(self.host + drawn / self.efficiency)
            if at % self.every < STEP and not self.is_lost(at):
                seen = past[max(0, count - round(self.lag / STEP))]
                noise = 1 + random.uniform(-self.noise, self.noise)
                plug = PlugWatts(watts=seen * noise, at=at, every=self.every)
            if at % 1.0 == 0:
                look = meter.look(at=at, wall=at, devices=self._told(at, watts, decided), plug=plug)
                decided = self._decide(at, cap, look, decided)
                self._note(at, past[-1], look, watts)
        return self

    def _move(self, at: float, watts: list[float], decided: Mapping[str, Decision]) -> None:
        for number in range(BOARDS):
            if self.is_gone(at, number):
                watts[number] = 0.0
                continue
            planned = self._point(number, decided)
            step = (planned.watts if planned else REST_WATTS) - watts[number]
            watts[number] += max(min(step, self.rise * STEP), -FALL * STEP)

    def _told(
        self, at: float, watts: list[float], decided: Mapping[str, Decision]
    ) -> list[DeviceWatts]:
        return [
            DeviceWatts(
                name=f"{number:02}",
                is_mining=not self.is_gone(at, number) and bool(self._point(number, decided)),
                modelled=None if self.is_gone(at, number) else watts[number],
            )
            for number in range(BOARDS)
        ]

    def _decide(
        self, at: float, cap: Cap, look: Look, decided: Mapping[str, Decision]
    ) -> Mapping[str, Decision]:
        planned = sum(one.planned.watts for one in decided.values() if one.planned)
        cap.seen(look, planned)
        limit = self.cap(at)
        correction = max(cap.budget(limit) / limit, 1e-6)
        here = [not self.is_gone(at, number) for number in range(BOARDS)]
        if (limit, correction, here) == self._decided_for:
            return decided
        self._decided_for = limit, correction, here
        claim = Claim(
            level=Level.USER, issuer="cap", limit=Limit(rig_watts=limit), cause="cap", since=0.0
        )
        facts = [
            DeviceFacts(name=f"{number:02}", points=POINTS, rest_watts=REST_WATTS, is_here=is_here)
            for number, is_here in enumerate(here)
        ]
        return decide(Claims((claim,)), facts, at, correction=correction, before=decided)

    def _note(self, at: float, true: float, look: Look, watts: list[float]) -> None:
        told = [
            max((p for p in POINTS if p.watts <= w + 1e-6), default=None, key=_mhz) for w in watts
        ]
        hashrate = sum(p.hashrate for p in told if p)
        second = Second(at=at, cap=self.cap(at), true=true, look=look, hashrate=hashrate)
        self.seconds.append(second)

    @staticmethod
    def _point(number: int, decided: Mapping[str, Decision]) -> OperatingPoint | None:
        decision = decided.get(f"{number:02}")
        return decision.planned if decision else None

    # -- what came of it

    def longest_over(self) -> float:
        """Return for how many seconds on end the meter showed more than the cap."""
        longest, began = 0.0, None
        for second in self.seconds:
            if second.look.power.total.watts <= second.cap:
                began = None
                continue
            began = second.at if began is None else began
            longest = max(longest, second.at - began)
        return longest

    def mean(self, begin: float, end: float = 1e9) -> float:
        """Return the meter's mean as a part of the cap."""
        shown = [s for s in self.seconds if begin <= s.at < end]
        return sum(s.look.power.total.watts for s in shown) / sum(s.cap for s in shown)

    def true_extremes(self, begin: float, end: float = 1e9) -> tuple[float, float]:
        """Return the least and the most true power as parts of the cap."""
        parts = [s.true / s.cap for s in self.seconds if begin <= s.at < end]
        return min(parts), max(parts)


def _mhz(point: OperatingPoint) -> float:
    return point.mhz
