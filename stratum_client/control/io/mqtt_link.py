"""The rig's one connection to an MQTT broker, shared by all that listen and publish there.

It is connected again whenever it breaks, and nobody waits for it: what is published while it is
down is kept, so far as there is room, and goes out later. Needs the extra ``mqtt``. Messages are
those of MQTT 3.1.1. The session outlives the connection, so that a broker keeps orders of QoS 1
for a rig that is away; the client id is made of site and rig, so two rigs must not share a name.

Topics of the link's own: ``mine/SITE/rig/ID/state``, retained, ``{"online": true, "version": ...}``
and, by the broker once we are gone, ``{"online": false}``.
"""

import asyncio
import importlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from drivers.api import Clock, Log
from stratum_client import __version__
from stratum_client.backoff import Backoff
from stratum_client.config_mqtt import MqttConfig, MqttUrl
from stratum_client.control.io.mqtt_troubles import ANSWER_WAIT, CONNECT_WAIT, in_words
from stratum_client.control.io.mqtt_way import found_at, trust_of
from stratum_client.tls import CaFileError
from stratum_client.wire import printable

if TYPE_CHECKING:
    from aiomqtt import Client

COMMAND = "pip install 'stratum-client[mqtt]'"
NEEDS_EXTRA = f"MQTT needs the package aiomqtt; install it with: {COMMAND}"

MOST_UNSENT = 1000
"""Messages kept while the broker is away; the oldest go first."""

MOST_UNREAD = 1000
"""Messages that may come within one turn of the loop; of more, the latest are lost."""

LARGEST_MESSAGE = 65_536

_LONGEST_PAUSE = 10.0  # an order may be waiting at the broker
_KEEPALIVE = 10
_STEADY_AFTER = 60.0
_GOODBYE_WAIT = 0.5

Take = Callable[[str, bytes], None]
"""Is given topic and payload of a message; must not raise for what stands in it."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be published."""

    topic: str
    payload: bytes
    qos: int
    retain: bool


