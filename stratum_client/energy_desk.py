"""The account of energy at work: each look of the meters taken in, each interval written down.

Without a state directory it counts as well, and what it counted ends with the daemon.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from drivers.api import Clock, Log
from stratum_client import __version__
from stratum_client.config import Config
from stratum_client.config_energy import TariffConfig
from stratum_client.control.energy import MAX_GAP, Ended, EnergyMeter, Interval, Look, Proven
from stratum_client.control.energy_account import EnergyAccount, EnergyStats, LedgerEnd
from stratum_client.control.energy_book import Signer, started, stopped
from stratum_client.control.energy_records import IntervalRecord, Record, moment, record_of
from stratum_client.control.io.energy_ledger import FOLDER, EnergyLedger
from stratum_client.control.io.signing_key import KEY_NAME, SigningError, read_key
from stratum_client.control.power import RigPower, Source
from stratum_client.control.schedule import DAYS, Window
from stratum_client.control.tariff import Rate, Tariff, TariffRule

CHECKPOINT = 10.0
"""Seconds of energy that a kill may cost at most."""

_STATS_LAST = 5.0
"""Seconds for which what the account says is not worked out anew: 64 boards take some 10 ms."""

_LOOKS = 3.5
"""Times the meters' interval after which they have missed looks."""


def tariff_of(config: Config) -> Tariff:
    """Return what the configuration says of the price of power."""
    rules = tuple(_rule(tariff) for tariff in config.tariffs)
    return Tariff(rules=rules, zone=ZoneInfo(config.rig.timezone))


def _rule(config: TariffConfig) -> TariffRule:
    days = frozenset(DAYS.index(day) for day in config.days)
    start, end = config.hours
    rate = Rate(price=config.price, currency=config.currency)
    return TariffRule(hours=Window(days=days, start=start, end=end), rate=rate)


