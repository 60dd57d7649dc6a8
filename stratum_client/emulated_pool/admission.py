"""How a client gets in: configure, subscribe, authorize, and the wishes it may have."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from stratum_client.emulated_pool.addresses import output_script
from stratum_client.emulated_pool.configure import Configured, configured
from stratum_client.emulated_pool.events import ClientAuthorized
from stratum_client.emulated_pool.problems import Problem
from stratum_client.emulated_pool.profiles import Step
from stratum_client.emulated_pool.wire import Json, Request, encode

if TYPE_CHECKING:
    from stratum_client.emulated_pool.session import PoolSession
    from stratum_client.emulated_pool.state import PoolState


class Admission:
    """What one client has asked for so far, and what it was granted.

    ``mask`` is None until version rolling was agreed.
    """

    def __init__(self, session: "PoolSession", state: "PoolState", number: int) -> None:
        self._session = session
        self._state = state
        self._ways = state.profile.handshake
        self._manners = state.profile.manners
        self._waiting: list[Request] = []
        self._suggested = False
        self.subscribed = False
        self.workers: set[str] = set()
        self.mask: int | None = None
        self.wants_extranonce = self._manners.pushes_extranonce
        self.session_id = self._session_id(number)

    def handlers(self) -> Mapping[str, Callable[[Request], None]]:
        """Return what is handled here, by method."""
        return {
            "mining.configure": self._configure,
            "mining.subscribe": self._subscribe,
            "mining.authorize": self._authorize,
            "mining.extranonce.subscribe": self._subscribe_extranonce,
            "mining.suggest_difficulty": self._suggest_difficulty,
            "mining.suggest_target": self._suggest_target,
        }

    def may_resume(self) -> bool:
        """Say whether this session is worth remembering when its connection ends."""
        match self._ways.resume:
            case "never":
                return False
            case "authorized":
                return self.subscribed and bool(self.workers)
            case "subscribed":
                return self.subscribed

    def _configure(self, request: Request) -> None:
        if self._ways.closes_on_configure:
            self._session.close("this pool knows no mining.configure")
            return
        mask = self._state.settings.version_mask
        outcome = configured(request.params, self._ways, mask=mask)
        if outcome is None:
            self._session.refuse(request, Problem.BAD_REQUEST)
            return
        self.mask = outcome.mask if outcome.mask is not None else self.mask
        self.wants_extranonce |= outcome.subscribes_extranonce
        self._answer_configure(request, outcome)
        if outcome.mask is not None and self._ways.mask_after_configure:
            self._session.tell("mining.set_version_mask", [f"{outcome.mask:08x}"])
        if outcome.minimum_difficulty is not None:
            self._session.set_minimum(outcome.minimum_difficulty)

    def _answer_configure(self, request: Request, outcome: Configured) -> None:
        if outcome.broken:
            members = encode(outcome.result)[1:-1]
            start = b'{"error":null,"id":' + encode(request.id) + b',"result":{,'
            self._session.outbox.line(start + members + b"}}")
        else:
            self._session.reply(request, outcome.result)

    def _subscribe(self, request: Request) -> None:
        if self.subscribed:
            if self._ways.second_subscribe == "answer":
                self._session.reply(request, self._subscription())
            return
        agent, wanted = (*(str(text) for text in request.params), "", "")[:2]
        self.subscribed = True
        self._resume(wanted)
        self._session.agent_named(agent)
        order = self._notify_first("mining.subscribe", self._ways.subscribe_order)
        self._session.play(order, lambda: self._session.reply(request, self._subscription()))
        for waiting in self._waiting:
            self._authorize(waiting)
        if self.workers and not self._waiting:
            left = [step for step in self._ways.authorize_order if step not in order]
            self._session.play(tuple(left), lambda: None)
        self._waiting.clear()

    def _resume(self, session_id: str) -> None:
        if session_id and self._state.settings.resume:
            desk = self._state.session_resumed(session_id)
            if desk is not None:
                self._session.take_over(desk)

    def _subscription(self) -> Json:
        desk = self._session.desk
        pairs: list[Json] = []
        for place, name in enumerate(self._ways.subscriptions, start=1):
            numbered = f"{self.session_id}{place}"
            pair = numbered if self._ways.session_id == "numbered" else self.session_id
            pairs.append([name, pair])
        return [pairs, desk.extranonce1.hex(), desk.extranonce2_size]

    def _session_id(self, number: int) -> str:
        if self._ways.session_id == "counter":
            return f"{number:08x}"
        return self._session.desk.extranonce1.hex()

    def _authorize(self, request: Request) -> None:
        if not self.subscribed and self._ways.early_authorize == "defer":
            self._waiting = [*self._waiting[:7], request]
            return
        if not self.subscribed and self._ways.early_authorize == "refuse":
            self._session.refuse(request, Problem.EARLY_AUTHORIZE)
            return
        if self.workers and not self._ways.several_workers:
            return
        texts = [text for text in request.params if isinstance(text, str)]
        worker, password = (*texts, "", "")[:2]
        allowed = self._allowed(worker, password)
        event = ClientAuthorized(connection=self._session.number, worker=worker, allowed=allowed)
        self._state.events.append(event)
        if allowed:
            self._let_in(request, worker, password)
        else:
            self._session.refuse(request, Problem.UNKNOWN_USER)

    def _let_in(self, request: Request, worker: str, password: str) -> None:
        first = not self.workers
        if len(self.workers) < 1000:
            self.workers.add(worker)
        if self._ways.password_difficulty:
            self._session.obey_password(password)
        order = self._ways.authorize_order if first and self.subscribed else (Step.REPLY,)
        order = self._notify_first("mining.authorize", order)
        if self._suggested and self._manners.suggestions == "first":
            order = tuple(step for step in order if step is not Step.DIFFICULTY)
        self._session.play(order, lambda: self._session.reply(request, True))

    def _notify_first(self, method: str, order: tuple[Step, ...]) -> tuple[Step, ...]:
        """Return ``order`` as a fault may have it."""
        if method not in self._session.early_notify:
            return order
        return (Step.NOTIFY, *(step for step in order if step is not Step.NOTIFY))

    def _allowed(self, worker: str, password: str) -> bool:
        settings = self._state.settings
        account = worker.partition(".")[0]
        if settings.users is not None:
            return settings.users.get(worker, settings.users.get(account)) == password
        if settings.check_addresses:
            return output_script(account) is not None
        return bool(worker)

    def _subscribe_extranonce(self, request: Request) -> None:
        if self._manners.subscribes_extranonce:
            self.wants_extranonce = True
            self._session.reply(request, True)
        else:
            self._session.unknown(request)

    def _suggest_difficulty(self, request: Request) -> None:
        wanted = request.params[0] if request.params else None
        if isinstance(wanted, bool) or not isinstance(wanted, int | float):
            return
        self._suggest(request, wanted)

    def _suggest_target(self, request: Request) -> None:
        try:
            target = int(str(request.params[0]) if request.params else "", 16)
        except ValueError:
            return
        if 0 < target < 1 << 256:
            self._suggest(request, (0xFFFF << 208) / target)

    def _suggest(self, request: Request, wanted: float) -> None:
        whole = isinstance(wanted, int) or not self._manners.whole_suggestions_only
        possible = 2.0**-32 <= wanted <= 2.0**128 and whole
        if not possible or not self._state.settings.obey_suggestions:
            return
        match self._manners.suggestions:
            case "refuse":
                self._session.unknown(request)
            case "ignore":
                return
            case "first" if self._suggested:
                return
            case "quiet" if not self.workers:
                self._session.prepare_difficulty(wanted)
            case "quiet" if wanted == self._session.desk.difficulty:
                return
            case _:
                self._suggested = True
                self._session.change_difficulty(wanted)
