"""Whether a pool is alive, judged by its jobs and replies, never by shares found.

Pure; takes `now`, a monotonic time in seconds.
"""

from stratum_client.config import Deadlines
from stratum_client.errors import (
    HandshakeTimeoutError,
    PoolProtocolError,
    PoolSilentError,
    StratumError,
)

FLOOD_RATE = 200
FLOOD_SECONDS = 10
FLOOD_BURST = FLOOD_RATE * FLOOD_SECONDS
"""More than this within a second is a flood at once."""

CHANGE_WEIGHT = 10
"""A line that gives all devices new work costs as much as so many others."""

BYTES_PER_LINE = 4096
"""A longer line counts as several."""


class Liveness:
    """The watches of one connection; each deadline is a setting."""

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        self._deadlines = deadlines
        self._last_line = now
        self._partial_since: float | None = None
        self._last_job: float | None = None
        self._job_interval = 0.0
        self._authorized_at: float | None = None
        self._late_in_a_row = 0
        self._second = now
        self._lines_this_second = 0
        self._loud_seconds = 0

    def received(self, now: float, *, lines: int, partial: bool) -> None:
        """Note ``lines`` whole lines and whether a part of one waits."""
        if lines:
            self._last_line = now
        if not partial:
            self._partial_since = None
        elif lines or self._partial_since is None:
            self._partial_since = now

    def job_arrived(self, now: float) -> None:
        """Note a job."""
        if self._last_job is not None:
            self._job_interval = max(now - self._last_job, 0.7 * self._job_interval)
        self._last_job = now

    def authorized(self, now: float) -> None:
        """Note that the first job is due."""
        self._authorized_at = now

    def share_answered(self, seconds: float) -> None:
        """Note how long the pool took to judge a share."""
        late = seconds > self._deadlines.submit
        self._late_in_a_row = self._late_in_a_row + 1 if late else 0

    def check(self, now: float, *, oldest_share: float | None) -> StratumError | None:
        """Return what is overdue; ``oldest_share`` is when the oldest unanswered one was sent."""
        limits = self._deadlines
        if self._late_in_a_row >= limits.submit_late_in_a_row:
            return PoolSilentError("timely reply to shares", limits.submit)
        if oldest_share is not None and now - oldest_share > limits.submit_lost:
            return PoolSilentError("reply to a share", now - oldest_share)
        if self._partial_since is not None and now - self._partial_since > limits.partial_line:
            return PoolSilentError("end of a line", now - self._partial_since)
        if now - self._last_line > self.silence_limit:
            return PoolSilentError("line", now - self._last_line)
        since = self._authorized_at if self._last_job is None else None
        if since is not None and now - since > limits.first_job:
            return HandshakeTimeoutError("job", limits.first_job)
        return None

    @property
    def silence_limit(self) -> float:
        """Return how long the pool may say nothing: at least some intervals between jobs."""
        limits = self._deadlines
        jobs = limits.silence_jobs * self._job_interval
        return max(limits.silence, min(jobs, limits.silence_cap))

    def unasked(self, now: float, lines: int) -> StratumError | None:
        """Note ``lines`` that answer nothing of ours; return the error if they are a flood.

        Quiet seconds make up for loud ones one by one, so that pauses do not hide a flood.
        """
        if now - self._second >= 1:
            loud = self._lines_this_second > FLOOD_RATE
            self._loud_seconds = max(0, self._loud_seconds + (1 if loud else -1))
            self._second, self._lines_this_second = now, 0
        self._lines_this_second += lines
        if self._lines_this_second > FLOOD_BURST:
            return PoolProtocolError(f"over {FLOOD_BURST} lines in a second")
        if self._loud_seconds >= FLOOD_SECONDS:
            return PoolProtocolError(f"over {FLOOD_RATE} lines a second for {FLOOD_SECONDS} s")
        return None


def weight_of(line: bytes, *, is_change: bool) -> int:
    """Return as how many lines one line counts."""
    return (CHANGE_WEIGHT if is_change else 1) + len(line) // BYTES_PER_LINE
