"""The client side of one Stratum v1 connection; never touches a socket or a clock.

Bytes in, events out, bytes to send. All state of a connection lives here and dies with it, so
that nothing of one pool or one connection can reach another. What is deliberately not here:
which pool gets the work, what a share's device was, when to dial again.

Source: the Stratum v1 documentation; BIP 310; ckpool, public-pool, datum_gateway and BTC.com for
what pools really send.
"""

from collections.abc import Iterator
from dataclasses import replace

from stratum_client.errors import PoolProtocolError, StratumError
from stratum_client.habits import PoolHabits
from stratum_client.job import Job, SessionId, Share
from stratum_client.line_buffer import LineBuffer
from stratum_client.liveness import Liveness, weight_of
from stratum_client.opening import Opening
from stratum_client.pool_words import PoolWords
from stratum_client.replies import Extensions, Subscription, extensions_in
from stratum_client.requests import Asked, Requests
from stratum_client.session_events import (
    DifficultyChanged,
    Event,
    Failed,
    Oddity,
    PoolMessage,
    RedirectAsked,
)
from stratum_client.session_jobs import SessionJobs
from stratum_client.session_options import SessionOptions
from stratum_client.session_shares import SessionShares, Submission
from stratum_client.suggestions import Suggestions
from stratum_client.terms import TermsError, TermsInForce
from stratum_client.wire import MAX_TEXT, Failure, Reply, Request, parse_line, printable

MAX_LINE = 1 << 20
MAX_MESSAGE = 512
MAX_ODDITY = 80
CHANGES = {
    *("mining.notify", "mining.set_difficulty", "mining.set_target", "mining.set_extranonce"),
    "mining.set_version_mask",
}