class MqttLink:
    """Speaks with the broker of ``config``, which must have a url, for the rig called ``rig``.

    ``lost_since`` is since when there has been no broker, on the monotonic clock; by default now.
    """

    def __init__(
        self,
        config: MqttConfig,
        rig: str,
        *,
        clock: Clock,
        random: Random,
        log: Log,
        lost_since: float | None = None,
    ) -> None:
        assert config.url
        self.url: MqttUrl = config.url
        self.is_connected = False
        self.problem = "not connected yet"
        self.lost_since: float | None = clock.monotonic() if lost_since is None else lost_since
        self.topic = rig_topic(config.site, rig)
        self._config = config
        self._client_id = f"stratum-client-{config.site}-{rig}"
        self._clock = clock
        self._log = log
        self._backoff = Backoff(random, longest=_LONGEST_PAUSE)
        self._takers: list[tuple[str, Take, int]] = []
        self._wanted: list[tuple[str, int]] = []
        self._unwanted: list[str] = []
        self._refused: dict[str, str] = {}
        self._came: list[Any] = []  # messages of aiomqtt
        self._unsent: list[Message] = []
        self._dropped = 0
        self._has_unsent = asyncio.Event()
        self._told_problem = ""
        self._was_let_in = False
        self._short = 0

    @property
    def unsent(self) -> tuple[Message, ...]:
        """Return what waits for the broker."""
        return tuple(self._unsent)

    def subscribe(self, pattern: str, take: Take, *, qos: int = 0) -> None:
        """Let ``take`` have every message whose topic fits, from now on.

        With ``qos`` 0 that is what is said while we listen: nobody knows how old what the broker
        retains is. With 1 that comes too, again when it is subscribed to once more, and what the
        broker kept while this rig was away.
        """
        if (pattern, take, qos) not in self._takers:
            self._takers.append((pattern, take, qos))
        self._unwanted = [one for one in self._unwanted if one != pattern]
        self._wanted.append((pattern, qos))
        self._has_unsent.set()

    def unsubscribe(self, pattern: str, take: Take) -> None:
        """Let ``take`` have no more messages of ``pattern``, which it has subscribed to."""
        self._takers = [one for one in self._takers if one[:2] != (pattern, take)]
        if pattern not in {one[0] for one in self._takers}:
            self._wanted = [one for one in self._wanted if one[0] != pattern]
            self._unwanted.append(pattern)
            self._has_unsent.set()
            if self._refused.pop(pattern, "") and self.is_connected:
                self._judge_hearing()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> None:
        """Send a message, now or when the broker is back; may be called from a callback.

        Of retained messages that wait only the newest of each topic is kept.
        """
        if retain:
            self._unsent = [one for one in self._unsent if not (one.retain and one.topic == topic)]
        if len(self._unsent) >= MOST_UNSENT:
            del self._unsent[0]
            self._dropped += 1
        self._unsent.append(Message(topic, payload, qos, retain))
        self._has_unsent.set()

    def take_over(self, former: "MqttLink") -> None:
        """Send what a link that has ended had no more time to send for the same rig."""
        if former.topic == self.topic and former.unsent:
            left = [*former.unsent, *self._unsent]
            self._unsent = left[-MOST_UNSENT:]
            self._dropped += len(left) - len(self._unsent)
            self._has_unsent.set()

    async def run(self) -> None:
        """Stay connected until cancelled; without the extra, say so once and do nothing."""
        try:
            library = await asyncio.to_thread(importlib.import_module, "aiomqtt")
        except ImportError:
            self.problem = NEEDS_EXTRA
            self._log.error("mqtt.unavailable", reason=NEEDS_EXTRA)
            return
        while True:
            began, self._was_let_in = self._clock.monotonic(), False
            try:
                await self._talk(library)
            except CaFileError as error:
                self._lost(str(error))
            except (library.MqttError, OSError, TimeoutError) as error:
                self._short += self._was_let_in
                self._lost(in_words(error, was_let_in=self._was_let_in, short=self._short))
            except Exception:
                self._lost("it was left for a mistake of this program")
                raise
            if self._clock.monotonic() - began > _STEADY_AFTER:
                self._backoff.reset()
                self._short = 0
            await asyncio.sleep(self._backoff.next_pause())

    async def problem_found(self) -> str:
        """Log in once, under a name of chance and without a word; return why that failed."""
        try:
            library = await asyncio.to_thread(importlib.import_module, "aiomqtt")
        except ImportError:
            return NEEDS_EXTRA
        try:
            client = await self._client(library, is_trial=True)
            await _entered(client)
            await client.__aexit__(None, None, None)
        except CaFileError as error:
            return str(error)
        except (library.MqttError, OSError, TimeoutError) as error:
            return in_words(error, was_let_in=False)
        return ""

    # -- one connection

    async def _talk(self, library: Any) -> None:  # noqa: ANN401 - the module aiomqtt
        """Connect and pass messages on until the connection breaks."""
        client = await self._client(library)
        await _entered(client)
        self._was_let_in = True
        broken: BaseException | None = None
        try:
            await self._greet(client)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._send_all(client), name="mqtt out")
                await self._receive(client)
        except* (library.MqttError, OSError) as group_error:
            broken = group_error.exceptions[0]
            while isinstance(broken, BaseExceptionGroup):
                broken = broken.exceptions[0]
        finally:
            self._pass_on()
            await self._leave(client, library.MqttError)
            self._pass_on()
        if broken:
            raise broken

    async def _client(
        self,
        library: Any,  # noqa: ANN401 - as above
        *,
        is_trial: bool = False,
    ) -> "Client":
        """Return a client for one connection; raise OSError where nobody is to be trusted."""
        tls = await asyncio.to_thread(trust_of, self._config) if self.url.uses_tls else None
        async with asyncio.timeout(CONNECT_WAIT):
            host = await found_at(self.url, tls)
        config = self._config
        will = library.Will(f"{self.topic}/state", _state(online=False), 1, retain=True)
        client: Client = library.Client(
            host,
            self.url.port,
            identifier=None if is_trial else self._client_id,
            username=config.user or None,
            password=config.password or None,
            tls_context=tls,
            will=None if is_trial else will,
            clean_session=is_trial,
            keepalive=_KEEPALIVE,
            timeout=ANSWER_WAIT,
            logger=_silent(),
            queue_type=partial(_Inbox, self._came),
        )
        return client

    async def _greet(self, client: "Client") -> None:
        self._wanted = [(pattern, qos) for pattern, _, qos in self._takers]
        self._refused.clear()
        await self._subscribe(client)
        await client.publish(f"{self.topic}/state", _state(online=True), 1, retain=True)
        _heed_cancellation()
        self.is_connected = True
        self._judge_hearing()
        self._told_problem = ""
        self._log.info("mqtt.connected", broker=str(self.url))
        if self._dropped:
            self._log.warning("mqtt.dropped", messages=self._dropped)
            self._dropped = 0

    async def _subscribe(self, client: "Client") -> None:
        while self._unwanted:
            gone = self._unwanted[0]
            await client.unsubscribe(gone)
            _heed_cancellation()
            self._unwanted = [one for one in self._unwanted if one != gone]
        while self._wanted:
            pattern, qos = self._wanted.pop(0)
            [code] = await client.subscribe(pattern, qos)
            _heed_cancellation()
            if not isinstance(code, int) and code.is_failure:
                self._deaf_to(pattern, qos, printable(code, 200))
            elif self._refused.pop(pattern, "") and self.is_connected:
                self._judge_hearing()

    def _deaf_to(self, pattern: str, qos: int, reason: str) -> None:
        """Take note that we hear nothing of a topic; of orders that is as good as no broker."""
        self._log.error("mqtt.refused", topic=pattern, reason=reason)
        if qos:
            self._refused[pattern] = f"it does not let us hear {pattern}: {reason}"
            self._judge_hearing()

    def _judge_hearing(self) -> None:
        """Say what we cannot hear of, or that we can."""
        self.problem = "; ".join(self._refused.values())
        if not self._refused:
            self.lost_since = None
        elif self.lost_since is None:
            self.lost_since = self._clock.monotonic()

    async def _receive(self, client: "Client") -> None:
        async for _ in client.messages:
            self._pass_on()

    def _pass_on(self) -> None:
        """Let those who subscribed have all that came."""
        if len(self._came) >= MOST_UNREAD:
            self._log.warning("mqtt.flooded", messages=len(self._came))
        while self._came:
            message = self._came.pop(0)
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if len(payload) > LARGEST_MESSAGE:
                self._log.warning("mqtt.too_large", topic=str(message.topic), bytes=len(payload))
                continue
            for pattern, take, qos in self._takers:
                if message.topic.matches(pattern) and (qos or not message.retain):
                    take(str(message.topic), payload)

    async def _send_all(self, client: "Client") -> None:
        while True:
            await self._has_unsent.wait()
            await self._subscribe(client)
            while self._unsent:
                message = self._unsent[0]
                await client.publish(
                    message.topic, message.payload, message.qos, retain=message.retain
                )
                _heed_cancellation()
                if self._unsent and self._unsent[0] is message:
                    del self._unsent[0]
            if not self._wanted and not self._unwanted:
                self._has_unsent.clear()

    async def _leave(self, client: "Client", error: type[Exception]) -> None:
        """Say good-bye, if there is somebody to say it to: a broker tells no will after that."""
        client.timeout = _GOODBYE_WAIT
        try:
            await client.publish(f"{self.topic}/state", _state(online=False), 1, retain=True)
            await client.__aexit__(None, None, None)
        except error:
            self._log.debug("mqtt.left", broker=str(self.url))

    def _lost(self, problem: str) -> None:
        """Say it once: each further attempt may fail for the same reason."""
        if self.is_connected:
            self.is_connected = False
            self.lost_since = self.lost_since or self._clock.monotonic()
        self.problem = problem
        if problem != self._told_problem:
            self._log.warning("mqtt.lost", broker=str(self.url), error=problem)
            self._told_problem = problem


