"""Whether a device finds far less than it should, though it is not silent. Pure.

Nonces come by chance, so a device is judged only after a long window, and only when chance is out
of the question: a device that did half of its nominal rate would find so few once in a million
windows. Source of the idea: kanoi cgminer driver-gekko.c, which resets a board below 0.65 of its
rate in five minutes; half is more careful, as some real boards do less than cores times clock.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from drivers.brown_out import Ceiling
from drivers.due_nonces import DueNonces

SHARE = 0.5
"""The part of the nominal rate below which something is wrong."""

CHANCE = 1e-6
"""So seldom a device is found wanting that does just that part; one that does all of it, never."""

WELL_FOR = 3600.0
"""After so many seconds without a finding the next begins with the first step again."""


class Step(Enum):
    """The steps, in their order, one for each window that is found wanting; then nothing more."""

    RESET = "reset and new ramp"
    LOWER = "reset, lower frequency"
    LOWER_AGAIN = "reset, still lower frequency"
    LEAVE = "left as it is"


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldSettings:
    """``window``: seconds of work that are judged together. ``step``, ``floor``: MHz."""

    is_on: bool = False
    window: float = 300.0
    step: float = 25.0
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A window that was found wanting: the part of the nominal rate, and the step to be taken."""

    step: Step
    share: float
    expected: float
    found: int


class YieldWatch:
    """Counts what is due and what is found; a pause without work costs nobody anything."""

    def __init__(self, settings: YieldSettings) -> None:
        self.settings = settings
        self.ceiling: Ceiling | None = None
        self.findings = 0
        self._steps: Iterator[Step] = iter(Step)
        self._due = DueNonces()
        self._found = 0
        self._nonces = 0
        self._found_wanting_at = -math.inf

    def expect(self, now: float, nonces_per_second: float, nonces: int) -> None:
        """Expect that many nonces a second from now on; ``nonces`` were found in all so far."""
        if self._due.expect(now, nonces_per_second):
            self._found += nonces - self._nonces
        self._nonces = nonces

    def due(self, mhz: float) -> Finding | None:
        """Return what is wrong at the end of a window, if anything; ``mhz`` is what it runs at."""
        if not self.settings.is_on or self._due.seconds < self.settings.window:
            return None
        expected, found, now = self._due.count, self._found, self._due.told_at or 0.0
        if math.exp(-SHARE * expected) > CHANCE:  # even nothing at all would prove nothing
            return None
        self._begin()
        if probability_of_at_most(found, SHARE * expected) > CHANCE:
            if now - self._found_wanting_at > WELL_FOR:
                self._steps = iter(Step)
            return None
        self._found_wanting_at = now
        return self._finding(expected, found, mhz)

    def start_over(self) -> None:
        """Begin a new window: the device starts anew, or runs at another frequency."""
        self._begin()
        self._due.pause()

    def forget(self) -> None:
        """Lift the limit and begin with the first step again: the frequency was set anew."""
        self.ceiling = None
        self._steps = iter(Step)
        self.start_over()

    def _begin(self) -> None:
        self._due.clear()
        self._found = 0

    def _finding(self, expected: float, found: int, mhz: float) -> Finding | None:
        step = next(self._steps, None)
        if step is None:
            return None
        self.findings += 1
        share = found / expected
        lower = max(mhz - self.settings.step, self.settings.floor)
        if step in {Step.LOWER, Step.LOWER_AGAIN} and lower >= mhz:
            step, self._steps = Step.LEAVE, iter(())
        if step in {Step.LOWER, Step.LOWER_AGAIN}:
            reason = f"limited to {lower:g} MHz: it found {share:.0%} of what is due at {mhz:g} MHz"
            self.ceiling = Ceiling(mhz=lower, reason=reason)
        return Finding(step=step, share=share, expected=expected, found=found)


def probability_of_at_most(count: int, mean: float) -> float:
    """Return how likely it is to find ``count`` or fewer where ``mean`` are expected (Poisson)."""
    if mean <= 0:
        return 1.0
    term, total = -mean, -mean  # logarithms, the sum seen from its largest term
    for number in range(1, count + 1):
        term += math.log(mean / number)
        high, low = max(total, term), min(total, term)
        total = high + math.log1p(math.exp(low - high))
    return min(math.exp(total), 1.0)
