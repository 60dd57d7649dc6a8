"""The pool's side of one Stratum connection, sans-IO: bytes in, outputs and events out."""

from collections.abc import Callable
from dataclasses import replace

from stratum_client.emulated_pool.admission import Admission
from stratum_client.emulated_pool.desk import JobDesk
from stratum_client.emulated_pool.events import BlockFound, ClientAnswered
from stratum_client.emulated_pool.intake import Outcome, ShareIntake, Standing
from stratum_client.emulated_pool.jobs import Template
from stratum_client.emulated_pool.mischief import Mischief
from stratum_client.emulated_pool.outbox import Outbox
from stratum_client.emulated_pool.problems import Problem, members_of
from stratum_client.emulated_pool.profiles import Step
from stratum_client.emulated_pool.proof_of_work import double_sha256
from stratum_client.emulated_pool.state import PoolState
from stratum_client.emulated_pool.tally import Fate
from stratum_client.emulated_pool.vardiff import Vardiff
from stratum_client.emulated_pool.wire import (
    Answer,
    BadLineError,
    Json,
    LineReader,
    Request,
    encode,
    number_on_wire,
    read_message,
)


class PoolSession:
    """One client: what it was given, what it sends, what it is told."""

    def __init__(self, state: PoolState, number: int) -> None:
        settings = state.settings
        self.number = number
        self._state = state
        self._profile = state.profile
        self._reader = LineReader(settings.max_line or state.profile.max_line)
        self.outbox = Outbox(state.agenda, lambda: state.dirty.add(number))
        self._extranonce1_number, extranonce1 = state.new_extranonce1(
            settings.first_extranonce1_size
        )
        self.desk = JobDesk(
            state.profile.shares,
            extranonce1=extranonce1,
            extranonce2_size=settings.first_extranonce2_size,
            difficulty=settings.first_difficulty,
        )
        vardiff = settings.vardiff_in_force
        self._vardiff = vardiff and Vardiff(vardiff, self.desk.difficulty, state.agenda.now)
        self._minimum = 0.0
        self._swung = False
        self._takes_jobs = False
        self._resumable = settings.resume
        self.intake = ShareIntake(state, number)
        self.mischief = Mischief(self, state)
        self.unpadded = self._profile.manners.unpadded_hex
        self.early_notify: set[str] = set()
        self.latest_id: Json = None
        self.last_heard = state.agenda.now
        self.last_told = state.agenda.now
        self._admission = Admission(self, state, self._extranonce1_number)
        self._handlers = {
            **self._admission.handlers(),
            "mining.submit": self._submit,
        }

    @property
    def takes_jobs(self) -> bool:
        """Say whether this client gets new jobs: it has had its first one."""
        return self._takes_jobs and not self.outbox.closed

    @property
    def mask(self) -> int | None:
        """Return the bits of the version it may roll, None when that was not agreed."""
        return self._admission.mask

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client; never raises for what they say."""
        self.last_heard = self._state.agenda.now
        try:
            lines = self._reader.feed(data)
        except BadLineError as error:
            self.close(error.problem)
            return
        for line in lines:
            if self.outbox.closed:
                return
            self._take(line)

    def ended(self) -> None:
        """Take note that the connection is gone."""
        self.outbox.abandon()
        self.mischief.ended()
        if self._resumable and self._admission.may_resume():
            self._state.session_ended(self._admission.session_id, self.desk)

    def forget(self) -> None:
        """Make sure that nobody can go on with this session."""
        self._resumable = False

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End the connection."""
        self.outbox.close(reason, reset=reset)

    def tell(self, method: str, params: list[object]) -> None:
        """Send a notification."""
        self.last_told = self._state.agenda.now
        message = {"id": None, "method": method, "params": params}
        keys = self._profile.manners.notification_keys
        self.outbox.line(encode({key: message[key] for key in keys}))

    def ask(self, method: str, params: list[object], identifier: object) -> None:
        """Send a request with ``identifier``, which may well be one of the client's own."""
        self.last_told = self._state.agenda.now
        self.outbox.line(encode({"id": identifier, "method": method, "params": params}))

    def reply(self, request: Request, result: Json) -> None:
        """Answer ``request``; nothing is sent for a notification."""
        self._answer(request, {"result": result, "error": None}, lambda: None)

    def refuse(self, request: Request, problem: Problem) -> None:
        """Answer ``request`` with the profile's words for ``problem``."""
        refusal = self._profile.manners.refusals[problem]
        self._answer(request, members_of(refusal, list(request.params)), lambda: None)

    def unknown(self, request: Request) -> None:
        """Meet a method that the profile does not know."""
        manners = self._profile.manners
        canned = manners.canned.get(request.method)
        if not self._admission.subscribed and manners.unknown_before_subscribe == "close":
            self.close(f"{request.method} before mining.subscribe")
        elif canned is not None:
            self._answer(request, dict(canned), lambda: None)
        elif manners.unknown_method == "refuse":
            self.refuse(request, Problem.UNKNOWN_METHOD)

    def play(self, order: tuple[Step, ...], reply: Callable[[], None]) -> None:
        """Send the messages of a handshake in ``order``."""
        for step in order:
            match step:
                case Step.REPLY:
                    reply()
                case Step.DIFFICULTY:
                    self._tell_difficulty()
                case Step.NOTIFY:
                    clean = self._profile.handshake.first_notify_clean
                    self.notify(self._state.chain.current, clean=clean)

    def notify(self, template: Template, *, clean: bool) -> None:
        """Give the client a job."""
        self._takes_jobs = True
        job = self.desk.issue(template, clean=clean, now=self._state.agenda.now)
        self.tell("mining.notify", job.params(unpadded=self.unpadded))

    def prepare_difficulty(self, difficulty: float) -> None:
        """Set the difficulty from the next job on without a word."""
        self.desk.difficulty = max(difficulty, self._minimum)
        if self._vardiff:
            self._vardiff.difficulty_set(self.desk.difficulty, self._state.agenda.now)

    def change_difficulty(self, difficulty: float, *, with_job: bool | None = None) -> None:
        """Set the difficulty and tell the client.

        ``with_job`` says whether it gets a job too, to which the difficulty applies; None: as
        the profile does it.
        """
        self.prepare_difficulty(difficulty)
        self._tell_difficulty()
        manners = self._profile.manners
        if with_job is None:
            with_job = manners.notify_after_difficulty != "no"
        if with_job and self.takes_jobs:
            template = self._state.chain.private()
            prefixed = manners.quick_difficulty_prefix + template.job_id
            clean = manners.notify_after_difficulty == "clean"
            self.notify(replace(template, job_id=prefixed), clean=clean)

    def swing_difficulty(self, factor: float) -> None:
        """Multiply the difficulty by ``factor``, the next time divide it again."""
        self._swung = not self._swung
        difficulty = self.desk.difficulty * (factor if self._swung else 1 / factor)
        self.change_difficulty(difficulty, with_job=True)

    def set_minimum(self, difficulty: float) -> None:
        """Never go below ``difficulty`` from now on; 0 lifts the limit."""
        self._minimum = difficulty
        if self.desk.difficulty < difficulty:
            if self._takes_jobs:
                self.change_difficulty(difficulty)
            else:
                self.prepare_difficulty(difficulty)

    def agent_named(self, agent: str) -> None:
        """Take note of the user agent, for which a profile may have a difficulty."""
        if self._state.settings.difficulty is not None:
            return
        for text, difficulty in self._profile.handshake.agent_difficulties.items():
            if text in agent:
                self.prepare_difficulty(difficulty)

    def obey_password(self, password: str) -> None:
        """Set the difficulty that a password such as ``x,d=1024`` asks for."""
        for option in password.split(","):
            name, _, value = option.strip().partition("=")
            if name == "d" and value.isdecimal() and 0 < int(value[:20]) < 1 << 60:
                self.prepare_difficulty(int(value[:20]))

    def change_extranonce(
        self,
        *,
        extranonce1: bytes | None = None,
        size: int | None = None,
        extranonce2_size: int | None = None,
    ) -> None:
        """Give the client another extranonce1 (made up if None) and a clean job with it."""
        if extranonce1 is None:
            length = len(self.desk.extranonce1) if size is None else size
            _, extranonce1 = self._state.new_extranonce1(length)
        self.desk.extranonce1 = extranonce1
        if extranonce2_size is not None:
            self.desk.extranonce2_size = extranonce2_size
        self.tell("mining.set_extranonce", [extranonce1.hex(), self.desk.extranonce2_size])
        if self._takes_jobs:
            self.notify(self._state.chain.private(), clean=True)

    def wants_extranonce(self) -> bool:
        """Say whether the client may be sent other extranonces."""
        return self._admission.wants_extranonce and self._admission.subscribed

    def change_mask(self, mask: int) -> None:
        """Set the bits of the version that the client may roll, at once for all jobs."""
        if self._admission.mask is not None:
            self._admission.mask = mask
        self.tell("mining.set_version_mask", [f"{mask:08x}"])

    def take_over(self, desk: JobDesk) -> None:
        """Go on with the extranonces and jobs of an earlier session."""
        desk.difficulty = self.desk.difficulty
        self.desk = desk

    def review_difficulty(self) -> None:
        """Let vardiff look at the client."""
        if self._vardiff and (new := self._vardiff.review(self._state.agenda.now)):
            new = max(new, self._minimum)
            if new != self.desk.difficulty:
                self.change_difficulty(new)

    def _tell_difficulty(self) -> None:
        self.tell("mining.set_difficulty", [number_on_wire(self.desk.difficulty)])

    def _take(self, line: bytes) -> None:
        manners = self._profile.manners
        try:
            message = read_message(line, strict=manners.strict_requests)
        except BadLineError as error:
            if manners.bad_line == "close":
                self.close(error.problem)
            else:
                refusal = manners.refusals[Problem.BAD_REQUEST]
                self.outbox.line(encode({"id": None, **members_of(refusal, [])}))
            return
        match message:
            case Answer():
                self._note_answer(message)
            case Request():
                self.latest_id = message.id
                self.mischief.request_came(message.method)
                if not self.outbox.closed:
                    self._handlers.get(message.method, self.unknown)(message)

    def _note_answer(self, message: Answer) -> None:
        answered = ClientAnswered(
            connection=self.number, id=message.id, result=message.result, error=message.error
        )
        self._state.events.append(answered)

    def _submit(self, request: Request) -> None:
        admission = self._admission
        standing = Standing(
            subscribed=admission.subscribed,
            workers=admission.workers,
            mask=admission.mask,
            desk=self.desk,
        )
        outcome = self.intake.take(request.params, standing)
        too_early = not (admission.subscribed and admission.workers)
        if too_early and self._profile.handshake.early_submit == "close":
            self.intake.count_unanswered(outcome.worker)
            self.close("mining.submit before subscribe and authorize")
            return
        self._answer_share(request, outcome)
        if too_early and self._profile.handshake.early_submit == "reconnect":
            self.tell("client.reconnect", [])
        self.mischief.share_answered()
        self._consequences(outcome)

    def _answer_share(self, request: Request, outcome: Outcome) -> None:
        problem = outcome.verdict.problem
        members: dict[str, object] = {"result": True, "error": None}
        if problem is not None:
            refusal = self._profile.manners.refusals[problem]
            worded = replace(refusal, text=self.intake.reason(outcome.verdict))
            members = members_of(worded, list(request.params))
        self._answer(request, members, lambda: self.intake.count_unanswered(outcome.worker))

    def _consequences(self, outcome: Outcome) -> None:
        if outcome.fate is not Fate.ACCEPTED:
            self._escalate()
            return
        if self._vardiff:
            self._vardiff.accepted(outcome.required)
            if self._vardiff.in_a_hurry:
                self.review_difficulty()
        if outcome.verdict.block:
            self._found_block(outcome)

    def _escalate(self) -> None:
        limits = self._profile.manners.escalation
        if limits is None:
            return
        fresh_job, reconnect, drop = limits
        seconds = self.intake.bad_for()
        if seconds > drop:
            self.close("nothing but refused shares")
        elif seconds > reconnect:
            self.tell("client.reconnect", [])
        elif seconds > fresh_job:
            self.notify(self._state.chain.current, clean=True)

    def _found_block(self, outcome: Outcome) -> None:
        block_hash = double_sha256(outcome.verdict.header)
        found = BlockFound(
            connection=self.number,
            worker=outcome.worker,
            height=self._state.chain.height,
            block_hash=block_hash[::-1].hex(),
        )
        self._state.events.append(found)
        self._state.block_found(block_hash)

    def _answer(
        self, request: Request, members: dict[str, object], lost: Callable[[], None]
    ) -> None:
        self.last_told = self._state.agenda.now
        if request.id is None:
            lost()
            return
        message = {**members, "id": request.id}
        keys = self._profile.manners.reply_keys
        ordered = {key: message[key] for key in keys if key in message}
        self.mischief.send_reply(request.method, ordered, lost)
