"""A network in memory, in virtual time: emulated pools, links to them, and what may befall both.

Lines take a pool's latency each way. Nothing is lost on an open link, but while a network is cut or
a pool is silent they wait, as TCP has it; what waits when a side gives up is lost.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Protocol

from stratum_client.connection import Connection
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.engine import PoolEngine
from stratum_client.emulated_pool.events import ShareJudged
from stratum_client.emulated_pool.known_pools import PLAIN
from stratum_client.emulated_pool.outputs import Close, Send
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Fate, Tally
from stratum_client.errors import ConnectError
from stratum_client.job import SessionId

EASIEST = 2.0**-32
"""A difficulty that every hash has."""

CONNECT_WAIT = 10.0
"""Seconds after which dialling into a network that is cut ends, as `deadlines.connect` has it."""

JOBS_KEPT = 48

WALL_AT_START = 1_814_400_000.0
"""The first of July 2027: a leap day lies ahead."""


class Watch(Protocol):
    """Who looks on at both ends of all links."""

    def link_changed(self) -> None:
        """Take note that a link may have become good, or bad."""
        ...

    def authorized(self, link: "Link") -> None:
        """Take note of a link's extranonces and user."""
        ...

    def submitted(self, link: "Link", params: list[Any]) -> None:
        """Take note that the client writes a share."""
        ...

    def judged(self, link: "Link", params: list[Any], fate: Fate, reason: str) -> None:
        """Take note of what the pool made of a share."""
        ...

    def answered(self, nonce: int) -> None:
        """Take note that the pool's answer reached the client."""
        ...


