"""What became of the shares of one pool or one device; counters and rates, no policy."""

from dataclasses import dataclass, field

from drivers.header import hashes_to_find
from stratum_client.hashrate import HashRate
from stratum_client.job import Fate, Share

MAX_REASONS = 64
"""Different reasons that are counted by name."""

OTHER_REASON = "other"


@dataclass(slots=True)
class Tally:
    """Counts of shares by fate, and the hash rates they prove."""

    proven: HashRate  # from solutions checked here
    credited: HashRate  # from shares the pool accepted
    fates: dict[Fate, int] = field(default_factory=lambda: dict.fromkeys(Fate, 0))
    reasons: dict[str, int] = field(default_factory=dict)  # why shares were discarded or refused
    solutions: int = 0
    blocks: int = 0
    best_difficulty: float = 0.0
    accepted_difficulty: float = 0.0
    last_accepted: float | None = None

    @classmethod
    def starting(cls, now: float) -> "Tally":
        """Return an empty tally."""
        return cls(proven=HashRate(now), credited=HashRate(now))

    def solved(self, share: Share, now: float) -> None:
        """Count a solution that meets its share target, or solves a block all the same."""
        self.solutions += 1
        self.blocks += share.is_block
        self.best_difficulty = max(self.best_difficulty, share.difficulty)
        if share.value <= share.job.target:
            self.proven.add(hashes_to_find(share.job.target), now)

    def ended(self, share: Share, fate: Fate, now: float, reason: str = "") -> None:
        """Count a share's end."""
        self.fates[fate] += 1
        if reason:
            if reason not in self.reasons and len(self.reasons) >= MAX_REASONS:
                reason = OTHER_REASON
            self.reasons[reason] = self.reasons.get(reason, 0) + 1
        if fate is Fate.ACCEPTED:
            self.accepted_difficulty += share.job.difficulty
            self.last_accepted = now
            self.credited.add(hashes_to_find(share.job.target), now)
