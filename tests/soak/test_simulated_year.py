"""A year of a rig in virtual time: three pools, four devices, and all that may befall them.

Whoever looks on sits at both ends of each wire and at the devices, and never asks the client.
"""

import asyncio
import math
import os
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from random import SystemRandom

import pytest

from drivers import registry
from stratum_client import curtail_desk, loop_lag, tuner_desk
from stratum_client.daemon import EXIT_OK, Daemon
from stratum_client.emulated_pool import state
from stratum_client.emulated_pool.tally import Fate as PoolFate
from stratum_client.health import health_of
from stratum_client.job import Fate
from stratum_client.ledger_reading import Findings, Selection, shares_in
from stratum_client.metrics import exposition
from stratum_client.status_text import status_lines
from tests.soak.year import devices
from tests.soak.year.growth import Holdings
from tests.soak.year.rig import HOSTS, Rig
from tests.soak.year.service import LOOK_EVERY
from tests.soak.year.shares import RECORDED
from tests.soak.year.users import Users
from tests.soak.year.weather import DAY, Weather

pytestmark = [pytest.mark.soak, pytest.mark.virtual_time]

YEAR, BRIEF = 366, 1
BRIEF_PACE, BRIEF_SEED = 8.0, 20270701
MONTH = 30
SETTLED_AFTER = 60
"""Days after which nothing may grow any more."""

WIDTH = 100
MEMORY = 16 << 20
"""Bytes that may be resident more at the end, for what an allocator cannot give back."""


class Year:
    """Runs a rig for some days, and looks at it every now and then."""

    def __init__(self, seed: int, folder: Path, *, pace: float) -> None:
        self.rig = Rig(seed, folder, pace=pace)
        self.weather = Weather(self.rig)
        self.users = Users(self.rig)
        self.holdings: dict[int, Holdings] = {}
        self.days = 0

    async def run(self, days: int) -> int:
        """Return the daemon's exit code after so many days, fewer when something is wrong."""
        daemon = self.rig.make_daemon()
        self.rig.ledger.open()
        async with asyncio.TaskGroup() as group:
            mining = group.create_task(daemon.run(), name="daemon")
            others = [
                group.create_task(self.weather.run(), name="weather"),
                group.create_task(self.users.run(), name="users"),
                group.create_task(self._look(), name="looks"),
            ]
            for self.days in range(1, days + 1):
                await asyncio.sleep(DAY)
                self._end_of_day(daemon)
                if self.rig.breaches:
                    break
            for task in others:
                task.cancel()
            daemon.stop()
            code = await mining
        self.rig.ledger.close()
        return code

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY)
            self.rig.service.look()

    def _end_of_day(self, daemon: Daemon) -> None:
        """Have everything shown, and take note of what is held."""
        snapshot = daemon.snapshot()
        assert all(len(line) <= WIDTH for line in status_lines(snapshot, title="", width=WIDTH))
        health_of(snapshot)
        for line in exposition(snapshot).decode().splitlines():
            if line and not line.startswith("#"):
                assert math.isfinite(float(line.rpartition(" ")[2])), line
        if self.days % MONTH == 0:
            self.holdings[self.days] = Holdings.now()
            work = time.process_time()
            print(f"day {self.days}: {work:.0f} s at work", flush=True)  # noqa: T201  # it takes long
            self.rig.shares.to_record = self.rig.shares.recorded + RECORDED


def told(year: Year, seconds: float) -> str:
    """Return the year in a table."""
    rig, days = year.rig, year.days
    service, shares, log = rig.service, rig.shares, rig.log.counts
    ready = service.seconds["hashing or ready to"]
    fates = ", ".join(f"{shares.fates[fate]} {fate}" for fate in Fate)
    work = time.process_time()
    parts = [what for what in sorted(service.seconds) if what.startswith(("served by", "unserved"))]
    return "\n".join(
        (
            f"simulated      {days} days in {seconds:.0f} s, {work:.0f} s of them at work",
            f"jobs sent      {sum(pool.jobs for pool in rig.pools.values())}",
            f"shares         {fates}",
            f"               taken by pools {shares.taken}, {shares.taken_unheard} unheard",
            f"switches       {log['pools.switched']}, {service.failbacks} back to a better pool",
            f"sessions       {log['pool.subscribed']}",
            f"served         {service.seconds['served'] / ready:.4%} of {ready / DAY:.1f} days",
            *(f"               {service.seconds[what] / ready:9.4%} {what}" for what in parts),
            f"longest wait   {service.longest_unserved:.1f} s with a good pool",
            *(
                f"{name:<14} {record.outages} outages, good {record.good_time / days / DAY:.2%}"
                for name, record in service.records.items()
            ),
            *(_counted(counts) for counts in (year.weather.seen, year.users.seen, shares.reasons)),
            *(f"day {day}: {held}" for day, held in grown(year)),
        )
    )


