"""A whole recording replayed: the core first, then each device's driver, and what came of it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from stratum_client.recording.entries import EntryError
from stratum_client.recording.reader import RecordingError, Run
from stratum_client.recording.recorded_config import config_of
from stratum_client.replay.core_replay import CoreReplay
from stratum_client.replay.differences import Difference
from stratum_client.replay.replay_loop import ReplayLoop


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a replay showed; shares by fate, where the recording last tells of them."""

    entries: int
    seconds: float
    then: Mapping[str, int]
    now: Mapping[str, int]
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
            "ends_early": self.ends_early,
            "differences": [one.json() for one in self.differences],
        }


def replayed(run: Run, *, speed: float | None = None) -> Outcome:
    """Replay ``run``, ``speed`` times as fast as it was; raise RecordingError."""
    try:
        core = CoreReplay(run, config_of(run.header.config))
        with asyncio.Runner(loop_factory=lambda: ReplayLoop(speed)) as runner:
            runner.run(core.play())
    except EntryError as error:
        raise RecordingError("recording", str(error)) from error
    return Outcome(
        entries=len(run.entries),
        seconds=run.entries[-1].at if run.entries else 0.0,
        then=core.then,
        now=core.now,
        differences=sorted(core.differences.found, key=lambda one: one.line),
        ends_early=run.ends_early,
    )
