"""What emulated chips really take and stand: the laws they follow, and how boards differ."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals.emulated_faults import Faults
from drivers.peripherals.emulated_heat import BoardHeat, HeatSpec
from drivers.peripherals.emulated_silicon import WARM, Silicon, average, individual

GAMMA = average(mhz=525.0, volts=1.15, watts=14.0, chips=2)


def test_it_takes_what_it_is_made_for() -> None:
    assert GAMMA.watts_at(525.0, 1.15, WARM) == pytest.approx(14.0)
    # 92 % of it go with frequency and the square of the voltage, 8 % leak with its cube
    assert GAMMA.watts_at(262.5, 1.15, WARM) == pytest.approx(0.92 * 7.0 + 0.08 * 14.0)
    assert GAMMA.watts_at(525.0, 2.30, WARM) == pytest.approx(14.0 * (0.92 * 4 + 0.08 * 8))
    assert GAMMA.watts_at(525.0, 1.15, WARM + 60.0) == pytest.approx(14.0 * (0.92 + 0.08 * 2.71828))


@pytest.mark.parametrize(("mhz", "volts"), [(400.0, 1.00), (490.0, 1.09), (525.0, 1.15)])
def test_what_firmwares_use_works_for_every_board_and_much_more_for_none(
    mhz: float, volts: float
) -> None:
    for seed in range(20):
        board = individual(GAMMA, Random(seed), 0.1)
        assert board.right_share(mhz, volts, 65.0) > 0.98
        assert board.right_share(mhz * 1.3, volts, 65.0) < 0.5


@given(
    st.floats(50, 800),
    st.floats(0.9, 1.4),
    st.floats(20, 110),
    st.integers(0, 1),
    st.floats(0, 0.3),
)
def test_faster_is_more_and_warmer_or_worn_is_worse(
    mhz: float, volts: float, celsius: float, chip: int, wear: float
) -> None:
    worn = GAMMA.worn(wear)

    assert 0 <= GAMMA.error_ratio(mhz, volts, celsius, chip) <= 1
    assert worn.error_ratio(mhz, volts, celsius) >= GAMMA.error_ratio(mhz, volts, celsius)
    assert worn.watts_at(mhz, volts, celsius) >= GAMMA.watts_at(mhz, volts, celsius)
    assert GAMMA.watts_at(mhz + 1, volts, celsius) > GAMMA.watts_at(mhz, volts, celsius)
    assert GAMMA.watts_at(mhz, volts, celsius + 1) > GAMMA.watts_at(mhz, volts, celsius)
    assert GAMMA.error_ratio(mhz + 1, volts, celsius) >= GAMMA.error_ratio(mhz, volts, celsius)
    assert GAMMA.error_ratio(mhz, volts + 0.01, celsius) <= GAMMA.error_ratio(mhz, volts, celsius)


@given(st.integers(), st.floats(0.02, 0.5))
def test_a_board_is_off_by_half_the_spread_to_all_of_it_and_always_the_same(
    seed: int, spread: float
) -> None:
    board = individual(GAMMA, Random(seed), spread)

    off = abs(board.watts / GAMMA.watts - 1)
    assert spread / 2 - 1e-9 <= off <= spread + 1e-9
    assert board == individual(GAMMA, Random(seed), spread)
    assert len(board.chips) == 2


def test_it_degrades_by_a_share_per_hour_if_told_so() -> None:
    heat = BoardHeat(HeatSpec(), random=Random(1), faults=Faults(degrade=0.1), silicon=GAMMA)

    wear = []
    for hour in range(3):
        heat.advance(1000.0 + hour * 3600.0)
        assert isinstance(heat.silicon, Silicon)
        wear.append(heat.silicon.wear)

    assert wear == pytest.approx([0.0, 0.1, 0.2])
