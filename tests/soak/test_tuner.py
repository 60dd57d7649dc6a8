"""Emulated boards whose best speed is known are tuned for efficiency, in brief unless --soak.

The best is found within 3 % and kept; a board that wears out is followed down.
"""

from random import Random

import pytest

from stratum_client.config_tuning import TuningConfig
from tests.soak.tuned_rack import TunedRack, rack_of

pytestmark = pytest.mark.soak

WITHIN = 0.03
HOUR = 3600.0

BRIEF = TuningConfig(goal="efficiency", step=50.0, low=425.0, settle=5.0)
LONG = TuningConfig(goal="efficiency")


@pytest.mark.virtual_time
async def test_the_best_speed_is_found_kept_and_followed_down(soaking: bool) -> None:
    boards, nonces = (3, 4.0) if soaking else (1, 10.0)
    rack = rack_of(boards, board_watts=25.0, nonces_per_second=nonces)
    tuned = TunedRack(rack, LONG if soaking else BRIEF)
    async with tuned.running():
        took = await tuned.until(12 * HOUR, tuned.all_hold)
        for number in range(boards):
            tell(tuned, number, f"found after {took / 60:.0f} min")
            assert tuned.lost(number) < WITHIN

        await keeps(tuned, 3 * HOUR if soaking else 60.0)
        before = [tuned.mhz(number) for number in range(boards)]
        worn = [tuned.wear_out(number, 0.06) for number in range(boards)]
        for number, share in enumerate(worn):
            tell(tuned, number, f"{share:.1%} worse, {before[number]:g} MHz errs too often")
        slow = await tuned.until(HOUR, lambda: all(is_borne(tuned, n) for n in range(boards)))
        took = await tuned.until(12 * HOUR, tuned.all_hold)
        for number in range(boards):
            after = f"followed down in {slow / 60:.0f} min, best found {took / 60:.0f} min later"
            tell(tuned, number, after)
            assert tuned.mhz(number) < before[number]
            assert tuned.lost(number) < WITHIN
            assert is_borne(tuned, number)


@pytest.mark.virtual_time
async def test_a_board_is_tuned_by_what_it_measures_itself(soaking: bool) -> None:
    if not soaking:
        pytest.skip("takes a minute: run with --soak")
    rack = rack_of(2, board_watts=8.0, nonces_per_second=4.0)
    tuned = TunedRack(rack, LONG, by_plug=False)
    async with tuned.running():
        await tuned.until(12 * HOUR, tuned.all_hold)
        for number in range(2):
            tell(tuned, number, "found by its own telemetry")
            assert tuned.lost(number) < WITHIN


async def keeps(tuned: TunedRack, seconds: float) -> None:
    """See that the best is kept; looks around are short and rare."""
    random, end = Random(1), tuned.clock.monotonic() + seconds
    losses = []
    while tuned.clock.monotonic() < end:
        await tuned.until(HOUR, lambda: random.random() < 0.1)
        losses += [tuned.lost(number) for number in range(len(tuned.devices))]
    assert sum(losses) / len(losses) < WITHIN / 2
    assert sum(loss > WITHIN for loss in losses) <= len(losses) / 20


def is_borne(tuned: TunedRack, number: int) -> bool:
    """Return whether a board's errors at its speed are about within the limit."""
    return tuned.error_ratio(number, tuned.mhz(number)) < 1.5 * tuned.tuning.error_limit


def tell(tuned: TunedRack, number: int, what: str) -> None:
    best, mhz = tuned.best(number), tuned.mhz(number)
    print(  # noqa: T201  # the figures are the point
        f"\n{tuned.devices[number].name}: {what}: at {mhz:g} MHz, best {best.mhz:g} MHz, "
        f"{tuned.lost(number):.2%} lost, {tuned.error_ratio(number, mhz):.2%} errors"
    )
