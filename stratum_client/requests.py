"""Our requests on one connection: their ids, what each was for, and which replies are due.

Ids start at 1, grow, and are never reused on a connection; pure, takes `now`.
"""

from dataclasses import dataclass
from enum import StrEnum

from stratum_client.config import Deadlines
from stratum_client.errors import HandshakeTimeoutError
from stratum_client.job import Share
from stratum_client.wire import Failure, Reply, encode_reply, encode_request

MAX_PENDING = 256
"""Replies due at a time; beyond that shares wait here."""

MAX_PENDING_BLOCKS = 1024
"""The same for solutions of blocks: a pool says how easy those are, so they too have an end."""

MAX_ANSWER = 1024
"""Bytes of an answer to the pool, which says how long an id is to be echoed."""


class Asked(StrEnum):
    """What a request was for."""

    CONFIGURE = "mining.configure"
    SUBSCRIBE = "mining.subscribe"
    AUTHORIZE = "mining.authorize"
    EXTRANONCE = "mining.extranonce.subscribe"
    SUGGEST = "mining.suggest_difficulty"
    SUBMIT = "mining.submit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A request whose reply is due; ``again`` marks a share that was sent once before."""

    asked: Asked
    sent_at: float
    share: Share | None = None
    again: bool = False


class Requests:
    """The table of pending requests, and the bytes that still have to go out."""

    def __init__(self, now: float) -> None:
        self.last_sent = now
        self._pending: dict[int, Pending] = {}
        self._next_id = 1
        self._outgoing = bytearray()

    def ask(
        self,
        asked: Asked,
        params: list[object],
        now: float,
        *,
        share: Share | None = None,
        again: bool = False,
    ) -> None:
        """Queue one request."""
        self._outgoing += encode_request(self._next_id, asked, params)
        self._pending[self._next_id] = Pending(asked=asked, sent_at=now, share=share, again=again)
        self._next_id += 1
        self.last_sent = now

    def answer(self, rpc_id: object, result: object, failure: Failure | None = None) -> None:
        """Queue the answer to a request of the pool.

        A notification (id None) gets none, nor does an id that is no JSON or far too long.
        """
        if rpc_id is None:
            return
        try:
            answer = encode_reply(rpc_id, result, failure)
        except ValueError:
            return
        if len(answer) <= MAX_ANSWER:
            self._outgoing += answer

    def take(self, reply: Reply) -> Pending | None:
        """Take out and return what ``reply`` answers; None if it is nothing of ours."""
        number = reply.number
        return None if number is None else self._pending.pop(number, None)

    def take_unanswered_configure(self, now: float, limits: Deadlines) -> bool:
        """Give up on a late answer to configure, and on answers many pools never give.

        Returns whether configure was given up: mining goes on without it.
        """
        given_up = False
        for number, pending in list(self._pending.items()):
            waited = now - pending.sent_at
            match pending.asked:
                case Asked.CONFIGURE if waited > limits.configure:
                    del self._pending[number]
                    given_up = True
                case Asked.SUGGEST | Asked.EXTRANONCE if waited > limits.submit_lost:
                    del self._pending[number]
        return given_up

    def overdue_handshake(self, now: float, limits: Deadlines) -> HandshakeTimeoutError | None:
        """Return the request without which no session begins, if its answer is overdue."""
        patience = {Asked.SUBSCRIBE: limits.subscribe, Asked.AUTHORIZE: limits.authorize}
        for pending in self._pending.values():
            seconds = patience.get(pending.asked)
            if seconds is not None and now - pending.sent_at > seconds:
                return HandshakeTimeoutError(f"reply to {pending.asked}", seconds)
        return None

    def is_full(self, *, for_block: bool) -> bool:
        """Return whether no more such shares should be sent until replies come in."""
        return len(self._pending) >= (MAX_PENDING_BLOCKS if for_block else MAX_PENDING)

    @property
    def oldest_share(self) -> float | None:
        """Return when the oldest share without a reply was sent."""
        return next((p.sent_at for p in self._pending.values() if p.share), None)

    def unanswered(self) -> list[Share]:
        """Return the shares without a reply, oldest first."""
        return [pending.share for pending in self._pending.values() if pending.share]

    def data_to_send(self) -> bytes:
        """Return the bytes queued and forget them."""
        data, self._outgoing = bytes(self._outgoing), bytearray()
        return data
