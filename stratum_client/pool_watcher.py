"""Who is told what happens at a pool, in the same call stack."""

from typing import Protocol

from stratum_client.errors import StratumError
from stratum_client.job import Job


class PoolWatcher(Protocol):
    """Told of all that bears on which pool serves; never blocks, never raises."""

    def job_arrived(self, pool: str, job: Job) -> None:
        """Take note of a job that the miner has already."""
        ...

    def share_answered(self, pool: str) -> None:
        """Take note that a share in flight has its answer."""
        ...

    def session_ended(self, pool: str, error: StratumError) -> None:
        """Take note of the end of a session, or of a vain attempt at one."""
        ...


class NobodyWatches:
    """Takes no note: for a pool that runs by itself."""

    def job_arrived(self, pool: str, job: Job) -> None:
        """Take no note."""

    def share_answered(self, pool: str) -> None:
        """Take no note."""

    def session_ended(self, pool: str, error: StratumError) -> None:
        """Take no note."""
