"""Every share of a simulated rig, followed from the chip to the last word of its pool.

What is expected is worked out here from both ends of the wire, never asked of the client.
"""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from drivers.api import Solution
from stratum_client.emulated_pool.tally import Fate as PoolFate
from stratum_client.job import Fate, PoolWork, SessionId, Share
from stratum_client.miner import ShareWitness
from tests.soak.year.network import Link

SETTLED = 900.0
"""Seconds after the client's last word on a share in which nothing may happen to it any more."""

OPEN_FOR = 360.0
"""Seconds in which a share must have an end: `submit_lost` and `SHARE_LIFE`, and looks at both."""

RECORDED = 500
"""Shares at a time that go to a real ledger, whose threads know no virtual time."""


@dataclass(slots=True)
class Followed:
    """One share; ``verdicts`` are the pool's, ``answers`` how many of them reached the client."""

    device: str
    session: SessionId | None
    pool: str
    extranonce1: str
    user: str
    params: list[str]
    solved_at: float
    found: bool = False
    sent: int = 0
    heard: int = 0
    answers: int = 0
    last_answered: bool = False
    verdicts: list[PoolFate] = field(default_factory=list)
    fate: Fate | None = None


class ShareWatch:
    """Follows shares by their nonce, of which no two are alike; a `miner.ShareWitness`."""

    def __init__(self, now: Callable[[], float], breach: Callable[[str], None]) -> None:
        self.ledger: ShareWitness | None = None
        self.to_record = RECORDED
        self.fates: Counter[Fate] = Counter()
        self.reasons: Counter[str] = Counter()
        self.verdicts: Counter[tuple[str, PoolFate]] = Counter()
        self.recorded = 0
        self.taken = 0
        self.taken_unheard = 0
        self.users: dict[tuple[str, str], str] = {}
        self.stormy: Callable[[str], bool] = lambda _: False
        self._now = now
        self._breach = breach
        self._open: dict[int, Followed] = {}
        self._endless: dict[int, None] = {}
        self._ended: deque[tuple[float, int]] = deque()

    # --- at the device ---

    def solved(self, device: str, solution: Solution, work: PoolWork) -> None:
        """Take note of a solution before the miner hears of it."""
        job = work.job
        extranonce1, pool = job.extranonce1.hex(), job.session.pool
        self._open[solution.nonce] = Followed(
            device=device,
            session=job.session,
            pool=pool,
            extranonce1=extranonce1,
            user=self.users.get((pool, extranonce1), "?"),
            params=[str(job.job_id), work.extranonce2.hex(), f"{solution.ntime:08x}"],
            solved_at=self._now(),
        )
        self._endless[solution.nonce] = None
        self._forget_settled()

    # --- at the ledger's place ---

    def found(self, share: Share) -> None:
        """Take note of a share, as the ledger does."""
        followed = self._known(share.nonce, "found")
        if followed.found or followed.sent:
            self._breach(f"share {share.nonce:08x} was recorded late or twice")
        followed.found = True
        if self.ledger and self.recorded < self.to_record:
            self.recorded += 1
            self.ledger.found(share)

    def ended(self, share: Share, fate: Fate, reason: str) -> None:
        """Take note of a share's end, and compare it with what happened on the wire."""
        if self.ledger:
            self.ledger.ended(share, fate, reason)
        followed = self._known(share.nonce, "ended")
        if followed.fate or not followed.found:
            self._breach(f"share {share.nonce:08x} ended twice, or without being recorded")
        followed.fate = fate
        self._endless.pop(share.nonce, None)
        self.fates[fate] += 1
        self.reasons[f"{fate}: {reason}"] += 1
        self._ended.append((self._now(), share.nonce))
        if problem := _contradiction(followed, fate):
            self._breach(f"{problem}: {followed}, {reason}")

    # --- on the wire ---

    def authorized(self, link: Link) -> None:
        """Take note of whose the extranonces of a link are."""
        for extranonce1 in link.extranonces:
            self.users[link.pool.name, extranonce1] = link.user
        while len(self.users) > 500:
            del self.users[next(iter(self.users))]

    def submitted(self, link: Link, params: list[str]) -> None:
        """Take note that the client writes a share, and check where, and as whose."""
        user, *middle, nonce = params[:5]
        share = self._known(int(nonce, 16), "submitted")
        if not share.found:
            self._breach(f"share {nonce} was sent before it was recorded")
        if link.pool.name != share.pool or share.extranonce1 not in link.extranonces:
            self._breach(f"{share} went to {link.pool.name} with {link.extranonces}")
        if user != share.user or user != link.user:
            self._breach(f"{share} went as {user} on a link of {link.user}")
        if middle != share.params:
            self._breach(f"{share} was sent as {params}")
        if share.fate or share.last_answered:
            self._breach(f"{share} was sent again after its answer")
        share.sent += 1
        share.heard = link.news_heard
        share.last_answered = False

    def judged(self, link: Link, params: list[str], fate: PoolFate, reason: str) -> None:
        """Take note of the pool's verdict."""
        share = self._known(int(params[4], 16), "judged")
        self.verdicts[link.pool.name, fate] += 1
        resent = PoolFate.ACCEPTED in share.verdicts
        share.verdicts.append(fate)
        match fate:
            case PoolFate.ACCEPTED:
                self.taken += 1
                if resent:
                    self._breach(f"{share} was accepted twice")
            case PoolFate.STALE:
                self._check_staleness(link, share)
            case PoolFate.DUPLICATE if resent:
                pass  # asked again because the answer was lost
            case _ if not self.stormy(link.pool.name):
                self._breach(f"{share} was refused by {link.pool.name}: {reason}")

    def answered(self, nonce: int) -> None:
        """Take note that an answer reached the client."""
        share = self._known(nonce, "answered")
        share.answers += 1
        share.last_answered = True

    # --- the end ---

    def finish(self) -> list[Followed]:
        """Settle all, and return the shares that never ended."""
        for _, nonce in self._ended:
            self._settle(self._open.pop(nonce))
        return list(self._open.values())

    # --- inside ---

    def _check_staleness(self, link: Link, share: Followed) -> None:
        """Only news that was still on its way, or never set out, excuses a stale share."""
        is_told = link.news_told == share.heard and not link.is_mute
        if share.session == link.session_id and is_told:
            self._breach(f"{share} was sent although it was known to be stale")

    def _known(self, nonce: int, what: str) -> Followed:
        if nonce not in self._open:
            self._breach(f"share {nonce:08x} was {what}, but nobody solved it, or long ago")
            self._open[nonce] = Followed("?", None, "?", "?", "?", [], self._now())
        return self._open[nonce]

    def _forget_settled(self) -> None:
        now = self._now()
        while self._ended and now - self._ended[0][0] > SETTLED:
            self._settle(self._open.pop(self._ended.popleft()[1]))
        oldest = self._open[next(iter(self._endless))]
        if now - oldest.solved_at > OPEN_FOR:
            self._breach(f"{oldest} has no end")

    def _settle(self, share: Followed) -> None:
        if problem := _contradiction(share, share.fate):
            self._breach(f"{problem}: {share}")
        accepted = PoolFate.ACCEPTED in share.verdicts
        self.taken_unheard += accepted and share.fate is not Fate.ACCEPTED


def _contradiction(share: Followed, fate: Fate | None) -> str:
    """Return what a fate has against what was seen on the wire."""
    accepted = PoolFate.ACCEPTED in share.verdicts
    match fate:
        case Fate.ACCEPTED if not (accepted and share.last_answered):
            return "counted as accepted, but the pool said no such thing"
        case Fate.STALE if share.verdicts[-1:] != [PoolFate.STALE] or not share.last_answered:
            return "counted as stale, but the pool said no such thing"
        case Fate.REJECTED if accepted or not share.last_answered:
            return "counted as rejected, but the pool said no such thing"
        case Fate.DISCARDED if share.sent:
            return "counted as discarded, but it was sent"
        case Fate.UNANSWERED if not share.sent:
            return "counted as unanswered, but it was never sent"
    return ""
