"""A cap held by a meter over boards that are not what their models say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.cap import Cap
from stratum_client.control.meter import Look
from stratum_client.control.power import Reading, RigPower, Source
from tests.control.simulated_rack import SimulatedRack

MINUTE = 60.0
ALLOWED = 2.0
"""Seconds for which the meter may show more than the cap."""


@pytest.mark.parametrize(
    "rack",
    [
        SimulatedRack(),
        SimulatedRack(seed=2, noise=0.01, spread=0.1),
        SimulatedRack(host=40.0, efficiency=0.88),
        SimulatedRack(host=0.0, efficiency=1.0, spread=0.0, noise=0.0),
        SimulatedRack(lag=2.0),
        SimulatedRack(rise=40.0),
        SimulatedRack(rise=1.0),
    ],
    ids=["plain", "uneven", "big host", "exact", "late", "steep", "slow"],
)
def test_a_cap_is_kept_and_used_whatever_the_boards_are(rack: SimulatedRack) -> None:
    rack.run(4 * MINUTE)

    assert rack.longest_over() <= ALLOWED
    assert rack.mean(MINUTE) >= 0.95


def test_a_settled_rig_is_left_alone() -> None:
    rack = SimulatedRack().run(5 * MINUTE)

    least, most = rack.true_extremes(4 * MINUTE)
    assert most - least < 0.005


def test_a_cap_that_changes_is_followed_at_once_in_both_directions() -> None:
    caps = (400.0, 250.0, 450.0, 120.0, 400.0)
    rack = SimulatedRack(cap=lambda at: caps[int(at // (2 * MINUTE))]).run(10 * MINUTE)

    assert rack.longest_over() <= ALLOWED
    for number in range(5):
        begin = 2 * MINUTE * number
        assert rack.mean(begin + MINUTE, begin + 2 * MINUTE) >= 0.95, caps[number]


def test_a_meter_that_is_lost_leaves_the_cap_to_the_model_as_it_was_corrected() -> None:
    rack = SimulatedRack(is_lost=lambda at: 100 <= at < 300).run(6 * MINUTE)

    least, most = rack.true_extremes(110, 300)
    assert least >= 0.95
    assert most <= 1.0
    assert rack.longest_over() <= ALLOWED
    assert rack.mean(330) >= 0.95


def test_a_cap_that_is_lowered_while_the_meter_is_lost_is_kept_all_the_same() -> None:
    rack = SimulatedRack(
        is_lost=lambda at: at >= 100, cap=lambda at: 400.0 if at < 160 else 220.0
    ).run(5 * MINUTE)

    least, most = rack.true_extremes(180)
    assert least >= 0.9
    assert most <= 1.0


def test_without_any_meter_the_model_keeps_it_as_well_as_the_model_is() -> None:
    rack = SimulatedRack(is_lost=lambda _: True, host=0.0, efficiency=1.0).run(2 * MINUTE)

    least, most = rack.true_extremes(MINUTE)
    assert least >= 0.95
    assert most <= 1.05


def test_what_boards_that_leave_do_not_take_goes_to_others_until_they_are_back() -> None:
    rack = SimulatedRack(is_gone=lambda at, number: number < 3 and 100 <= at < 300).run(6 * MINUTE)

    assert rack.longest_over() <= ALLOWED
    assert rack.mean(120, 300) >= 0.95
    assert rack.mean(330) >= 0.95


def test_what_a_board_leaves_is_lent_after_eight_seconds_and_given_back_at_once() -> None:
    cap = Cap()
    lent = []
    for second in range(30):
        told = 400.0 if second < 5 or second >= 20 else 370.0
        reading = Reading(watts=told, source=Source.MODEL, at=float(second))
        power = RigPower(wall=0.0, at=float(second), total=reading)
        cap.seen(Look(power=power, told=told, resting=0.0, is_measured=False), planned=400.0)
        lent.append(cap.budget(500.0) - 490.0)

    assert lent[:13] == [0.0] * 13
    assert lent[13:20] == [pytest.approx(30 - 0.01 * 490)] * 7
    assert lent[20:] == [0.0] * 10


def test_a_plug_that_speaks_every_ten_seconds_is_enough() -> None:
    rack = SimulatedRack(every=10.0, lag=2.0).run(5 * MINUTE)

    assert rack.mean(MINUTE) >= 0.95
    assert rack.true_extremes(MINUTE)[1] <= 1.0


LOOKS = st.lists(
    st.tuples(st.floats(0, 5000), st.floats(0, 20_000), st.booleans(), st.floats(1, 10_000)),
    min_size=1,
    max_size=30,
)


@given(LOOKS)
def test_whatever_is_seen_a_budget_is_some_watts_and_none_while_the_meter_shows_too_much(
    looks: list[tuple[float, float, bool, float]],
) -> None:
    cap = Cap()
    for second, (told, watts, is_measured, limit) in enumerate(looks):
        at = float(second)
        source = Source.PLUG if is_measured else Source.MODEL
        power = RigPower(wall=at, at=at, total=Reading(watts=watts, source=source, at=at))
        cap.seen(Look(power=power, told=told, resting=0.0, is_measured=is_measured), planned=told)

        budget = cap.budget(limit)
        assert 0.0 <= budget < 100_000.0
        recent = [one[0] for one in looks[max(0, second - 3) : second + 1]]
        if is_measured and watts > limit:
            assert budget < max(recent) or budget == 0.0
