"""A pool between two sessions with different settings: it is told of, and takes no orders."""

from dataclasses import dataclass, replace

from stratum_client.pool import Pool
from stratum_client.pool_roles import PoolRole
from stratum_client.stats import PoolState, PoolStats

RECONNECTING = "reconnecting with other settings"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturningPool:
    """A pool that is added again when ``pool``, with its old settings, is closed.

    ``place`` is its row's among those of all pools; ``enabled`` says whether it may take part.
    """

    pool: Pool
    place: int
    enabled: bool

    def row(self, now: float) -> PoolStats:
        """Return what is to be told of it until it is back."""
        role = PoolRole.CONNECTING if self.enabled else PoolRole.DISABLED
        stats = self.pool.snapshot(now)
        return replace(stats, state=PoolState.DISCONNECTED, problem=RECONNECTING, role=role)
