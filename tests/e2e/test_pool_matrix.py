"""Several pools of which one is in trouble: left in time, gone back to in time, no share lost.

The whole matrix is in tests/soak.
"""

import asyncio

import pytest

from tests.certificates import Authority
from tests.e2e.pool_troubles import CELLS, TROUBLES, Cell, CellPlay, Certificates


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates.made_by(Authority(tmp_path_factory.mktemp("authority")))


WARM = [(trouble, "warm", 2 + n % 3) for n, trouble in enumerate(TROUBLES)]
OTHERS = [
    cell
    for n, trouble in enumerate(TROUBLES)
    if (cell := (trouble, ("quota", "cold", "rotate")[n % 3], 2 + n % 2)) in CELLS
]


@pytest.mark.parametrize("cells", [WARM, OTHERS], ids=["warm", "cold, quota, rotate"])
async def test_no_trouble_of_a_pool_costs_a_share_that_could_have_been_submitted(
    cells: list[Cell], certificates: Certificates
) -> None:
    # Most of a cell is waiting: they are played side by side.
    async with asyncio.TaskGroup() as group:
        for cell in cells:
            group.create_task(CellPlay(cell, certificates).play())