class EnergyDesk:
    """Is handed each look by `sample`; ``proven`` tells the work of each device up to now.

    ``idle_after`` tells the seconds that the last order to rest took, None if there was none.
    """

    def __init__(
        self,
        config: Config,
        *,
        proven: Callable[[], Mapping[str, Proven]],
        idle_after: Callable[[], float | None],
        state_dir: Path | None,
        clock: Clock,
        random: Random,
        log: Log,
    ) -> None:
        self._config = config
        self._zone = ZoneInfo(config.rig.timezone)
        self._proven = proven
        self._idle_after = idle_after
        self._folder = state_dir / FOLDER if state_dir else None
        self._clock = clock
        self._log = log
        self._run = f"{random.getrandbits(48):012x}"
        self._account = EnergyAccount()
        self._gap = _gap(config)
        self._meter = EnergyMeter(tariff_of(config).period_at, max_gap=self._gap)
        self._count = 0
        self._last_at = clock.monotonic()
        self._power: RigPower | None = None
        self._told_idle = idle_after()
        self._waits: list[float] = []
        self._ledger: EnergyLedger | None = None
        self._early: list[IntervalRecord] = []
        self._key = ""
        self._stats: EnergyStats | None = None
        self._stats_at = 0.0
        self._is_restored = False
        self._loop: asyncio.AbstractEventLoop | None = None

    def sample(self, power: RigPower) -> None:
        """Take in a look of the meters."""
        self._look(power if _knows_something(power) else None)

    def configure(self, config: Config) -> None:
        """Go by other tariffs, and another interval of the meters, from now on."""
        self._gap = _gap(config)
        self._meter.max_gap = max(self._meter.max_gap, self._gap)  # what lies open has its own
        if config.tariffs == self._config.tariffs:
            return
        self._config = replace(config, rig=self._config.rig)  # its zone holds until a restart
        self._book(self._meter.change_periods(tariff_of(self._config).period_at))

    @property
    def stats(self) -> EnergyStats:
        """Return what the account says, or said some seconds ago."""
        now = self._clock.monotonic()
        if self._stats is None or now - self._stats_at >= _STATS_LAST:
            watts = Decimal(self._power.total.watts) if self._power else None
            period = self._meter.open.period if self._meter.open else None
            self._stats = self._account.stats(self._open(), period, watts)
            self._stats_at = now
        return replace(self._stats, ledger=self._end())

    async def run(self) -> None:
        """Keep the ledger until cancelled."""
        self._loop = asyncio.get_running_loop()
        try:
            await self._open_ledger()
            while True:
                await asyncio.sleep(CHECKPOINT)
                if self._clock.monotonic() - self._last_at > self._meter.max_gap:
                    self._look(None)
                if self._ledger and (record := self._open()):
                    self._ledger.checkpoint(record)
        finally:
            self._close_ledger()

    # --- looks ---

    def _look(self, power: RigPower | None) -> None:
        now, wall = self._clock.monotonic(), self._clock.wall()
        self._last_at, self._power = now, power
        ended = self._meter.look(Look(wall=wall, at=now, power=power, proven=self._proven()))
        self._meter.max_gap = self._gap
        if (told := self._idle_after()) != self._told_idle and told is not None:
            self._waits.append(told)
            self._told_idle = told
        self._book(ended)

    def _book(self, intervals: list[Interval]) -> None:
        for interval in intervals:
            self._stats = None
            self._count += 1
            record = self._record(interval, self._count)
            self._waits.clear()
            self._account.add(record)
            self._keep(record)

    def _record(self, interval: Interval, number: int) -> IntervalRecord:
        return record_of(
            interval, run=self._run, number=number, zone=self._zone, idle_after=self._waits
        )

    def _open(self) -> IntervalRecord | None:
        interval = self._meter.open
        if interval is None or not interval.seconds:
            return None
        return self._record(interval, self._count + 1)

    def _keep(self, record: IntervalRecord) -> None:
        if self._ledger:
            self._ledger.add(record)
        elif self._folder:
            self._early.append(record)

    # --- the ledger ---

    async def _open_ledger(self) -> None:
        if self._folder is None:
            return
        signer = await asyncio.to_thread(self._signer, self._folder)
        ledger = EnergyLedger(self._folder, signer=signer, stamp=self._stamp, report=self._report)
        restored = await asyncio.to_thread(ledger.open)
        self._key = signer.key if signer else ""
        if not self._is_restored:
            self._account.restore(restored.open_intervals)
        self._is_restored, self._stats = True, None
        first = self._started(restored.missing_to)
        records: list[Record] = [first, *self._early]
        if restored.recovered:
            recovered = replace(restored.recovered, ended=Ended.RECOVERED)
            self._account.restore([recovered])
            records.insert(0, recovered)
            self._log.info("energy.interval_recovered", until=recovered.end.isoformat())
        for record in records:
            ledger.add(record)
        self._early, self._ledger = [], ledger

    def _close_ledger(self) -> None:
        self._book(self._meter.close())
        ledger, self._ledger = self._ledger, None
        if ledger:
            ledger.add(stopped(run=self._run, time=self._stamp()))
            ledger.close()  # not in a thread: a second signal must not leave it half done

    def _started(self, missing: int) -> Record:
        return started(
            run=self._run,
            time=self._stamp(),
            rig=self._config.rig.name,
            version=__version__,
            missing=missing,
        )

    def _signer(self, folder: Path) -> Signer | None:
        given = self._config.energy.key_file
        try:
            return read_key(given or folder / KEY_NAME)
        except SigningError as error:
            problem = error.problem
        except FileNotFoundError:
            problem = f"{given} is not there" if given else ""
        if problem:
            self._report("warning", "energy.unsigned", problem=problem)
        return None

    def _end(self) -> LedgerEnd | None:
        if self._ledger is None:
            return None
        (line, digest), failing = self._ledger.book.end, self._ledger.failing
        problem = "the disk does not take it: it is kept in memory" if failing else ""
        return LedgerEnd(line=line, digest=digest, key=self._key, problem=problem)

    def _stamp(self) -> str:
        return moment(self._clock.wall(), self._zone).isoformat(timespec="milliseconds")

    def _report(self, level: str, event: str, **fields: object) -> None:
        """Log what happened on any thread."""
        write = partial(getattr(self._log, level), event, **fields)
        if self._loop and not self._loop.is_closed():
            with suppress(RuntimeError):  # it has ended meanwhile
                self._loop.call_soon_threadsafe(write)
        else:
            write()


def _gap(config: Config) -> float:
    return max(MAX_GAP, _LOOKS * config.power.interval)


def _knows_something(power: RigPower) -> bool:
    """Return whether the total is more than the sum of no readings at all."""
    return bool(power.devices) or power.total.source is not Source.MODEL
