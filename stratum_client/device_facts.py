"""What the governor has to know of the devices, gathered from what they tell and were seen to do.

A device without a power model is known by what was seen since the daemon's start: the highest
frequency, the most watts and the hash rate at them. So is what any device takes at rest.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from drivers.api import DeviceState, OperatingPoint
from stratum_client.control.governor import DeviceFacts
from stratum_client.supervise import SupervisedDevice

MATERIAL = 0.005
"""The part by which watts or MHz differ before anything is decided anew because of them."""


FAILING_AFTER = 60.0
"""Seconds after which a device that has failed leaves most of its power to others."""

_LARGEST = 1e24
"""Of whatever is told, in its unit; a sum of such numbers is one."""

_IN_ORDER = {DeviceState.MINING, DeviceState.WAITING, DeviceState.IDLE}


@dataclass(slots=True)
class _Seen:
    mhz: float = 0.0
    watts: float = 0.0
    hashrate: float = 0.0
    rest_watts: float | None = None
    is_known: bool = False
    failed_at: float | None = None

    def is_failing(self, state: DeviceState, now: float) -> bool:
        """Return whether a device has been in no good state for long, since it failed."""
        if state in _IN_ORDER:
            self.failed_at = None
        elif state is DeviceState.FAILED and self.failed_at is None:
            self.failed_at = now
        return self.failed_at is not None and now - self.failed_at >= FAILING_AFTER


class FactsBook:
    """Remembers what was seen of each device, by its name."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def facts(self, devices: Sequence[SupervisedDevice], now: float) -> tuple[DeviceFacts, ...]:
        """Return what is known by now, on the monotonic clock."""
        return tuple(self._facts(device, now) for device in devices)

    def _facts(self, device: SupervisedDevice, now: float) -> DeviceFacts:
        stats = device.snapshot(now).stats
        seen = self._seen.setdefault(device.name, _Seen())
        if stats.state is DeviceState.MINING:
            seen.is_known = True
            seen.mhz = max(seen.mhz, _believed(stats.frequency_mhz) or 0.0)
            seen.hashrate = max(seen.hashrate, _believed(stats.claimed_hashrate) or 0.0)
            seen.watts = max(seen.watts, _believed(stats.power) or 0.0)
        watts = _believed(stats.modelled_power if stats.power is None else stats.power)
        if stats.state is DeviceState.IDLE and watts is not None:
            # the least: it may still be on its way down
            seen.rest_watts = min(watts, watts if seen.rest_watts is None else seen.rest_watts)
        most = OperatingPoint(mhz=seen.mhz, watts=seen.watts, hashrate=seen.hashrate)
        return DeviceFacts(
            name=device.name,
            points=tuple(point for point in device.operating_points() if _is_sane(point)),
            seen=most if seen.watts and seen.hashrate else None,
            full_mhz=seen.mhz or None,
            rest_watts=seen.rest_watts or 0.0,
            is_here=stats.state is not DeviceState.ABSENT,
            is_known=seen.is_known,
            is_failing=seen.is_failing(stats.state, now),
        )


def differ(old: Sequence[DeviceFacts], new: Sequence[DeviceFacts]) -> bool:
    """Return whether something is to be decided anew."""
    return len(old) != len(new) or any(map(_differs, old, new))


def _differs(old: DeviceFacts, new: DeviceFacts) -> bool:
    plain = ("name", "is_here", "is_known", "is_failing")
    return (
        any(getattr(old, name) != getattr(new, name) for name in plain)
        or len(old.points) != len(new.points)
        or any(map(_is_far, old.points, new.points))
        or not _is_near(old.full_mhz, new.full_mhz)
        or not _is_near(_watts_seen(old), _watts_seen(new))
        or not _is_near(old.rest_watts, new.rest_watts)
    )


def _watts_seen(facts: DeviceFacts) -> float | None:
    return facts.seen.watts if facts.seen else None


def _is_far(old: OperatingPoint, new: OperatingPoint) -> bool:
    return old.mhz != new.mhz or not (
        _is_near(old.watts, new.watts) and _is_near(old.hashrate, new.hashrate)
    )


def _is_near(old: float | None, new: float | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(new - old) <= MATERIAL * max(old, new)


def _is_sane(point: OperatingPoint) -> bool:
    numbers = point.mhz, point.watts, point.hashrate
    return all(_believed(number) for number in numbers)


def _believed(number: float | None) -> float | None:
    """Return what a driver tells, None if it cannot be: no driver is believed."""
    return number if number is not None and 0 <= number <= _LARGEST else None
