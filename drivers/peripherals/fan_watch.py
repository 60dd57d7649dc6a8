"""One fan under suspicion: standing still or silent though it is driven. Pure; time is given."""

from dataclasses import dataclass

from drivers.peripherals.sensor_watch import Trip


@dataclass(frozen=True, slots=True, kw_only=True)
class FanSpec:
    """A fan with a tachometer; leave out those without.

    From ``driven_from`` percent on it must turn; standing or unreadable for ``lost_after`` seconds
    is a trip. An ``optional`` one is missed only after it was seen turning.
    """

    name: str
    driven_from: float = 25.0
    lost_after: float = 5.0
    optional: bool = False


class FanWatch:
    """Judges one fan's speed while the board is powered."""

    def __init__(self, spec: FanSpec) -> None:
        self.spec = spec
        self._was_seen = False
        self._well_at: float | None = None

    def start(self, judged_from: float) -> None:
        """Judge the fan from that time on."""
        self._well_at = judged_from

    def stop(self) -> None:
        """Judge nothing: the board is off."""
        self._well_at = None

    def read(self, now: float, *, duty: float, rpm: float | None) -> Trip | None:
        """Take the duty in percent and the speed, None if unreadable; return the trip."""
        self._was_seen = self._was_seen or bool(rpm)
        if self._well_at is None:
            return None
        if rpm is not None and (rpm > 0 or duty < self.spec.driven_from):
            self._well_at = max(self._well_at, now)
        return self.check(now)

    def check(self, now: float) -> Trip | None:
        """Return the trip if the fan has not been seen well for too long."""
        if self._well_at is None or (self.spec.optional and not self._was_seen):
            return None
        if now - self._well_at <= self.spec.lost_after:
            return None
        reason = f"stands still or cannot be read for {now - self._well_at:.1f} s"
        return Trip(source=self.spec.name, reason=reason)
