"""The shares of one connection: judged, counted, and what follows from a run of bad ones."""

from collections.abc import Set
from dataclasses import dataclass, replace

from stratum_client.emulated_pool.desk import JobDesk
from stratum_client.emulated_pool.events import ShareJudged
from stratum_client.emulated_pool.problems import FATES, Problem
from stratum_client.emulated_pool.shares import (
    Submission,
    Terms,
    Verdict,
    duplicate_key,
    judge,
    read_submission,
)
from stratum_client.emulated_pool.state import PoolState
from stratum_client.emulated_pool.tally import Fate
from stratum_client.emulated_pool.wire import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a client is entitled to when its share arrives."""

    subscribed: bool
    workers: Set[str]
    mask: int | None
    desk: JobDesk


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One judged share; ``required`` is the difficulty that was asked of it, 0 if unknown."""

    verdict: Verdict
    fate: Fate
    worker: str
    required: float


class ShareIntake:
    """Judges and counts shares.

    ``storm`` is how many shares more are refused whatever they are worth; None: all.
    """

    def __init__(self, state: PoolState, connection: int) -> None:
        self._state = state
        self._rules = state.profile.shares
        self._connection = connection
        self._bad_since: float | None = None
        self.storm: int | None = 0

    def take(self, params: list[Json], standing: Standing) -> Outcome:
        """Judge and count the share in the parameters of a `mining.submit`."""
        worker = str(params[0]) if params else ""
        share = read_submission(params)
        verdict, required = self._verdict(share, standing)
        if self._storm_blows():
            verdict = replace(verdict, problem=Problem.STORM)
        problem = verdict.problem
        fate = Fate.ACCEPTED if problem is None else FATES.get(problem, Fate.INVALID)
        outcome = Outcome(verdict=verdict, fate=fate, worker=worker, required=required)
        self._count(outcome)
        return outcome

    def count_unanswered(self, worker: str) -> None:
        """Count that the answer to a share never left."""
        self._state.tally.add_unanswered(worker=worker, connection=self._connection)

    def bad_for(self) -> float:
        """Return for how many seconds shares came and all were refused."""
        return 0.0 if self._bad_since is None else self._state.agenda.now - self._bad_since

    def reason(self, verdict: Verdict) -> str:
        """Return the refusal's text, empty for a good share."""
        if verdict.problem is None:
            return ""
        rules = self._rules
        high = verdict.problem is Problem.ABOVE_TARGET and verdict.difficulty < 1
        if high and rules.high_hash_text:
            return rules.high_hash_text
        return self._state.profile.manners.refusals[verdict.problem].text

    def _verdict(self, share: Submission | Problem, standing: Standing) -> tuple[Verdict, float]:
        problem = self._problem_before_job(share, standing)
        if problem is not None:
            return Verdict(problem=problem), 0.0
        assert isinstance(share, Submission)
        desk = standing.desk
        now = self._state.agenda.now
        job = desk.find(share.job_id, tip=self._state.chain.prev_hash, now=now)
        if isinstance(job, Problem):
            return Verdict(problem=job), 0.0
        required = desk.required_of(job)
        terms = Terms(difficulty=required, mask=standing.mask, wall=self._state.wall())
        verdict = judge(share, job, terms, self._rules)
        if self._spoils(share, desk, job.extranonce2_size):
            verdict = replace(verdict, problem=Problem.ABOVE_TARGET)
        if verdict.problem is None:
            key = duplicate_key(share, job, verdict.header, self._rules)
            if not self._state.is_new(key):
                verdict = replace(verdict, problem=Problem.DUPLICATE)
        return verdict, required

    def _problem_before_job(
        self, share: Submission | Problem, standing: Standing
    ) -> Problem | None:
        if not standing.subscribed:
            return Problem.NOT_SUBSCRIBED
        if not standing.workers:
            return Problem.NOT_AUTHORIZED
        if isinstance(share, Problem):
            low = self._rules.bad_hex_is_low and share is not Problem.PARAMETER_COUNT
            return Problem.ABOVE_TARGET if low else share
        if self._rules.checks_worker and share.worker not in standing.workers:
            return Problem.WRONG_WORKER
        return None

    def _spoils(self, share: Submission, desk: JobDesk, size: int) -> bool:
        if not self._rules.wrong_size_spoils_job:
            return False
        if len(share.extranonce2) != size:
            desk.spoil(share.job_id)
        return desk.is_spoiled(share.job_id)

    def _storm_blows(self) -> bool:
        if self.storm is None:
            return True
        if self.storm == 0:
            return False
        self.storm -= 1
        return True

    def _count(self, outcome: Outcome) -> None:
        accepted = outcome.fate is Fate.ACCEPTED
        if accepted:
            self._bad_since = None
        elif self._bad_since is None:
            self._bad_since = self._state.agenda.now
        block = outcome.verdict.block and accepted
        self._state.tally.add(
            outcome.fate,
            worker=outcome.worker,
            connection=self._connection,
            difficulty=outcome.required,
            block=block,
        )
        judged = ShareJudged(
            connection=self._connection,
            worker=outcome.worker,
            fate=outcome.fate,
            difficulty=outcome.verdict.difficulty,
            required=outcome.required,
            reason=self.reason(outcome.verdict),
            block=block,
        )
        self._state.events.append(judged)
