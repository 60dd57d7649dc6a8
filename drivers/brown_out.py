"""What is remembered of a stick's supply: is it too weak for the frequency? Pure, takes ``now``.

A stick that asks for more than its socket gives vanishes right after its load has risen, and is
back by itself as soon as the load is gone. A hand that pulls it, even in the middle of a ramp,
differs in one of these: the stick had been at that frequency for a while, or had already found
something there; it was gone for longer than a computer needs to see it again, or for less; it was
pulled at another frequency the last time, or got further the next. So one loss proves nothing. It
takes some in a row that are alike; only where a supply is known to be weak, one is enough.

What is remembered belongs to a stick in a socket, and outlives the devices made for it.
"""

from collections.abc import Hashable
from dataclasses import dataclass, replace

SHORTEST_ABSENCE = 0.1
"""Seconds: the Linux kernel lets a plug settle for so long (HUB_DEBOUNCE_STABLE in hub.c)."""

LONGEST_ABSENCE = 3.0
"""Seconds in which a computer sees a stick again that was never pulled: some tenths, usually."""

ALIKE = 6.25
"""MHz, a step of most ramps: losses further apart than that have nothing to do with each other."""

RECENT = 600.0
"""Seconds for which a loss that proved nothing is kept in mind."""

LONGEST_RETRY = 86_400.0
"""Seconds after which a higher frequency is tried again at last, however often it failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SupplySettings:
    """What is taken for a brown-out, and what is done about it.

    ``window``: seconds after a rise in which a loss counts. ``losses``: so many alike are one.
    ``step``: MHz by which the frequency is then lowered. ``retry``: seconds until a step back up is
    tried; twice as long after each time that this fails. ``floor``: MHz below which nothing goes.
    """

    is_on: bool = False
    window: float = 10.0
    losses: int = 3
    step: float = 25.0
    retry: float = 1800.0
    floor: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ceiling:
    """The highest MHz a device may run at, and why."""

    mhz: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rise:
    """When the load last rose, the frequency then, and how many nonces had been found before."""

    at: float
    mhz: float
    nonces: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loss:
    """When a stick vanished, how long after a rise to which frequency."""

    at: float
    mhz: float
    after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weakness:
    """What is known of a supply that was too weak at ``top`` MHz and holds at ``proven``.

    ``cause`` says in words what happened last.
    ``ceiling`` is None while the top itself is tried again. The next try is at ``retry_at``, and
    ``retry`` seconds lie between two.
    """

    ceiling: Ceiling | None
    cause: str
    proven: float
    top: float
    retry: float
    retry_at: float


class SupplyMemory:
    """What one socket has done to one stick."""

    def __init__(self) -> None:
        self._settings = SupplySettings()
        self._rise: _Rise | None = None
        self._pending: _Loss | None = None
        self._losses: list[_Loss] = []
        self._weakness: _Weakness | None = None

    def use(self, settings: SupplySettings) -> None:
        """Go by ``settings`` from now on; without detection nothing is remembered."""
        self._settings = settings
        if not settings.is_on:
            self.forget()

    def forget(self) -> None:
        """Forget all that spoke against the supply: somebody has changed something."""
        self._pending = self._weakness = None
        self._losses.clear()

    def rises(self, mhz: float, now: float, *, nonces: int) -> None:
        """Note that the load has just risen to what ``mhz`` take, after so many ``nonces``."""
        self._look_back(now)
        self._losses = [loss for loss in self._losses if loss.mhz >= mhz - ALIKE]
        self._rise = _Rise(at=now, mhz=mhz, nonces=nonces)

    def rests(self) -> None:
        """Note that there is no load."""
        self._rise = None

    def lost(self, now: float, *, nonces: int) -> None:
        """Note that the stick is gone, having found so many nonces in all."""
        self._look_back(now)
        rise, self._rise, self._pending = self._rise, None, None
        if not self._settings.is_on or rise is None or nonces > rise.nonces:
            return
        if now - rise.at <= self._settings.window:
            self._pending = _Loss(at=now, mhz=rise.mhz, after=now - rise.at)

    def back(self, now: float) -> Ceiling | None:
        """Note that the stick is there again; return what it must keep to from now on, if new."""
        loss, self._pending = self._pending, None
        if loss is None or not SHORTEST_ABSENCE <= now - loss.at <= LONGEST_ABSENCE:
            return None
        alike = [one for one in self._losses if _are_alike(one, loss)]
        self._losses = [*alike, loss]
        if len(self._losses) < self._settings.losses and not self._is_failed_try(loss):
            return None
        return self._lowered(loss, now)

    def ceiling(self, now: float) -> Ceiling | None:
        """Return what the stick must keep to, if anything; it rises again with time."""
        self._look_back(now)
        weakness = self._weakness
        if weakness and weakness.ceiling and now >= weakness.retry_at:
            self._weakness = weakness = self._raised(weakness, weakness.ceiling, now)
        return weakness.ceiling if weakness else None

    def _is_failed_try(self, loss: _Loss) -> bool:
        return self._weakness is not None and loss.mhz > self._weakness.proven

    def _lowered(self, loss: _Loss, now: float) -> Ceiling | None:
        """Come down from where it failed; return None where there is no further down."""
        settings, weakness = self._settings, self._weakness
        mhz = max(loss.mhz - settings.step, settings.floor)
        retry = settings.retry if weakness is None else weakness.retry
        if weakness and self._is_failed_try(loss):
            mhz, retry = weakness.proven, min(2 * retry, LONGEST_RETRY)
        self._losses.clear()
        if mhz >= loss.mhz:
            return None
        cause = (
            f"it vanished {_seconds(loss.after)} after a rise to {loss.mhz:g} MHz; "
            "a powered hub or another port may help"
        )
        ceiling = Ceiling(mhz=mhz, reason=f"came back at {mhz:g} MHz: {cause}")
        top = max(loss.mhz, weakness.top if weakness else 0.0)
        self._weakness = _Weakness(
            ceiling=ceiling, cause=cause, proven=mhz, top=top, retry=retry, retry_at=now + retry
        )
        return ceiling

    def _raised(self, weakness: _Weakness, ceiling: Ceiling, now: float) -> _Weakness:
        mhz = ceiling.mhz + self._settings.step
        reason = f"trying {mhz:g} MHz again: {weakness.cause}"
        higher = Ceiling(mhz=mhz, reason=reason) if mhz < weakness.top else None
        retry_at = now + weakness.retry
        return replace(weakness, ceiling=higher, proven=ceiling.mhz, retry_at=retry_at)

    def _look_back(self, now: float) -> None:
        """Draw conclusions from a frequency that was kept up: what failed there is past."""
        rise, weakness = self._rise, self._weakness
        if rise is None or now - rise.at <= self._settings.window:
            return
        self._losses = [loss for loss in self._losses if loss.mhz > rise.mhz + ALIKE]
        if weakness and weakness.ceiling is None and now >= weakness.retry_at:
            self._weakness = None


class Supplies:
    """The memories of one device: of each stick in each socket that it was made for."""

    def __init__(self) -> None:
        self._memories: dict[Hashable, SupplyMemory] = {}

    def of(self, key: Hashable) -> SupplyMemory:
        """Return the memory of ``key``, which says which stick it is and where."""
        return self._memories.setdefault(key, SupplyMemory())


def _are_alike(one: _Loss, other: _Loss) -> bool:
    return abs(one.mhz - other.mhz) <= ALIKE and abs(one.at - other.at) <= RECENT


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
