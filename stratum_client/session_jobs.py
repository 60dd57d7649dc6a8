"""The jobs of one connection: taken in, checked, issued again when the terms change; pure."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import replace

from stratum_client.errors import PayoutError, PoolProtocolError
from stratum_client.job import Job
from stratum_client.notify import JobError, coinbase_of, parse_notify
from stratum_client.payout import PayoutCheck
from stratum_client.session_events import Event, JobRefused, NewJob, PayoutChecked
from stratum_client.terms import TermsInForce

MAX_JOBS = 64
MAX_EARLY_JOBS = 8
MAX_EARLY_SIZE = 1 << 18
"""Characters of a job that is kept for later; the largest that can be mined has fewer."""

BAD_JOBS_IN_A_ROW = 3


class SessionJobs:
    """What the pool wants mined; tells of each new job by ``emit``."""

    def __init__(
        self,
        terms: TermsInForce,
        serials: Iterator[int],
        emit: Callable[[Event], None],
        payout: PayoutCheck | None,
    ) -> None:
        self.current: Job | None = None
        self._terms = terms
        self._serials = serials
        self._emit = emit
        self._payout = payout
        self._pays: bool | None = None
        self._known: dict[str | int, Job] = {}
        self._early: deque[list[object]] = deque(maxlen=MAX_EARLY_JOBS)
        self._unfit_in_a_row = 0

    def notified(self, params: list[object], now: float) -> bool:
        """Take one `mining.notify`; return whether it was a job that can be mined.

        One that comes before the subscription is kept for `subscribed`. Raises PoolProtocolError
        when too many in a row are unfit, PayoutError for a job that must not be mined.
        """
        if self._terms.subscription is None:
            if sum(len(value) for value in params if isinstance(value, str)) <= MAX_EARLY_SIZE:
                self._early.append(params[:16])
            return False
        try:
            job = parse_notify(params, self._terms.copy(), serial=next(self._serials), arrived=now)
        except JobError as error:
            self._refuse(str(error))
            return False
        self._unfit_in_a_row = 0
        if self._payout:
            self._check_payout(self._payout, job)
        before = self._known.get(job.job_id)
        if before and before.is_same_task(job) and before.terms == job.terms:
            return True
        if self.current and self.current.prev_hash != job.prev_hash:
            job = replace(job, clean=True)
        self._issue(job)
        return True

    def subscribed(self, now: float) -> bool:
        """Take in what came early; return whether there was a job that can be mined."""
        early, self._early = self._early, deque(maxlen=MAX_EARLY_JOBS)
        taken = [self.notified(params, now) for params in early]
        return any(taken)

    def reissue(self, now: float, *, clean: bool) -> None:
        """Issue the current job again with what is in force now."""
        if self.current:
            job = replace(
                self.current,
                serial=next(self._serials),
                clean=clean,
                version_mask=self._terms.mask or 0,
                difficulty=self._terms.difficulty,
                target=self._terms.target,
                arrived=now,
            )
            self._issue(job)

    def _check_payout(self, payout: PayoutCheck, job: Job) -> None:
        problem = payout.problem_with(coinbase_of(job), job.network_target)
        if problem and payout.leaves:
            self._emit(JobRefused(problem=problem))
            raise PayoutError(problem)
        if self._pays is not (not problem):
            self._pays = not problem
            self._emit(PayoutChecked(problem=problem))

    def _issue(self, job: Job) -> None:
        if job.clean:
            self._known.clear()
        self._known.pop(job.job_id, None)
        self._known[job.job_id] = job
        while len(self._known) > MAX_JOBS:
            del self._known[next(iter(self._known))]
        self.current = job
        self._emit(NewJob(job=job))

    def _refuse(self, problem: str) -> None:
        self._emit(JobRefused(problem=problem))
        self._unfit_in_a_row += 1
        if self._unfit_in_a_row >= BAD_JOBS_IN_A_ROW:
            count = self._unfit_in_a_row
            raise PoolProtocolError(f"{count} unfit jobs in a row: {problem}")
