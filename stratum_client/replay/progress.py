"""How far a replay has come in its run, and what was other on the way."""

from collections.abc import Callable

from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import Run
from stratum_client.replay.differences import Differences


class Progress:
    """Where a replay is; ``index`` is the entry that is played now, or was last."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.differences = Differences(run=run)
        self.index = 0
        self._played: set[int] = set()

    def is_played(self, index: int) -> bool:
        """Return whether an entry was played before its turn."""
        return index in self._played

    def play(self, index: int) -> Entry:
        """Return an entry that is played before its turn."""
        self._played.add(index)
        return self.run.entries[index]

    def following(
        self,
        start: int,
        name: str,
        *wanted: What,
        passes: Callable[[Entry], bool] = lambda _: False,
    ) -> int | None:
        """Return where the next entry of ``name`` is that is ``wanted``; others end the search.

        Passed over are those that were played, ports, log lines, and what ``passes``.
        """
        for index in range(start + 1, len(self.run.entries)):
            entry = self.run.entries[index]
            if self.is_played(index) or entry.rim in (Rim.PORT, Rim.LOG):
                continue
            if entry.name == name and entry.what in wanted:
                return index
            if not passes(entry):
                return None
        return None

    def differs_at(self, entry: Entry, *, then: str, now: str) -> None:
        """Note a difference of the pool or device of ``entry``."""
        whose = "pool" if entry.rim is Rim.POOL else "device"
        self.differs(f"{whose} {entry.name}", then=then, now=now)

    def differs(self, whose: str, *, then: str, now: str) -> None:
        """Note a difference."""
        self.differences.add(self.index, whose, then=then, now=now)
