"""The shares of one connection: sent to the pool, and what becomes of them; pure."""

from collections.abc import Callable
from enum import StrEnum

from stratum_client.errors import StratumError
from stratum_client.habits import PoolHabits
from stratum_client.job import Fate, SessionId, Share, version_bits
from stratum_client.liveness import Liveness
from stratum_client.opening import NO_REASON
from stratum_client.refusal_watch import RefusalWatch
from stratum_client.replies import Refusal, refusal_of
from stratum_client.requests import Asked, Pending, Requests
from stratum_client.session_events import Event, ShareAnswered
from stratum_client.session_options import SessionOptions
from stratum_client.terms import TermsInForce
from stratum_client.wire import Reply


class Submission(StrEnum):
    """What became of a share that was to be submitted."""

    SENT = "sent"
    WAIT = "wait"  # not authorized yet, or too many replies are due: offer it again
    FOREIGN = "foreign"  # bound to another extranonce1, or to version bits no longer allowed


class SessionShares:
    """What is submitted in one session; tells of each answer by ``emit``."""

    def __init__(
        self,
        session_id: SessionId,
        options: SessionOptions,
        habits: PoolHabits,
        terms: TermsInForce,
        requests: Requests,
        liveness: Liveness,
        emit: Callable[[Event], None],
    ) -> None:
        self._session = session_id
        self._user = options.user
        self._habits = habits
        self._terms = terms
        self._requests = requests
        self._liveness = liveness
        self._emit = emit
        self._refusals = RefusalWatch()

    def submit(self, share: Share, now: float, *, again: bool, foreign: bool) -> Submission:
        """Queue `mining.submit`, now that the pool knows us; see `Session.submit`."""
        if not foreign and not self._fits(share):
            return Submission.FOREIGN
        if self._requests.is_full(for_block=share.is_block):
            return Submission.WAIT
        params: list[object] = [
            self._user,
            share.job.job_id,
            share.extranonce2.hex(),
            f"{share.ntime:08x}",
            f"{share.nonce:08x}",
        ]
        mask = share.job.version_mask or self._terms.mask if foreign else self._terms.mask
        if mask is not None:
            params.append(f"{version_bits(share, mask, self._habits.version_bits):08x}")
        self._requests.ask(Asked.SUBMIT, params, now, share=share, again=again)
        return Submission.SENT

    def answered(
        self, pending: Pending, share: Share, reply: Reply, now: float
    ) -> StratumError | None:
        """Take the answer to a share; return why the session should end for it, if it should."""
        seconds = now - pending.sent_at
        self._liveness.share_answered(seconds)
        failure = reply.failure or (None if reply.result else NO_REASON)
        refusal = refusal_of(failure) if failure else None
        if refusal is Refusal.DUPLICATE and pending.again:
            refusal = failure = None  # it had been taken, only the reply was lost
        fate = _FATES.get(refusal, Fate.REJECTED)
        if fate is Fate.STALE and pending.again:
            fate = Fate.UNANSWERED  # it may have been taken the first time, in time
        self._emit(
            ShareAnswered(share=share, fate=fate, refusal=refusal, failure=failure, seconds=seconds)
        )
        if not self._fits(share):
            return None  # a block of another session: what becomes of it says nothing of this one
        if refusal is None:
            self._habits.share_accepted(share)
        else:
            self._habits.share_refused(share, refusal, now, self._terms.raised_at)
        return self._refusals.judged(refusal, failure, now)

    def _fits(self, share: Share) -> bool:
        """Return whether this session's coinbase and version mask are those of the share."""
        granted = self._terms.subscription
        job, rolled = share.job, share.version ^ share.job.version
        if granted is None or rolled & ~(self._terms.mask or 0):
            return False
        same_coinbase = (granted.extranonce1, granted.extranonce2_size) == (
            job.extranonce1,
            job.extranonce2_size,
        )
        return job.session == self._session or same_coinbase


_FATES = {None: Fate.ACCEPTED, Refusal.STALE: Fate.STALE}
