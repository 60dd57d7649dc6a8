"""Energy ledgers for tests: a rig of two boards with a load that varies, and its records."""

import math
import time
from collections.abc import Callable, Iterator
from datetime import UTC
from functools import cache
from pathlib import Path
from typing import Self

from stratum_client.control.energy import EnergyMeter, Interval, Look, Proven
from stratum_client.control.energy_book import Signer, started, stopped
from stratum_client.control.energy_records import IntervalRecord, record_of
from stratum_client.control.io.energy_ledger import EnergyLedger, Restored, ledger_files
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.control.tariff import Tariff

PATIENCE = 30.0
START = 1_764_000_000.0  # 2025-11-24 16:00:00 UTC
HOUR = 3600.0
PLAIN = Tariff(rules=(), zone=UTC)


class Reports:
    """Hears of trouble."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, dict[str, object]]] = []

    def __call__(self, level: str, event: str, **fields: object) -> None:
        self.heard.append((level, event, fields))

    def events(self) -> list[str]:
        return [event for _, event, _ in self.heard]


def load(at: float) -> float:
    """Watts of a rig at some second: two boards, one of them modelled."""
    return 120 + 40 * math.sin(at / 600)


def a_look(wall: float, at: float) -> Look:
    measured, modelled = 0.75 * load(wall - START), 0.25 * load(wall - START)
    readings = {
        "one": Reading(watts=measured, source=Source.DRIVER, at=at),
        "two": Reading(watts=modelled, source=Source.MODEL, at=at),
    }
    total = Reading(watts=measured + modelled, source=Source.MIXED, at=at)
    power = RigPower(wall=wall, at=at, total=total, devices=readings)
    work = Proven(hashes=4e12 * at, shares=int(at))
    return Look(wall=wall, at=at, power=power, proven={"one": work, "two": work})


def records(
    tariff: Tariff, start: float, seconds: float, *, run: str = "run", step: float = 10.0
) -> Iterator[IntervalRecord]:
    """Yield what the ledger is told while a rig runs."""
    ended = _intervals(EnergyMeter(tariff.period_at), start, seconds, step)
    for number, interval in enumerate(ended, 1):
        yield record_of(interval, run=run, number=number, zone=tariff.zone)


def _intervals(meter: EnergyMeter, start: float, seconds: float, step: float) -> Iterator[Interval]:
    at = 0.0
    while at <= seconds:
        yield from meter.look(a_look(start + at, at))
        at += step
    yield from meter.close()


class Ledger:
    """A ledger in a folder, open while in its context."""

    def __init__(self, folder: Path, signer: Signer | None = None, **more: object) -> None:
        self.folder = folder
        self.reports = Reports()
        self.restored = Restored()
        self.ledger = EnergyLedger(
            folder,
            signer=signer,
            stamp=lambda: "2025-11-24T16:00:00Z",
            report=self.reports,
            **more,  # type: ignore[arg-type]  # whatever a test wants to be another
        )

    def __enter__(self) -> Self:
        self.restored = self.ledger.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.ledger.close()

    def wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.005)


def whole_ledger(folder: Path, signer: Signer | None = None, *, days: int = 2) -> None:
    """Leave a ledger of two runs over some days in ``folder``."""
    for run in range(2):
        with Ledger(folder, signer, largest_file=15_000) as book:
            book.ledger.add(started(run=f"run{run}", time="t", rig="rig", version="1"))
            for record in hourly(run, days):
                book.ledger.add(record)
            book.ledger.add(stopped(run=f"run{run}", time="t"))


@cache
def hourly(run: int, days: int) -> tuple[IntervalRecord, ...]:
    """Return each hour's last record of one of two runs."""
    seconds = days * 24 * HOUR / 2
    start = START + run * (seconds + 7)
    found = records(PLAIN, start, seconds, run=f"run{run}", step=15.0)
    return tuple(record for record in found if record.number % 12 == 0)


def lines_of(folder: Path) -> list[bytes]:
    return [line for path in ledger_files(folder) for line in path.read_bytes().splitlines(True)]
