"""The tuner at boards of mathematics: it finds the best speed, keeps it, and follows it."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stratum_client.control.claims import FREE, Limit
from stratum_client.control.tuner import BoardTuner
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_profile import AFTER_ERRORS, DAY, HOUR, TuningSettings
from stratum_client.control.tuning_views import Advice, Phase, View
from tests.control.tuning_plant import WALL, Plant, Run, random_plant

EFFICIENCY = TuningSettings(goal=Goal.EFFICIENCY, step=12.5)
WITHIN = 0.03
"""The efficiency that may be lost to the best speed there is."""


def is_holding(advice: Advice) -> bool:
    return advice.phase is Phase.HOLDING


def tuned(plant: Plant, wanted: TuningSettings = EFFICIENCY) -> Run:
    """Return a run of which the search is over."""
    run = Run(plant=plant, tuner=BoardTuner(wanted))
    assert run.go_on(DAY, until=is_holding)
    return run


def steady(seed: int = 1) -> Plant:
    """Return a board whose best speed is well inside, with its meter and luck by ``seed``."""
    return Plant(random=Random(seed), pace_at_top=3.0, fixed_watts=14.0, knee_width=8.0)


def lost(run: Run, wanted: TuningSettings = EFFICIENCY) -> float:
    """Return which part of the efficiency is lost to the best speed."""
    plant = run.plant
    best = plant.best(plant.efficiency, wanted.error_limit)
    return 1 - plant.efficiency(run.aim) / plant.efficiency(best)


# --- what it finds ---


@settings(max_examples=20, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
@example(seed=80)  # the best makes 1.97 % errors, and one below it seemed to make too many
@example(seed=1961)  # its model sees the best at the top, and chance a hollow on the way down
def test_the_most_efficient_speed_of_any_board_is_found(seed: int) -> None:
    run = tuned(random_plant(seed))

    assert lost(run) < WITHIN
    assert run.plant.error_ratio(run.aim) < 2 * EFFICIENCY.error_limit


def test_hardly_anything_is_lost_at_most_boards(soaking: bool) -> None:
    seeds = range(300 if soaking else 20)
    losses = sorted(lost(tuned(random_plant(seed))) for seed in seeds)

    print(  # noqa: T201  # the figures are what a soak is run for
        f"\n{len(losses)} random boards: half lose {losses[len(losses) // 2]:.2%} at most, "
        f"19 of 20 {losses[int(0.95 * len(losses))]:.2%}, all {losses[-1]:.2%}"
    )
    assert losses[len(losses) // 2] < WITHIN / 10
    assert losses[int(0.95 * len(losses))] < WITHIN / 2
    assert losses[-1] < WITHIN


@settings(max_examples=15, deadline=None, derandomize=True)
@given(seed=st.integers(0, 10_000))
def test_the_fastest_speed_that_the_errors_allow_is_found(seed: int) -> None:
    wanted = TuningSettings(goal=Goal.HASHRATE, step=12.5)
    plant = random_plant(seed)
    run = tuned(plant, wanted)
    ladder = run.tuner.ladder
    clean = [mhz for mhz in ladder if plant.error_ratio(mhz) <= 0.7 * wanted.error_limit]

    assert plant.hashrate(run.aim) >= (1 - WITHIN) * plant.hashrate(max(clean))
    assert plant.error_ratio(run.aim) < 1.5 * wanted.error_limit


@pytest.mark.parametrize("seed", range(5))
def test_a_power_target_is_the_fastest_speed_within_it(seed: int) -> None:
    plant = replace(steady(seed), knee=900.0)
    target = 1.011 * plant.watts(450.0)
    run = tuned(plant, TuningSettings(goal=Goal.POWER, power_target=target))
    assert run.advice

    assert run.aim == 450.0
    assert run.advice.limit == Limit(mhz=450.0, watts=target)


def test_full_speed_needs_no_limit() -> None:
    run = tuned(replace(steady(), knee=900.0), TuningSettings(goal=Goal.HASHRATE))
    assert run.advice

    assert run.advice.limit == FREE


def test_a_highest_speed_of_the_settings_is_a_limit() -> None:
    wanted = TuningSettings(goal=Goal.HASHRATE, low=400.0, high=500.0)
    run = tuned(replace(steady(), knee=900.0), wanted)
    assert run.advice

    assert run.advice.limit == Limit(mhz=500.0)
    assert run.tuner.ladder[0] == 400.0


def test_nothing_is_found_where_there_is_nothing_to_choose_from() -> None:
    tuner = BoardTuner(EFFICIENCY)
    advice = tuner.look(View(now=0.0, wall=WALL, points=(), look=None))

    assert (advice.phase, advice.limit) == (Phase.WAITING, FREE)
    assert "which speeds" in advice.text


def test_each_step_says_why() -> None:
    run = tuned(steady())

    assert all("expected" in str(step) or "the best" in str(step) for _, step in run.steps)
    assert any("errors" in str(step) and "hash rate per watt" in str(step) for _, step in run.steps)


# --- what it keeps ---


@pytest.mark.parametrize("seed", [2, 3])
def test_the_best_speed_is_kept_for_days(seed: int) -> None:
    run = tuned(random_plant(seed))
    run.look_every = 60.0
    away = 0.0
    for _ in range(3 * 24):
        run.go_on(HOUR)
        away += lost(run)
        assert run.advice
        assert run.advice.phase is not Phase.HOLDING or lost(run) < WITHIN

    assert away / (3 * 24) < WITHIN / 2


def test_a_board_is_left_alone_between_two_looks_around() -> None:
    run = tuned(steady())
    count, run.look_every = len(run.steps), 30.0
    run.go_on(0.9 * DAY)

    assert len(run.steps) == count


def test_a_much_warmer_board_is_looked_at_again() -> None:
    run = tuned(steady())
    count = len(run.steps)
    run.go_on(3 * HOUR)
    run.plant.temperature += 15
    run.go_on(600)

    assert "looking around: it is at 70 degrees, was at 55" in str(run.steps[count][1])


# --- what it follows ---


@pytest.mark.parametrize("seed", range(4))
def test_a_board_that_makes_more_errors_is_followed_down(seed: int) -> None:
    run = tuned(steady(seed))
    before = run.aim
    run.plant.shift = run.plant.knee - run.aim + 60  # most nonces are wrong where it is
    began = run.now
    assert run.go_on(2 * HOUR, until=lambda _: run.plant.error_ratio(run.aim) < 0.02)
    assert run.now - began < 1800
    run.go_on(HOUR)
    assert run.go_on(DAY, until=is_holding)

    assert run.aim < before
    assert lost(run) < WITHIN


@pytest.mark.parametrize("seed", range(3))
def test_a_board_that_takes_more_power_is_noticed(seed: int) -> None:
    run = tuned(steady(seed))
    count = len(run.steps)
    run.plant.watts_factor = 1.15
    run.go_on(2 * HOUR)

    assert "less hash rate per watt than when it was tuned" in str(run.steps[count][1])
    assert run.go_on(DAY, until=is_holding)
    assert lost(run) < WITHIN


@pytest.mark.parametrize("seed", range(3))
def test_a_speed_above_one_that_clearly_errs_is_not_tried(seed: int) -> None:
    run = tuned(steady(seed))
    count, run.plant.shift = len(run.steps), run.plant.knee - run.aim + 20
    run.go_on(2 * HOUR)

    highest = run.plant.fastest
    for _, step in run.steps[count:]:
        assert step.to < highest
        if run.plant.error_ratio(step.to) > 0.2:
            highest = step.to
    assert run.plant.error_ratio(run.aim) < 0.02


def test_a_board_that_has_recovered_is_followed_up_slowly() -> None:
    run = tuned(steady())
    before = run.aim
    run.plant.shift = run.plant.knee - run.aim + 60
    run.go_on(3 * HOUR)
    run.plant.shift, run.look_every = 0.0, 30.0
    low = run.aim
    assert low < before
    run.go_on(AFTER_ERRORS - 3.5 * HOUR)
    assert run.aim <= low + 25
    run.go_on(2 * DAY)

    assert lost(run) < WITHIN


def test_a_speed_at_which_the_board_failed_is_not_tried_again_soon() -> None:
    wanted = TuningSettings(goal=Goal.HASHRATE, step=25.0)
    plant = replace(steady(), knee=900.0, dies_above=540.0)
    run = Run(plant=plant, tuner=BoardTuner(wanted))
    tried = []

    def note(_: Advice) -> bool:
        tried.append(run.plant.mhz)
        return False

    run.go_on(6 * HOUR, until=note)
    assert run.aim == 525.0
    deaths = sum(mhz >= 540 for mhz in tried)
    tried.clear()
    run.go_on(12 * HOUR, until=note)

    assert deaths < 8
    assert max(tried) < 540


# --- what it leaves alone ---


def test_no_step_is_taken_while_something_hinders() -> None:
    run = tuned(steady())
    run.hindrance = "quiet hours until 06:00"
    count = len(run.steps)
    run.plant.shift = 200.0
    run.go_on(DAY / 4)
    assert run.advice

    assert len(run.steps) == count
    assert (run.advice.phase, run.advice.text) == (Phase.WAITING, run.hindrance)


def test_a_search_that_is_hindered_goes_to_the_best_known_and_on_later() -> None:
    run = Run(plant=steady(), tuner=BoardTuner(EFFICIENCY))
    assert run.go_on(DAY, until=lambda _: len(run.steps) == 2)
    run.hindrance = "quiet hours until 06:00"
    run.go_on(HOUR)
    assert len(run.steps) == 3
    assert "the best known so far, for now: quiet hours" in str(run.steps[-1][1])
    run.hindrance = ""
    assert run.go_on(DAY, until=is_holding)

    assert lost(run) < WITHIN


def test_a_cap_of_others_stops_it_and_what_was_not_allowed_is_tried_later() -> None:
    plant = steady()
    run = tuned(plant)
    best = run.aim
    run = Run(plant=plant, tuner=BoardTuner(EFFICIENCY), others=Limit(mhz=best - 60))
    run.go_on(DAY / 4)
    assert run.advice
    assert max(step.to for _, step in run.steps) <= best - 60
    assert plant.mhz <= best - 60
    run.others, run.look_every = FREE, 30.0
    run.go_on(DAY / 2)

    assert lost(run) < WITHIN


def test_a_device_held_below_its_speed_is_told_so() -> None:
    run = tuned(steady())
    run.others = Limit(mhz=320.0)
    count = len(run.steps)
    run.go_on(DAY / 12)
    assert run.advice

    assert (run.advice.phase, run.advice.text) == (Phase.WAITING, "window: night mode")
    assert len(run.steps) == count


# --- what it remembers ---


def test_a_tuned_board_has_its_speed_again_at_once_after_a_restart() -> None:
    run = tuned(steady())
    again = Run(plant=run.plant, tuner=BoardTuner(EFFICIENCY, run.tuner.profile), now=run.now)
    again.go_on(1200)
    assert again.advice

    assert again.aim == run.aim
    assert again.advice.phase is Phase.HOLDING
    assert not again.steps


def test_another_goal_is_searched_for_anew() -> None:
    run = tuned(steady())
    other = replace(EFFICIENCY, goal=Goal.HASHRATE)
    again = Run(plant=run.plant, tuner=BoardTuner(other, run.tuner.profile), now=run.now)
    assert again.go_on(DAY, until=is_holding)

    assert again.aim > run.aim


def test_a_tuner_that_is_off_wants_nothing() -> None:
    run = Run(plant=steady(), tuner=BoardTuner(TuningSettings()))
    run.go_on(600)

    assert run.advice == Advice(phase=Phase.OFF, text="off")
