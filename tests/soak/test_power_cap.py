"""Sixteen boards that would draw 45 W each under a cap of 400 W, held against the truth."""

import asyncio

import pytest

from drivers.api import DeviceState
from stratum_client.control.cap import LEND_AFTER
from tests.emulated_rack import FULL_WATTS
from tests.soak.capped_rack import CappedRack, Shown, longest_over, mean_use, true_use

pytestmark = [pytest.mark.soak, pytest.mark.virtual_time]

CAP, LOWER_CAP, WINDOW = 400.0, 300.0, 250.0
HOST = 6.0
"""Watts of the small computer beside the boards."""

LONG, BRIEF = 120.0, 4.0
"""Virtual seconds for which each state is looked at."""

SETTLING = 3.0
OVER = 2.0
"""Seconds for which the meter may show more than the cap."""

LEAST_USE, LEAST_USE_OF_THE_REST = 0.95, 0.9
"""Of the cap, on the average: by all boards, and while two draw what nobody knows of."""

BOARDS = 16
LATE, AWAY = 15, (13, 14)
"""The numbers of the board that joins later, and of those that are cut off: they go on drawing
power with the last work they had, and tell nobody.
"""

CUT_OFF_FOR = 18.0
"""Seconds until it is settled again."""

NEAR = 0.05
"""Of the cap: how far from it the true power is by the model alone."""

DEALT_WITHIN = 2.0
"""Seconds until others take what a board leaves that is away: it is looked for each second."""

START = 9.0
"""Seconds in which a board comes up at the most.

Most of its power comes in the last of them, sooner than others could come down; so nobody else gets
it meanwhile.
"""

GIVEN_BACK = LEND_AFTER + 3.0
"""Seconds until others have what a board leaves that has failed: it might be back by then."""


class Run:
    """One run of the rack, state after state."""

    def __init__(self, rack: CappedRack, seconds: float) -> None:
        self.rack = rack
        self._seconds = seconds

    async def look(self, settling: float = SETTLING) -> list[Shown]:
        """Return what was seen after ``settling``."""
        await asyncio.sleep(settling)
        begin = asyncio.get_running_loop().time()
        await asyncio.sleep(self._seconds)
        return self.rack.between(begin, begin + self._seconds)


async def test_a_cap_is_never_exceeded_and_well_used_whatever_happens(soaking: bool) -> None:
    rack = CappedRack(cap=CAP, host=HOST)
    run = Run(rack, LONG if soaking else BRIEF)
    rack.is_blind = True
    async with rack.running():
        await asyncio.sleep(0.1)
        rack.take_out(LATE)
        await rack.until(lambda: rack.mining() >= BOARDS - 4)
        modelled = await run.look()

        rack.set_plug(is_there=True)
        rack.is_blind = False
        rack.bring_back(LATE)
        await rack.until(lambda: rack.mining() >= BOARDS - 1)
        metered = await run.look(START)
        rack.plug_speaks = False
        lost = await run.look(2 * SETTLING)
        said = rack.desk.held
        rack.plug_speaks = True
        rack.cut_off(*AWAY)
        left = await run.look(CUT_OFF_FOR)
        if soaking:
            rack.bring_back(*AWAY)
            await run.look()
        rack.set_cap(LOWER_CAP)
        lowered = await run.look(3 * SETTLING)
        rack.set_window(WINDOW)
        windowed = await run.look(3 * SETTLING)
        if soaking:
            rack.set_window(None)
            rack.set_cap(CAP)
            await run.look()
        over = longest_over(rack.shown)

        count = int((CAP - HOST) // FULL_WATTS)  # as if boards took nothing at rest
        rack.switch_off_all_but(count)
        await rack.until(lambda: rack.at_full_speed() == count)
        await asyncio.sleep(SETTLING)
        by_hand = sum(board.hashrate for board in rack.rack.boards[:count])

    capped = sum(one.hashrate for one in metered) / len(metered)
    tell(modelled, metered, lost, lowered, windowed, left, over, capped / by_hand)
    assert over <= OVER
    for looked, cap in ((metered, CAP), (lowered, LOWER_CAP), (windowed, WINDOW), (left, CAP)):
        assert {one.cap for one in looked} == {cap}
        assert all(one.is_metered for one in looked)
        assert mean_use(looked) >= (LEAST_USE if looked is not left else LEAST_USE_OF_THE_REST)
    for looked in (modelled, lost):
        mean, most = true_use(looked)
        assert 1 - NEAR <= mean <= most <= 1 + NEAR
        assert not any(one.is_metered for one in looked)
    assert said
    assert "the rig's plug: silent" in said.by
    assert capped > 1.2 * by_hand


async def test_what_a_lost_board_leaves_is_dealt_anew_by_the_model_alone(soaking: bool) -> None:
    for seed in range(1, 5 if soaking else 2):
        await lose_boards(CappedRack(cap=CAP, host=HOST, seed=seed), soaking=soaking)


async def lose_boards(rack: CappedRack, *, soaking: bool) -> None:
    rack.is_blind = True

    async def judged(name: str, within: float) -> None:
        begin, seconds = asyncio.get_running_loop().time(), LONG if soaking else within + 2
        await asyncio.sleep(seconds)
        judge(name, rack.between(begin, begin + seconds), within)

    async with rack.running():
        await rack.until(lambda: rack.mining() >= BOARDS - 4)
        await asyncio.sleep(START)
        one, other, *_ = running(rack)
        rack.take_out(one)
        await judged("one board taken out", DEALT_WITHIN + START)
        rack.lose_supply(other)
        await judged("another one silent", GIVEN_BACK + START)
        if soaking:
            rack.bring_back(one)
            await judged("the one brought back", DEALT_WITHIN + START)
            rack.bring_back(other)
            await judged("the other brought back", DEALT_WITHIN + 2 * START)


def running(rack: CappedRack) -> list[int]:
    """Return the numbers of the boards that mine."""
    return [n for n, place in enumerate(rack.places) if place.stats().state is DeviceState.MINING]


def judge(name: str, looked: list[Shown], within: float) -> None:
    """See that the true power was never far above the cap, nor far below but for ``within``."""
    parts = [one.true / one.cap for one in looked]
    low = [one.at for one in looked if one.true < (1 - NEAR) * one.cap]
    lasted = low[-1] - looked[0].at + 1 if low else 0.0
    above = sum(part > 1 for part in parts)
    print(  # noqa: T201  # the figures are what a soak is run for
        f"\n{name}: {min(parts):.1%} to {max(parts):.1%} of the cap, over it for {above} s,"
        f" further below than 5 % for {lasted:.0f} s"
    )
    assert max(parts) <= 1 + NEAR
    assert above <= OVER
    assert lasted <= within


def tell(
    modelled: list[Shown],
    metered: list[Shown],
    lost: list[Shown],
    lowered: list[Shown],
    windowed: list[Shown],
    left: list[Shown],
    over: float,
    ratio: float,
) -> None:
    states = {"400 W": metered, "300 W": lowered, "window of 250 W": windowed, "two cut off": left}
    means = ", ".join(f"{name} {mean_use(looked):.1%}" for name, looked in states.items())
    by_model = ["{:.1%}, at most {:.1%},".format(*true_use(looked)) for looked in (modelled, lost)]
    print(  # noqa: T201  # the figures are what a soak is run for
        f"\ncap held: over it for {over:.0f} s at most by the meter; mean use {means};"
        f" true power by the model alone {by_model[0]} with the meter lost {by_model[1]}"
        f" {ratio:.2f} times the hash rate of whole boards switched off"
    )
