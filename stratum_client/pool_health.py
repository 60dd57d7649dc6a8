"""How well one pool serves: since when it can, how it was lost, what it must show before it may.

Pure; takes `now`, a monotonic time in seconds. Who serves is decided in `failover`.
"""

from dataclasses import dataclass
from enum import StrEnum

from stratum_client.errors import (
    AuthorizationError,
    ConnectError,
    ConnectionLostError,
    HandshakeTimeoutError,
    PayoutError,
    PoolRefusedError,
    PoolSilentError,
    StratumError,
)

LONGEST_PROBATION = 3600.0
GOOD_SERVICE = 3600.0
"""Seconds of service after which older faults are forgiven."""

MOST_BLOCKS_APART = 10
MOST_RETARGET = 4
"""Pools further apart than this, in height or in network difficulty, mine different chains."""

_MOST_DOUBLINGS = 32


class Loss(StrEnum):
    """How a pool was lost, in the words of a sentence that says so."""

    CONNECTION = "connection lost"
    REFUSED = "refused to go on"
    SILENT = "silent"
    BAD_WORK = "bad work"
    WRONG_PAYOUT = "its jobs pay somebody else"
    REJECT_STORM = "refused most shares"
    LOGIN_REFUSED = "login refused"
    STALE_CHAIN = "behind the other pools"


OUTAGES = frozenset({Loss.CONNECTION, Loss.SILENT})
"""What happens to good pools too; everything else is a fault of the pool."""


def loss_of(error: StratumError) -> Loss:
    """Return what kind of loss a session's end is."""
    match error:
        case AuthorizationError():
            return Loss.LOGIN_REFUSED
        case PoolRefusedError():
            return Loss.REJECT_STORM if error.request == "most shares" else Loss.REFUSED
        case ConnectError() | ConnectionLostError():
            return Loss.CONNECTION
        case PoolSilentError() | HandshakeTimeoutError():
            return Loss.SILENT
        case PayoutError():
            return Loss.WRONG_PAYOUT
    return Loss.BAD_WORK


@dataclass(frozen=True, slots=True, kw_only=True)
class Tip:
    """Where a pool's current job stands; ``height`` is None where the coinbase does not tell."""

    height: int | None
    network_target: int

    def blocks_behind(self, other: "Tip", *, fell_behind: bool = False) -> int:
        """Return by how many blocks ``other`` is ahead on the same chain; 0 if it is not.

        With ``fell_behind`` it was seen closer, so that no distance speaks for another chain.
        """
        if self.height is None or other.height is None:
            return 0
        low, high = sorted((self.network_target, other.network_target))
        ahead = other.height - self.height
        is_near = fell_behind or ahead <= MOST_BLOCKS_APART
        return ahead if ahead > 0 and is_near and high <= low * MOST_RETARGET else 0


class PoolHealth:
    """What is known of one pool.

    ``patience`` is for how long it may be away and still be back as if nothing had been;
    ``failback_after`` how long it must be well after more than that.
    """

    def __init__(self, name: str, *, quota: float, patience: float, failback_after: float) -> None:
        self.name = name
        self.quota = quota
        self.patience = patience
        self.enabled = True
        self.tip: Tip | None = None
        self.well_since = 0.0
        self.lost_at = 0.0
        self.loss: Loss | None = None
        self.left_behind = False
        self.behind_since: float | None = None
        self.serving_since: float | None = None
        self.failback_after = failback_after
        self._chain_height = 0
        self._trusted = False
        self._may_be_blip = True
        self._faults = 0

    @property
    def usable(self) -> bool:
        """Return whether it has a job for us, now."""
        return self.enabled and self.tip is not None

    @property
    def fell_behind(self) -> bool:
        """Return whether it has not come as far yet as its chain was seen to be elsewhere."""
        height = self.tip.height if self.tip else None
        return height is not None and height < self._chain_height

    def begin(self, now: float, *, forgiven: bool = False) -> None:
        """Start to wait for the pool, without a past to hold against it but its faults."""
        self._faults = 0 if forgiven else self._faults
        self.tip = None
        self.loss = None
        self.lost_at = now
        self.left_behind, self.behind_since = False, None
        self._trusted, self._may_be_blip = False, not self._faults

    def job_arrived(self, tip: Tip, now: float) -> None:
        """Note a job: the pool is usable."""
        if self.tip is None:
            self.well_since, self.loss = now, None
            self._trusted = self._may_be_blip and now - self.lost_at <= self.patience
            self._may_be_blip = False
        self.tip = tip

    def lost(self, loss: Loss, now: float) -> None:
        """Note the end of a session, or that there was none; only the first time counts."""
        if self.tip is None:
            if loss is not Loss.CONNECTION or self.loss is None:
                self.loss = loss
            self._may_be_blip &= loss is Loss.CONNECTION
            return
        was_well = now - self.well_since >= self.failback_after
        self._may_be_blip = was_well and loss is Loss.CONNECTION and not self.left_behind
        self._trusted = False
        self.tip, self.loss, self.lost_at = None, loss, now
        self.left_behind, self.behind_since = False, None
        if loss not in OUTAGES:
            self._fault(now)

    def compare(self, blocks_behind: int, now: float, *, behind_after: float) -> None:
        """Note by how many blocks others are ahead; too many for too long is a stale chain."""
        if blocks_behind and self.tip and self.tip.height is not None:
            self._chain_height = max(self._chain_height, self.tip.height + blocks_behind)
        if not blocks_behind:
            if self.left_behind:
                self.well_since, self.loss, self._trusted = now, None, False
            self.left_behind, self.behind_since = False, None
            return
        if self.behind_since is None:
            self.behind_since = now
        if not self.left_behind and now >= self.behind_since + behind_after:
            self.left_behind, self.loss = True, Loss.STALE_CHAIN
            if self.serving_since is not None:
                self._fault(now)

    # --- what it must show ---

    @property
    def probation(self) -> float:
        """Return for how long it must be well before work goes back to it."""
        doubled = self.failback_after * 2.0 ** min(max(self._faults - 1, 0), _MOST_DOUBLINGS)
        return min(doubled, max(LONGEST_PROBATION, self.failback_after))

    @property
    def due_at(self) -> float:
        """Return when it has been well for long enough, if it stays so; it must be usable."""
        return self.well_since if self._trusted else self.well_since + self.probation

    @property
    def steady_at(self) -> float:
        """Return when it may take its part where work is dealt: faults weigh, outages little."""
        return self.due_at if self._faults else min(self.due_at, self.well_since + self.patience)

    def is_due(self, now: float) -> bool:
        """Return whether work may go back to it."""
        return self.usable and not self.left_behind and now >= self.due_at

    def is_steady(self, now: float) -> bool:
        """Return whether it may take its part where work is dealt."""
        return self.usable and not self.left_behind and now >= self.steady_at

    def is_awaited(self, now: float) -> bool:
        """Return whether it has just been lost or asked for, and may be there in a moment.

        Only a good pool's lost connection is waited out: else it makes no sense, or is no blip.
        """
        return self.tip is None and self._may_be_blip and now < self.awaited_until

    @property
    def awaited_until(self) -> float:
        """Return when patience with it ends; it must not be usable."""
        return self.lost_at + self.patience

    @property
    def moments(self) -> tuple[float, ...]:
        """Return when the answers to the questions above may change by time alone."""
        return (self.due_at, self.steady_at) if self.usable else (self.awaited_until,)

    def _fault(self, now: float) -> None:
        served = now - self.serving_since if self.serving_since is not None else 0.0
        self._faults = 1 if served >= GOOD_SERVICE else self._faults + 1
