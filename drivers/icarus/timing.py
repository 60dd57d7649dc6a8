"""How fast a device is, by how long its nonces take, and how long a work lasts. Pure.

A device says nothing when it has tried all nonces of a work, it idles; so new work must come just
before. When that is follows from its speed, which is known beforehand or measured: nonces are
tried in order, so each that is found tells how far the device was at that moment.

Source: kanoi/cgminer, driver-icarus.c (line of best fit, sets of samples, times).
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

NONCES = 1 << 32

_EDGE = 0x10000
_LEAST_SAMPLES, _ENOUGH_SAMPLES = 5, 100
_SET_SECONDS = 60.0
_SETS = 10
_PLAUSIBLE = 4.0  # a rate this many times off the expected one is not believed


class TimingMode(Enum):
    """Where the speed comes from: a table, measured until well known, measured always, given."""

    DEFAULT = "default"
    SHORT = "short"
    LONG = "long"
    VALUE = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Division:
    """How nonces are shared out: ``parts`` equal ranges, ``engines`` of them searched at a time."""

    parts: int = 1
    engines: int = 1

    @property
    def mask(self) -> int:
        """Return the bits of a counter within its part."""
        return NONCES // self.parts - 1

    def engine(self, counter: int) -> int:
        """Return who found ``counter``."""
        return counter // (NONCES // self.parts)

    def hashes(self, counter: int) -> int:
        """Return how many hashes a device has done by when it finds ``counter``."""
        return ((counter & self.mask) + 1) * self.engines

    def tells_time(self, counter: int) -> bool:
        """Return whether ``counter`` is fit for measuring: not at an edge of its part."""
        within = counter & self.mask
        return _EDGE <= within < self.mask & ~(_EDGE - 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A line through samples: seconds per hash, and seconds that go by before the first one."""

    seconds_per_hash: float
    overhead: float

    @property
    def full_range(self) -> float:
        """Return the seconds that all nonces of a work take."""
        return self.overhead + self.seconds_per_hash * NONCES


@dataclass(slots=True)
class Samples:
    """Sums over pairs of hashes done and seconds passed."""

    count: int = 0
    x: float = 0.0
    t: float = 0.0
    xt: float = 0.0
    xx: float = 0.0

    def add(self, hashes: float, seconds: float) -> None:
        """Count one pair."""
        self.count += 1
        self.x += hashes
        self.t += seconds
        self.xt += hashes * seconds
        self.xx += hashes * hashes

    def fit(self) -> Fit | None:
        """Return the line of least squares; None when there is none."""
        spread = self.count * self.xx - self.x * self.x
        if self.count < 2 or spread <= 0:
            return None
        slope = (self.count * self.xt - self.x * self.t) / spread
        return Fit(seconds_per_hash=slope, overhead=(self.t - slope * self.x) / self.count)


def fit(samples: Iterable[tuple[float, float]]) -> Fit | None:
    """Return the line through pairs of hashes and seconds; None when there is none."""
    sums = Samples()
    for hashes, seconds in samples:
        sums.add(hashes, seconds)
    return sums.fit()


def work_milliseconds(full_range: float, wait: float) -> int:
    """Return for how long a work is left to a device that needs ``full_range`` seconds for it.

    ``wait`` is the coarseness of the device's timing, in seconds.
    """
    return max(int(full_range * 1000) - int(1500 * wait), int(1000 * wait))


@dataclass(slots=True, kw_only=True)
class Timing:
    """The speed of one device as far as it is known.

    ``seconds_per_hash`` is expected or given; ``first`` is how long a work is left to the device
    before it has been measured; ``limit`` is the longest a work is left to it at all.
    """

    mode: TimingMode
    seconds_per_hash: float
    wait: float
    first: float
    limit: float | None = None
    division: Division = field(default_factory=Division)
    fit: Fit | None = None
    samples: int = 0
    _current: Samples = field(default_factory=Samples)
    _since: float = 0.0
    _sets: deque[Samples] = field(default_factory=lambda: deque(maxlen=_SETS))
    _wanted: int = _LEAST_SAMPLES
    _is_over: bool = False

    @property
    def measures(self) -> bool:
        """Return whether samples are still taken."""
        return self.mode in {TimingMode.SHORT, TimingMode.LONG} and not self._is_over

    @property
    def rate(self) -> float:
        """Return hashes per second."""
        return 1.0 / (self.fit.seconds_per_hash if self.fit else self.seconds_per_hash)

    @property
    def work_seconds(self) -> float:
        """Return for how long a work is left to the device."""
        if self.measures and self.fit is None:
            seconds = self.first
        else:
            full = self.fit.full_range if self.fit else self.seconds_per_hash * NONCES
            seconds = work_milliseconds(full, self.wait) / 1000
        return seconds if self.limit is None else min(seconds, self.limit)

    def expect(self, seconds_per_hash: float) -> None:
        """Begin anew: the device runs at another speed from now on."""
        self.seconds_per_hash = seconds_per_hash
        self.fit, self._current, self._wanted = None, Samples(), _LEAST_SAMPLES
        self._sets.clear()
        self._is_over = False

    def add(self, counter: int, seconds: float, now: float) -> None:
        """Learn from a right nonce that took ``seconds`` from the writing of its work."""
        if not self.measures or not self.division.tells_time(counter):
            return
        if not self._current.count:
            self._since = now
        self.samples += 1
        self._current.add(self.division.hashes(counter), seconds)
        if self._current.count >= self._wanted and now - self._since >= _SET_SECONDS:
            self._finish_set()

    def _finish_set(self) -> None:
        self._sets.append(self._current)
        self._current = Samples()
        found = _together(self._sets).fit()
        if found and 1 / _PLAUSIBLE < found.seconds_per_hash / self.seconds_per_hash < _PLAUSIBLE:
            self.fit = found
        if self._wanted < _ENOUGH_SAMPLES:
            self._wanted *= 2
        elif self.mode is TimingMode.SHORT and self.fit:
            self._is_over = True


def _together(sets: Iterable[Samples]) -> Samples:
    total = Samples()
    for one in sets:
        total.count += one.count
        total.x += one.x
        total.t += one.t
        total.xt += one.xt
        total.xx += one.xx
    return total
