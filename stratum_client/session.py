"""The client side of one Stratum v1 connection; never touches a socket or a clock.

Bytes in, events out, bytes to send. All state of a connection lives here and dies with it, so
that nothing of one pool or one connection can reach another. What is deliberately not here:
which pool gets the work, what a share's device was, when to dial again.

Source: the Stratum v1 documentation; BIP 310; ckpool, public-pool, datum_gateway and BTC.com for
what pools really send.
"""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from drivers.header import DIFFICULTY_1, MAX_TARGET, difficulty_of, target_of
from stratum_client.errors import (
    AuthorizationError,
    HandshakeTimeoutError,
    PoolProtocolError,
    PoolRefusedError,
    StratumError,
)
from stratum_client.habits import PoolHabits
from stratum_client.job import Fate, Job, SessionId, Share, version_bits
from stratum_client.liveness import Liveness
from stratum_client.notify import JobError, Terms, parse_notify
from stratum_client.replies import (
    Extensions,
    Refusal,
    Subscription,
    extensions_in,
    extranonce1_in,
    extranonce2_size_in,
    mask_in,
    refusal_of,
    subscription_in,
)
from stratum_client.session_events import (
    Authorized,
    Configured,
    DifficultyChanged,
    Event,
    Failed,
    JobRefused,
    NewJob,
    Oddity,
    PoolMessage,
    RedirectAsked,
    ShareAnswered,
    Subscribed,
)
from stratum_client.session_options import SessionOptions
from stratum_client.wire import (
    Failure,
    Reply,
    Request,
    encode_reply,
    encode_request,
    number_in,
    parse_line,
    printable,
)

MAX_LINE = 1 << 20
MAX_PENDING = 256
MAX_JOBS = 64
MAX_EARLY_JOBS = 8
MAX_MESSAGE = 512
EASIEST, HARDEST = 2.0**-32, 2.0**128
"""Difficulties outside of these are passed over."""

BAD_JOBS_IN_A_ROW = 3
STORM_SHARES, STORM_SECONDS = 20, 300.0
SUGGEST_PAUSE = 600.0
METHOD_NOT_FOUND = Failure(code=-3, message="Method not found")


class Asked(StrEnum):
    """What one of our requests was for."""

    CONFIGURE = "configure"
    SUBSCRIBE = "subscribe"
    AUTHORIZE = "authorize"
    EXTRANONCE = "extranonce.subscribe"
    SUGGEST = "suggest_difficulty"
    SUBMIT = "submit"


class Submission(StrEnum):
    """What `Session.submit` did with a share."""

    SENT = "sent"
    WAIT = "wait"  # not authorized yet, or too many replies are due: offer it again
    FOREIGN = "foreign"  # bound to another extranonce1, or to version bits no longer allowed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pending:
    asked: Asked
    sent_at: float
    share: Share | None = None
    again: bool = False


