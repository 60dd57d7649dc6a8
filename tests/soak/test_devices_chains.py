"""Chains of 1, 4, 12 and 126 chips of every model; the shorter list is in tests/e2e."""

import pytest

from tests.e2e.chain_runs import run_of
from tests.e2e.device_rig import ROLLING, Plug

pytestmark = pytest.mark.soak

MODELS = ("bm1397", "bm1362", "bm1366", "bm1368", "bm1370", "bm1387", "bm1384")
SLOW_RAMPS = {"bm1387": 150.0, "bm1384": 150.0}
LONGEST = 600.0


@pytest.mark.parametrize("rolling", [True, False], ids=["rolling", "fixed version"])
@pytest.mark.parametrize("chips", [1, 4, 12, 126])
def test_chains_of_every_model_have_every_share_accepted(
    chips: int, rolling: bool, soaking: bool
) -> None:
    if not soaking:
        pytest.skip("the whole matrix takes minutes")
    plugs = [
        Plug(driver=model, chips=chips, mhz=SLOW_RAMPS.get(model, 75.0), shares=60.0 + chips / 2)
        for model in MODELS
    ]

    run = run_of(plugs, version_mask=ROLLING if rolling else 0, seconds=LONGEST)

    print(f"\n{chips} chips, {'rolling' if rolling else 'fixed version'}: {run}")  # noqa: T201  # figures
    assert (run.pool_refused, run.too_late) == (0, 0)
    for outcome in run.outcomes.values():
        assert (outcome.hardware_errors, outcome.line_errors, outcome.misplaced) == (0, 0, 0)
        assert (outcome.silent, outcome.told, outcome.refused) == ((), (), 0)
        assert outcome.outside_mask == 0
        assert (outcome.rolled > 0) == (rolling and outcome.plug.model != "bm1384")
