"""The account of energy at work: looks in, ledger and status out, through restarts and kills."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from random import Random

import pytest

from stratum_client.config import Config, RigConfig
from stratum_client.config_energy import EnergyConfig, TariffConfig
from stratum_client.config_power import PowerConfig
from stratum_client.control.energy import Proven
from stratum_client.control.energy_records import IntervalRecord
from stratum_client.control.io.energy_ledger import FOLDER, intervals_in, verify
from stratum_client.control.io.signing_key import KEY_NAME, make_key, signature_check
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.energy_desk import EnergyDesk
from tests.energy_ledgers import PATIENCE
from tests.stand_ins import ManualClock, RecordingLog

MIDNIGHT = 1_764_010_800.0  # 2025-11-25 00:00 in Almaty
NIGHT = TariffConfig(hours=(0, 480), price=Decimal("11.20"), currency="KZT")
CONFIG = Config(rig=RigConfig(name="rig", timezone="Asia/Almaty"), tariffs=(NIGHT,))


class Bench:
    """A rig of one board at 360 W that proves 20 TH a second."""

    def __init__(
        self, folder: Path | None = None, config: Config = CONFIG, *, wall: float = MIDNIGHT
    ) -> None:
        self.clock = ManualClock(wall=wall)
        self.log = RecordingLog()
        self.idle_after: float | None = None
        self.watts: float | None = 360.0
        self._began = self.clock.now
        self.folder = folder
        self.desk = EnergyDesk(
            config,
            proven=self._proven,
            idle_after=lambda: self.idle_after,
            state_dir=folder,
            clock=self.clock,
            random=Random(),
            log=self.log,
        )

    def _proven(self) -> dict[str, Proven]:
        seconds = self.clock.now - self._began
        return {"board": Proven(hashes=20e12 * seconds, shares=int(seconds))}

    def look(self) -> None:
        at, wall = self.clock.now, self.clock.wall()
        if self.watts is None:
            total = Reading(watts=0, source=Source.MODEL, at=at)
            self.desk.sample(RigPower(wall=wall, at=at, total=total))
            return
        reading = Reading(watts=self.watts, source=Source.DRIVER, at=at)
        self.desk.sample(RigPower(wall=wall, at=at, total=reading, devices={"board": reading}))

    def mine(self, seconds: int) -> None:
        self.look()
        for _ in range(seconds // 10):
            self.clock.now += 10
            self.look()

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Let the desk keep its ledger; leaving ends it cleanly."""
        task = asyncio.create_task(self.desk.run())
        await self.until(lambda: self.desk.stats.ledger is not None)
        yield
        task.cancel()
        await asyncio.wait([task])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110  # a thread writes
                await asyncio.sleep(0.005)

    def written(self) -> list[IntervalRecord]:
        assert self.folder
        return list(intervals_in(self.folder / FOLDER))


def test_status_tells_energy_efficiency_and_money() -> None:
    bench = Bench()
    bench.mine(3600)

    stats = bench.desk.stats

    assert stats.json() == {
        "today_wh": pytest.approx(360),
        "modelled_wh": 0,
        "unmetered_seconds": 0,
        "joules_per_terahash": {name: pytest.approx(18) for name in ("now", "hour", "today")},
        "price": {"per_kwh": 11.2, "currency": "KZT"},
        "cost_per_hour": pytest.approx(0.36 * 11.2),
        "cost_per_terahash": pytest.approx(18 * 11.2 / 3.6e6),
        "cost_today": {"KZT": pytest.approx(0.36 * 11.2)},
        "ledger": None,
    }
    assert stats.devices["board"].hour.joules_per_terahash == 18


def test_a_new_day_begins_with_nothing_and_the_hour_goes_on() -> None:
    bench = Bench(wall=MIDNIGHT - 1800)
    bench.mine(2400)

    stats = bench.desk.stats

    assert float(stats.rig.today.total) == pytest.approx(60)
    assert float(stats.rig.hour.total) == pytest.approx(240)
    assert float(stats.rig.total.total) == pytest.approx(240)


def test_without_any_watts_nothing_is_invented() -> None:
    bench = Bench()
    bench.watts = None
    bench.mine(600)

    told = bench.desk.stats.json()

    assert (told["today_wh"], told["unmetered_seconds"]) == (0, 600)
    assert told["cost_per_hour"] is None
    assert told["joules_per_terahash"] == {"now": None, "hour": None, "today": None}