def rig_topic(site: str, rig: str) -> str:
    """Return the beginning of all topics on which a rig speaks."""
    return f"mine/{site}/rig/{rig}"


class _Inbox(asyncio.Queue[Any]):
    """The library's queue; what comes is noted in ``came`` too, before the broker is told so.

    A reader that is cancelled may lose what it was just given; the broker would not send it again.
    """

    def __init__(self, came: list[Any], maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self._came = came

    def put_nowait(self, item: Any) -> None:  # noqa: ANN401 - a message of aiomqtt
        if len(self._came) >= MOST_UNREAD:
            raise asyncio.QueueFull
        self._came.append(item)
        if self.empty():  # one is enough to wake the reader, who takes all that came
            super().put_nowait(item)


def _silent() -> logging.Logger:
    """Return a logger that says nothing: what the library notes of each attempt we say once."""
    logger = logging.getLogger("aiomqtt.silent")
    logger.disabled = True
    return logger


async def _entered(client: "Client") -> None:
    """Connect; if cancelled, only when the library's thread has come back."""
    entering = asyncio.ensure_future(client.__aenter__())
    try:
        await asyncio.shield(entering)
    except asyncio.CancelledError:
        await asyncio.wait([entering], timeout=_GOODBYE_WAIT)
        if not entering.cancel() and entering.exception() is None:
            client.timeout = _GOODBYE_WAIT
            await client.__aexit__(None, None, None)
        raise


def _heed_cancellation() -> None:
    """Raise CancelledError if this task was cancelled, whatever became of that.

    The library waits by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that
    comes together with the answer; a task that goes on then is waited for without end.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        raise asyncio.CancelledError


def _state(*, online: bool) -> bytes:
    return json.dumps({"online": online, "version": __version__}).encode()
