"""Snapshots of what is going on; everything shown to anybody is read from these."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.api import DeviceStats
from stratum_client.control.claims import UNBOUND, Claim, Decision
from stratum_client.control.energy_account import EnergyOf, EnergyStats
from stratum_client.control.order_answers import OrderStats
from stratum_client.control.power import CapHeld, Reading, Source
from stratum_client.control.tuning_views import TuningNote
from stratum_client.job import Fate
from stratum_client.log_lines import utc
from stratum_client.pool_roles import PoolRole
from stratum_client.quota import Dealt
from stratum_client.tally import Tally

UNORDERED = OrderStats()


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

    def rates_json(self) -> dict[str, object]:
        """Return what the counts prove, in H/s, and what came of it."""
        return {
            "hashrate": self.proven_hashrate,
            "recent_hashrate": self.recent_hashrate,
            "uncertainty_ratio": self.uncertainty,
            "credited_hashrate": self.credited_hashrate,
            "solutions": self.solutions,
            "best_difficulty": self.best_difficulty,
            "blocks": self.blocks,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolStats:
    """One pool; ``round_trip`` (seconds) is of the last share.

    ``role`` is None for a pool that runs by itself, ``dealt`` where nothing is dealt by quota.
    """

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
    role: PoolRole | None = None
    role_note: str = ""
    dealt: Dealt | None = None

    def json(self) -> dict[str, object]:
        """Return the pool as docs/control.md describes it."""
        return {
            "name": self.name,
            "url": self.url,
            "state": str(self.state),
            "problem": self.problem,
            "role": str(self.role or ""),
            "role_note": self.role_note,
            "quota_wanted": self.dealt.wanted if self.dealt else None,
            "quota_achieved": self.dealt.achieved if self.dealt else None,
            "user": self.user,
            **self.counts.json(),
            **self.counts.rates_json(),
            "difficulty": self.difficulty,
            "height": self.height,
            "network_difficulty": self.network_difficulty,
            "round_trip_seconds": self.round_trip,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Metered:
    """Watts that are believed, with their source, and the seconds since they were read."""

    watts: float
    source: Source
    age: float
    note: str = ""

    @classmethod
    def of(cls, reading: Reading, now: float) -> "Metered":
        """Return a reading as it stands at this moment."""
        age = max(now - reading.at, 0.0)
        return cls(watts=reading.watts, source=reading.source, age=age, note=reading.note)

    def json(self) -> dict[str, object]:
        """Return the reading as docs/control.md describes it."""
        return {
            "watts": self.watts,
            "source": str(self.source),
            "age_seconds": self.age,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedDevice:
    """One device with the driver's own snapshot, the miner's counts, and what it may do.

    ``power`` is what it takes by whatever is believed most, None where nothing is known.
    """

    name: str
    driver: str
    stats: DeviceStats
    counts: ShareCounts
    decision: Decision = UNBOUND
    power: Metered | None = None
    tuning: TuningNote | None = None
    energy: EnergyOf | None = None

    def json(self) -> dict[str, object]:
        """Return the device as docs/control.md describes it."""
        stats = self.stats
        return {
            "name": self.name,
            "driver": self.driver,
            "state": str(stats.state),
            "reason": stats.reason,
            "claimed_hashrate": stats.claimed_hashrate,
            **self.counts.json(),
            **self.counts.rates_json(),
            "hardware_errors": stats.hardware_errors,
            "temperature_celsius": stats.temperature,
            "power_watts": stats.power,
            "power": self.power.json() if self.power else None,
            "energy": self.energy.json() if self.energy else None,
            "frequency_mhz": stats.frequency_mhz,
            "limit": self._limit_json(),
            "tuning": self.tuning.json() if self.tuning else None,
            "details": dict(stats.details),
        }

    def _limit_json(self) -> Mapping[str, object] | None:
        """Return what holds the device back, and who; None if nothing does."""
        decision = self.decision
        if not decision.binding:
            return None
        return {
            "limit": decision.stated,
            "run": decision.limit.run,
            "max_watts": decision.limit.watts,
            "max_mhz": decision.limit.mhz,
            "level": str(decision.binding[0].level),
            "reason": decision.reason,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RigStats:
    """The whole rig at one moment. ``work`` says why work comes from where.

    ``power`` is what it takes, ``cap`` the lowest limit of all of it in watts.

    In seconds are ``uptime``, ``loop_lag``, the worst delay of the event loop lately, and
    ``idle_after``, what the last order to rest took.
    """

    rig: str = ""
    version: str = ""
    uptime: float
    counts: ShareCounts
    pools: tuple[PoolStats, ...]
    devices: tuple[NamedDevice, ...]
    work: str = ""
    claims: tuple[Claim, ...] = ()
    loop_lag: float = 0.0
    idle_after: float | None = None
    orders: OrderStats = UNORDERED
    power: Metered | None = None
    cap: CapHeld | None = None
    energy: EnergyStats | None = None

    @property
    def claimed_hashrate(self) -> float:
        """Return the sum of what the devices say of themselves, in H/s."""
        return sum(device.stats.claimed_hashrate for device in self.devices)

    def summary(self) -> dict[str, object]:
        """Return the object of `status --json` and `run --json`, as docs/control.md has it."""
        return {
            "rig": self.rig,
            "version": self.version,
            "uptime": round(self.uptime, 3),
            **self.counts.json(),
            "hardware_errors": sum(d.stats.hardware_errors for d in self.devices),
            "claimed_hashrate": self.claimed_hashrate,
            "work": self.work,
            **self.counts.rates_json(),
            "loop_lag_seconds": self.loop_lag,
            "idle_after_seconds": self.idle_after,
            "orders": self.orders.json(),
            "power": self.power.json() if self.power else None,
            "cap": {"watts": self.cap.watts, "held_by": self.cap.by} if self.cap else None,
            "energy": self.energy.json() if self.energy else None,
            "claims": [_claim_json(claim) for claim in self.claims],
            "pools": [pool.json() for pool in self.pools],
            "devices": [device.json() for device in self.devices],
        }


def _claim_json(claim: Claim) -> Mapping[str, object]:
    return {
        "level": str(claim.level),
        "issuer": claim.issuer,
        "device": claim.device or None,
        "limit": str(claim.limit),
        "reason": claim.reason,
        "since": utc(claim.since),
        "until": None if claim.until is None else utc(claim.until),
    }
