"""Snapshots of what is going on; everything shown to anybody is read from these."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.api import DeviceStats
from stratum_client.job import Fate
from stratum_client.tally import Tally


class PoolState(StrEnum):
    """How far a pool's session has come."""

    DISCONNECTED = "disconnected"
    CONNECTING = "connecting"
    WAITING = "waiting"  # authorized, no job yet
    MINING = "mining"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareCounts:
    """Shares by fate, and the hash rates in H/s that they prove, since the start and recently."""

    fates: dict[Fate, int]
    solutions: int
    blocks: int
    best_difficulty: float
    proven_hashrate: float
    recent_hashrate: float
    credited_hashrate: float
    uncertainty: float

    @classmethod
    def of(cls, tally: Tally, now: float) -> "ShareCounts":
        """Return what ``tally`` says at this moment."""
        return cls(
            fates=dict(tally.fates),
            solutions=tally.solutions,
            blocks=tally.blocks,
            best_difficulty=tally.best_difficulty,
            proven_hashrate=tally.proven.average(now),
            recent_hashrate=tally.proven.recent(now),
            credited_hashrate=tally.credited.average(now),
            uncertainty=tally.proven.uncertainty,
        )

    def json(self) -> dict[str, object]:
        """Return the counts under the names of the command line's summary."""
        return {str(fate): count for fate, count in self.fates.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """One pool; ``round_trip`` (seconds) is of the last share."""

    name: str
    url: str
    state: PoolState
    problem: str
    user: str
    difficulty: float | None
    height: int | None
    network_difficulty: float | None
    round_trip: float | None
    counts: ShareCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDevice:
    """One device with the driver's own snapshot and the miner's counts."""

    name: str
    driver: str
    stats: DeviceStats
    counts: ShareCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class RigStats:
    """The whole rig at one moment; ``uptime`` in seconds."""

    uptime: float
    counts: ShareCounts
    pools: tuple[PoolStats, ...]
    devices: tuple[NamedDevice, ...]

    @property
    def claimed_hashrate(self) -> float:
        """Return the sum of what the devices say of themselves, in H/s."""
        return sum(device.stats.claimed_hashrate for device in self.devices)

    def summary(self) -> dict[str, object]:
        """Return the object that `--json` prints at the end."""
        return {
            **self.counts.json(),
            "hardware_errors": sum(d.stats.hardware_errors for d in self.devices),
            "hashrate": self.counts.proven_hashrate,
            "claimed_hashrate": self.claimed_hashrate,
            "credited_hashrate": self.counts.credited_hashrate,
            "best_difficulty": self.counts.best_difficulty,
            "blocks": self.counts.blocks,
            "uptime": round(self.uptime, 3),
            "pools": [
                {"name": p.name, "url": p.url, "state": str(p.state), **p.counts.json()}
                for p in self.pools
            ],
            "devices": [
                {
                    "name": d.name,
                    "driver": d.driver,
                    "state": str(d.stats.state),
                    "hashrate": d.counts.proven_hashrate,
                    "claimed_hashrate": d.stats.claimed_hashrate,
                    "solutions": d.counts.solutions,
                    "hardware_errors": d.stats.hardware_errors,
                }
                for d in self.devices
            ],
        }