class _Pipe:
    """One direction of a link: what was written arrives in order, ``latency`` later."""

    def __init__(self, latency: float, arrive: Callable[[bytes, int | None], None]) -> None:
        self.held = False
        self._latency = latency
        self._arrive = arrive
        self._waiting: deque[tuple[float, bytes, int | None]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def put(self, data: bytes, note: int | None = None) -> None:
        """Let ``data`` travel; ``note`` travels with it."""
        self._waiting.append((self._loop.time() + self._latency, data, note))
        self._set_timer()

    def hold(self, *, held: bool) -> None:
        """Let nothing arrive, or go on."""
        self.held = held
        if held and self._timer:
            self._timer.cancel()
            self._timer = None
        self._set_timer()

    def cut(self) -> None:
        """Lose all that is on its way."""
        self._waiting.clear()
        self.hold(held=True)

    def _set_timer(self) -> None:
        if self._waiting and not self._timer and not self.held:
            due = max(self._waiting[0][0], self._loop.time())
            self._timer = self._loop.call_at(due, self._deliver)

    def _deliver(self) -> None:
        self._timer = None
        now = self._loop.time()
        while self._waiting and self._waiting[0][0] <= now and not self.held:
            _, data, note = self._waiting.popleft()
            self._arrive(data, note)
        self._set_timer()


class Link(asyncio.Transport):
    """One connection, as the client's transport; knows what was said on it at either end."""

    def __init__(self, pool: "SimulatedPool", client: Connection, number: int) -> None:
        super().__init__()
        self.pool = pool
        self.session_id = client.session.id
        self.number = number
        self.extranonces: set[str] = set()
        self.user = ""
        self.news_told = 0
        self.news_heard = 0
        self.is_leaving = False
        self.is_mute = False
        self.ends_served = False
        self._client = client
        self._open = True
        self._asked: dict[object, tuple[str, list[Any]]] = {}
        self._has_job = False
        self.to_pool = _Pipe(pool.latency, self._at_pool)
        self.to_client = _Pipe(pool.latency, self._at_client)

    @property
    def is_ready(self) -> bool:
        """Return whether the client has been let in and given a job."""
        return self._has_job and bool(self.user)

    @property
    def is_good(self) -> bool:
        """Return whether the client can mine on this link, and its shares arrive."""
        heard = not (self.is_mute or self.ends_served or self.to_client.held)
        return self._open and self.is_ready and heard

    @property
    def is_open(self) -> bool:
        """Return whether the client has it open."""
        return self._open

    # --- called by the client ---

    def write(self, data: bytes | bytearray | memoryview) -> None:
        for line in bytes(data).splitlines():
            request = json.loads(line)
            params = request.get("params", [])
            if request.get("method") == "mining.submit":
                self.pool.watch.submitted(self, params)
            elif "method" in request:
                self._asked[request["id"]] = request["method"], params
            self.to_pool.put(line + b"\n")

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def is_closing(self) -> bool:
        return not self._open

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        if self._open:
            self._ended(None)
            self.to_pool.put(b"")
            if self.to_pool.held:
                self.to_pool.cut()
                self.pool.forget(self, "lost")

    # --- the far side of both pipes ---

    def closed_by_pool(self, reason: str) -> None:
        """Let the client know, after all that was said before."""
        self.ends_served = True
        self.to_client.put(b"", None)
        self.pool.forget(self, reason)
        self.pool.watch.link_changed()

    def _at_pool(self, data: bytes, _: int | None) -> None:
        if data:
            self.pool.received(self, data)
        else:
            self.pool.forget(self, "closed by the client")

    def _at_client(self, data: bytes, nonce: int | None) -> None:
        if not self._open:
            return
        if not data:
            self._ended(ConnectionResetError("reset by the pool"))
            return
        if nonce is not None:
            self.pool.watch.answered(nonce)
        was_ready = self.is_ready
        for line in data.splitlines():
            if line.endswith(b"}"):  # else it is half a line, and the last one
                self._note(line)
        self._client.data_received(data)
        if self.is_ready and not was_ready:
            self.pool.ready_at = asyncio.get_running_loop().time()
            self.pool.watch.link_changed()

    def _note(self, line: bytes) -> None:
        """Learn from a line to the client what it now may do."""
        if b'"mining.notify"' in line and b'"method"' in line:
            self._has_job = True
            self.news_heard += _is_news(line)
        elif b'"mining.set_extranonce"' in line:
            self.extranonces.add(json.loads(line)["params"][0])
            self.pool.watch.authorized(self)
        elif self._asked and b'"result"' in line:
            reply = json.loads(line)
            method, params = self._asked.pop(reply.get("id"), ("", []))
            if method == "mining.subscribe" and reply["result"]:
                self.extranonces.add(reply["result"][1])
            elif method == "mining.authorize" and reply["result"] is True:
                self.user = params[0]
                self.pool.watch.authorized(self)

    def _ended(self, error: Exception | None) -> None:
        self._open = False
        if self.is_ready:
            self.pool.lost_at = asyncio.get_running_loop().time()
        self.pool.of_clients.pop(self.session_id, None)
        self.to_client.cut()
        asyncio.get_running_loop().call_soon(self._tell_client, error)

    def _tell_client(self, error: Exception | None) -> None:
        self._client.connection_lost(error)
        self.pool.watch.link_changed()


class SimulatedPool:
    """One pool of the network; the emulated one without its sockets.

    ``is_up``: it takes connections; ``is_cut``: nothing gets there or back; ``is_silent``: it says
    nothing. ``is_stale``: it hears of no blocks. Those at ``hosts`` are all the same pool. The last
    link that a client could mine on began to be so at ``ready_at``, and was lost at ``lost_at``.
    """

    def __init__(
        self,
        name: str,
        hosts: tuple[str, ...],
        watch: Watch,
        random: Random,
        *,
        latency: float,
        first_job_clean: bool,
    ) -> None:
        self.name = name
        self.hosts = hosts
        self.watch = watch
        self.latency = latency
        self.is_up = True
        self.is_cut = False
        self.is_silent = False
        self.is_stale = False
        self.refuses_logins = False
        self.storms = False
        self.links: dict[int, Link] = {}
        self.of_clients: dict[SessionId, Link] = {}
        self.jobs = 0
        self.lost_at = self.ready_at = 0.0
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.settings = PoolSettings(
            profile=replace(
                PLAIN,
                handshake=replace(PLAIN.handshake, first_notify_clean=first_job_clean),
                shares=replace(PLAIN.shares, jobs_kept=JOBS_KEPT),
            ),
            chain=ChainSettings(network_difficulty=1e14, branches=2, outputs=1),
            difficulty=EASIEST,
            vardiff="off",
            obey_suggestions=False,
            work_every=random.choice((80.0, 100.0)),
        )
        self.engine = PoolEngine(
            self.settings,
            wall=lambda: WALL_AT_START + self._loop.time(),
            random=random,
            now=self._loop.time(),
        )
        self.engine._state.tally = Tally(limit=0)
        self._settle()

    @property
    def is_good(self) -> bool:
        """Return whether some client can mine here now."""
        return any(link.is_good and not link.is_leaving for link in self.links.values())

    async def dial(self, address: str, client: Connection) -> None:
        """Connect ``client``, or raise ConnectError."""
        await asyncio.sleep(1.5 * self.latency)
        if self.is_cut:
            await asyncio.sleep(CONNECT_WAIT)
            raise ConnectError(address, f"no connection within {CONNECT_WAIT:g} s")
        number = self.engine.connect("client", self._loop.time()) if self.is_up else None
        if number is None:
            raise ConnectError(address, "connection refused: nothing listens there")
        link = self.links[number] = Link(self, client, number)
        self.of_clients[link.session_id] = link
        self._hold(link)
        client.connection_made(link)
        self._settle()

    # --- what may befall it ---

    def set_up(self, *, up: bool) -> None:
        """Take connections, or end all and refuse new ones."""
        self.is_up = up
        if not up:
            self.order(self.engine.drop_clients)

    def set_cut(self, *, cut: bool) -> None:
        """Cut the network to it, or mend it."""
        self.is_cut = cut
        self._hold_all()

    def set_silent(self, *, silent: bool) -> None:
        """Let it say nothing, or let it all out."""
        self.is_silent = silent
        self._hold_all()

    def set_login(self, *, refused: bool) -> None:
        """Refuse whoever logs in, or nobody."""
        self.refuses_logins = refused
        users = {"somebody else": "x"} if refused else None
        self.engine._state.settings = replace(self.settings, users=users)

    def order(self, what: Callable[[float], object]) -> None:
        """Have the engine do something now."""
        what(self._loop.time())
        self._settle()

    # --- called by links ---

    def received(self, link: Link, line: bytes) -> None:
        """Take a line from a client, and say what became of a share."""
        now = self._loop.time()
        self.engine.advance(now)
        self._settle()
        if link.number not in self.links:
            return
        params = json.loads(line)["params"] if b'"mining.submit"' in line else None
        self.engine.receive_data(link.number, line, now)
        self._settle(link, params)

    def forget(self, link: Link, reason: str) -> None:
        """End the session of a link that is gone."""
        if self.links.pop(link.number, None):
            link.to_pool.cut()
            self.engine.disconnected(link.number, reason, self._loop.time())
            self._settle()

    # --- inside ---

    def _settle(self, asking: Link | None = None, params: list[Any] | None = None) -> None:
        """Do what the engine wants done; ``params`` are of the share that ``asking`` just sent."""
        for event in self.engine.take_events():
            if isinstance(event, ShareJudged) and asking and params:
                self.watch.judged(asking, params, event.fate, event.reason)
        for number, outputs in self.engine.take_outputs():
            link = self.links.get(number)
            for output in outputs if link else ():
                assert link
                match output:
                    case Send(data):
                        self._count_jobs(link, data)
                        is_reply = link is asking and params and _is_reply(data)
                        nonce = int(params[4], 16) if is_reply and params else None
                        link.to_client.put(data, nonce)
                    case Close(reason, _):
                        link.closed_by_pool(reason)
                    case _:
                        raise AssertionError(output)
        self._set_timer()

    def _count_jobs(self, link: Link, data: bytes) -> None:
        if b'"mining.notify"' in data:
            self.jobs += 1
            link.news_told += _is_news(data.rstrip())

    def _set_timer(self) -> None:
        due = self.engine.next_due()
        if self._timer and self._timer.when() == due:
            return
        if self._timer:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick) if due is not None else None

    def _tick(self) -> None:
        self._timer = None
        self.engine.advance(self._loop.time())
        self._settle()

    def _hold_all(self) -> None:
        for link in list(self.links.values()):
            self._hold(link)
        self.watch.link_changed()

    def _hold(self, link: Link) -> None:
        link.to_client.hold(held=self.is_cut or self.is_silent)
        link.to_pool.hold(held=self.is_cut)


def _is_news(line: bytes) -> bool:
    """Return whether a `mining.notify`, whole and with its clean flag last, calls off others."""
    return line.endswith(b"true]}")


def _is_reply(line: bytes) -> bool:
    return b'"result"' in line and line.endswith(b"\n")
