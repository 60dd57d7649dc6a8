"""What both sides of several pools write down of every share, and what must be true of it.

The pool's side is an embedded pool whose wire is read a second time, so that a share is known by
what `mining.submit` says of it; the client's is a witness at the miner and a watcher of sessions.
"""

import json
import ssl
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random

from stratum_client.clock import SystemClock
from stratum_client.emulated_pool.connection import Connection
from stratum_client.emulated_pool.events import ClientAuthorized, ClientGone, Event, ShareJudged
from stratum_client.emulated_pool.known_pools import PLAIN
from stratum_client.emulated_pool.profiles import JobIdForm
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Fate as Verdict
from stratum_client.job import Fate, Job, Share
from stratum_client.tally import Tally

Key = tuple[str, ...]
"""Job id, extranonce2, ntime, nonce, version bits: a submit's parameters without the user."""

REFUSED = (Fate.UNANSWERED, "the pool refused what came before")
COPY_REFUSED = [(Fate.UNANSWERED, "stale")]
"""It was sent again in the next session, too late; what became of the first copy is not known."""

ANSWERED = (Fate.ACCEPTED, Fate.STALE, Fate.REJECTED)
VERSION_MASK = 0x1FFFE000
NO_BITS = "00000000"
"""What a submit says of version bits where none were agreed: nothing."""

_PROFILE = replace(PLAIN, manners=replace(PLAIN.manners, job_ids=JobIdForm.SIXTEEN))


