"""`stratum-client energy` and `profit` on ledgers as daemons leave them."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from stratum_client.cli import main
from stratum_client.control.energy import EnergyMeter, Look
from stratum_client.control.energy_book import checkpoint_of
from stratum_client.control.energy_records import EnergySum, record_of
from stratum_client.control.io.energy_ledger import FOLDER, ledger_files
from stratum_client.control.io.signing_key import KEY_NAME, PUBLIC_NAME, read_key
from stratum_client.control.power import Reading, RigPower, Source
from stratum_client.control.profit import Profit, break_even_hashprice, break_even_price
from stratum_client.control.schedule import Window
from stratum_client.control.tariff import Rate, Tariff, TariffRule
from tests.energy_ledgers import HOUR, START, Ledger, records, whole_ledger

CONFIG = """
[rig]
timezone = "UTC"
[energy]
hashprice = 0.05
carbon = 450
[[tariff]]
hours = "16:00-18:00"
price = 0.10
currency = "EUR"
[[tariff]]
price = 0.20
currency = "EUR"
[[window]]
hours = "00:00-12:00"
"""

WHOLE_DAY = Window(days=frozenset(range(7)), start=0, end=1440)
TENTH = Rate(price=Decimal("0.10"), currency="EUR")
PRICED = Tariff(rules=(TariffRule(hours=WHOLE_DAY, rate=TENTH),), zone=UTC)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state directory with two hours of a rig of two boards, on 2025-11-24."""
    monkeypatch.setenv("SC_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stratum-client.toml").write_text(CONFIG)
    with Ledger(tmp_path / FOLDER) as book:
        for record in records(PRICED, START, 2 * HOUR):
            book.ledger.add(record)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def read(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    code, out, err = said(capsys, *words, "--json")
    assert (code, err) == (0, "")
    return json.loads(out)


# The load of tests.energy_ledgers over 2 h by hand: 120 W x 2 h + 40 W x 600 s x (1 - cos 12).
KWH = (120 * 7200 + 40 * 600 * (1 - 0.8438539587)) / 3.6e6


def test_a_day_is_reported_with_its_devices_cost_and_carbon(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = read(capsys, "energy", "report", "--day", "2025-11-24")

    [day] = found["days"]
    assert day["name"] == "2025-11-24"
    assert day["kwh"] == pytest.approx(KWH, rel=1e-4)
    assert day["modelled_kwh"] == pytest.approx(KWH / 4, rel=1e-4)
    assert day["terahashes"] == pytest.approx(4 * 2 * 7200)
    assert day["cost"] == {"EUR": pytest.approx(KWH * 0.1, rel=1e-4)}
    assert day["carbon_kg"] == pytest.approx(KWH * 0.45, rel=1e-4)
    assert day["joules_per_terahash"] == pytest.approx(KWH * 3.6e6 / 57_600, rel=1e-4)
    assert day["sheddable_watts"] == pytest.approx(KWH * 500, rel=1e-4)
    assert sorted(day["devices"]) == ["one", "two"]
    assert (found["total"]["kwh"], found["damaged_lines"]) == (day["kwh"], 0)


def test_the_report_is_a_table_for_people(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = said(capsys, "energy", "report", "--month", "2025-11")

    heads, day, one, two, carbon = out.splitlines()
    assert code == 0
    assert heads.split()[:3] == ["kWh", "MODELLED", "UNMETERED"]
    assert day.split()[:3] == ["2025-11-24", "0.241", "25%"]
    assert (one.split()[0], two.split()[:3]) == ("one", ["two", "0.060", "100%"])
    assert carbon == "0.108 kg CO2 at 450 g/kWh: 2025-11-24"


def test_of_other_days_nothing_is_reported(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, "energy", "report", "--day", "2020-01-01") == (
        0,
        "nothing is recorded of this time\n",
        "",
    )


def test_who_asks_too_early_is_told_when_there_will_be_something(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "energy", "report", "--days", "1")

    assert code == 0
    assert "a running daemon notes what it takes every ten seconds" in out


def test_what_goes_on_is_reported_before_it_is_written_and_never_twice(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("energy", "report", "--month", "2025-11")
    before = read(capsys, *words)["total"]
    exported = said(capsys, "energy", "export", "--csv")[1]
    *_, last = records(PRICED, START, 2 * HOUR)
    going_on = replace(last, run="another", number=1)
    (state / FOLDER / "open.json").write_bytes(checkpoint_of(going_on))

    after = read(capsys, *words)["total"]
    assert after["kwh"] == pytest.approx(before["kwh"] + float(last.rig.total) / 1000)
    assert after["shares"] == before["shares"] + last.rig.shares
    assert said(capsys, "energy", "export", "--csv")[1] == exported, "it has what is written"
    assert read(capsys, "profit", "--days", "30")["rig"]["watts"] is not None

    (state / FOLDER / "open.json").write_bytes(checkpoint_of(last))
    assert read(capsys, *words)["total"] == before, "it is in the ledger by now"
    (state / FOLDER / "open.json").write_bytes(b"torn")
    assert read(capsys, *words)["total"] == before


def test_all_intervals_are_exported_exactly(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "energy", "export", "--csv")

    rows = list(csv.DictReader(io.StringIO(out)))
    rig = [row for row in rows if not row["device"]]
    assert (code, len(rows), len(rig)) == (0, 72, 24)
    total = sum(Decimal(row["measured_wh"]) + Decimal(row["modelled_wh"]) for row in rig)
    assert float(total) == pytest.approx(KWH * 1000, rel=1e-4)
    devices = [row for row in rows if row["device"]]
    parts = sum(Decimal(row["measured_wh"]) + Decimal(row["modelled_wh"]) for row in devices)
    assert float(total) == pytest.approx(float(parts), abs=1e-4)
    assert rig[0]["start"] == "2025-11-24T16:00:00.000+00:00"
    assert rig[0]["currency"] == "EUR"


def test_a_ledger_is_verified_and_an_edit_of_it_makes_the_exit_code_1(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = read(capsys, "energy", "verify")
    code, out, _ = said(capsys, "energy", "verify", str(state / FOLDER), "--head", good["digest"])
    assert (good["good"], good["intervals"], code) == (True, 24, 0)
    assert read(capsys, "energy", "verify", "ledger") == good, "as the ledger is called"
    assert "not signed" in out
    assert out.endswith("as it was written\n")

    [path] = ledger_files(state / FOLDER)
    path.write_bytes(path.read_bytes().replace(b'"price":"0.10"', b'"price":"0.01"', 1))
    code, out, err = said(capsys, "energy", "verify")

    assert code == 1
    assert "NOT as it was written" in out
    assert "energy-000001.jsonl line 1: the line is not as it was written" in err
    code, _, err = said(capsys, "energy", "report", "--day", "2025-11-24")
    assert code == 1
    assert "1 lines are damaged and were left out, the first is energy-000001.jsonl line 1" in err


def test_a_key_is_made_once_shown_and_signs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SC_STATE_DIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    code, _, err = said(capsys, "energy", "key")
    assert code == 1
    assert "stratum-client energy key --make makes one" in err
    code, out, _ = said(capsys, "energy", "key", "--make")
    public = out.splitlines()[-1]
    assert code == 0
    assert said(capsys, "energy", "key", "--make")[0] == 1
    assert said(capsys, "energy", "key")[1] == f"{public}\n"

    whole_ledger(tmp_path / FOLDER, read_key(tmp_path / FOLDER / KEY_NAME), days=1)
    code, out, _ = said(capsys, "energy", "verify", "--key", str(tmp_path / FOLDER / PUBLIC_NAME))
    assert code == 0
    assert f"by {public}" in out
    assert said(capsys, "energy", "verify", "--key", "00" * 32)[0] == 1


@pytest.mark.parametrize("words", ["energy report", "energy verify", "energy export", "profit"])
def test_without_a_ledger_the_exit_code_is_1_and_says_why(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SC_STATE_DIR", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "stratum-client.toml").write_text("")

    code, _, err = said(capsys, *words.split())

    assert code == 1
    assert str(tmp_path / FOLDER) in err


# --- profit ---


def test_break_even_is_where_a_day_earns_what_it_costs() -> None:
    """At 17 J/TH, 1 TH/s takes 0.408 kWh in a day."""
    price = break_even_price(Decimal("0.05"), Decimal(17))

    assert price == Decimal("0.05") / Decimal("0.408")
    assert abs(break_even_hashprice(price, Decimal(17)) - Decimal("0.05")) < Decimal("1e-20")


def test_at_the_break_even_price_nothing_is_left() -> None:
    lately = EnergySum(
        watt_hours={Source.PLUG: Decimal(3400)}, terahashes=Decimal(720_000), metered=Decimal(3600)
    )
    dear = Profit(name="a", lately=lately, price=Decimal(1), hashprice=Decimal("0.05"))
    assert dear.break_even_price
    even = Profit(name="a", lately=lately, price=dear.break_even_price, hashprice=Decimal("0.05"))

    assert lately.joules_per_terahash == 17
    assert (dear.cost, dear.revenue) == (Decimal("81.6"), Decimal(10))
    assert even.profit is not None
    assert abs(even.profit) < Decimal("1e-20")


def test_what_is_not_known_is_not_computed() -> None:
    unknown = Profit(name="a", lately=EnergySum(), price=Decimal(1), hashprice=Decimal(1))

    assert {value for key, value in unknown.json().items() if key != "name"} == {None}


def test_profit_counts_the_hours_of_the_windows_and_their_prices(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The window is open 12 h a day, in which a kWh costs 0.20."""
    found = read(capsys, "profit")
    dearer = read(capsys, "profit", "--price", "0.40", "--hashprice", "1")

    rig, watts = found["rig"], KWH * 500
    assert (found["hours_per_day"], found["price"], found["hashprice"]) == (12, 0.2, 0.05)
    assert rig["watts"] == pytest.approx(watts, rel=1e-4)
    assert rig["cost_per_day"] == pytest.approx(watts * 12 / 1000 * 0.2, rel=1e-4)
    assert rig["revenue_per_day"] == pytest.approx(8 * 0.05 / 2, rel=1e-4)
    assert rig["break_even_price"] == pytest.approx(1000 * 0.05 / (24 * watts / 8), rel=1e-4)
    assert [device["name"] for device in found["devices"]] == ["one", "two"]
    assert dearer["rig"]["cost_per_day"] == pytest.approx(2 * rig["cost_per_day"], rel=1e-4)
    assert dearer["rig"]["revenue_per_day"] == pytest.approx(4)


def test_profit_is_of_the_hours_in_which_the_rig_runs_not_of_those_in_which_it_rests(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The window is open from 16 to 18 h, in which the rig ran; behind it it took 10 W for 4 h."""
    written = (tmp_path / "stratum-client.toml").read_text()
    (tmp_path / "stratum-client.toml").write_text(written.replace("00:00-12:00", "16:00-18:00"))
    before = read(capsys, "profit")
    meter = EnergyMeter(PRICED.period_at)
    with Ledger(tmp_path / FOLDER) as book:
        for number, second in enumerate(range(0, 4 * 3600 + 1, 10), 1):
            total = Reading(watts=10.0, source=Source.DRIVER, at=second)
            power = RigPower(wall=0.0, at=second, total=total, devices={"one": total})
            look = Look(wall=START + 2 * HOUR + second, at=second, power=power)
            for interval in meter.look(look):
                book.ledger.add(record_of(interval, run="later", number=number, zone=UTC))

    found = read(capsys, "profit")

    assert found["rig"]["watts"] == pytest.approx(KWH * 500, rel=1e-4)
    assert found["rig"]["revenue_per_day"] == pytest.approx(8 * 0.05 / 12, rel=1e-4)
    assert found["rig"] == before["rig"]


def test_profit_in_words_says_what_it_assumes(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, _ = said(capsys, "profit")

    assert code == 0
    assert "a day has 12.00 h in which the rig may run" in out
    assert "a kWh costs 0.2 EUR in these hours" in out
    assert "1 TH/s earns 0.05 EUR in a day" in out
