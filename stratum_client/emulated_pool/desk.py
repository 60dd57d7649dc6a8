"""The jobs one client was given, and what is in force for the next one."""

from stratum_client.emulated_pool.jobs import IssuedJob, Template
from stratum_client.emulated_pool.problems import Problem
from stratum_client.emulated_pool.profiles import ShareRules


class JobDesk:
    """Issues jobs to one client and finds them again when a share comes in.

    ``extranonce1``, ``extranonce2_size`` and ``difficulty`` may be set at any time; a job keeps
    those that were in force when it was issued.
    """

    def __init__(
        self, rules: ShareRules, *, extranonce1: bytes, extranonce2_size: int, difficulty: float
    ) -> None:
        self._rules = rules
        self.extranonce1 = extranonce1
        self.extranonce2_size = extranonce2_size
        self.difficulty = difficulty
        self.newest: IssuedJob | None = None
        self._jobs: dict[str, IssuedJob] = {}
        self._retired: set[str] = set()
        self._spoiled: set[str] = set()

    def issue(self, template: Template, *, clean: bool, now: float) -> IssuedJob:
        """Return ``template`` as this client's next job; a clean one may retire the others."""
        if clean and self._rules.clean_retires_jobs:
            self._retired.update(self._jobs)
        job = self.draft(template, clean=clean, now=now)
        self._jobs.pop(template.job_id, None)
        self._jobs[template.job_id] = job
        self._retired.discard(template.job_id)
        self._spoiled.discard(template.job_id)
        self._forget_the_oldest()
        self.newest = job
        return job

    def draft(self, template: Template, *, clean: bool, now: float) -> IssuedJob:
        """Return ``template`` as a job of this client of which no record is kept."""
        return IssuedJob(
            template=template,
            extranonce1=self.extranonce1,
            extranonce2_size=self.extranonce2_size,
            difficulty=self.difficulty,
            clean=clean,
            issued_at=now,
        )

    def find(self, job_id: str, *, tip: bytes, now: float) -> IssuedJob | Problem:
        """Return the job, or why there is none to be had; ``tip`` is the newest block's hash."""
        job = self._jobs.get(job_id)
        if job is None:
            return Problem.UNKNOWN_JOB
        of_old_block = self._rules.block_retires_jobs and job.template.prev_hash != tip
        too_old = now - job.issued_at > self._rules.job_lifetime
        if of_old_block or too_old or job_id in self._retired:
            return Problem.STALE_JOB
        return job

    def required_of(self, job: IssuedJob) -> float:
        """Return the difficulty that a share for ``job`` must reach now."""
        match self._rules.difficulty:
            case "job":
                return job.difficulty
            case "lower":
                return min(job.difficulty, self.difficulty)
            case "immediate":
                return self.difficulty

    def spoil(self, job_id: str) -> None:
        """Refuse every share for this job from now on."""
        self._spoiled.add(job_id)

    def is_spoiled(self, job_id: str) -> bool:
        """Say whether `spoil` was called for this job."""
        return job_id in self._spoiled

    def _forget_the_oldest(self) -> None:
        while len(self._jobs) > self._rules.jobs_kept:
            oldest = next(iter(self._jobs))
            del self._jobs[oldest]
            self._retired.discard(oldest)
            self._spoiled.discard(oldest)