class ShiftedClock:
    """A pool's clock, off by some seconds: job ids are made of it, so each pool has its own."""

    def __init__(self, ahead: float) -> None:
        self._clock = SystemClock()
        self._ahead = ahead

    def wall(self) -> float:
        return self._clock.wall() + self._ahead

    def monotonic(self) -> float:
        return self._clock.monotonic()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A share that came in: what the wire said, and what the pool made of it."""

    user: str
    key: Key
    verdict: Verdict


class HeardPool(EmulatedPool):
    """An embedded pool that knows one user.

    ``mood`` is a fault that strikes later connections too, until it is cleared; ``number`` is
    another one for each pool.
    """

    def __init__(
        self, settings: PoolSettings, *, user: str, number: int, tls: ssl.SSLContext | None = None
    ) -> None:
        self.user = user
        self.mood = ""
        self.judged: list[Judged] = []
        self.logins: Counter[str] = Counter()
        self._rest: dict[int, bytes] = {}
        self._submits: defaultdict[int, deque[list[str]]] = defaultdict(deque)
        super().__init__(
            replace(settings, users={user: password_of(user)}, profile=_PROFILE),
            clock=ShiftedClock(-100.0 * number),
            random=Random(number),
            on_event=self._note,
            tls=tls,
        )

    async def show(self, tls: ssl.SSLContext | None) -> None:
        """Listen with another certificate."""
        self.stop_listening()
        self._tls = tls
        await self.listen_again()

    def joined(self, connection: Connection, peer: str) -> bool:
        joined = super().joined(connection, peer)
        if joined and self.mood:
            self.inject(self.mood)
        return joined

    def received(self, connection: Connection, data: bytes) -> None:
        number = connection.number
        *lines, self._rest[number] = (self._rest.get(number, b"") + data).split(b"\n")
        for request in map(json.loads, lines):
            if request.get("method") == "mining.submit":
                words = [str(word) for word in request["params"]]
                self._submits[number].append([*words, NO_BITS][:6])
        super().received(connection, data)

    def _note(self, event: Event) -> None:
        match event:
            case ShareJudged(connection=number, worker=worker, fate=verdict):
                user, *key = self._submits[number].popleft()
                assert user == worker
                self.judged.append(Judged(user=user, key=tuple(key), verdict=verdict))
            case ClientAuthorized(worker=worker):
                self.logins[worker] += 1
            case ClientGone(connection=number):
                self._submits.pop(number, None)  # what came when the pool had hung up


def password_of(user: str) -> str:
    """Return the password that goes with a user name: no two pools have the same."""
    return f"secret-of-{user}"


@dataclass(slots=True, kw_only=True)
class FoundShare:
    """A share of ours.

    ``alive``: the session of its job was, when it was found; ``late``: its pool did not serve
    then. ``lost``: that session ended by an error before the answer.
    """

    share: Share
    alive: bool
    late: bool
    ends: list[tuple[Fate, str]] = field(default_factory=list)
    lost: bool = False

    @property
    def pool(self) -> str:
        return self.share.job.session.pool

    @property
    def fate(self) -> Fate | None:
        return self.ends[0][0] if len(self.ends) == 1 else None

    @property
    def key(self) -> Key:
        share = self.share
        return (
            *(str(share.job.job_id), share.extranonce2.hex(), f"{share.ntime:08x}"),
            *(f"{share.nonce:08x}", f"{share.version & VERSION_MASK:08x}"),
        )


class FoundShares:
    """All shares of ours; implements `miner.ShareWitness`."""

    def __init__(
        self, is_alive: Callable[[Share], bool], serving: Callable[[], Iterable[str]]
    ) -> None:
        self._found: dict[Share, FoundShare] = {}
        self._is_alive = is_alive
        self._serving = serving

    def __iter__(self) -> Iterator[FoundShare]:
        return iter(self._found.values())

    def found(self, share: Share) -> None:
        late = share.job.session.pool not in self._serving()
        self._found[share] = FoundShare(share=share, alive=self._is_alive(share), late=late)

    def ended(self, share: Share, fate: Fate, reason: str) -> None:
        if share in self._found:  # else a duplicate, which was never found
            self._found[share].ends.append((fate, reason))

    def session_lost(self, pool: str) -> None:
        """Note that the shares without an answer from this pool had their session end."""
        for found in self:
            if found.pool == pool and found.ends in ([], [REFUSED]):
                found.lost = True

    def of(self, pool: str) -> list[FoundShare]:
        return [found for found in self if found.pool == pool]


def wrongs(
    name: str, found: Sequence[FoundShare], servers: Sequence[HeardPool], tally: Tally
) -> list[str]:
    """Return what is wrong between our records of one pool and its own; ``servers`` are its."""
    judged: defaultdict[Key, list[Verdict]] = defaultdict(list)
    for server in servers:
        for entry in server.judged:
            judged[entry.key].append(entry.verdict)
    ours = {entry.key: entry for entry in found}
    told = [
        *(f"{name} was told of the user {user}" for user in _strangers(servers)),
        *(f"{name} got a share that is not its own: {key}" for key in judged.keys() - ours.keys()),
        *(f"{name}: share {entry.key} ended {entry.ends}" for entry in found if not entry.fate),
        *(
            f"{name}: {entry.ends} here, {judged.get(entry.key, [])} there: {entry.key}"
            for entry in found
            if not _agree(entry.fate, judged.get(entry.key, []))
        ),
        *_count_wrongs(name, found, servers, tally),
    ]
    if len(ours) != len(found):
        told.append(f"{name}: {len(found) - len(ours)} shares found twice")
    return told


def losses(found: Iterable[FoundShare], jobs: Sequence[Job]) -> list[str]:
    """Return the shares that could have been submitted and were not answered.

    A pool that ended a session by its fault, or called the job off before the share was found
    (``jobs`` are all that came), could not have them.
    """
    return [
        f"lost {entry.pool} {entry.key}: {entry.ends}"
        for entry in found
        if entry.alive and not entry.lost and entry.fate not in ANSWERED
        if not _called_off(entry.share, jobs)
    ]


def _called_off(share: Share, jobs: Sequence[Job]) -> bool:
    own, found_at = share.job, share.found_at
    return any(
        job.clean and job.session.pool == own.session.pool and own.serial < job.serial
        for job in jobs
        if job.arrived <= found_at
    )


def _strangers(servers: Sequence[HeardPool]) -> set[str]:
    return {
        user
        for server in servers
        for user in (*server.logins, *(entry.user for entry in server.judged))
        if user != server.user
    }


def _agree(fate: Fate | None, verdicts: Sequence[Verdict]) -> bool:
    """Return whether what we say of a share can be after what its pool said, in order."""
    match fate:
        case Fate.ACCEPTED:  # sent again when the answer was lost, it is a duplicate there
            return verdicts[:1] == [Verdict.ACCEPTED] and set(verdicts[1:]) <= {Verdict.DUPLICATE}
        case Fate.STALE:
            return verdicts[-1:] == [Verdict.STALE]
        case Fate.REJECTED:
            return bool(verdicts) and verdicts[-1] not in {Verdict.ACCEPTED, Verdict.STALE}
        case Fate.DISCARDED:
            return not verdicts
    return True


def _count_wrongs(
    name: str, found: Sequence[FoundShare], servers: Sequence[HeardPool], tally: Tally
) -> list[str]:
    """Return where the counters of either side differ from what was written down."""
    ended = Counter(fate for entry in found for fate, _ in entry.ends)
    told = [
        f"{name}: {ended[fate]} {fate} shares, but {tally.fates[fate]} are counted"
        for fate in Fate
        if ended[fate] != tally.fates[fate]
    ]
    for server in servers:
        total, heard = server.tally().total, Counter(entry.verdict for entry in server.judged)
        counted = {
            Verdict.ACCEPTED: total.accepted,
            Verdict.STALE: total.stale,
            Verdict.DUPLICATE: total.duplicate,
            Verdict.LOW_DIFFICULTY: total.low_difficulty,
            Verdict.INVALID: total.invalid,
            Verdict.UNAUTHORIZED: total.unauthorized,
        }
        if counted != {verdict: heard[verdict] for verdict in Verdict}:
            told.append(f"{name} heard {heard} and counted {counted}")
    return told


def fates_of(found: Iterable[FoundShare]) -> Mapping[str, int]:
    """Return how many shares ended how, for people."""
    return Counter(str(entry.fate) for entry in found)
