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


@dataclass(slots=True, kw_only=True)
class ChipCounter:
    """One chip: nonces that met their ticket, errors (that did not), when it was last heard."""

    start: float
    nonces: int = 0
    errors: int = 0
    hashes: float = 0.0
    heard_at: float = field(init=False)
    cores: dict[int, CoreCounter] = field(default_factory=dict)
    rate: Rate = field(init=False)

    def __post_init__(self) -> None:
        self.heard_at = self.start
        self.rate = Rate(self.start)

    def found(self, hashes: float, core: int | None, now: float) -> None:
        """Count a nonce that stands for ``hashes``."""
        self.nonces += 1
        self.hashes += hashes
        self.heard_at = now
        self.rate.add(hashes, now)
        if core is not None:
            self.cores.setdefault(core, CoreCounter()).nonces += 1

    def erred(self, core: int | None, now: float) -> None:
        """Count a nonce that misses the chip's own ticket."""
        self.errors += 1
        self.heard_at = now
        if core is not None:
            self.cores.setdefault(core, CoreCounter()).errors += 1

    def skip(self, seconds: float) -> None:
        """Take a pause of ``seconds``, in which the chip had no work, out of the past."""
        self.heard_at += seconds
        self.rate.skip(seconds)

    def is_silent(self, nonces_per_second: float, since: float, now: float) -> bool:
        """Return whether 20 nonces are overdue, which chance does once in 500 million times.

        ``since`` is when the chip began to find ``nonces_per_second``.
        """
        return nonces_per_second * (now - max(self.heard_at, since)) > _SILENT_AFTER


@dataclass(frozen=True, slots=True, kw_only=True)
class ChipReport:
    """One chip at one moment; rates in H/s, ``core_errors`` by the number of the core."""

    chip: int
    address: int
    nonces: int
    errors: int
    proven: float
    nominal: float
    silent: bool
    cores_seen: int
    core_errors: Mapping[int, int]
