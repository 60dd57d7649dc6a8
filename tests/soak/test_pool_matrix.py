"""The whole network test matrix: each trouble, by each strategy, with 2 to 4 pools."""

import asyncio
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.certificates import Authority
from tests.e2e.pool_matrix import WAYS
from tests.e2e.pool_troubles import CELLS, CellPlay, Certificates

pytestmark = pytest.mark.soak

ROUNDS = 3
AT_ONCE = 12
"""Cells played side by side: most of a cell is waiting."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_by(Authority(tmp_path_factory.mktemp("authority")))


@pytest.fixture(autouse=True)
def quiet_pools() -> Iterator[None]:
    """Leave the output to the figures: pools tell of each client at level debug."""
    quiet = structlog.make_filtering_bound_logger(logging.INFO)
    structlog.configure(wrapper_class=quiet)
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("way", WAYS)
async def test_no_trouble_of_a_pool_costs_a_share_that_could_have_been_submitted(
    soaking: bool, way: str, count: int, certificates: Certificates
) -> None:
    if not soaking:
        pytest.skip("in brief in tests/e2e/test_pool_matrix.py; the whole matrix with --soak")
    cells = [cell for cell in CELLS if cell[1:] == (way, count)] * ROUNDS

    for first in range(0, len(cells), AT_ONCE):
        async with asyncio.TaskGroup() as group:
            plays = [
                group.create_task(CellPlay(cell, certificates).play())
                for cell in cells[first : first + AT_ONCE]
            ]
        print("", *(play.result() for play in plays), sep="\n")  # noqa: T201  # the figures
