"""The pool's side of one Stratum connection, sans-IO: bytes in, outputs and events out."""

from collections.abc import Callable, Mapping

from stratum_client.emulated_pool.desk import JobDesk
from stratum_client.emulated_pool.events import (
    BlockFound,
    ClientAnswered,
    ClientAuthorized,
    ShareJudged,
)
from stratum_client.emulated_pool.jobs import IssuedJob, Template
from stratum_client.emulated_pool.outbox import Outbox
from stratum_client.emulated_pool.outputs import Output
from stratum_client.emulated_pool.profiles import FATES, Problem, Shape, Step
from stratum_client.emulated_pool.proof_of_work import double_sha256
from stratum_client.emulated_pool.shares import (
    Submission,
    Terms,
    Verdict,
    judge,
    read_submission,
)
from stratum_client.emulated_pool.state import PoolState
from stratum_client.emulated_pool.tally import Fate
from stratum_client.emulated_pool.vardiff import Vardiff
from stratum_client.emulated_pool.wire import (
    Answer,
    BadLineError,
    Json,
    LineReader,
    Request,
    number_on_wire,
    read_message,
)


class PoolSession:
    """One client: what it asked for, what it was given, what it sends."""

    def __init__(self, state: PoolState, number: int) -> None:
        self.number = number
        self._state = state
        self._profile = state.profile
        self._reader = LineReader(state.settings.max_line or state.profile.max_line)
        self._outbox = Outbox()
        self._desk = JobDesk(
            state.profile,
            extranonce1=state.new_extranonce1(state.settings.first_extranonce1_size),
            extranonce2_size=state.settings.first_extranonce2_size,
            difficulty=state.settings.first_difficulty,
        )
        vardiff = state.settings.vardiff_in_force
        self._vardiff = vardiff and Vardiff(vardiff, self._desk.difficulty, state.agenda.now)
        self._subscribed = False
        self._workers: set[str] = set()
        self._mask: int | None = None
        self._handlers: Mapping[str, Callable[[Request], None]] = {
            "mining.configure": self._configure,
            "mining.subscribe": self._subscribe,
            "mining.authorize": self._authorize,
            "mining.submit": self._submit,
        }

    @property
    def mining(self) -> bool:
        """Say whether this client takes jobs: subscribed, and a worker let in."""
        return self._subscribed and bool(self._workers) and not self._outbox.closed

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the client; never raises for what they say."""
        try:
            for line in self._reader.feed(data):
                if self._outbox.closed:
                    return
                self._take(read_message(line))
        except BadLineError as error:
            self._outbox.close(error.problem)

    def take_outputs(self) -> list[Output]:
        """Return what is to be written and done, and forget it."""
        return self._outbox.take()

    def notify(self, template: Template, *, clean: bool) -> None:
        """Give the client a job."""
        job = self._desk.issue(template, clean=clean, now=self._state.agenda.now)
        self._tell("mining.notify", job.params())

    def set_difficulty(self, difficulty: float) -> None:
        """Change the difficulty from the next job on, and tell the client."""
        self._desk.difficulty = difficulty
        if self._vardiff:
            self._vardiff.difficulty_set(difficulty, self._state.agenda.now)
        self._tell("mining.set_difficulty", [number_on_wire(difficulty)])

    def send_raw(self, data: bytes) -> None:
        """Write ``data`` as it is."""
        self._outbox.raw(data)

    def close(self, reason: str, *, reset: bool = False) -> None:
        """End the connection."""
        self._outbox.close(reason, reset=reset)

    def review_difficulty(self) -> None:
        """Let vardiff look at the client; a change comes with a new job."""
        if self._vardiff and (new := self._vardiff.review(self._state.agenda.now)):
            self.set_difficulty(new)
            self.notify(self._state.chain.private(), clean=False)

    def _take(self, message: Request | Answer) -> None:
        match message:
            case Answer():
                answered = ClientAnswered(
                    connection=self.number,
                    id=message.id,
                    result=message.result,
                    error=message.error,
                )
                self._state.events.append(answered)
            case Request():
                handler = self._handlers.get(message.method)
                if handler:
                    handler(message)
                else:
                    self._refuse(message, Problem.UNKNOWN_METHOD)

    def _configure(self, request: Request) -> None:
        names = request.params[0] if request.params else []
        options = request.params[1] if len(request.params) > 1 else {}
        if not isinstance(names, list) or not isinstance(options, dict):
            self._refuse(request, Problem.BAD_MESSAGE)
            return
        result: dict[str, Json] = {}
        for name in names:
            if name == "version-rolling":
                result |= self._configure_version_rolling(options)
            elif isinstance(name, str):
                result[name] = False
        self._reply(request, result)

    def _configure_version_rolling(self, options: dict[str, Json]) -> dict[str, Json]:
        try:
            wanted = int(str(options.get("version-rolling.mask", "ffffffff")), 16)
        except ValueError:
            return {"version-rolling": "invalid mask"}
        mask = wanted & self._state.settings.version_mask
        if not mask:
            return {"version-rolling": False}
        self._mask = mask
        return {"version-rolling": True, "version-rolling.mask": f"{mask:08x}"}

    def _subscribe(self, request: Request) -> None:
        self._subscribed = True
        desk = self._desk
        name = f"{self.number:08x}"
        pairs: list[Json] = [["mining.set_difficulty", name], ["mining.notify", name]]
        result: list[Json] = [pairs, desk.extranonce1.hex(), desk.extranonce2_size]
        self._play(self._profile.subscribe_order, lambda: self._reply(request, result))

    def _authorize(self, request: Request) -> None:
        texts = [text for text in request.params if isinstance(text, str)]
        worker, password = (*texts, "", "")[:2]
        allowed = self._allowed(worker, password)
        event = ClientAuthorized(connection=self.number, worker=worker, allowed=allowed)
        self._state.events.append(event)
        if not allowed:
            self._refuse(request, Problem.UNKNOWN_USER)
            return
        self._workers.add(worker)
        self._play(self._profile.authorize_order, lambda: self._reply(request, True))

    def _allowed(self, worker: str, password: str) -> bool:
        users = self._state.settings.users
        if users is None:
            return bool(worker)
        known = users.get(worker, users.get(worker.partition(".")[0]))
        return known == password

    def _play(self, order: tuple[Step, ...], reply: Callable[[], None]) -> None:
        for step in order:
            match step:
                case Step.REPLY:
                    reply()
                case Step.DIFFICULTY:
                    self.set_difficulty(self._desk.difficulty)
                case Step.NOTIFY:
                    self.notify(self._state.chain.current, clean=True)

    def _submit(self, request: Request) -> None:
        share = read_submission(request.params)
        worker = str(request.params[0]) if request.params else ""
        verdict, job = self._verdict(share)
        required = job.difficulty if job else 0.0
        fate = self._count(worker, verdict, required)
        if verdict.problem is None:
            self._reply(request, True)
        else:
            self._refuse(request, verdict.problem)
        if fate is Fate.ACCEPTED and verdict.block:
            self._found_block(worker, verdict)

    def _verdict(self, share: Submission | Problem) -> tuple[Verdict, IssuedJob | None]:
        if not self._subscribed:
            return Verdict(problem=Problem.NOT_SUBSCRIBED), None
        if not self._workers:
            return Verdict(problem=Problem.NOT_AUTHORIZED), None
        if isinstance(share, Problem):
            return Verdict(problem=share), None
        if share.worker not in self._workers:
            return Verdict(problem=Problem.WRONG_WORKER), None
        job = self._desk.find(
            share.job_id, tip=self._state.chain.prev_hash, now=self._state.agenda.now
        )
        if isinstance(job, Problem):
            return Verdict(problem=job), None
        terms = Terms(difficulty=job.difficulty, mask=self._mask)
        verdict = judge(share, job, terms, self._profile)
        if verdict.problem is None and not self._state.is_new(verdict.header):
            verdict = Verdict(problem=Problem.DUPLICATE, difficulty=verdict.difficulty)
        return verdict, job

    def _count(self, worker: str, verdict: Verdict, required: float) -> Fate:
        problem = verdict.problem
        fate = Fate.ACCEPTED if problem is None else FATES.get(problem, Fate.INVALID)
        block = verdict.block and fate is Fate.ACCEPTED
        self._state.tally.add(
            fate, worker=worker, connection=self.number, difficulty=required, block=block
        )
        judged = ShareJudged(
            connection=self.number,
            worker=worker,
            fate=fate,
            difficulty=verdict.difficulty,
            required=required,
            reason="" if problem is None else self._profile.refusals[problem].text,
            block=block,
        )
        self._state.events.append(judged)
        if self._vardiff and fate is Fate.ACCEPTED:
            self._vardiff.accepted(required)
            if self._vardiff.in_a_hurry:
                self.review_difficulty()
        return fate

    def _found_block(self, worker: str, verdict: Verdict) -> None:
        block_hash = double_sha256(verdict.header)
        found = BlockFound(
            connection=self.number,
            worker=worker,
            height=self._state.chain.height,
            block_hash=block_hash[::-1].hex(),
        )
        self._state.events.append(found)
        self._state.block_found(block_hash)

    def _reply(self, request: Request, result: Json) -> None:
        if request.id is not None:
            self._outbox.message({"id": request.id, "result": result, "error": None})

    def _refuse(self, request: Request, problem: Problem) -> None:
        refusal = self._profile.refusals[problem]
        error: Json = [refusal.code, refusal.text, None]
        assert refusal.shape is Shape.LIST
        if request.id is not None:
            self._outbox.message({"id": request.id, "result": None, "error": error})

    def _tell(self, method: str, params: list[object]) -> None:
        self._outbox.message({"id": None, "method": method, "params": params})
