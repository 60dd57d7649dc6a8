"""What a kilowatt-hour costs at each moment, also on days whose clocks jump."""

from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.modes import FULL
from stratum_client.control.schedule import Schedule, Window
from stratum_client.control.tariff import GRID, Rate, Tariff, TariffRule, mean_price

EVERY_DAY = frozenset(range(7))
ALMATY, BERLIN = ZoneInfo("Asia/Almaty"), ZoneInfo("Europe/Berlin")


def rule(price: str, start: int = 0, end: int = 24, days: frozenset[int] = EVERY_DAY) -> TariffRule:
    hours = Window(days=days, start=start * 60, end=end * 60)
    return TariffRule(hours=hours, rate=Rate(price=Decimal(price), currency="KZT"))


def at(text: str, zone: ZoneInfo = ALMATY) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()


def price(tariff: Tariff, text: str) -> str | None:
    zone = tariff.zone
    assert isinstance(zone, ZoneInfo)
    rate = tariff.rate_at(at(text, zone))
    return str(rate.price) if rate else None


NIGHT = Tariff(rules=(rule("11.20", 23, 7), rule("25.4", 7, 23)), zone=ALMATY)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-11-23T22:59:59", "25.4"),
        ("2026-11-23T23:00", "11.20"),
        ("2026-11-24T00:00", "11.20"),
        ("2026-11-24T06:59:59", "11.20"),
        ("2026-11-24T07:00", "25.4"),
    ],
)
def test_a_night_rate_goes_across_midnight(moment: str, expected: str) -> None:
    assert price(NIGHT, moment) == expected


def test_of_rules_that_overlap_the_first_holds_whatever_it_costs() -> None:
    weekend = frozenset({5, 6})
    special_first = Tariff(rules=(rule("5", days=weekend), rule("20", 8, 20)), zone=ALMATY)
    general_first = Tariff(rules=(rule("20", 8, 20), rule("5", days=weekend)), zone=ALMATY)

    assert price(special_first, "2026-11-28T12:00") == "5"
    assert price(general_first, "2026-11-28T12:00") == "20"
    assert price(general_first, "2026-11-28T21:00") == "5"
    assert price(general_first, "2026-11-27T21:00") is None, "no rule fits: nothing is guessed"


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_day_whose_clocks_jump_has_its_own_number_of_hours(day: str, hours: int) -> None:
    """In Berlin on these days 02:00 becomes 03:00, and 03:00 becomes 02:00 again.

    03:00 is what clocks show for the first time at the end of the hour that comes twice.
    """
    tariff = Tariff(rules=(rule("1", 0, 3), rule("2", 3, 24)), zone=BERLIN)
    moment, seconds = at(f"{day}T00:00", BERLIN), {"1": 0.0, "2": 0.0}
    while (period := tariff.period_at(moment)).day == date.fromisoformat(day):
        assert period.rate
        seconds[str(period.rate.price)] += period.end - moment
        moment = period.end

    cheap = {23: 2, 25: 4}[hours]
    assert seconds == {"1": cheap * 3600, "2": (hours - cheap) * 3600}


def test_almaty_has_25_hours_on_the_day_it_changed_its_zone() -> None:
    """On 2024-03-01 at 00:00 (+06) clocks went back to 23:00 (+05) of 29 February."""
    tariff = Tariff(rules=(rule("1"),), zone=ALMATY)
    start = datetime(2024, 2, 28, 18, tzinfo=UTC).timestamp()

    days = {tariff.period_at(start + n * GRID).day for n in range(25 * 12)}

    assert days == {date(2024, 2, 29)}
    assert tariff.period_at(start + 25 * 3600).day == date(2024, 3, 1)


ZONES = ["Asia/Almaty", "Europe/Berlin", "America/Havana", "America/Asuncion", "Asia/Kathmandu"]
RULES = st.lists(
    st.builds(
        lambda price, start, end, days: rule(str(price), start, end, days),
        st.integers(-5, 50),
        st.integers(0, 23),
        st.integers(1, 24),
        st.frozensets(st.integers(0, 6), min_size=1),
    ),
    max_size=4,
)


@settings(max_examples=150)
@given(
    rules=RULES,
    zone=st.sampled_from(ZONES),
    moment=st.floats(at("2023-01-01"), at("2027-01-01")),
    inside=st.floats(0, 1, exclude_max=True),
)
def test_inside_a_period_nothing_changes(
    rules: list[TariffRule], zone: str, moment: float, inside: float
) -> None:
    tariff = Tariff(rules=tuple(rules), zone=ZoneInfo(zone))

    period = tariff.period_at(moment)

    other = max(period.start, min(period.start + inside * (period.end - period.start), moment))
    assert period.start <= moment < period.end <= period.start + GRID
    assert tariff.period_at(other) == period
    assert tariff.period_at(period.end).start == period.end


def test_costs_are_exact_decimals() -> None:
    rate = Rate(price=Decimal("11.20"), currency="KZT")

    assert rate.cost_of(Decimal("1234.567891")) == Decimal("13.827160")
    assert rate.per_terahash(Decimal(18)) == Decimal("0.000056")
    assert str(rate) == "11.20 KZT/kWh"


def test_the_mean_price_is_of_the_hours_in_which_windows_let_the_rig_run() -> None:
    """Mon-Fri 00:00-08:00: 7 h at 11.20 and one at 25.4; Sat, Sun: 8 h and 16 h."""
    windows = (
        Window(days=frozenset(range(5)), start=0, end=480, mode=FULL),
        Window(days=frozenset({5, 6}), start=0, end=1440, mode=FULL),
    )
    schedule = Schedule(windows=windows, zone=ALMATY)
    monday = at("2026-11-23T00:00")

    mean = mean_price(NIGHT, schedule, monday)
    always = mean_price(NIGHT, None, monday)

    [rate] = mean.rates
    cheap, dear = 5 * 7 + 2 * 8, 5 * 1 + 2 * 16
    expected = (cheap * Decimal("11.20") + dear * Decimal("25.4")) / 88
    assert mean.hours == pytest.approx(88 / 7, rel=1e-3)
    assert mean.priced == 1
    assert float(rate.price) == pytest.approx(float(expected), rel=1e-3)
    assert always.hours == 24
    assert always.rates[0].price == Decimal("20.666667")


def test_hours_without_a_price_are_told_of_the_mean() -> None:
    half = Tariff(rules=(rule("10", 0, 12),), zone=ALMATY)

    mean = mean_price(half, None, at("2026-11-23T00:00"))

    assert (mean.priced, mean.rates[0].price) == (0.5, Decimal(10))
    assert mean_price(Tariff(rules=(), zone=ALMATY), None, 0.0).rates == ()
