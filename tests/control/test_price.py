"""Following a price series: with patience both ways, and never by a price that is not known."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.claims import IDLE, Level
from stratum_client.control.price import (
    PricePoint,
    PriceRules,
    PriceState,
    SeriesError,
    SeriesForm,
    claims_for,
    merged,
    series_in,
    state_at,
)

START = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
HOUR = 3600.0
PATIENT = PriceRules(
    stop_above=Decimal("0.25"),
    start_below=Decimal("0.20"),
    stop_confirmations=2,
    start_confirmations=3,
)


def hours(*prices: str) -> tuple[PricePoint, ...]:
    return tuple(
        PricePoint(start=START + n * HOUR, end=START + (n + 1) * HOUR, price=Decimal(price))
        for n, price in enumerate(prices)
    )


def rests(points: tuple[PricePoint, ...], rules: PriceRules = PATIENT) -> str:
    """Return for each hour whether the rig rests: r or -, ? for no price."""
    states = [state_at(points, rules, START + (n + 0.5) * HOUR) for n in range(len(points) + 1)]
    return "".join("?" if one.point is None else "-r"[one.rests] for one in states)


@pytest.mark.parametrize(
    ("prices", "expected"),
    [
        ("0.30 0.30 0.30", "-rr?"),
        ("0.30 0.10 0.30 0.30", "---r?"),
        ("0.25 0.25 0.25", "---?"),
        ("0.26 0.24 0.26 0.26", "---r?"),
        ("0.30 0.30 0.22 0.10 0.10 0.10", "-rrrr-?"),
        ("0.30 0.30 0.10 0.10 0.22 0.10 0.10 0.10", "-rrrrrr-?"),
        ("-0.05 0.99 0.99 0.19 0.19 0.19", "--rrr-?"),
    ],
)
def test_prices_in_a_row_stop_and_start_the_rig(prices: str, expected: str) -> None:
    assert rests(hours(*prices.split())) == expected


def test_one_limit_for_both_stops_above_it_and_starts_at_it() -> None:
    limit = Decimal("0.25")
    rules = PriceRules(stop_above=limit, start_below=limit)

    assert rests(hours("0.26", "0.25", "0.26", "0.10"), rules) == "r-r-?"


def test_a_gap_in_the_series_forgets_what_was_before() -> None:
    dear = hours("0.30", "0.30", "0.22", "0.22")
    with_gap = (*dear[:2], dear[3])

    assert state_at(dear, PATIENT, START + 3.5 * HOUR).rests
    assert state_at(with_gap, PATIENT, START + 2.5 * HOUR).point is None
    assert not state_at(with_gap, PATIENT, START + 3.5 * HOUR).rests


def brute(prices: list[Decimal], rules: PriceRules) -> bool:
    """Walk the prices one by one, as a person with a pencil would."""
    resting, dear, cheap = False, 0, 0
    for price in prices:
        dear = dear + 1 if price > rules.stop_above else 0
        cheap = cheap + 1 if price < rules.start_below else 0
        if not resting and dear >= rules.stop_confirmations:
            resting, cheap = True, 0
        elif resting and cheap >= rules.start_confirmations:
            resting, dear = False, 0
    return resting


@settings(max_examples=100)
@given(
    prices=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    limits=st.tuples(st.integers(1, 8), st.integers(1, 8)),
    rows=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_hysteresis_agrees_with_a_walk_by_hand(
    prices: list[int], limits: tuple[int, int], rows: tuple[int, int]
) -> None:
    low, high = sorted(limits)
    rules = PriceRules(
        stop_above=Decimal(high) + Decimal("0.5"),
        start_below=Decimal(low),
        stop_confirmations=rows[0],
        start_confirmations=rows[1],
    )
    points = hours(*map(str, prices))

    state = state_at(points, rules, points[-1].start)

    assert state.rests == brute([Decimal(price) for price in prices], rules)


def test_the_claim_says_why_and_since_when() -> None:
    state = state_at(hours("0.30", "0.31"), PATIENT, START + 1.5 * HOUR)

    [claim] = claims_for(state, PATIENT, ZoneInfo("Asia/Almaty"), START + 1.5 * HOUR)

    assert (claim.level, claim.limit) == (Level.PRICE, IDLE)
    assert claim.cause == "price: above 0.25 EUR/kWh since Mon 06:00, until below 0.20 EUR/kWh"
    assert claims_for(PriceState(), PATIENT, UTC, START) == ()


def test_a_newer_series_says_more_and_the_old_past_is_kept() -> None:
    old, new = hours("1", "2", "3"), hours("9", "9", "4", "5")[2:]

    both = merged(old, new, START)

    assert [str(point.price) for point in both] == ["1", "2", "4", "5"]
    assert merged(old, new, START + 30 * 86_400) == ()


def test_prices_that_are_corrected_to_a_coarser_grid_leave_none_of_the_old_ones_between() -> None:
    quarters = tuple(
        PricePoint(start=START + n * 900, end=START + (n + 1) * 900, price=Decimal(n))
        for n in range(8)
    )
    hour = (PricePoint(start=START, end=START + HOUR, price=Decimal(9)),)

    both = merged(quarters, hour, START)

    assert [str(point.price) for point in both] == ["9", "4", "5", "6", "7"]
    assert [point.start - START for point in both] == [0, 3600, 4500, 5400, 6300]


def test_a_single_price_that_is_polled_ends_when_the_next_begins() -> None:
    first = (PricePoint(start=START, end=START + HOUR, price=Decimal(1)),)
    second = (PricePoint(start=START + 300, end=START + 300 + HOUR, price=Decimal(2)),)

    assert [point.end - START for point in merged(first, second, START)] == [300, HOUR + 300]


# --- reading ---


def read(text: str, **form: object) -> list[tuple[float, float, str]]:
    found = series_in(text.encode(), SeriesForm(**form))  # type: ignore[arg-type]  # any key
    return [((p.start - START) / HOUR, (p.end - START) / HOUR, str(p.price)) for p in found]


TWO = [(0, 1, "0.10"), (1, 2, "0.20")]


def test_objects_arrays_and_tables_are_read_alike() -> None:
    """Forms as public price pages have them."""
    rows = [
        {"start": "2026-11-23T00:00:00Z", "price": "0.10"},
        {"start": "2026-11-23T02:00:00+01:00", "price": "0.20"},
    ]
    milliseconds = [
        {"start_timestamp": (START + n * HOUR) * 1000, "marketprice": 100 * (n + 1)}
        for n in range(2)
    ]
    columns = {"unix_seconds": [START, START + HOUR], "price": [0.10, 0.20]}

    assert read(json.dumps(rows)) == TWO
    assert read(json.dumps({"data": {"prices": rows}}), rows="data.prices") == TWO
    in_units = read(
        json.dumps({"data": milliseconds}),
        rows="data",
        start_key="start_timestamp",
        price_key="marketprice",
        factor=Decimal("0.001"),
    )
    assert [float(price) for _, _, price in in_units] == [0.1, 0.2]
    assert [float(p) for *_, p in read(json.dumps(columns), start_key="unix_seconds")] == [0.1, 0.2]
    assert read("start,price\n2026-11-23T00:00Z,0.10\n2026-11-23T01:00Z,0.20\n") == TWO
    assert read("\ufeffstart;price\r\n2026-11-23T00:00Z;0,10\r\n2026-11-23T01:00Z;0,20\r\n") == TWO


def test_times_without_an_offset_are_the_rigs() -> None:
    [point] = read("start,price\n2026-11-23 05:00,1", zone=ZoneInfo("Asia/Almaty"))

    assert point == (0, 1, "1")


@pytest.mark.parametrize("minutes", [60, 30, 15])
@pytest.mark.parametrize("day", ["2026-10-25", "2026-03-29"])
def test_a_local_day_of_25_or_23_hours_is_read_in_order(day: str, minutes: int) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    at = datetime.fromisoformat(day).replace(tzinfo=berlin).astimezone(UTC)
    steps = [at]
    while (at := at + timedelta(minutes=minutes)).astimezone(berlin).date().isoformat() == day:
        steps.append(at)
    shown = [
        [f"{one.astimezone(berlin):%Y-%m-%d %H:%M}" for one in (step, end)]
        for step, end in pairwise([*steps, at])
    ]
    text = "\n".join(["start,end,price", *(f"{a},{b},{n}" for n, (a, b) in enumerate(shown))])

    found = series_in(text.encode(), SeriesForm(zone=berlin))

    assert [point.start for point in found] == [step.timestamp() for step in steps]
    assert [point.end - point.start for point in found] == [minutes * 60] * len(steps)
    assert [int(point.price) for point in found] == list(range(len(steps)))


def test_an_end_of_its_own_is_kept_and_nothing_is_said_of_the_time_behind_it() -> None:
    text = "start,end,price\n2026-11-23T00:00Z,2026-11-23T00:15Z,1\n2026-11-23T01:00Z,,2\n"

    assert read(text, add=Decimal("0.5")) == [(0, 0.25, "1.5"), (1, 2, "2.5")]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no price in it"),
        ("[]", "no price in it"),
        ("start,price\n", "no price in it"),
        ("[{}]", 'a price without "start"'),
        ('[{"start": 1763856000, "price": "dear"}]', "no number"),
        ('[{"start": 1763856000, "price": true}]', "no number"),
        ('[{"start": 1763856000, "price": NaN}]', "no number"),
        ('[{"start": "soon", "price": 1}]', "no time"),
        ('[{"start": 1e400, "price": 1}]', "no time"),
        ('{"a": 1}', "no array of objects"),
        ("[" * 100_000, "neither JSON nor CSV"),
        ('[{"start": 1763856000, "price": 1}, {"start": 1763856000, "price": 2}]', "same time"),
        ('[{"start": 1763856000, "end": 1763850000, "price": 2}]', "ends before it begins"),
    ],
)
def test_what_is_no_series_is_refused_in_words(text: str, problem: str) -> None:
    with pytest.raises(SeriesError, match=problem):
        series_in(text.encode(), SeriesForm())


def test_a_path_that_leads_nowhere_is_named() -> None:
    with pytest.raises(SeriesError, match='no "prices" in it, where rows says'):
        series_in(b'{"data": []}', SeriesForm(rows="data.prices"))


@settings(max_examples=200)
@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_a_series_or_the_one_error(data: bytes) -> None:
    try:
        series_in(data, SeriesForm())
    except SeriesError:
        return


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["start", "price", "end", "a"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@settings(max_examples=200)
@given(JSON)
def test_any_json_is_a_series_or_the_one_error(value: object) -> None:
    try:
        series_in(json.dumps(value).encode(), SeriesForm())
    except SeriesError:
        return
