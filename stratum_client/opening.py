"""The start of a session: configure, subscribe, authorize, all at once or one by one; pure."""

from collections.abc import Callable

from stratum_client.errors import AuthorizationError, PoolRefusedError
from stratum_client.replies import Extensions, Subscription, subscription_in
from stratum_client.requests import Asked, Requests
from stratum_client.session_events import Authorized, Configured, Event, Subscribed
from stratum_client.session_options import SessionOptions
from stratum_client.wire import Failure, Reply

NO_REASON = Failure(code=None, message="refused without a reason")


class Opening:
    """Asks what opens a session and takes the answers; tells of each by ``emit``."""

    def __init__(
        self,
        options: SessionOptions,
        requests: Requests,
        emit: Callable[[Event], None],
        *,
        configure: bool,
    ) -> None:
        self.configures = configure
        self.extensions = Extensions()
        self.authorized = False
        self._options = options
        self._requests = requests
        self._emit = emit

    def start(self, now: float) -> None:
        """Queue the opening requests: all at once, or the first if pipelining is off."""
        requests: list[Callable[[float], None]] = [self._subscribe, self._authorize]
        if self.configures:
            requests.insert(0, self._configure)
        for request in requests if self._options.pipeline else requests[:1]:
            request(now)

    def configured(self, extensions: Extensions, now: float) -> None:
        """Note what was granted; nothing where the pool did not answer."""
        self.extensions = extensions
        self._emit(Configured(extensions=extensions))
        if not self._options.pipeline:
            self._subscribe(now)

    def subscribed(self, reply: Reply, now: float) -> Subscription:
        """Return what was granted; raise PoolRefusedError or PoolProtocolError."""
        if reply.failure:
            raise PoolRefusedError(Asked.SUBSCRIBE, reply.failure.code, reply.failure.message)
        granted = subscription_in(reply)
        self._emit(Subscribed(subscription=granted))
        if not self._options.pipeline:
            self._authorize(now)
        return granted

    def login_answered(self, reply: Reply, now: float) -> None:
        """Note that the pool knows us; raise AuthorizationError if it does not."""
        if reply.failure or not reply.result:
            failure = reply.failure or NO_REASON
            raise AuthorizationError(self._options.user, failure.code, failure.message)
        self.authorized = True
        self._emit(Authorized())
        if self._options.subscribe_extranonce and not self.extensions.subscribe_extranonce:
            self._requests.ask(Asked.EXTRANONCE, [], now)

    def _configure(self, now: float) -> None:
        options = self._options
        names = ["version-rolling"]
        values: dict[str, object] = {
            "version-rolling.mask": f"{options.version_mask:08x}",
            "version-rolling.min-bit-count": options.min_bit_count,
        }
        if options.minimum_difficulty:
            names.append("minimum-difficulty")
            values["minimum-difficulty.value"] = as_asked(options.minimum_difficulty)
        if options.subscribe_extranonce:
            names.append("subscribe-extranonce")
        names.append("info")
        values["info.sw-version"] = options.user_agent
        self._requests.ask(Asked.CONFIGURE, [names, values], now)

    def _subscribe(self, now: float) -> None:
        params: list[object] = [self._options.user_agent]
        if self._options.resume_id:
            params.append(self._options.resume_id)
        self._requests.ask(Asked.SUBSCRIBE, params, now)

    def _authorize(self, now: float) -> None:
        self._requests.ask(Asked.AUTHORIZE, [self._options.user, self._options.password], now)


def as_asked(difficulty: float) -> float | int:
    """Return a difficulty as pools take it: an integer from 1 on, some know no fractions there."""
    return max(1, round(difficulty)) if difficulty >= 1 else difficulty
