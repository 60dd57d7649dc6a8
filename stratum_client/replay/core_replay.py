"""The real daemon, without devices, on the pools' side of a recording.

Pools say what they said, devices ask for work and claim solutions when they did; what the daemon
sends and hands out must be what it sent and handed out then.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

from drivers.api import Miner, PortInfo, Setpoint, Solution, Work
from drivers.transports.tap import PortTap
from stratum_client.config import Config
from stratum_client.daemon import Daemon
from stratum_client.errors import PoolOrderError
from stratum_client.pool_order import PoolOrder
from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import Run
from stratum_client.recording.recorded_config import order_of
from stratum_client.replay.differences import Differences
from stratum_client.replay.replay_loop import ReplayClock, ReplayLoop, SilentLog
from stratum_client.replay.replay_orders import ReplayOrders, give
from stratum_client.replay.replay_pool_rim import ReplayPoolRim
from stratum_client.rims import PoolRim, Rates, Timer

TURN = 1e-6
"""Seconds between two entries at least, so that all that one causes is done before the next."""

LONGEST_SILENCE = 3600.0
"""Seconds without an entry that are lived through; a pool that is connected ticks all the time."""

CLOSING_TURN, CLOSING_TURNS = 0.002, 10
"""Seconds, and how often, to look whether a pool is closed that was: it looks every 10 ms."""

_OF_A_JOB = {What.HASHRATE, What.HASHRATES, What.TOLD, What.WORK, What.NO_WORK}
"""What is noted between a job and the last device that is told of it."""


class CoreReplay:
    """One run; must be played on a `ReplayLoop`. Also the `rims.Rims` of its daemon."""

    def __init__(self, run: Run, config: Config) -> None:
        self.differences = Differences(run=run)
        self.then: Mapping[str, int] = {}
        self.now: Mapping[str, int] = {}
        self._run = run
        self._config = config
        self._rims: dict[str, ReplayPoolRim] = {}
        self._orders = ReplayOrders(run)
        self._hashrates = _hashrates_of(run)
        self._works: dict[int, Work] = {}
        self._told: dict[str, int] = {}
        self._played: set[int] = set()
        self._index = 0
        self._is_over = False
        self._is_stopping = False
        self._daemon: Daemon | None = None
        self._running: asyncio.Task[int] | None = None

    async def play(self) -> None:
        """Play the run to its end."""
        self._daemon = Daemon(
            self._config,
            clock=ReplayClock(self._run.header),
            random=Random(0),
            log_for=lambda _: SilentLog(),
            rims=self,
            follows_site=False,
        )
        started = self._begin()
        async with asyncio.TaskGroup() as group:
            self._running = group.create_task(self._daemon.run(), name="daemon")
            try:
                await self._play_from(started)
            finally:
                self._stop()

    async def _play_from(self, start: int) -> None:
        for index, entry in enumerate(self._run.entries[start:], start):
            if entry.what is What.GAP:
                break
            self._index = index
            if entry.what is What.DEVICE:
                self._seat(entry.name)
            elif index not in self._played and entry.rim not in (Rim.PORT, Rim.LOG):
                await self._until(entry.at)
                await self._take(entry)
        await self._until(0)

    def _begin(self) -> int:
        """Play what was before the daemon ran: choices taken up again; return where it did."""
        for index, entry in enumerate(self._run.entries):
            self._index = index
            if entry.what is What.DEVICE:
                self._seat(entry.name)
            elif entry.what is What.ORDER:
                self._obey(entry)
            elif entry.rim is not Rim.LOG:
                return index
        return len(self._run.entries)

    # --- Rims ---

    def pool(self, name: str) -> PoolRim:
        """Return the other side of a pool, a new one for one that was added again."""
        self._rims[name] = ReplayPoolRim(partial(self._saw_closing, name))
        return self._rims[name]

    def hashrates(self, measured: Callable[[], Rates]) -> Callable[[], Rates]:  # noqa: ARG002 - the recording knows
        """Return the hash rates that were measured then."""
        return self._orders.next_hashrates

    def configured(self, config: Config) -> None:
        """Take no note."""

    def ordered(self, order: PoolOrder) -> None:
        """Take no note."""

    def later(self, seconds: float, decide: Callable[[], None]) -> Timer:  # noqa: ARG002 - the recording knows
        """Call ``decide`` when it was called then."""
        return self._orders.wait(decide)

    def hashrate(self, pool: str, measured: Callable[[], float]) -> Callable[[], float]:  # noqa: ARG002 - the recording knows
        """Return the hash rate that was measured then."""
        return lambda: self._rims[pool].hashrate

    def miner(self, device: str, miner: Miner) -> Miner:  # noqa: ARG002 - there are no devices
        """Return ``miner``."""
        return miner

    def tap(self, device: str) -> PortTap | None:  # noqa: ARG002 - there are no devices
        """Return None."""
        return None

    def opening(
        self, device: str, driver: str, port: PortInfo, settings: Mapping[str, object]
    ) -> None:
        """Take no note."""

    def told(self, device: str, *, clean: bool) -> None:
        """Take no note."""

    def applied(self, device: str, setpoint: Setpoint) -> None:
        """Take no note."""

    def stopping(self) -> None:
        """Take no note."""

    # --- entries ---

    async def _until(self, at: float) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, ReplayLoop) and at - loop.time() > LONGEST_SILENCE:
            loop.pass_on_to(at - LONGEST_SILENCE)
        now = loop.time()
        await asyncio.sleep(max(at - now, TURN))

    async def _take(self, entry: Entry) -> None:
        match entry.rim:
            case Rim.POOL if rim := self._rims.get(entry.name):
                await self._take_of_pool(entry, rim)
            case Rim.POOL:
                self._differs(f"pool {entry.name}", then="a pool of that name", now="no such pool")
            case Rim.MINER:
                self._take_of_miner(entry)
            case Rim.DAEMON:
                await self._take_of_daemon(entry)

    async def _take_of_pool(self, entry: Entry, rim: ReplayPoolRim) -> None:
        match entry.what:
            case What.DIAL:
                await self._take_dial(entry, rim)
            case What.OUT:
                self._compare_sent(entry, rim)
            case What.HANG_UP:
                if not rim.has_hung_up and not self._is_stopping:
                    self._differs_at(entry, then="we hung up", now="the connection goes on")
            case What.STOP:
                self._check_surplus(entry.name, rim)
                self._take_stop(entry, rim)
            case _:
                self._let_happen(entry, rim)

    def _let_happen(self, entry: Entry, rim: ReplayPoolRim) -> None:
        match entry.what:
            case What.OPEN:
                could = rim.open()
            case What.CONNECTED:
                could = rim.connected()
            case What.ENDED:
                could = rim.end()
            case What.REFUSED:
                could = rim.refuse(entry.text("reason"))
            case What.IN:
                could = rim.receive(entry.data)
            case What.TICK:
                rim.hashrate = self._hashrates.get(self._index, 0.0)
                could = rim.let_tick()
            case What.PAUSED | What.RESUMED:
                could = rim.pause_writing(resumed=entry.what is What.RESUMED)
            case What.LOST:
                self._check_surplus(entry.name, rim)
                could = rim.lose(entry.text("reason"))
            case _:
                return
        if not could:
            state = "we have hung up" if rim.has_hung_up else "there is no connection"
            self._differs_at(entry, then=f"{entry.what} in a session", now=state)

    async def _take_dial(self, entry: Entry, rim: ReplayPoolRim) -> None:
        self._check_surplus(entry.name, rim)
        rim.end_pause()
        await self._until(0)
        if rim.dialled != entry.text("address"):
            now = f"dials {rim.dialled}" if rim.dialled else "does not dial"
            self._differs_at(entry, then=f"dials {entry.text('address')}", now=now)

    def _compare_sent(self, entry: Entry, rim: ReplayPoolRim) -> None:
        size = len(entry.data)
        now = bytes(rim.sent[:size])
        del rim.sent[:size]
        if now != entry.data:
            rim.sent.clear()
            self._differs_at(entry, then=_sent(entry.data), now=_sent(now))

    def _check_surplus(self, pool: str, rim: ReplayPoolRim) -> None:
        if rim.sent:
            now = _sent(bytes(rim.sent))
            rim.sent.clear()
            self._differs(f"pool {pool}", then="sends nothing more", now=now)

    def _take_stop(self, entry: Entry, rim: ReplayPoolRim) -> None:
        """Let a pool go as it went then: with the daemon, or alone."""
        if self._is_over:
            self._stop()
        elif not rim.let_stop():
            self._differs_at(entry, then="the pool is let go", now="nobody looks after it")

    def _stop(self) -> None:
        if not self._is_stopping and self._daemon:
            self._is_stopping = True
            for rim in self._rims.values():
                rim.set_free()
            self._daemon.stop()

    async def _take_of_daemon(self, entry: Entry) -> None:
        match entry.what:
            case What.SHARES:
                await self._compare_shares(entry)
            case What.ORDER:
                await self._until_closed(entry)
                self._obey(entry)
            case What.MOMENT if not self._orders.let_decide():
                self._differs("pools", then="are looked at", now="no time is awaited")
            case What.STOPPING:
                self._is_over = True

    async def _until_closed(self, entry: Entry) -> None:
        """Wait a little for the end of a pool of the same name, which had ended then."""
        for _ in range(CLOSING_TURNS):
            if not (self._daemon and self._daemon.pools.is_leaving(entry.name)):
                return
            await self._until(asyncio.get_running_loop().time() + CLOSING_TURN)

    def _obey(self, entry: Entry) -> None:
        assert self._daemon
        order = order_of(entry)
        try:
            give(order, self._daemon.pools)
        except PoolOrderError as error:
            self._differs(f"pool {order.pool}", then=f"order to {order.verb}", now=str(error))

    async def _compare_shares(self, entry: Entry) -> None:
        assert self._daemon
        if self._is_stopping and self._running:
            await asyncio.wait([self._running])
        then = {str(key): entry.number(str(key)) for key in entry.fields}
        now = {str(fate): count for fate, count in self._daemon.miner.tally.fates.items()}
        self.then, self.now = then, now
        if then != now:
            self._differs("shares", then=_counts(then), now=_counts(now))

    # --- devices, as the miner sees them ---

    def _take_of_miner(self, entry: Entry) -> None:
        seat = self._seat(entry.name)
        match entry.what:
            case What.WORK | What.NO_WORK:
                self._compare_work(entry, seat.next_work())
            case What.FOUND:
                self._find(entry, seat)
            case What.TOLD if not self._told.get(entry.name):
                self._differs_at(entry, then="told of a job", now="not told")
            case What.TOLD:
                self._told[entry.name] -= 1

    def _seat(self, device: str) -> Miner:
        """Return a device's place at the miner; places are taken in the same order as then."""
        assert self._daemon
        seat = self._daemon.miner.seat(device)
        seat.listener = seat.listener or _Listener(self, device)
        return seat

    def _compare_work(self, entry: Entry, work: Work | None) -> None:
        if work:
            self._works[entry.number("work")] = work
        then = entry.text("header") or "no work"
        now = work.header()[:76].hex() if work else "no work"
        if then != now:
            self._differs_at(entry, then=then, now=now)

    def _find(self, entry: Entry, seat: Miner) -> None:
        work = self._works.get(entry.number("work"))
        if work is None:
            self._differs_at(entry, then="a solution", now="its work was never given")
            return
        nonce, version, ntime = (int(entry.text(key), 16) for key in ("nonce", "version", "ntime"))
        seat.found(Solution(work=work, nonce=nonce, version=version, ntime=ntime))

    def device_told(self, device: str) -> None:
        """Let ``device`` do what it did in the same call: fetch work."""
        told = self._next(self._index, lambda entry: entry.what in _OF_A_JOB, device, What.TOLD)
        if told is None:
            self._told[device] = self._told.get(device, 0) + 1
            return
        self._played.add(told)
        place: int | None = told
        while place is not None:
            place = self._next(place, lambda _: False, device, What.WORK, What.NO_WORK)
            if place is not None:
                self._played.add(place)
                self._take_of_miner(self._run.entries[place])

    def _next(
        self, start: int, passes: Callable[[Entry], bool], name: str, *wanted: What
    ) -> int | None:
        """Return where the next entry of ``name`` is that is ``wanted``; others end the search.

        Passed over are those that were played, ports, log lines, and what ``passes``.
        """
        for index in range(start + 1, len(self._run.entries)):
            entry = self._run.entries[index]
            if index in self._played or entry.rim in (Rim.PORT, Rim.LOG):
                continue
            if entry.name == name and entry.what in wanted:
                return index
            if not passes(entry):
                return None
        return None

    def _saw_closing(self, pool: str) -> bool:
        """Return whether a socket was seen closing in what happens now."""
        place = self._next(self._index, lambda entry: entry.what is What.OUT, pool, What.CLOSING)
        return place is not None

    # --- differences ---

    def _differs_at(self, entry: Entry, *, then: str, now: str) -> None:
        whose = "pool" if entry.rim is Rim.POOL else "device"
        self._differs(f"{whose} {entry.name}", then=then, now=now)

    def _differs(self, whose: str, *, then: str, now: str) -> None:
        self.differences.add(self._index, whose, then=then, now=now)


class _Listener:
    """A device, as the miner sees it."""

    def __init__(self, replay: CoreReplay, device: str) -> None:
        self._replay = replay
        self._device = device

    def job_changed(self, *, clean: bool) -> None:  # noqa: ARG002 - it does what it did then
        """Do what was done then."""
        self._replay.device_told(self._device)


def _hashrates_of(run: Run) -> dict[int, float]:
    """Return the hash rate that was told after each tick, by the tick's index."""
    ticks: dict[str, int] = {}
    told: dict[int, float] = {}
    for index, entry in enumerate(run.entries):
        if entry.what is What.TICK:
            ticks[entry.name] = index
        elif entry.what is What.HASHRATE and entry.name in ticks:
            told[ticks[entry.name]] = entry.real("value")
    return told


def _sent(data: bytes) -> str:
    return f"sends {data.decode(errors='backslashreplace')}" if data else "sends nothing"


def _counts(shares: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {fate}" for fate, count in shares.items() if count) or "no shares"
