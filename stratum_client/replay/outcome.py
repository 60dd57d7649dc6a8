"""A whole recording replayed: the core first, then each device's driver, and what came of it."""

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass

from stratum_client.recording.entries import EntryError
from stratum_client.recording.reader import RecordingError, Run
from stratum_client.recording.recorded_config import config_of
from stratum_client.replay.core_replay import CoreReplay
from stratum_client.replay.device_replay import DeviceReplay, devices_in
from stratum_client.replay.differences import Difference
from stratum_client.replay.replay_loop import ReplayLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay showed; shares by fate, where the recording last tells of them.

    ``drivers`` says of each device whether its driver did the same, or why only what it had found
    was replayed.
    """

    entries: int
    seconds: float
    then: Mapping[str, int]
    now: Mapping[str, int]
    drivers: Mapping[str, str]
    differences: Sequence[Difference]
    ends_early: str

    @property
    def is_same(self) -> bool:
        """Return whether all that was compared was the same."""
        return not self.differences

    def json(self) -> dict[str, object]:
        """Return it as JSON knows it."""
        return {
            "same": self.is_same,
            "entries": self.entries,
            "seconds": round(self.seconds, 3),
            "shares": {"then": dict(self.then), "now": dict(self.now)},
            "drivers": dict(self.drivers),
            "ends_early": self.ends_early,
            "differences": [one.json() for one in self.differences],
        }


def replayed(run: Run, *, speed: float | None = None) -> Outcome:
    """Replay ``run``, ``speed`` times as fast as it was; raise RecordingError."""
    try:
        core = CoreReplay(run, config_of(run.header.config))
        _play(core.play(), speed)
        differences = list(core.differences.found)
        drivers: dict[str, str] = {}
        for name in devices_in(run):
            drivers[name], found = _driver_replayed(run, name, speed)
            differences += found
    except EntryError as error:
        raise RecordingError("recording", str(error)) from error
    return Outcome(
        entries=len(run.entries),
        seconds=run.entries[-1].at if run.entries else 0.0,
        then=core.then,
        now=core.now,
        drivers=drivers,
        differences=sorted(differences, key=lambda one: one.line),
        ends_early=run.ends_early,
    )


def _driver_replayed(run: Run, name: str, speed: float | None) -> tuple[str, Sequence[Difference]]:
    """Replay a device's driver, if that can be; return what to say of it, and what was other."""
    device = DeviceReplay(run, name)
    if reason := device.why_not:
        return f"only what it found: {reason}", ()
    _play(device.play(), speed)
    found = device.differences.found
    return "different" if found else "the same", found


def _play(playing: Coroutine[object, object, None], speed: float | None) -> None:
    try:
        with asyncio.Runner(loop_factory=lambda: ReplayLoop(speed)) as runner:
            runner.run(playing)
    except* EntryError as group:
        [error, *_] = group.exceptions
        raise EntryError(str(error)) from error
