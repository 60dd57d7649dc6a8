"""The real daemon, without devices, on the pools' side of a recording.

Pools say what they said, devices ask for work and claim solutions when they did; what the daemon
sends and hands out must be what it sent and handed out then.
"""

import asyncio
from collections.abc import Mapping
from random import Random

from stratum_client.config import Config
from stratum_client.daemon import Daemon
from stratum_client.errors import PoolOrderError
from stratum_client.miner import Seat
from stratum_client.recording.entries import Entry, Rim, What
from stratum_client.recording.reader import Run
from stratum_client.recording.recorded_config import order_of
from stratum_client.replay.differences import Differences
from stratum_client.replay.progress import Progress
from stratum_client.replay.replay_loop import ReplayClock, ReplayLoop, SilentLog
from stratum_client.replay.replay_orders import ReplayOrders, give
from stratum_client.replay.replay_pool_rim import ReplayPoolRim
from stratum_client.replay.replay_rims import ReplayRims
from stratum_client.replay.replay_seats import ReplaySeats

TURN = 1e-6
"""Seconds between two entries at least, so that all that one causes is done before the next."""

LONGEST_SILENCE = 3600.0
"""Seconds without an entry that are lived through; a pool that is connected ticks all the time."""

CLOSING_TURN, CLOSING_TURNS = 0.002, 10
"""Seconds, and how often, to look whether a pool is closed that was: it looks every 10 ms."""


class CoreReplay:
    """One run; must be played on a `ReplayLoop`."""

    def __init__(self, run: Run, config: Config) -> None:
        self.then: Mapping[str, int] = {}
        self.now: Mapping[str, int] = {}
        self._run = run
        self._config = config
        self._progress = Progress(run)
        self._orders = ReplayOrders(run)
        self._rims = ReplayRims(self._progress, self._orders)
        self._seats = ReplaySeats(self._progress, self._seat_of)
        self._hashrates = _hashrates_of(run)
        self._is_over = False
        self._is_stopping = False
        self._daemon: Daemon | None = None
        self._running: asyncio.Task[int] | None = None

    @property
    def differences(self) -> Differences:
        """Return what was other than then, so far."""
        return self._progress.differences

    async def play(self) -> None:
        """Play the run to its end."""
        self._daemon = Daemon(
            self._config,
            clock=ReplayClock(self._run.header),
            random=Random(0),
            log_for=lambda _: SilentLog(),
            rims=self._rims,
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
            self._progress.index = index
            if entry.what is What.DEVICE:
                self._seats.take(entry.name)
            elif not self._progress.is_played(index) and entry.rim not in (Rim.PORT, Rim.LOG):
                await self._until(entry.at)
                await self._take(entry)
        await self._until(0)

    def _begin(self) -> int:
        """Play what was before the daemon ran: choices taken up again; return where it did."""
        for index, entry in enumerate(self._run.entries):
            self._progress.index = index
            if entry.what is What.DEVICE:
                self._seats.take(entry.name)
            elif entry.what is What.ORDER:
                self._obey(entry)
            elif entry.rim is not Rim.LOG:
                return index
        return len(self._run.entries)

    def _seat_of(self, device: str) -> Seat:
        assert self._daemon
        return self._daemon.miner.seat(device)

    # --- entries ---

    async def _until(self, at: float) -> None:
        loop = asyncio.get_running_loop()
        if isinstance(loop, ReplayLoop) and at - loop.time() > LONGEST_SILENCE:
            loop.pass_on_to(at - LONGEST_SILENCE)
        now = loop.time()
        await asyncio.sleep(max(at - now, TURN))

    async def _take(self, entry: Entry) -> None:
        match entry.rim:
            case Rim.POOL if rim := self._rims.pools.get(entry.name):
                await self._take_of_pool(entry, rim)
            case Rim.POOL:
                self._progress.differs_at(entry, then="a pool of that name", now="no such pool")
            case Rim.MINER:
                self._seats.play(entry)
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
                    self._progress.differs_at(
                        entry, then="we hung up", now="the connection goes on"
                    )
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
                rim.hashrate = self._hashrates.get(self._progress.index, 0.0)
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
            self._progress.differs_at(entry, then=f"{entry.what} in a session", now=state)

    async def _take_dial(self, entry: Entry, rim: ReplayPoolRim) -> None:
        self._check_surplus(entry.name, rim)
        rim.end_pause()
        await self._until(0)
        if rim.dialled != entry.text("address"):
            now = f"dials {rim.dialled}" if rim.dialled else "does not dial"
            self._progress.differs_at(entry, then=f"dials {entry.text('address')}", now=now)

    def _compare_sent(self, entry: Entry, rim: ReplayPoolRim) -> None:
        size = len(entry.data)
        now = bytes(rim.sent[:size])
        del rim.sent[:size]
        if now != entry.data:
            rim.sent.clear()
            self._progress.differs_at(entry, then=_sent(entry.data), now=_sent(now))

    def _check_surplus(self, pool: str, rim: ReplayPoolRim) -> None:
        if rim.sent:
            now = _sent(bytes(rim.sent))
            rim.sent.clear()
            self._progress.differs(f"pool {pool}", then="sends nothing more", now=now)

    def _take_stop(self, entry: Entry, rim: ReplayPoolRim) -> None:
        """Let a pool go as it went then: with the daemon, or alone."""
        if self._is_over:
            self._stop()
        elif not rim.let_stop():
            self._progress.differs_at(entry, then="the pool is let go", now="nobody looks after it")

    def _stop(self) -> None:
        if not self._is_stopping and self._daemon:
            self._is_stopping = True
            for rim in self._rims.pools.values():
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
                self._progress.differs("pools", then="are looked at", now="no time is awaited")
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
            self._progress.differs(
                f"pool {order.pool}", then=f"order to {order.verb}", now=str(error)
            )

    async def _compare_shares(self, entry: Entry) -> None:
        assert self._daemon
        if self._is_stopping and self._running:
            await asyncio.wait([self._running])
        then = {str(key): entry.number(str(key)) for key in entry.fields}
        now = {str(fate): count for fate, count in self._daemon.miner.tally.fates.items()}
        self.then, self.now = then, now
        if then != now:
            self._progress.differs("shares", then=_counts(then), now=_counts(now))


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