async def test_restarts_lose_no_interval_and_count_none_twice(tmp_path: Path) -> None:
    for run in range(3):
        bench = Bench(tmp_path, wall=MIDNIGHT + 1000 * run)
        async with bench.working():
            bench.mine(700)

    total = sum(record.rig.total for record in bench.written())
    assert total == pytest.approx(Decimal(3 * 70), abs=Decimal("0.001"))
    assert len({(record.run, record.number) for record in bench.written()}) == len(bench.written())
    assert float(bench.desk.stats.rig.today.total) == pytest.approx(210)
    assert verify(tmp_path / FOLDER, check=None).is_good


async def test_what_a_kill_interrupts_is_recovered_by_the_next_run(tmp_path: Path) -> None:
    killed = Bench(tmp_path)
    async with killed.working():
        killed.mine(200)
        record, ledger = killed.desk._open(), killed.desk._ledger
        assert record
        assert ledger
        ledger.checkpoint(record)
        await killed.until((tmp_path / FOLDER / "open.json").exists)
        killed.desk._meter.close()  # a kill writes nothing more

    for _ in range(2):
        bench = Bench(tmp_path, wall=MIDNIGHT + 230)
        async with bench.working():
            pass

    [recovered] = bench.written()
    assert str(recovered.ended) == "recovered"
    assert float(recovered.rig.total) == pytest.approx(20)
    assert float(bench.desk.stats.rig.today.total) == pytest.approx(20)


async def test_looks_before_the_ledger_is_open_are_kept(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.mine(600)
    async with bench.working():
        pass

    assert sum(record.rig.total for record in bench.written()) == 60


async def test_with_a_key_the_end_of_each_run_is_signed(tmp_path: Path) -> None:
    key = make_key(tmp_path / FOLDER / KEY_NAME)
    bench = Bench(tmp_path)
    async with bench.working():
        bench.mine(400)
        told = bench.desk.stats.ledger

    verdict = verify(tmp_path / FOLDER, check=signature_check(), key=key.key)
    assert verdict.is_good
    assert verdict.sealed_to == verdict.last_seq
    assert told
    assert told.key == key.key


async def test_a_key_that_is_configured_and_missing_is_told(tmp_path: Path) -> None:
    config = replace(CONFIG, energy=EnergyConfig(key_file=tmp_path / "nowhere"))
    bench = Bench(tmp_path, config)
    async with bench.working():
        await bench.until(lambda: bool(bench.log.named("energy.unsigned")))

    assert "is not there" in str(bench.log.named("energy.unsigned"))


async def test_times_to_rest_are_written_with_the_interval_they_fall_into(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.working():
        bench.mine(100)
        bench.idle_after = 1.25
        bench.mine(500)

    assert [record.idle_after for record in bench.written()] == [(Decimal("1.250"),), ()]


def test_another_tariff_holds_from_the_reload_on() -> None:
    bench = Bench()
    bench.mine(60)
    dear = replace(NIGHT, price=Decimal(100))

    bench.desk.configure(replace(CONFIG, tariffs=(dear,)))
    bench.mine(60)

    assert bench.desk.stats.costs == {"KZT": Decimal("0.667200")}, "6 Wh at 11.20, 6 Wh at 100"


def test_meters_that_look_less_often_from_a_reload_on_are_metered_all_the_same() -> None:
    bench = Bench()
    bench.mine(60)

    for interval in (60.0, 1.0):
        bench.desk.configure(replace(CONFIG, power=PowerConfig(interval=interval)))
        for _ in range(2):
            bench.clock.now += 60
            bench.look()

    today = bench.desk.stats.rig.today
    assert (int(today.metered), int(today.unmetered)) == (240, 60), (
        "60 s were too long for looks each second"
    )


async def test_looks_that_stop_coming_are_counted_as_unmetered(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    async with bench.working():
        bench.mine(30)
        bench.clock.now += 60
        bench.desk._look(None)
    [line] = [json.loads(one) for one in _lines(tmp_path) if b'"interval"' in one]

    assert (line["rig"]["metered"], line["rig"]["unmetered"]) == ("30.000", "60.000")


def _lines(folder: Path) -> list[bytes]:
    return (folder / FOLDER / "energy-000001.jsonl").read_bytes().splitlines()
