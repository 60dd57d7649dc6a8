"""What was measured once, carried over to other loads: exact there, and safe elsewhere."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.calibration import Calibration

WATTS = st.floats(1.0, 5000.0)
KNOWN = st.builds(Calibration, told=WATTS, measured=WATTS)


def test_without_any_measurement_both_are_the_same() -> None:
    assert Calibration().measured_at(400.0) == 400.0
    assert Calibration().told_at(400.0) == 400.0
    assert Calibration().ratio == 1.0


def test_more_load_adds_the_supplys_losses_and_less_load_leaves_the_host() -> None:
    known = Calibration(told=300.0, measured=330.0)

    assert known.measured_at(300.0) == 330.0
    assert known.measured_at(400.0) == pytest.approx(440.0)
    assert known.measured_at(200.0) == pytest.approx(230.0)
    assert known.told_at(440.0) == pytest.approx(400.0)
    assert known.told_at(230.0) == pytest.approx(200.0)


@given(KNOWN, st.floats(-5000.0, 5000.0))
def test_what_may_be_told_is_the_inverse_of_what_is_measured(known: Calibration, at: float) -> None:
    assert known.measured_at(known.told_at(at)) == pytest.approx(at, abs=1e-6)


@given(st.floats(0.0, 60.0), st.floats(0.8, 1.0), WATTS, WATTS)
def test_a_host_and_a_supply_are_never_underestimated(
    host: float, efficiency: float, then: float, now: float
) -> None:
    def true(told: float) -> float:
        return host + told / efficiency

    known = Calibration(told=then, measured=true(then))

    assert known.measured_at(now) >= true(now) - 1e-6
