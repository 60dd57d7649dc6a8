import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.units import UnitError, parse_duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("90s", 90.0),
        ("5m", 300.0),
        ("1h30m", 5400.0),
        ("250ms", 0.25),
        ("9ms", 0.009),
        ("1.5h", 5400.0),
        ("0.1s", 0.1),
        ("2d", 172_800.0),
        ("1d2h3m4s5ms", 93_784.005),
        ("1h 30m", 5400.0),
        ("  90 s ", 90.0),
        ("0s", 0.0),
        (90, 90.0),
        (2.5, 2.5),
        (0, 0.0),
    ],
)
def test_durations_are_read_as_seconds(value: object, seconds: float) -> None:
    assert parse_duration(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        *("", "90", "s", "5M", "5 minutes", "-5s", "1e3s", "٣s", "1s1s", "30m1h", "1,5s", ".5s"),
        *(True, False, -1, math.nan, math.inf, None, [1], 10**400, "1" * 10 + "s", 1e300),
    ],
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(UnitError):
        parse_duration(value)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59), st.integers(0, 999))
def test_parts_add_up(hours: int, minutes: int, seconds: int, milliseconds: int) -> None:
    text = f"{hours}h{minutes}m{seconds}s{milliseconds}ms"

    expected = ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds
    assert parse_duration(text) == expected / 1000


@given(st.text() | st.floats() | st.integers())
def test_anything_is_a_time_or_the_documented_error(value: object) -> None:
    try:
        seconds = parse_duration(value)
    except UnitError:
        return
    assert math.isfinite(seconds)
    assert seconds >= 0
