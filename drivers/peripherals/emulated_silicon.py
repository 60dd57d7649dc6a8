"""What the chips of an emulated board really take, and how fast they really can be.

It is the truth that a driver has to find out: nothing of it is known to one. Power goes with
frequency and the square of the voltage, and leaks the more the warmer the chips are; nonces come
out wrong when chips are faster than their voltage allows, each chip at a speed of its own. No two
boards are alike: `individual` deals them out by chance.

The figures are plausible, not measured. What a BM1370 does at less than its usual voltage follows
the presets of Advanced-Crypto-Services/acs-esp-miner, main/tasks/power_management_task.c (400 MHz
at 1.00 V, 490 at 1.09, 600 at 1.16), which leave some per cent in reserve here.
"""

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

WARM = 60.0
"""Degrees Celsius at which the figures of a `Silicon` hold."""

_LEAKAGE = 0.08  # of the power
_LEAKAGE_RISE = 60.0  # degrees in which leakage grows by the factor e
_SPEED_PER_VOLTS = 2.0  # share of speed that a share of voltage is worth
_SPEED_PER_DEGREE = -0.0004
_STEEPNESS = 0.008  # share of speed in which errors grow by the factor e
_CHIPS_DIFFER = 0.01
_RESERVE = 1.22


@dataclass(frozen=True, slots=True, kw_only=True)
class Silicon:
    """The chips of one board: ``watts`` at ``mhz`` and ``volts`` (of one domain), `WARM`.

    ``limit`` is the frequency at ``volts`` where most nonces are wrong; ``chips`` are the limits of
    the single chips, as shares of it. ``wear`` is what a share of it adds to the power and takes
    from the speed.
    """

    mhz: float
    volts: float
    watts: float
    limit: float
    chips: tuple[float, ...] = (1.0,)
    wear: float = 0.0

    def watts_at(self, mhz: float, volts: float, celsius: float) -> float:
        """Return the power in watts; 0 MHz leaves the leakage."""
        share = volts / self.volts
        running = (1 - _LEAKAGE) * mhz / self.mhz * share**2
        leaking = _LEAKAGE * share**3 * math.exp((min(celsius, 150.0) - WARM) / _LEAKAGE_RISE)
        return self.watts * (1 + self.wear) * (running + leaking)

    def limit_at(self, volts: float, celsius: float, chip: int = 0) -> float:
        """Return the frequency at which most nonces of a chip are wrong."""
        share = 1 + _SPEED_PER_VOLTS * (volts / self.volts - 1)
        warm = 1 + _SPEED_PER_DEGREE * (celsius - WARM)
        one = self.chips[chip % len(self.chips)]
        return max(self.limit * one * share * warm * (1 - self.wear), 1.0)

    def error_ratio(self, mhz: float, volts: float, celsius: float, chip: int = 0) -> float:
        """Return the share of a chip's nonces that are wrong, 0 to 1."""
        beyond = (mhz / self.limit_at(volts, celsius, chip) - 1) / _STEEPNESS
        return -math.expm1(-math.exp(min(beyond, 50.0)))

    def right_share(self, mhz: float, volts: float, celsius: float) -> float:
        """Return the share of all the board's nonces that are right."""
        count = len(self.chips)
        wrong = sum(self.error_ratio(mhz, volts, celsius, chip) for chip in range(count))
        return 1 - wrong / count

    def worn(self, wear: float) -> "Silicon":
        """Return the same chips, worn by that share."""
        return replace(self, wear=wear)


def average(
    *, mhz: float, volts: float, watts: float, chips: int, limit: float | None = None
) -> Silicon:
    """Return chips without any peculiarity; ``limit`` is a good fifth above ``mhz`` if not told."""
    top = _RESERVE * mhz if limit is None else limit
    return Silicon(mhz=mhz, volts=volts, watts=watts, limit=top, chips=(1.0,) * chips)


def individual(silicon: Silicon, random: "Random", spread: float) -> Silicon:
    """Return chips that differ from ``silicon``: in power by half of ``spread`` to all of it."""
    sign = random.choice((-1.0, 1.0))
    return replace(
        silicon,
        watts=silicon.watts * (1 + sign * random.uniform(spread / 2, spread)),
        limit=silicon.limit * (1 + random.uniform(-spread, spread) / 5),
        chips=tuple(1 + random.gauss(0.0, _CHIPS_DIFFER) * (spread > 0) for _ in silicon.chips),
    )
