"""Chains of every chip model on pseudo-terminals, at a pool that gives its clients no peace."""

from functools import cache

import pytest

from tests.e2e.chain_runs import ENOUGH, Outcome, Run, run_of
from tests.e2e.device_rig import ROLLING, Plug

CHAINS = (
    Plug(driver="bm1370", chips=1),
    Plug(driver="bm1397", chips=4),
    Plug(driver="bm1368", chips=4),
    Plug(driver="bm1366", chips=12),
    Plug(driver="bm1387", chips=12, mhz=100.0),
    Plug(driver="bm1362", chips=126, shares=150.0),
    Plug(driver="bm1384", chips=126, mhz=100.0, shares=150.0),
)
"""Each chip model at one length, each length with one model or more; the soak has them all."""

every_chain = pytest.mark.parametrize("name", [plug.label for plug in CHAINS])
every_run = pytest.mark.parametrize("rolling", [True, False], ids=["rolling", "fixed version"])


@cache
def run(rolling: bool) -> Run:
    """Let all chains mine at the same time, once for all tests."""
    return run_of(CHAINS, version_mask=ROLLING if rolling else 0, seconds=60.0)


@every_chain
@every_run
def test_a_chain_has_every_share_accepted_and_every_chip_heard(name: str, rolling: bool) -> None:
    outcome: Outcome = run(rolling).outcomes[name]

    assert outcome.accepted >= ENOUGH
    assert outcome.refused == 0
    assert outcome.silent == ()
    assert set(outcome.told) == set()


@every_chain
@every_run
def test_a_chain_on_a_sound_line_makes_no_error(name: str, rolling: bool) -> None:
    outcome = run(rolling).outcomes[name]

    assert outcome.hardware_errors == 0
    assert outcome.line_errors == 0
    assert outcome.misplaced == 0


@every_chain
@every_run
def test_version_bits_are_rolled_if_and_only_if_the_pool_lets_them(
    name: str, rolling: bool
) -> None:
    outcome = run(rolling).outcomes[name]

    assert outcome.outside_mask == 0
    can_roll = not name.startswith("bm1384")
    assert (outcome.rolled > 0) == (rolling and can_roll)


@every_run
def test_nothing_is_refused_but_what_no_client_could_know(rolling: bool) -> None:
    outcome = run(rolling)

    assert outcome.pool_refused == 0
    assert outcome.too_late == 0
    assert set(outcome.disturbances) >= {"clean job", "block", "extranonce", "difficulty doubled"}