METHOD_NOT_FOUND = Failure(code=-3, message="Method not found")


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
        self.heard_a_line = False
        self._options = options
        self._habits = habits
        self._terms = TermsInForce(session_id, wanted_mask=options.version_mask)
        self._requests = Requests(now)
        self._liveness = Liveness(options.deadlines, now)
        self._words = PoolWords(options.password, now)
        self._events: list[Event] = []
        self._opening = Opening(
            options,
            self._requests,
            self._events.append,
            configure=options.configure and habits.may_configure(now),
        )
        self._jobs = SessionJobs(self._terms, serials, self._events.append, options.payout)
        self._shares = SessionShares(
            session_id,
            options,
            habits,
            self._terms,
            self._requests,
            self._liveness,
            self._events.append,
        )
        self._suggestions = Suggestions(options, self._terms, self._requests)
        self._heard_difficulty = False
        self._first_told_serial = 0
        self._incoming = LineBuffer()
        self._unasked = 0
        self._failed = False

    @property
    def subscription(self) -> Subscription | None:
        """Return what the pool has granted, with later changes; None before its answer."""
        return self._terms.subscription

    @property
    def configured(self) -> bool:
        """Return whether `mining.configure` was part of the opening."""
        return self._opening.configures

    @property
    def authorized(self) -> bool:
        """Return whether the pool knows us."""
        return self._opening.authorized

    @property
    def current_job(self) -> Job | None:
        """Return the newest job."""
        return self._jobs.current

    @property
    def difficulty(self) -> float:
        """Return the difficulty of the jobs to come."""
        return self._terms.difficulty

    # --- what the shell calls ---

    def start(self, now: float) -> None:
        """Queue the opening requests: all at once, or the first if pipelining is off."""
        self._opening.start(now)

    def receive_data(self, data: bytes, now: float) -> list[Event]:
        """Return the events completed by ``data``, in the order the pool sent them.

        Never raises for what a pool sent: a broken rule is a last event `Failed`, and everything
        after it is ignored.
        """
        if self._failed:
            return []
        lines = self._incoming.take(data)
        self._liveness.received(now, lines=len(lines), partial=bool(self._incoming))
        self._unasked = 0
        for line in lines:
            self._take_line(line, now)
        if len(self._incoming) > MAX_LINE:
            self._fail(PoolProtocolError("line too long", self._incoming.start))
        if flood := self._liveness.unasked(now, self._unasked):
            self._fail(flood)
        return self._take_events()

    def check(self, now: float) -> list[Event]:
        """Return `Failed` when a deadline has passed; show the pool life when all was quiet."""
        if self._failed:
            return []
        limits, requests = self._options.deadlines, self._requests
        if requests.take_unanswered_configure(now, limits):
            self._configured(Extensions(), now)
        overdue = requests.overdue_handshake(now, limits)
        if error := overdue or self._liveness.check(now, oldest_share=requests.oldest_share):
            self._fail(error)
        elif self.authorized and now - requests.last_sent > limits.keepalive:
            self._suggestions.repeat(now)
        return self._take_events()

    def submit(
        self, share: Share, now: float, *, again: bool = False, foreign: bool = False
    ) -> Submission:
        """Queue `mining.submit`; ``again`` marks one whose reply was lost with a connection.

        ``foreign`` sends what is of another session all the same: a block is worth a refusal.
        """
        if not self.authorized:
            return Submission.WAIT
        return self._shares.submit(share, now, again=again, foreign=foreign)

    def suggest(self, hashrate: float, now: float, *, again: bool = False) -> None:
        """Suggest a difficulty that suits ``hashrate`` (H/s), unless a recent one still does.

        With ``again`` also when the pool has come down from it by far, as for a client that rests.
        """
        if self.authorized:
            self._suggestions.suit(hashrate, now, again=again)

    def allows(self, share: Share) -> bool:
        """Return whether the pool's present difficulty lets the share pass.

        A share is measured by its own job, but a pool that is known to raise at once refuses it,
        and the difficulty of a job that came before any difficulty was only our guess.
        """
        guessed = share.job.session == self.id and share.job.serial < self._first_told_serial
        by_now = guessed or self._habits.immediate_difficulty
        return not by_now or share.value <= self._terms.target

    def unanswered(self) -> list[Share]:
        """Return the shares whose reply is still due, oldest first."""
        return self._requests.unanswered()

    def data_to_send(self) -> bytes:
        """Return the bytes queued for the pool and forget them."""
        return self._requests.data_to_send()

    # --- lines from the pool ---

    def _take_line(self, line: bytes, now: float) -> None:
        if self._failed:
            return
        if len(line) > MAX_LINE:
            self._fail(PoolProtocolError("line too long", line[:80]))
            return
        try:
            message = parse_line(line)
            self.heard_a_line = True
            if isinstance(message, Request):
                self._unasked += weight_of(line, is_change=message.method in CHANGES)
                self._take_request(message, now)
            else:
                self._unasked += weight_of(line, is_change=False)
                self._take_reply(message, now)
        except PoolProtocolError as error:
            self._fail(self._words.protocol_error(error, line))
        except StratumError as error:
            self._fail(error)
        except TermsError as error:
            self._tell(Oddity(problem=self._words.text(str(error), MAX_ODDITY)), now)

    def _take_request(self, request: Request, now: float) -> None:
        params, rpc_id = request.params, request.rpc_id
        first = params[0] if params else None
        match request.method:
            case "mining.notify":
                if self._jobs.notified(params, now):
                    self._liveness.job_arrived(now)
            case "mining.set_difficulty":
                self._difficulty_set(now, changed=self._terms.set_difficulty(first, now))
            case "mining.set_target":
                self._difficulty_set(now, changed=self._terms.set_target(first, now))
            case "mining.set_extranonce":
                self._terms.set_extranonce(params)
            case "mining.set_version_mask":
                self._mask_set(now, lost=self._terms.set_version_mask(first))
            case "client.reconnect":
                self._redirect_asked(params, now)
            case "client.show_message":
                text = self._words.text("" if first is None else str(first), MAX_MESSAGE)
                self._tell(PoolMessage(text=text), now)
                self._requests.answer(rpc_id, True)
            case "mining.ping":
                self._requests.answer(rpc_id, "pong")
            case "client.get_version":
                self._requests.answer(rpc_id, self._options.user_agent)
            case "client.get_algo":
                self._requests.answer(rpc_id, "sha256d")
            case _:
                self._requests.answer(rpc_id, None, METHOD_NOT_FOUND)

    def _take_reply(self, reply: Reply, now: float) -> None:
        pending = self._requests.take(reply)
        if pending:
            self._unasked -= 1
        if reply.failure:
            reply = replace(reply, failure=self._words.failure(reply.failure))
        match pending and pending.asked:
            case Asked.CONFIGURE:
                wanted = self._options.version_mask
                self._configured(extensions_in(reply, wanted_mask=wanted), now)
            case Asked.SUBSCRIBE:
                self._subscribed(reply, now)
            case Asked.AUTHORIZE:
                self._opening.login_answered(reply, now)
                self._liveness.authorized(now)
            case Asked.SUBMIT if pending and pending.share:
                if error := self._shares.answered(pending, pending.share, reply, now):
                    self._fail(error)
            case asked if reply.failure:
                what = f"{asked} refused" if asked else "the pool complains"
                self._tell(Oddity(problem=f"{what}: {reply.failure}"), now)

    def _redirect_asked(self, params: list[object], now: float) -> None:
        """Pass on where the pool wants us, unless the name would tell others our password."""
        if self._words.names_password(printable(params[:1], MAX_TEXT)):
            self._tell(Oddity(problem="client.reconnect passed over: it names our password"), now)
        else:
            self._tell(RedirectAsked(params=tuple(params[:3])), now)

    def _tell(self, event: PoolMessage | Oddity | RedirectAsked, now: float) -> None:
        """Pass on what the pool says, unless it says too much."""
        if self._words.may_speak(now):
            if count := self._words.take_passed_over():
                self._events.append(Oddity(problem=f"{count} more messages were passed over"))
            self._events.append(event)

    # --- what is in force ---

    def _configured(self, extensions: Extensions, now: float) -> None:
        self._opening.configured(extensions, now)
        if extensions.version_mask is not None:
            self._mask_set(now, lost=self._terms.grant_mask(extensions.version_mask))

    def _subscribed(self, reply: Reply, now: float) -> None:
        self._terms.subscription = self._opening.subscribed(reply, now)
        self._habits.spoke(configured=self.configured)
        if self._jobs.subscribed(now):
            self._liveness.job_arrived(now)

    def _difficulty_set(self, now: float, *, changed: bool) -> None:
        """Let a difficulty hold for the jobs to come; the first one also for a job before it."""
        first, self._heard_difficulty = not self._heard_difficulty, True
        if first and self.current_job:
            self._first_told_serial = self.current_job.serial + 1
        if changed:
            self._events.append(DifficultyChanged(difficulty=self._terms.difficulty))
            if first or self._habits.immediate_difficulty:
                self._jobs.reissue(now, clean=False)

    def _mask_set(self, now: float, *, lost: int) -> None:
        """Let a new mask hold at once, for the current job too; work with ``lost`` bits is void."""
        job = self.current_job
        if job and job.version_mask != self._terms.mask:
            self._jobs.reissue(now, clean=bool(lost))

    # --- the end ---

    def _fail(self, error: StratumError) -> None:
        if not self._failed:
            self._failed = True
            self._events.append(Failed(error=error))

    def _take_events(self) -> list[Event]:
        events = self._events.copy()
        self._events.clear()
        return events
