"""What is known of boards outlives the daemon, damage, full disks and years."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control import tuning_trend
from stratum_client.control.tuning_evidence import Estimate, Goal
from stratum_client.control.tuning_file import (
    LARGEST,
    MAX_BOARDS,
    Record,
    TuningFileError,
    records_in,
    text_of,
)
from stratum_client.control.tuning_profile import Bar, Profile
from stratum_client.control.tuning_trend import DAYS, MONTHS, Span
from stratum_client.state_file import StateFile
from stratum_client.tune_results import FILE_NAME, SAVE_EVERY, TuneResults
from tests.stand_ins import ManualClock, RecordingLog

DAY = 86_400.0

numbers = st.floats(0, 1e9)
counts = st.integers(0, 10**9)
estimates = st.builds(
    Estimate,
    mhz=numbers,
    hashrate=numbers,
    watts=st.none() | numbers,
    error_ratio=st.floats(0, 1),
    nonces=counts,
    uncertainty=numbers,
    is_excessive=st.booleans(),
    is_modelled=st.booleans(),
    temperature=st.none() | st.floats(-50, 150),
    at=numbers,
)
bars = st.builds(
    Bar, mhz=numbers, why=st.sampled_from(["", "2.5 % errors"]), at=numbers, until=numbers
)
profiles = st.builds(
    Profile,
    goal=st.sampled_from(Goal),
    mhz=st.none() | numbers,
    estimates=st.lists(estimates, max_size=4).map(tuple),
    bars=st.lists(bars, max_size=3).map(tuple),
    explored_at=numbers,
)
spans = st.builds(
    Span,
    first=st.integers(0, 90_000),
    last=st.integers(0, 90_000),
    seconds=counts.map(float),
    mhz_seconds=counts.map(float),
    chips=st.lists(st.tuples(counts, counts), max_size=3).map(tuple),
)
records = st.builds(
    Record,
    device=st.sampled_from(["bitaxe", "stick 2"]),
    goal=st.none() | st.sampled_from(Goal),
    tuned=profiles,
    trend=st.lists(spans, max_size=4).map(tuple),
)


@given(st.dictionaries(st.sampled_from(["A1", "B2", "device c"]), records))
def test_what_is_written_is_read_again(known: dict[str, Record]) -> None:
    assert records_in(text_of(known)) == known


@given(st.binary(max_size=200) | st.dictionaries(st.text(), records).map(text_of))
def test_any_bytes_are_records_or_refused(data: bytes) -> None:
    try:
        records_in(data)
    except TuningFileError:
        return


@given(known=st.dictionaries(st.just("A1"), records, min_size=1), at=st.floats(0, 1), byte=counts)
def test_a_changed_byte_is_read_or_refused(known: dict[str, Record], at: float, byte: int) -> None:
    data = bytearray(text_of(known))
    data[int(at * (len(data) - 1))] = byte % 256
    try:
        records_in(bytes(data))
    except TuningFileError:
        return


def test_the_file_of_very_many_boards_stays_small() -> None:
    trend = tuple(
        Span(first=n, last=n, seconds=1e5, mhz_seconds=5e7, chips=((10**6, 10**4),) * 16)
        for n in range(DAYS + MONTHS)
    )
    known = {f"board {n}": Record(device="x", trend=trend) for n in range(MAX_BOARDS + 9)}

    data = text_of(known)

    assert len(data) <= LARGEST + 1
    read = records_in(data)
    assert list(read) == [f"board {n}" for n in range(9, MAX_BOARDS + 9)]
    assert read["board 200"].trend[-1] == trend[-1]


# --- how a board ages ---


def aged(ratios: list[float], *, per_day: int = 50_000, mhz: float = 500.0) -> tuple[Span, ...]:
    """Return the trend of a board with two chips, the second of which makes these errors."""
    trend: tuple[Span, ...] = ()
    for day, ratio in enumerate(ratios):
        for hour in range(2):
            bad = round(per_day / 4 * ratio)
            trend = tuning_trend.with_work(
                trend,
                (20_000 + day) * DAY + hour * 3600,
                seconds=3600.0,
                mhz=mhz,
                chips=((per_day // 4, 10), (per_day // 4 - bad, bad)),
            )
    return trend


def test_a_chip_that_ages_is_told() -> None:
    trend = aged([0.001] * 10 + [0.01])

    assert tuning_trend.change(trend) == (
        "errors 0.09 % -> 0.54 %, chip 1 0.10 % -> 1.00 % within 10 days, at 500 MHz"
    )


@pytest.mark.parametrize("ratios", [[0.001] * 20, [0.01, 0.001], [0.002, 0.0022], [0.05]])
def test_a_board_that_does_not_age_is_not_told(ratios: list[float]) -> None:
    assert tuning_trend.change(aged(ratios)) == ""


def test_chance_alone_is_never_told() -> None:
    random, told = Random(3), 0
    for _ in range(300):
        days = [random.gauss(0.004, (0.004 / 12_500) ** 0.5) for _ in range(10)]
        told += tuning_trend.change(aged([max(ratio, 0) for ratio in days])) != ""

    assert told == 0


def test_days_at_another_speed_are_not_compared() -> None:
    slow, fast = aged([0.001], mhz=400.0), aged([0.02], mhz=500.0)
    later = replace(fast[0], first=20_009, last=20_009)

    assert tuning_trend.change((*slow, later)) == ""


def test_years_are_kept_in_few_spans_and_nothing_is_counted_twice() -> None:
    trend = aged([0.001] * 800)

    assert len(trend) <= DAYS + MONTHS
    assert sum(span.nonces for span in trend) == 800 * 2 * (12_510 + 12_500)
    assert all(a.last < b.first for a, b in pairwise(trend))


# --- the file ---


def known_board() -> Record:
    return Record(device="bitaxe", goal=Goal.EFFICIENCY, trend=aged([0.001]))


async def test_a_board_is_known_again_after_a_restart(tmp_path: Path) -> None:
    clock, log = ManualClock(), RecordingLog()
    results = TuneResults(StateFile(tmp_path / FILE_NAME), clock=clock, log=log)
    results.change("A1", lambda _: known_board())
    assert await results.save() == ""

    again = TuneResults(StateFile(tmp_path / FILE_NAME), clock=clock, log=log)
    assert again.of("A1") == known_board()
    again.forget("A1")
    assert again.of("A1") == Record(device="bitaxe", trend=known_board().trend)


async def test_it_is_written_now_and_then_and_soon_when_it_matters(tmp_path: Path) -> None:
    clock, log = ManualClock(), RecordingLog()
    file = StateFile(tmp_path / FILE_NAME)
    results = TuneResults(file, clock=clock, log=log)
    results.change("A1", lambda _: known_board())
    await results.save_if_due()
    assert file.read() is None
    results.soon()
    await results.save_if_due()
    results.forget("A1")
    clock.now += SAVE_EVERY - 1
    await results.save_if_due()
    assert file.read() == text_of({"A1": known_board()})
    results.soon()
    await results.save_if_due()

    assert file.read() == text_of({"A1": results.of("A1")})


async def test_a_disk_that_fails_is_told_once_and_tried_again(tmp_path: Path) -> None:
    clock, log = ManualClock(), RecordingLog()
    folder = tmp_path / "state"
    results = TuneResults(StateFile(folder / FILE_NAME), clock=clock, log=log)
    results.change("A1", lambda _: known_board())
    assert "No such file" in await results.save()
    assert "No such file" in await results.save()
    folder.mkdir()
    clock.now += SAVE_EVERY
    await results.save_if_due()

    await results.save_last()
    assert [level for level, event, _ in log.events if event == "tuning.not_saved"] == [
        "error",
        "debug",
    ]
    assert records_in((folder / FILE_NAME).read_bytes())["A1"] == known_board()


def test_a_damaged_file_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_bytes(b'{"format": 1, "boards": {"A1": {}}}')
    log = RecordingLog()
    results = TuneResults(StateFile(path), clock=ManualClock(), log=log)

    assert results.of("A1") == Record()
    assert path.with_suffix(".damaged").exists()
    assert [event for _, event, _ in log.events] == ["tuning.damaged"]


async def test_without_a_directory_nothing_is_remembered() -> None:
    results = TuneResults(None, clock=ManualClock(), log=RecordingLog())

    assert "no state directory" in await results.save()
