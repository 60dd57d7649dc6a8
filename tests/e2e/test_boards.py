"""Every board there is an emulation of, on a pair of pseudo-terminals, mining beside the others."""

from functools import cache

import pytest

from drivers.bm13xx.boards.table import BOARDS
from drivers.bm13xx.emulated_boards import BOARDS as EMULATED
from tests.e2e.chain_runs import ENOUGH, Run, run_of
from tests.e2e.device_rig import ROLLING, Plug

PLUGS = (
    *(Plug(driver=name, shares=30.0) for name in sorted(BOARDS.keys() & EMULATED.keys())),
    Plug(driver="bitaxe-ultra", board="bitaxe-ultra-tps546", shares=30.0),
    Plug(driver="bitaxe-supra", board="bitaxe-supra-ds4432u", shares=30.0),
)
UNSWITCHED = {"bitaxe-max", "bitaxe-ultra", "bitaxe-supra-ds4432u"}
"""Their core has a regulator of its own, which can be bent but not switched off."""

every_board = pytest.mark.parametrize("plug", PLUGS, ids=lambda plug: plug.emulated)


@cache
def run() -> Run:
    """Let all boards mine at the same time, once for all tests."""
    return run_of(PLUGS, version_mask=ROLLING, seconds=90.0)


@every_board
def test_a_board_mines_without_an_error_with_every_chip(plug: Plug) -> None:
    outcome = run().outcomes[plug.label]

    assert outcome.accepted >= ENOUGH
    assert outcome.silent == ()
    assert (outcome.hardware_errors, outcome.line_errors, outcome.refused) == (0, 0, 0)
    assert outcome.told == ()


@every_board
def test_a_board_is_left_in_reset_and_without_power(plug: Plug) -> None:
    outcome = run().outcomes[plug.label]

    left = "core at 1.00 V" if plug.emulated in UNSWITCHED else "core off"
    assert outcome.power == f"chips in reset, {left}"
    assert outcome.unsafe == 0


def test_the_pool_refuses_nothing_that_a_client_could_know() -> None:
    assert (run().pool_refused, run().too_late) == (0, 0)