class Session:
    """One connection's conversation, from `start` to `Failed` or the end of the connection."""

    def __init__(
        self,
        session_id: SessionId,
        options: SessionOptions,
        habits: PoolHabits,
        serials: Iterator[int],
        now: float,
    ) -> None:
        self.id = session_id
        self.subscription: Subscription | None = None
        self.extensions: Extensions | None = None
        self.authorized = False
        self.current_job: Job | None = None
        self.difficulty: float = 1
        self.configured = options.configure and habits.may_configure(now)
        self.heard_a_line = False
        self._options = options
        self._habits = habits
        self._serials = serials
        self._liveness = Liveness(options.deadlines, now)
        self._target = DIFFICULTY_1
        self._raised_at = float("-inf")
        self._mask: int | None = None
        self._jobs: dict[str | int, Job] = {}
        self._early: deque[list[object]] = deque(maxlen=MAX_EARLY_JOBS)
        self._bad_jobs = 0
        self._judged: deque[tuple[float, bool]] = deque()
        self._pending: dict[int, _Pending] = {}
        self._next_id = 1
        self._suggested: tuple[float, float] | None = None
        self._last_sent = now
        self._incoming = bytearray()
        self._searched = 0
        self._outgoing = bytearray()
        self._events: list[Event] = []
        self._failed = False
        self._unasked = 0

    # --- what the shell calls ---

    def start(self, now: float) -> None:
        """Queue the opening requests: all at once, or the first if pipelining is off."""
        opening: list[Callable[[float], None]] = [self._subscribe, self._authorize]
        if self.configured:
            opening.insert(0, self._configure)
        for request in opening if self._options.pipeline else opening[:1]:
            request(now)

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Return the events completed by ``data``, in the order the pool sent them.

        Never raises for what a pool sent: a broken rule is a last event `Failed`, and everything
        after it is ignored.
        """
        if self._failed:
            return []
        self._incoming += data
        end = self._incoming.rfind(b"\n", self._searched)
        self._searched = len(self._incoming)
        lines = []
        if end >= 0:
            lines = bytes(self._incoming[:end]).split(b"\n")
            del self._incoming[: end + 1]
            self._searched = len(self._incoming)
        self._liveness.received(now, lines=len(lines), partial=bool(self._incoming))
        self._unasked = 0
        for line in lines:
            self._take_line(line, now)
        if len(self._incoming) > MAX_LINE:
            self._fail(PoolProtocolError("line too long", bytes(self._incoming[:80])))
        if flood := self._liveness.unasked(now, self._unasked):
            self._fail(flood)
        return self._take_events()

    def check(self, now: float) -> list[Event]:
        """Return `Failed` when a deadline has passed; show the pool life when all was quiet."""
        if self._failed:
            return []
        overdue = self._overdue_request(now)
        if error := overdue or self._liveness.check(now, oldest_share=self._oldest_share()):
            self._fail(error)
        elif self.authorized and now - self._last_sent > self._options.deadlines.keepalive:
            self._suggest(self._suggested[0] if self._suggested else self.difficulty, now)
        return self._take_events()

    def submit(self, share: Share, now: float, *, again: bool = False) -> Submission:
        """Queue `mining.submit`; ``again`` marks one whose reply was lost with a connection."""
        if not self._fits(share):
            return Submission.FOREIGN
        if not self.authorized or (len(self._pending) >= MAX_PENDING and not share.is_block):
            return Submission.WAIT
        params: list[object] = [
            self._options.user,
            share.job.job_id,
            share.extranonce2.hex(),
            f"{share.ntime:08x}",
            f"{share.nonce:08x}",
        ]
        if self._mask is not None:
            form = self._habits.version_bits
            params.append(f"{version_bits(share, self._mask, form):08x}")
        self._ask(Asked.SUBMIT, "mining.submit", params, now, share=share, again=again)
        return Submission.SENT

    def suggest(self, hashrate: float, now: float) -> None:
        """Suggest a difficulty that suits ``hashrate`` (H/s), unless a recent one still does."""
        fixed = self._options.suggest_difficulty
        if not self.authorized or hashrate <= 0 or fixed == 0:
            return
        wanted = fixed or hashrate * self._options.seconds_per_share / 2**32
        if self._suggested:
            before, at = self._suggested
            if now - at < SUGGEST_PAUSE or 0.5 <= wanted / before <= 2:
                return
        self._suggest(wanted, now)

    def allows(self, share: Share) -> bool:
        """Return whether the pool's present difficulty lets the share pass.

        A share is measured by its own job, but a pool that is known to raise at once refuses it.
        """
        return not self._habits.immediate_difficulty or share.value <= self._target

    def unanswered(self) -> list[Share]:
        """Return the shares whose reply is still due, oldest first."""
        return [pending.share for pending in self._pending.values() if pending.share]

    def data_to_send(self) -> bytes:
        """Return the bytes queued for the pool and forget them."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data

    # --- lines from the pool ---

    def _take_line(self, line: bytes, now: float) -> None:
        if self._failed or not line.strip():
            return
        if len(line) > MAX_LINE:
            self._fail(PoolProtocolError("line too long", line[:80]))
            return
        try:
            message = parse_line(line)
            self.heard_a_line = True
            if isinstance(message, Request):
                self._unasked += 1
                self._take_request(message, now)
            else:
                self._take_reply(message, now)
        except StratumError as error:
            self._fail(error)

    def _take_request(self, request: Request, now: float) -> None:
        params = request.params
        match request.method:
            case "mining.notify":
                self._notify(params, now)
            case "mining.set_difficulty":
                self._set_difficulty(number_in(params[0] if params else None), now)
            case "mining.set_target":
                self._set_target(params[0] if params else None, now)
            case "mining.set_extranonce":
                self._set_extranonce(params)
            case "mining.set_version_mask":
                self._set_version_mask(params[0] if params else None, now)
            case "client.reconnect":
                self._events.append(RedirectAsked(params=tuple(params[:3])))
            case "client.show_message":
                text = printable(params[0] if params else "", MAX_MESSAGE)
                self._events.append(PoolMessage(text=text))
                self._answer(request, True)
            case "mining.ping":
                self._answer(request, "pong")
            case "client.get_version":
                self._answer(request, self._options.user_agent)
            case "client.get_algo":
                self._answer(request, "sha256d")
            case _:
                self._answer(request, None, METHOD_NOT_FOUND)

    def _take_reply(self, reply: Reply, now: float) -> None:
        number = reply.number
        pending = self._pending.pop(number, None) if number is not None else None
        if pending is None:
            if reply.failure:
                text = f"the pool complains: {reply.failure}"
                self._events.append(Oddity(problem=text))
            return
        match pending.asked:
            case Asked.CONFIGURE:
                self._configure_answered(reply, now)
            case Asked.SUBSCRIBE:
                self._subscribe_answered(reply, now)
            case Asked.AUTHORIZE:
                self._authorize_answered(reply, now)
            case Asked.SUBMIT if pending.share:
                self._share_answered(pending, pending.share, reply, now)
            case _:
                if reply.failure:
                    problem = f"{pending.asked} refused: {reply.failure}"
                    self._events.append(Oddity(problem=problem))

    # --- the opening ---

    def _configure(self, now: float) -> None:
        options = self._options
        names = ["version-rolling"]
        values: dict[str, object] = {
            "version-rolling.mask": f"{options.version_mask:08x}",
            "version-rolling.min-bit-count": options.min_bit_count,
        }
        if options.minimum_difficulty:
            names.append("minimum-difficulty")
            values["minimum-difficulty.value"] = _number(options.minimum_difficulty)
        if options.subscribe_extranonce:
            names.append("subscribe-extranonce")
        names.append("info")
        values["info.sw-version"] = options.user_agent
        self._ask(Asked.CONFIGURE, "mining.configure", [names, values], now)

    def _configure_answered(self, reply: Reply | None, now: float) -> None:
        extensions = Extensions()
        if reply:
            extensions = extensions_in(reply, wanted_mask=self._options.version_mask)
        self.extensions = extensions
        self._events.append(Configured(extensions=extensions))
        if extensions.version_mask is not None:
            self._use_mask(extensions.version_mask, now)
        if not self._options.pipeline:
            self._subscribe(now)

    def _subscribe(self, now: float) -> None:
        params: list[object] = [self._options.user_agent]
        if self._options.resume_id:
            params.append(self._options.resume_id)
        self._ask(Asked.SUBSCRIBE, "mining.subscribe", params, now)

    def _subscribe_answered(self, reply: Reply, now: float) -> None:
        if reply.failure:
            raise PoolRefusedError("mining.subscribe", reply.failure.code, reply.failure.message)
        self.subscription = subscription_in(reply)
        self._habits.spoke(configured=self.configured)
        self._events.append(Subscribed(subscription=self.subscription))
        if not self._options.pipeline:
            self._authorize(now)
        early, self._early = self._early, deque(maxlen=MAX_EARLY_JOBS)
        for params in early:
            self._notify(params, now)

    def _authorize(self, now: float) -> None:
        params: list[object] = [self._options.user, self._options.password]
        self._ask(Asked.AUTHORIZE, "mining.authorize", params, now)

    def _authorize_answered(self, reply: Reply, now: float) -> None:
        if reply.failure or not reply.result:
            failure = reply.failure or Failure(code=None, message="refused without a reason")
            raise AuthorizationError(self._options.user, failure.code, failure.message)
        self.authorized = True
        self._liveness.authorized(now)
        self._events.append(Authorized())
        granted = self.extensions is not None and self.extensions.subscribe_extranonce
        if self._options.subscribe_extranonce and not granted:
            self._ask(Asked.EXTRANONCE, "mining.extranonce.subscribe", [], now)

    # --- what is in force ---

    def _set_difficulty(self, value: float | None, now: float) -> None:
        if value is None or not EASIEST <= value <= HARDEST:
            shown = "no number" if value is None else printable(value, 40)
            self._events.append(Oddity(problem=f"difficulty passed over: {shown}"))
            return
        self._use_target(value, target_of(value), now)

    def _set_target(self, value: object, now: float) -> None:
        if not isinstance(value, str) or len(value) != 64 or not value.isalnum():
            self._events.append(Oddity(problem="target passed over: not 64 hex digits"))
            return
        try:
            target = min(int(value, 16), MAX_TARGET)
        except ValueError:
            target = 0
        if target == 0:
            self._events.append(Oddity(problem="target passed over: it is no positive number"))
            return
        self._use_target(difficulty_of(target), target, now)

    def _use_target(self, difficulty: float, target: int, now: float) -> None:
        if target == self._target and difficulty == self.difficulty:
            return
        if target < self._target:
            self._raised_at = now
        self.difficulty, self._target = difficulty, target
        self._events.append(DifficultyChanged(difficulty=difficulty))
        if self._habits.immediate_difficulty:
            self._reissue(now, clean=False)

    def _set_extranonce(self, params: list[object]) -> None:
        before = self.subscription
        if before is None:
            return
        extranonce1 = params[0] if params else None
        size = params[1] if len(params) > 1 else None
        try:
            self.subscription = replace(
                before,
                extranonce1=before.extranonce1
                if extranonce1 is None
                else extranonce1_in(extranonce1),
                extranonce2_size=before.extranonce2_size
                if size is None
                else extranonce2_size_in(size),
            )
        except PoolProtocolError as error:
            self._events.append(Oddity(problem=f"set_extranonce passed over: {error.problem}"))

    def _set_version_mask(self, value: object, now: float) -> None:
        mask = mask_in(value)
        if mask is None or self._mask is None:
            self._events.append(Oddity(problem="version mask passed over: none was agreed on"))
            return
        self._use_mask(mask & self._options.version_mask, now)

    def _use_mask(self, mask: int, now: float) -> None:
        """Apply a mask; it holds at once, for the current job too."""
        before, self._mask = self._mask or 0, mask
        if mask != before:
            self._reissue(now, clean=bool(before & ~mask))

    # --- jobs ---

    def _notify(self, params: list[object], now: float) -> None:
        if self.subscription is None:
            self._early.append(params)
            return
        try:
            job = parse_notify(params, self._terms(), serial=next(self._serials), arrived=now)
        except JobError as error:
            self._job_refused(str(error))
            return
        self._bad_jobs = 0
        self._liveness.job_arrived(now)
        before = self._jobs.get(job.job_id)
        if before and before.is_same_task(job) and before.terms == job.terms:
            return
        last = self.current_job
        if last and last.prev_hash != job.prev_hash:
            job = replace(job, clean=True)
        self._use_job(job)

    def _terms(self) -> Terms:
        assert self.subscription
        return Terms(
            session=self.id,
            extranonce1=self.subscription.extranonce1,
            extranonce2_size=self.subscription.extranonce2_size,
            version_mask=self._mask or 0,
            difficulty=self.difficulty,
            target=self._target,
        )

    def _reissue(self, now: float, *, clean: bool) -> None:
        """Issue the current job again with what is in force now."""
        if self.current_job:
            self._use_job(
                replace(
                    self.current_job,
                    serial=next(self._serials),
                    clean=clean,
                    version_mask=self._mask or 0,
                    difficulty=self.difficulty,
                    target=self._target,
                    arrived=now,
                )
            )

    def _use_job(self, job: Job) -> None:
        if job.clean:
            self._jobs.clear()
        self._jobs.pop(job.job_id, None)
        self._jobs[job.job_id] = job
        while len(self._jobs) > MAX_JOBS:
            del self._jobs[next(iter(self._jobs))]
        self.current_job = job
        self._events.append(NewJob(job=job))

    def _job_refused(self, problem: str) -> None:
        self._events.append(JobRefused(problem=problem))
        self._bad_jobs += 1
        if self._bad_jobs >= BAD_JOBS_IN_A_ROW:
            self._fail(PoolProtocolError(f"{self._bad_jobs} unfit jobs in a row: {problem}"))

    # --- shares ---

    def _fits(self, share: Share) -> bool:
        """Return whether this session's coinbase and version mask are those of the share."""
        granted = self.subscription
        if granted is None or granted.extranonce2_size != share.job.extranonce2_size:
            return False
        rolled = share.version ^ share.job.version
        mine = share.job.session == self.id or granted.extranonce1 == share.job.extranonce1
        return mine and not rolled & ~(self._mask or 0)

    def _share_answered(self, pending: _Pending, share: Share, reply: Reply, now: float) -> None:
        seconds = now - pending.sent_at
        self._liveness.share_answered(seconds)
        failure = reply.failure
        if failure is None and not reply.result:
            failure = Failure(code=None, message="refused without a reason")
        refusal = refusal_of(failure) if failure else None
        if refusal is Refusal.DUPLICATE and pending.again:
            refusal = failure = None  # it had been taken, only the reply was lost
        fate = Fate.ACCEPTED if refusal is None else Fate.REJECTED
        if refusal is Refusal.STALE:
            fate = Fate.STALE
        self._events.append(
            ShareAnswered(share=share, fate=fate, refusal=refusal, failure=failure, seconds=seconds)
        )
        if refusal is None:
            self._habits.share_accepted(share)
        else:
            self._habits.share_refused(share, refusal, now, self._raised_at)
        self._judge(refusal, failure, now)

    def _judge(self, refusal: Refusal | None, failure: Failure | None, now: float) -> None:
        """End the session when the pool no longer knows us, or refuses most of our shares."""
        if failure and refusal in {Refusal.UNAUTHORIZED, Refusal.NOT_SUBSCRIBED}:
            self._fail(PoolRefusedError("a share", failure.code, failure.message))
        self._judged.append((now, refusal not in {None, Refusal.STALE}))
        while now - self._judged[0][0] > STORM_SECONDS:
            self._judged.popleft()
        refused = sum(bad for _, bad in self._judged)
        if failure and len(self._judged) >= STORM_SHARES and refused * 2 > len(self._judged):
            text = f"{refused} of {len(self._judged)} shares, the last: {failure.message}"
            self._fail(PoolRefusedError("most shares", failure.code, text))

    # --- requests of ours ---

    def _suggest(self, difficulty: float, now: float) -> None:
        self._suggested = difficulty, now
        self._ask(Asked.SUGGEST, "mining.suggest_difficulty", [_number(difficulty)], now)

    def _ask(
        self,
        asked: Asked,
        method: str,
        params: list[object],
        now: float,
        *,
        share: Share | None = None,
        again: bool = False,
    ) -> None:
        self._outgoing += encode_request(self._next_id, method, params)
        self._pending[self._next_id] = _Pending(asked=asked, sent_at=now, share=share, again=again)
        self._next_id += 1
        self._last_sent = now

    def _answer(self, request: Request, result: object, failure: Failure | None = None) -> None:
        if request.rpc_id is not None:
            self._outgoing += encode_reply(request.rpc_id, result, failure)

    # --- deadlines and the end ---

    def _overdue_request(self, now: float) -> StratumError | None:
        limits = self._options.deadlines
        for number, pending in list(self._pending.items()):
            waited = now - pending.sent_at
            match pending.asked:
                case Asked.CONFIGURE if waited > limits.configure:
                    del self._pending[number]
                    self._configure_answered(None, now)
                case Asked.SUBSCRIBE if waited > limits.subscribe:
                    return HandshakeTimeoutError("reply to mining.subscribe", limits.subscribe)
                case Asked.AUTHORIZE if waited > limits.authorize:
                    return HandshakeTimeoutError("reply to mining.authorize", limits.authorize)
                case Asked.SUGGEST | Asked.EXTRANONCE if waited > limits.submit_lost:
                    del self._pending[number]  # many pools never answer these
        return None

    def _oldest_share(self) -> float | None:
        return next((p.sent_at for p in self._pending.values() if p.share), None)

    def _fail(self, error: StratumError) -> None:
        if not self._failed:
            self._failed = True
            self._events.append(Failed(error=error))

    def _take_events(self) -> list[Event]:
        events, self._events = self._events, []
        return events


def _number(value: float) -> float | int:
    """Return an integer from 1 on: some pools take no fraction there."""
    return max(1, round(value)) if value >= 1 else value
