"""Which number of watts to believe, for each device and for the whole rig; pure.

For a device in this order: its own telemetry, a plug of its own, the model of its chips. For the
rig: a plug in front of all of it, else the sum of its devices, corrected by what that plug showed
as long as it spoke. Decision 008 says why. What is stale or cannot be is passed over, with a note.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from stratum_client.control.calibration import Calibration
from stratum_client.control.power import Reading, RigPower, Source

STALE_AFTER = 3
"""Intervals of a plug after which its last reading is believed no more."""

HIGHEST = 20_000.0
"""Watts above which no telemetry of a device is believed."""

LEAST_SHARE = 0.1
"""Of what devices say they take: a plug that shows less while they mine is taken for broken."""

SETTLED = 0.02
"""Share by which devices' watts may differ between two looks of which a calibration is made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWatts:
    """What one device says: ``measured`` by its own meter, ``modelled`` from its chips' clock."""

    name: str
    is_mining: bool = False
    measured: float | None = None
    modelled: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugWatts:
    """What a plug said last, at ``at`` on the monotonic clock; ``problem`` is why not since.

    ``every`` is how many seconds lie between two of its readings, ``highest`` the watts above
    which it is not believed.
    """

    watts: float | None = None
    at: float = 0.0
    problem: str = ""
    every: float = 1.0
    highest: float = HIGHEST


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """All that was found out at one moment.

    ``told`` are the watts of all devices by their models, where they have one, else by their
    meters: what an operating point promises. ``resting`` is the part of those that do not mine.
    ``is_measured`` is whether the total is a meter's.
    """

    power: RigPower
    told: float
    resting: float
    is_measured: bool


@dataclass(slots=True)
class Meter:
    """Judges readings, and remembers how the rig's plug and its devices went together."""

    calibration: Calibration | None = None
    _last_sum: float = field(default=math.inf, init=False)
    _last_plug_at: float = field(default=-math.inf, init=False)

    def look(
        self,
        *,
        at: float,
        wall: float,
        devices: Sequence[DeviceWatts],
        plug: PlugWatts | None = None,
        plugs: Mapping[str, PlugWatts] | None = None,
    ) -> Look:
        """Return what to believe now; ``plug`` is the whole rig's, ``plugs`` are devices'."""
        readings = {
            device.name: reading
            for device in devices
            if (reading := _of_device(device, (plugs or {}).get(device.name), at))
        }
        total = self._total(devices, readings, plug, at)
        mining = _told_by(devices, readings, mining=True)
        resting = _told_by(devices, readings, mining=False)
        return Look(
            power=RigPower(wall=wall, at=at, total=total, devices=readings),
            told=mining + resting,
            resting=resting,
            is_measured=total.source in {Source.PLUG, Source.DRIVER},
        )

    def _total(
        self,
        devices: Sequence[DeviceWatts],
        readings: Mapping[str, Reading],
        plug: PlugWatts | None,
        at: float,
    ) -> Reading:
        summed = _sum(devices, readings, at)
        if plug is None:
            self.calibration = None
            return summed
        if problem := _problem(plug, at, devices, _told_by(devices, readings, mining=True)):
            return self._without_plug(summed, problem)
        assert plug.watts is not None
        is_settled = abs(summed.watts - self._last_sum) <= SETTLED * summed.watts
        if is_settled and plug.at > self._last_plug_at:
            self.calibration = Calibration(told=summed.watts, measured=plug.watts)
        self._last_sum, self._last_plug_at = summed.watts, plug.at
        return Reading(watts=plug.watts, source=Source.PLUG, at=plug.at)

    def _without_plug(self, summed: Reading, problem: str) -> Reading:
        """Return the devices' sum, as the plug would have shown it."""
        words = [f"the rig's plug: {problem}"]
        watts, source = summed.watts, summed.source
        if self.calibration:
            watts = max(self.calibration.measured_at(summed.watts), 0.0)
            source = Source.MODEL
            words.append("its last readings correct the sum of devices")
        note = "; ".join(filter(None, (*words, summed.note)))
        return Reading(watts=watts, source=source, at=summed.at, note=note)


