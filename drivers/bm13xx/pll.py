"""From a frequency to the register values of a chip's PLL, and the steps on the way. Sans-IO.

The hash clock is 25 MHz * feedback / (reference * post1 * post2); the oscillator in it (VCO)
runs at 25 MHz * feedback / reference and is stable only within limits.

Source: register layout from ESP-Miner components/asic/pll.c and captured frames; BM1387 from kanoi
cgminer driver-gekko.c.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from drivers.bm13xx.frames import RegisterWrite

CRYSTAL_MHZ = 25.0

POST2_AT_MOST_POST1 = tuple(
    (post1, post2) for post1 in range(1, 8) for post2 in range(1, post1 + 1)
)
"""Post dividers as factory firmware pairs them."""

POST2_BELOW_POST1 = tuple((post1, post2) for post1, post2 in POST2_AT_MOST_POST1 if post2 < post1)
"""Post dividers as ESP-Miner pairs them."""

_SAME = 1e-4


@dataclass(frozen=True, slots=True, kw_only=True)
class PllSetting:
    """The frequency that is really reached, and the register writes that reach it, in order."""

    mhz: float
    writes: tuple[RegisterWrite, ...]


class Pll(Protocol):
    """How the hash clock of one chip model is set."""

    def nearest(self, mhz: float) -> PllSetting:
        """Return the setting closest to ``mhz``."""
        ...

    def mhz_of(self, value: int) -> float:
        """Return the frequency that a value of the PLL register stands for."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchedPll:
    """Any pair of post dividers may be used: enable 30, fast VCO 28, feedback 27-16, ref 13-8.

    post1 is in bits 6-4, post2 in bits 2-0, both less ``stored_less``. ``before`` is written
    before the PLL register, ``times`` is how often every write is sent. Of settings equally
    close, the one with the slowest VCO is taken, or (``small_post2``) with the smallest post2.
    """

    register: int = 0x08
    vco_mhz: tuple[float, float] = (2000.0, 2987.5)  # feedback 160 to 239, as firmware does
    fast_vco_mhz: float = math.inf
    reference: int = 2
    dividers: tuple[tuple[int, int], ...] = POST2_AT_MOST_POST1
    small_post2: bool = False
    stored_less: int = 1
    before: tuple[RegisterWrite, ...] = ()
    times: int = 1

    def nearest(self, mhz: float) -> PllSetting:
        """Return the setting closest to ``mhz``."""
        _, feedback, post1, post2 = min(
            (self._preference(mhz, feedback, post1, post2), feedback, post1, post2)
            for post1, post2 in self.dividers
            for feedback in self._feedbacks(mhz * post1 * post2)
        )
        value = self._value(feedback, post1, post2)
        writes = (*self.before, (self.register, value))
        return PllSetting(
            mhz=feedback * self._unit / (post1 * post2),
            writes=tuple(write for write in writes for _ in range(self.times)),
        )

    def mhz_of(self, value: int) -> float:
        """Return the frequency; 0 for a value that stops the clock."""
        feedback, reference = value >> 16 & 0xFFF, value >> 8 & 0x3F
        post1, post2 = (value >> 4 & 7) + self.stored_less, (value & 7) + self.stored_less
        divider = reference * post1 * post2
        return CRYSTAL_MHZ * feedback / divider if divider else 0.0

    @property
    def _unit(self) -> float:
        return CRYSTAL_MHZ / self.reference

    def _feedbacks(self, vco_mhz: float) -> range:
        """Return the one or two multipliers that bring the VCO closest to ``vco_mhz``."""
        low = math.ceil(self.vco_mhz[0] / self._unit)
        high = math.floor(self.vco_mhz[1] / self._unit)
        below = min(max(math.floor(vco_mhz / self._unit), low), high)
        return range(below, min(below + 1, high) + 1)

    def _preference(self, mhz: float, feedback: int, post1: int, post2: int) -> tuple[int, ...]:
        """Return what sorts best first; errors closer than a hundred hertz count as equal."""
        error = round(abs(feedback * self._unit / (post1 * post2) - mhz) / _SAME)
        return (error, post2, feedback) if self.small_post2 else (error, feedback, post2)

    def _value(self, feedback: int, post1: int, post2: int) -> int:
        fast = feedback * CRYSTAL_MHZ / self.reference >= self.fast_vco_mhz
        head = 0x50 if fast else 0x40
        posts = post1 - self.stored_less << 4 | post2 - self.stored_less
        return head << 24 | feedback << 16 | self.reference << 8 | posts


FACTORY_PLL = SearchedPll(fast_vco_mhz=2400.0, small_post2=True)
"""Makes every step of the ramps captured on an S19 XP (BM1366) and an S19j Pro (BM1362)."""

ESP_MINER_PLL = SearchedPll(fast_vco_mhz=2400.0, dividers=POST2_BELOW_POST1)
"""Makes every step that ESP-Miner makes on a BM1370."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BandedPll:
    """Post divider 4 below ``split_mhz``, 2 from there on; feedback 23-16, ref 15-8, posts 7-0."""

    register: int = 0x0C
    split_mhz: float = 400.0
    reference: int = 2

    def nearest(self, mhz: float) -> PllSetting:
        """Return the setting closest to ``mhz``, with a feedback of 1 to 255."""
        post = 4 if mhz < self.split_mhz else 2
        unit = CRYSTAL_MHZ / (self.reference * post)
        feedback = min(max(round(mhz / unit), 1), 0xFF)
        value = feedback << 16 | self.reference << 8 | post << 4 | 1
        return PllSetting(mhz=feedback * unit, writes=((self.register, value),))

    def mhz_of(self, value: int) -> float:
        """Return the frequency; 0 for a value that stops the clock."""
        divider = (value >> 8 & 0xFF) * (value >> 4 & 0xF) * (value & 0xF)
        return CRYSTAL_MHZ * (value >> 16 & 0xFF) / divider if divider else 0.0


def frequency_ramp(current: float, target: float, step: float = 6.25) -> Iterator[float]:
    """Yield the frequencies from ``current``, left out, to ``target``: multiples of ``step``."""
    if target > current:
        number = math.floor(current / step) + 1
        while number * step < target:
            yield number * step
            number += 1
    else:
        number = math.ceil(current / step) - 1
        while number * step > target:
            yield number * step
            number -= 1
    if target != current:
        yield target
