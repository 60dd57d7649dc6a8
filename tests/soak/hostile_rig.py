"""A session, the miner and a device that finds shares, at the mercy of a pool in plain calls."""

import itertools
from random import Random

from drivers.api import Solution
from stratum_client.habits import PoolHabits
from stratum_client.job import Fate, PoolWork, SessionId, Share
from stratum_client.miner import Miner
from stratum_client.session import Session
from stratum_client.session_events import Event, Failed, NewJob, ShareAnswered, Subscribed
from stratum_client.session_options import SessionOptions
from stratum_client.session_shares import Submission
from tests.soak.submit_checker import SubmitChecker
from tests.stand_ins import ManualClock

USER, PASSWORD = "account.rig", "correct-horse-battery"
POOL = "hostile"
TRIES = 3
REMEMBERED = 30


class Device:
    """Tries a few nonces of each work, and lies now and then as broken hardware does."""

    def __init__(self, miner: Miner, random: Random) -> None:
        self._seat = miner.seat("device")
        self._seat.listener = self
        self._random = random
        self._claims: list[Solution] = []
        self._works: list[PoolWork] = []

    def job_changed(self, *, clean: bool) -> None:
        work = self._seat.next_work()
        if work is None:
            return
        self._works = [*self._works[1 - REMEMBERED :], work]
        for _ in range(TRIES):
            self._claim(self._solution(work))
        if self._random.random() < 0.3:
            self.come_late()

    def come_late(self) -> None:
        """Claim what was claimed before, or solve work that others may have come after."""
        if not self._works:
            return
        if self._random.random() < 0.4:
            self._seat.found(self._random.choice(self._claims))
        else:
            self._claim(self._solution(self._random.choice(self._works)))

    def _claim(self, solution: Solution) -> None:
        self._claims = [*self._claims[1 - REMEMBERED :], solution]
        self._seat.found(solution)

    def _solution(self, work: PoolWork) -> Solution:
        random = self._random
        rolled = random.getrandbits(32) & work.version_mask
        ntime, version = work.ntime, work.version | rolled
        match random.randrange(40):
            case 0:
                version = random.getrandbits(32)
            case 1:
                version &= random.getrandbits(32)
            case 2:
                ntime = max(0, ntime + random.choice((-1, -9999, 601, 7200, 30)))
        nonce = random.getrandbits(32)
        return Solution(work=work, nonce=nonce, version=version, ntime=ntime & 0xFFFFFFFF)


class HostileRig:
    """Our side, from session to session; every byte passes the checker."""

    def __init__(self, random: Random) -> None:
        self.clock = ManualClock()
        self.checker = SubmitChecker(user=USER, password=PASSWORD)
        self.miner = Miner(self.clock)
        self.tally = self.miner.add_pool(POOL, self)
        self.device = Device(self.miner, random)
        self.alive = False
        self._numbers, self._serials = itertools.count(1), itertools.count(1)
        self._habits = PoolHabits()
        self._owed: list[Share] = []
        self._session: Session | None = None

    def dial(self) -> None:
        """Begin a session; shares without an answer are offered to it as soon as it has a job."""
        if self._session:
            self._owed = [*self._owed, *self._session.unanswered()][-200:]
        self._habits = PoolHabits() if next(self._numbers) % 20 == 0 else self._habits
        self._session = Session(
            SessionId(pool=POOL, number=next(self._numbers)),
            SessionOptions(user=USER, password=PASSWORD, resume_id="sid"),
            self._habits,
            self._serials,
            self.clock.monotonic(),
        )
        self.alive = True
        self.checker.session_began()
        self._session.start(self.clock.monotonic())
        self._flush()

    def hear(self, line: bytes) -> list[Event]:
        """Let the pool say one line."""
        session = self._session
        assert session
        events = session.receive_data(line + b"\n", self.clock.monotonic())
        taken = {type(event).__name__ for event in events}
        granted = session.subscription
        known = (granted.extranonce1, granted.extranonce2_size) if granted else None
        new = [event.job for event in events if isinstance(event, NewJob)]
        jobs = [(job.job_id, job.coinbase1, job.coinbase2, job.ntime) for job in new]
        self.checker.pool_said(line, taken, jobs, known)
        self._take(events)
        return events

    def wait(self, seconds: float) -> list[Event]:
        """Let time pass, and deadlines with it."""
        session = self._session
        assert session
        self.clock.now += seconds
        events = session.check(self.clock.monotonic())
        self._take(events)
        return events

    def submit(self, share: Share) -> None:
        """Send a share as a pool does that keeps none for later; implements `miner.PoolLink`."""
        session = self._session
        assert session
        if self.alive and (share.is_block or session.allows(share)):
            outcome = session.submit(share, self.clock.monotonic())
            self._flush()
            if outcome is Submission.SENT:
                return
        self.miner.share_ended(share, Fate.DISCARDED, "not taken")

    def _take(self, events: list[Event]) -> None:
        for event in events:
            match event:
                case NewJob(job=job):
                    self.miner.job_arrived(job)
                    self._offer_owed()
                case ShareAnswered(share=share, fate=fate, refusal=refusal):
                    self.miner.share_ended(share, fate, str(refusal or ""))
                case Subscribed():
                    pass
                case Failed():
                    self.alive = False
        self._flush()

    def _offer_owed(self) -> None:
        session = self._session
        if not session or not session.authorized or not session.current_job or not self.alive:
            return
        owed, self._owed = self._owed, []
        for share in owed:
            is_current = share.job.prev_hash == session.current_job.prev_hash
            if not is_current or not self._sent_again(session, share):
                self.miner.share_ended(share, Fate.UNANSWERED, "not resumed")

    def _sent_again(self, session: Session, share: Share) -> bool:
        now = self.clock.monotonic()
        return session.submit(share, now, again=True) is Submission.SENT

    def _flush(self) -> None:
        if self._session:
            self.checker.client_said(self._session.data_to_send())
