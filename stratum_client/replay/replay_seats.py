"""Devices as the miner sees them in a replay: they ask, find and are told what they were then."""

from collections.abc import Callable

from drivers.api import Solution, Work
from stratum_client.miner import Seat
from stratum_client.recording.entries import Entry, What
from stratum_client.replay.progress import Progress

_OF_A_JOB = {What.HASHRATE, What.HASHRATES, What.TOLD, What.WORK, What.NO_WORK}
"""What is noted between a job and the last device that is told of it."""


class ReplaySeats:
    """Sits at the miner for all devices; ``seat_of`` gives a device its place there."""

    def __init__(self, progress: Progress, seat_of: Callable[[str], Seat]) -> None:
        self._progress = progress
        self._seat_of = seat_of
        self._works: dict[int, Work] = {}
        self._told: dict[str, int] = {}

    def take(self, device: str) -> Seat:
        """Return a device's place at the miner; places are taken in the same order as then."""
        seat = self._seat_of(device)
        seat.listener = seat.listener or _Listener(self, device)
        return seat

    def play(self, entry: Entry) -> None:
        """Let a device do what it did then, or see that it is told what it was told."""
        seat = self.take(entry.name)
        match entry.what:
            case What.WORK | What.NO_WORK:
                self._compare_work(entry, seat.next_work())
            case What.FOUND:
                self._find(entry, seat)
            case What.TOLD if not self._told.get(entry.name):
                self._progress.differs_at(entry, then="told of a job", now="not told")
            case What.TOLD:
                self._told[entry.name] -= 1

    def told(self, device: str) -> None:
        """Let ``device`` do what it did in the same call: fetch work."""
        progress = self._progress
        place = progress.following(
            progress.index, device, What.TOLD, passes=lambda entry: entry.what in _OF_A_JOB
        )
        if place is None:
            self._told[device] = self._told.get(device, 0) + 1
            return
        progress.play(place)
        while (place := progress.following(place, device, What.WORK, What.NO_WORK)) is not None:
            self.play(progress.play(place))

    def _compare_work(self, entry: Entry, work: Work | None) -> None:
        if work:
            self._works[entry.number("work")] = work
        then = entry.text("header") or "no work"
        now = work.header()[:76].hex() if work else "no work"
        if then != now:
            self._progress.differs_at(entry, then=then, now=now)

    def _find(self, entry: Entry, seat: Seat) -> None:
        work = self._works.get(entry.number("work"))
        if work is None:
            self._progress.differs_at(entry, then="a solution", now="its work was never given")
            return
        nonce, version, ntime = (int(entry.text(key), 16) for key in ("nonce", "version", "ntime"))
        seat.found(Solution(work=work, nonce=nonce, version=version, ntime=ntime))


class _Listener:
    """A device, as the miner sees it."""

    def __init__(self, seats: ReplaySeats, device: str) -> None:
        self._seats = seats
        self._device = device

    def job_changed(self, *, clean: bool) -> None:  # noqa: ARG002 - it does what it did then
        """Do what was done then."""
        self._seats.told(self._device)
