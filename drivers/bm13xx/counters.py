"""What each chip of a chain has proven, and each core of it. Pure: takes the time as ``now``."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

_MEMORY = 300.0
_SILENT_AFTER = 20.0


@dataclass(slots=True)
class CoreCounter:
    """Nonces a core was right about, and those it was wrong about."""

    nonces: int = 0
    errors: int = 0


class Rate:
    """Hashes per second out of nonces found, the past fading over five minutes."""

    def __init__(self, start: float) -> None:
        self._start = start
        self._at = start
        self._sum = 0.0

    def add(self, hashes: float, now: float) -> None:
        """Count the hashes that a nonce stands for."""
        self._sum = self._faded(now) + hashes
        self._at = now

    def at(self, now: float) -> float:
        """Return the rate; 0 at the start."""
        weight = _MEMORY * -math.expm1(-(now - self._start) / _MEMORY)
        return self._faded(now) / weight if weight > 0 else 0.0

    def skip(self, seconds: float) -> None:
        """Take a pause of ``seconds``, in which there was nothing to find, out of the past."""
        self._start += seconds
        self._at += seconds

    def _faded(self, now: float) -> float:
        return self._sum * math.exp(-(now - self._at) / _MEMORY)


class Exposure:
    """How many nonces each chip of a chain should have found so far, while it had work."""

    def __init__(self) -> None:
        self._expected = 0.0
        self._pace = 0.0
        self._since = 0.0
        self._until: float | None = None

    def begin(self, now: float, *, nonces_per_second: float, seconds: float) -> float:
        """Start on work for ``seconds``; return for how many there has been none before."""
        idle = 0.0 if self._until is None else max(now - self._until, 0.0)
        self._expected = self.at(now)
        self._pace, self._since, self._until = nonces_per_second, now, now + seconds
        return idle

    def end(self) -> None:
        """Expect nothing more of the present work."""
        self._pace = 0.0

    def at(self, now: float) -> float:
        """Return the number of nonces."""
        until = now if self._until is None else min(now, self._until)
        return self._expected + self._pace * max(until - self._since, 0.0)


@dataclass(slots=True, kw_only=True)
class ChipCounter:
    """One chip: nonces that met their ticket, errors (that did not), and the work they prove.

    ``heard_at`` is its `Exposure` when it last said anything.
    """

    start: float
    heard_at: float
    nonces: int = 0
    errors: int = 0
    hashes: float = 0.0
    cores: dict[int, CoreCounter] = field(default_factory=dict)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.rate = Rate(self.start)

    def found(self, hashes: float, core: int | None, now: float) -> None:
        """Count a nonce that stands for ``hashes``."""
        self.nonces += 1
        self.hashes += hashes
        self.rate.add(hashes, now)
        if core is not None:
            self.cores.setdefault(core, CoreCounter()).nonces += 1

    def erred(self, core: int | None) -> None:
        """Count a nonce that misses the chip's own ticket."""
        self.errors += 1
        if core is not None:
            self.cores.setdefault(core, CoreCounter()).errors += 1

    def is_silent(self, exposure: float) -> bool:
        """Return whether 20 nonces are overdue, which chance does once in 500 million times."""
        return exposure - self.heard_at > _SILENT_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipReport:
    """One chip at one moment: rates in H/s, ``hashes`` proven, ``core_errors`` by core number."""

    chip: int
    address: int
    nonces: int
    errors: int
    hashes: float
    proven: float
    nominal: float
    silent: bool
    cores_seen: int
    core_errors: Mapping[int, int]