def _counted(counts: Counter[str]) -> str:
    return ", ".join(f"{what} {n}" for what, n in sorted(counts.items()))


def grown(year: Year) -> list[tuple[int, str]]:
    """Return for each month what has grown since the last one."""
    days = list(year.holdings)
    return [(b, year.holdings[b].since(year.holdings[a])) for a, b in pairwise(days)]


@pytest.fixture
def seed(soaking: bool) -> int:
    """Return the seed: another one for each soak, if SIMULATED_YEAR_SEED names none."""
    fallback = SystemRandom().getrandbits(32) if soaking else BRIEF_SEED
    return int(os.environ.get("SIMULATED_YEAR_SEED") or fallback)


async def test_a_year_passes_and_every_promise_is_kept(
    soaking: bool, seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    print(f"\nSIMULATED_YEAR_SEED={seed}")  # noqa: T201  # to play it again
    monkeypatch.setattr(loop_lag, "EVERY", 3600.0)  # no loop is late here
    monkeypatch.setattr(tuner_desk, "LOOK_EVERY", 600.0)  # nor is there anything to tune
    monkeypatch.setattr(curtail_desk, "_LOOK_AT_CLOCK", 3600.0)  # the kernel's: not of this rig
    monkeypatch.setattr(state, "SEEN_LIMIT", 500)
    monkeypatch.setattr(state, "SESSIONS_KEPT", 4)
    days = int(os.environ.get("SIMULATED_DAYS") or (YEAR if soaking else BRIEF))
    year = Year(seed, tmp_path / "ledger", pace=1.0 if days > MONTH else BRIEF_PACE)
    monkeypatch.setattr(devices, "DRIVER", year.rig.driver, raising=False)
    names = {devices.DRIVER_NAME: f"{devices.__name__}:DRIVER"}
    monkeypatch.setattr(registry, "BUILT_IN", names)
    monkeypatch.setattr(registry, "FAMILIES", ())
    registry.forget()

    began = time.monotonic()
    try:
        code = await year.run(days)
    finally:
        registry.forget()
    open_shares = year.rig.shares.finish()
    print(told(year, time.monotonic() - began))  # noqa: T201  # what a simulated year is run for

    assert not year.rig.breaches, "\n\n".join(year.rig.breaches)
    assert not year.rig.errors
    assert code == EXIT_OK
    assert not open_shares
    check_counts(year)
    check_ledger(year, tmp_path / "ledger")
    check_growth(year)


def check_counts(year: Year) -> None:
    """Compare what the client counted with what was seen, and what pools counted."""
    rig, shares = year.rig, year.rig.shares
    assert rig.daemon
    miner = rig.daemon.miner
    assert Counter(miner.tally.fates) == shares.fates
    by_device = Counter[Fate]()
    for seat in miner.seats.values():
        by_device.update(seat.tally.fates)
    assert by_device == shares.fates
    assert miner.tally.solutions == shares.fates.total()
    for name in HOSTS:
        counted = rig.pools[name].engine.tally().total
        seen = {fate: n for (pool, fate), n in shares.verdicts.items() if pool == name}
        assert counted.accepted == seen.get(PoolFate.ACCEPTED, 0)
        assert counted.shares == sum(seen.values())
    assert shares.taken == shares.fates[Fate.ACCEPTED] + shares.taken_unheard


def check_ledger(year: Year, folder: Path) -> None:
    """See that what was recorded is there to be read, as far as it is kept."""
    findings = Findings()
    shares = list(shares_in(folder, Selection(), findings))
    assert findings.damaged == 0
    assert not findings.gaps
    assert all(share.fate for share in shares)
    assert len(shares) == year.rig.shares.recorded


def check_growth(year: Year) -> None:
    """See that nothing grows once the rig has met all that it meets again and again."""
    settled = [held for day, held in year.holdings.items() if day >= SETTLED_AFTER]
    if len(settled) < 2:
        return
    first, last = settled[0], settled[-1]
    story = last.since(first)
    half = len(settled) // 2
    for what in ("objects", "entries", "tasks", "timers"):
        before = max(getattr(held, what) for held in settled[:half])
        after = min(getattr(held, what) for held in settled[half:])
        assert after <= before, f"{what}: {story}"
    assert last.resident - first.resident < MEMORY, story
