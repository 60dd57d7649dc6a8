"""A board of mathematics: what it draws, hashes and gets wrong at each speed, and nothing else.

Written apart from what it is to test: volts, power and errors follow curves of their own, nonces
and errors come by chance, the meter is noisy. The best speed is known by trying all of them.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from drivers.api import OperatingPoint
from stratum_client.control.claims import FREE, Limit
from stratum_client.control.tuner import BoardTuner
from stratum_client.control.tuning_evidence import Look
from stratum_client.control.tuning_views import Advice, Step, View

WALL = 1_750_000_000.0
LOOK_EVERY = 10.0
RAMP = 6.25  # MHz a second


@dataclass(kw_only=True)
class Plant:
    """One board. ``model_tilt`` makes its own model of itself wrong, the more the faster it is."""

    random: Random
    slowest: float = 300.0
    fastest: float = 600.0
    step: float = 6.25
    fixed_watts: float = 4.0
    watts_per_mhz: float = 0.03  # at 1 V
    volts_low: float = 0.85
    volts_high: float = 1.25
    bend: float = 1.5
    knee: float = 560.0
    knee_width: float = 18.0
    floor_errors: float = 0.002
    hashes_per_mhz: float = 2.0e9
    pace_at_top: float = 1.0
    meter_noise: float = 0.01
    model_tilt: float = 0.0
    mhz: float = 300.0
    good: int = 0
    bad: int = 0
    shift: float = 0.0  # MHz by which age has moved the knee down
    watts_factor: float = 1.0
    temperature: float = 55.0
    dies_above: float = math.inf
    modelled: Sequence[OperatingPoint] = ()

    def speeds(self) -> list[float]:
        count = int((self.fastest - self.slowest) / self.step)
        return [self.fastest - self.step * n for n in range(count, -1, -1)]

    def volts(self, mhz: float) -> float:
        share = (mhz - self.slowest) / (self.fastest - self.slowest)
        rise = math.pow(max(share, 0.0), self.bend)
        return self.volts_low + (self.volts_high - self.volts_low) * rise

    def watts(self, mhz: float) -> float:
        drawn = self.watts_per_mhz * mhz * self.volts(mhz) ** 2
        return (self.fixed_watts + drawn) * self.watts_factor

    def error_ratio(self, mhz: float) -> float:
        beyond = (mhz - self.knee + self.shift) / self.knee_width
        return min(self.floor_errors + 0.5 / (1 + math.exp(-beyond)), 0.9)

    def hashrate(self, mhz: float) -> float:
        return self.hashes_per_mhz * mhz * (1 - self.error_ratio(mhz))

    def efficiency(self, mhz: float) -> float:
        return self.hashrate(mhz) / self.watts(mhz)

    def best(self, merit: Callable[[float], float], error_limit: float) -> float:
        return max(
            (mhz for mhz in self.speeds() if self.error_ratio(mhz) <= error_limit),
            key=merit,
            default=self.slowest,
        )

    def points(self) -> Sequence[OperatingPoint]:
        if not self.modelled:
            self.modelled = self._points()
        return self.modelled

    def _points(self) -> Sequence[OperatingPoint]:
        def modelled(mhz: float) -> float:
            share = (mhz - self.slowest) / (self.fastest - self.slowest)
            return self.fixed_watts + self.watts_per_mhz * mhz * self.volts(mhz) ** 2 * (
                1 + self.model_tilt * share
            )

        return [
            OperatingPoint(mhz=mhz, watts=modelled(mhz), hashrate=self.hashes_per_mhz * mhz)
            for mhz in self.speeds()
        ]

    def pass_time(self, seconds: float, wanted: float) -> None:
        wanted = min(max(wanted, self.slowest), self.fastest)
        away = wanted - self.mhz
        self.mhz += math.copysign(min(abs(away), RAMP * seconds), away)
        share = self.error_ratio(self.mhz)
        due = self.pace_at_top * self.mhz / self.fastest * seconds
        self.bad += self._come(due * share)
        self.good += self._come(due * (1 - share))

    def look(self, now: float) -> Look:
        noise = self.random.gauss(1.0, self.meter_noise)
        return Look(
            now=now,
            mhz=self.mhz,
            hashrate=self.hashes_per_mhz * self.mhz,
            pace=self.pace_at_top * self.mhz / self.fastest,
            good=self.good,
            bad=self.bad,
            watts=self.watts(self.mhz) * noise,
            temperature=self.temperature,
        )

    def _come(self, mean: float) -> int:
        """Return how many events happen where ``mean`` are expected."""
        if mean > 15:  # near enough to the normal distribution
            return max(round(self.random.gauss(mean, math.sqrt(mean))), 0)
        count, left = 0, mean
        while (left := left - self.random.expovariate(1.0)) > 0:
            count += 1
        return count


@dataclass(kw_only=True)
class Run:
    """A tuner at a plant, in time of its own."""

    plant: Plant
    tuner: BoardTuner
    now: float = 0.0
    hindrance: str = ""
    others: Limit = FREE
    steps: list[tuple[float, Step]] = field(default_factory=list)
    advice: Advice | None = None
    crash: str = ""
    look_every: float = LOOK_EVERY

    def go_on(self, seconds: float, *, until: Callable[[Advice], bool] | None = None) -> bool:
        """Let time pass; return whether ``until`` came true."""
        end = self.now + seconds
        while self.now < end:
            self.now += self.look_every
            self._turn()
            assert self.advice
            if until and until(self.advice):
                return True
        return False

    def _turn(self) -> None:
        limit = (self.advice.limit if self.advice else FREE).tightened(self.others)
        wanted = self.plant.fastest if limit.mhz is None else limit.mhz
        if self.plant.mhz >= self.plant.dies_above:
            self.crash, self.plant.mhz = "the chain is silent", self.plant.slowest
        self.plant.pass_time(self.look_every, wanted)
        self.advice = self.tuner.look(
            View(
                now=self.now,
                wall=WALL + self.now,
                points=self.plant.points(),
                look=self.plant.look(self.now),
                hindrance=self.hindrance,
                crash=self.crash,
                others=self.others,
                because="window: night mode" if self.others != FREE else "",
            )
        )
        self.crash = ""
        self.steps += [(self.now, step) for step in self.advice.steps]

    @property
    def aim(self) -> float:
        """Return the speed that the tuner wants."""
        assert self.advice
        mhz = self.advice.limit.mhz
        return self.tuner.ladder[-1] if mhz is None else mhz


def random_plant(seed: int) -> Plant:
    """Return a board whose curves are anywhere in what boards are like."""
    random = Random(seed)
    fastest = random.choice([500.0, 600.0, 800.0])
    slowest = fastest * random.uniform(0.35, 0.6) // 6.25 * 6.25
    low = random.uniform(0.8, 1.0)
    plant = Plant(
        random=random,
        slowest=slowest,
        fastest=fastest,
        fixed_watts=random.uniform(0.5, 12.0),
        watts_per_mhz=random.uniform(0.01, 0.05),
        volts_low=low,
        volts_high=low * random.uniform(1.0, 1.4),
        bend=random.uniform(1.0, 2.5),
        knee=fastest * random.uniform(0.75, 1.2),
        knee_width=fastest * random.uniform(0.01, 0.06),
        floor_errors=random.uniform(0.0, 0.008),
        meter_noise=random.uniform(0.0, 0.02),
        model_tilt=random.uniform(-0.3, 0.6),
        pace_at_top=random.uniform(0.4, 4.0),
    )
    return replace(plant, mhz=slowest)