# --- devices ---


def _of_device(device: DeviceWatts, plug: PlugWatts | None, at: float) -> Reading | None:
    """Return the most trusted reading of a device, with a note on what came before it."""
    notes: list[str] = []
    for source, watts, when, problem in _candidates(device, plug, at):
        if watts is not None and not problem:
            return Reading(watts=watts, source=source, at=when, note="; ".join(notes))
        notes.append(f"{'its plug' if source is Source.PLUG else source}: {problem}")
    return None


def _candidates(
    device: DeviceWatts, plug: PlugWatts | None, at: float
) -> Iterator[tuple[Source, float | None, float, str]]:
    """Yield what sources say of a device, the most trusted first, and why not to believe them."""
    if device.measured is not None:
        told = device.modelled if device.is_mining else None
        yield Source.DRIVER, device.measured, at, _implausible(device.measured, HIGHEST, told)
    if plug is not None:
        told = (device.modelled or 0.0) if device.is_mining else 0.0
        yield Source.PLUG, plug.watts, plug.at, _problem(plug, at, (device,), told)
    if device.modelled is not None:
        yield Source.MODEL, device.modelled, at, _implausible(device.modelled, HIGHEST)


def _told(device: DeviceWatts, reading: Reading | None) -> float:
    """Return a device's watts as its operating points count them."""
    modelled = device.modelled
    if modelled is not None and not _implausible(modelled, HIGHEST):
        return modelled
    return reading.watts if reading else 0.0


def _told_by(
    devices: Sequence[DeviceWatts], readings: Mapping[str, Reading], *, mining: bool
) -> float:
    chosen = (device for device in devices if device.is_mining is mining)
    return math.fsum(_told(device, readings.get(device.name)) for device in chosen)


# --- the rig ---


def _sum(devices: Sequence[DeviceWatts], readings: Mapping[str, Reading], at: float) -> Reading:
    """Return the devices together; the oldest of their readings says how old that is."""
    sources = {reading.source for reading in readings.values()}
    unknown = [one.name for one in devices if one.is_mining and one.name not in readings]
    return Reading(
        watts=math.fsum(reading.watts for reading in readings.values()),
        source=_together(sources),
        at=min((reading.at for reading in readings.values()), default=at),
        note=f"without {', '.join(unknown)}: no watts are known" if unknown else "",
    )


def _together(sources: set[Source]) -> Source:
    if len(sources) == 1:
        return next(iter(sources))
    return Source.MIXED if sources else Source.MODEL


# --- what cannot be ---


def _problem(plug: PlugWatts, at: float, devices: Sequence[DeviceWatts], told: float) -> str:
    """Return why not to believe a plug, empty if there is no reason.

    ``told`` is what those of ``devices`` that mine take by what they say themselves.
    """
    if plug.watts is None:
        return plug.problem or "nothing heard yet"
    longest = STALE_AFTER * plug.every
    if at - plug.at > longest:
        return f"silent for over {longest:g} s{': ' if plug.problem else ''}{plug.problem}"
    mining = sum(one.is_mining for one in devices)
    return _implausible(plug.watts, plug.highest, told, mining)


def _implausible(
    watts: float, highest: float, told: float | None = None, mining: int | None = None
) -> str:
    """Return why ``watts`` cannot be, empty if they can."""
    if not math.isfinite(watts):
        return "it shows no number"
    if watts < 0:
        return f"it shows {watts:.0f} W, less than nothing"
    if watts > highest:
        return f"it shows {watts:.0f} W, more than the {highest:.0f} W that can be"
    if told and watts < LEAST_SHARE * told:
        who = f"{mining} devices mine" if mining and mining > 1 else "the device mines"
        return f"it shows {watts:.0f} W while {who}"
    return ""
