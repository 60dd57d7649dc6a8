"""Several pools of which one is in trouble: left in time, gone back to in time, no share lost.

The whole matrix is in tests/soak.
"""

import asyncio
from dataclasses import replace

import pytest

from stratum_client.config_work import NoPoolAction
from stratum_client.job import Fate
from stratum_client.miner import Seat
from tests.certificates import Authority
from tests.e2e.pool_matrix import FAILBACK, PATIENCE, WORK, Matrix, hash_some, mining_at
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


# --- shares in flight ---


def find_shares(seat: Seat, count: int) -> None:
    """Find so many shares at once."""
    work = seat.next_work()
    assert work
    found = first = 0
    while found < count:
        found += hash_some(seat, work, first, 64)
        first += 64


def go_down(matrix: Matrix, *names: str) -> None:
    for name in names:
        matrix.troubled.add(name)
        matrix.servers[name].stop_listening()
        matrix.servers[name].drop_clients(reset=True)


SLOW_ANSWERS = "reply=delay,method=mining.submit,seconds=200ms"


async def test_work_goes_back_to_a_pool_between_bursts_of_shares_to_the_other() -> None:
    async with mining_at(2, replace(WORK, answers_wait=60.0), hashers=0) as matrix:
        await matrix.stands_by("main", "spare")
        seat = matrix.miner.seat("burst")
        go_down(matrix, "main")
        await matrix.until(lambda: matrix.pools.serving == ("spare",))
        left = matrix.now()
        await matrix.until(lambda: matrix.now() > left + PATIENCE)
        matrix.servers["spare"].inject(SLOW_ANSWERS)
        await matrix.servers["main"].listen_again()
        await matrix.stands_by("main")
        due = matrix.trace.named("job", pool="main")[-1].at + FAILBACK
        while matrix.now() < due + 0.3 and matrix.pools.serving == ("spare",):
            find_shares(seat, 2)
            await asyncio.sleep(0.05)
        await matrix.until(lambda: matrix.pools.serving == ("main",))

    back = matrix.switches()[-1]
    assert back.at >= due - 0.3, "jobs came on while it was well"
    assert back.fields["in_flight"] == 0
    assert {entry.fate for entry in matrix.found} == {Fate.ACCEPTED}
    matrix.check()


@pytest.mark.parametrize("order", ["use the other", "disable", "remove"])
async def test_an_order_that_takes_work_from_a_pool_lets_it_answer_what_is_in_flight(
    order: str,
) -> None:
    async with mining_at(2, hashers=0) as matrix:
        await matrix.stands_by("main", "spare")
        seat, main = matrix.miner.seat("burst"), matrix.pool("main")
        matrix.servers["main"].inject(SLOW_ANSWERS)
        late = seat.next_work()
        assert late
        find_shares(seat, 5)
        match order:
            case "use the other":
                matrix.pools.use("spare")
            case "disable":
                matrix.pools.disable("main")
            case "remove":
                matrix.pools.remove("main")
        assert matrix.pools.serving == ("spare",)
        assert hash_some(seat, late, 10_000, 1000), "found after the order, for the pool before"
        find_shares(seat, 3)
        if order == "use the other":
            await matrix.until(lambda: not matrix.in_flight("main"))
        else:
            await matrix.until(lambda: matrix.servers["main"].clients == 0)
        await matrix.until(lambda: all(entry.ends for entry in matrix.found))

    assert {entry.fate for entry in matrix.found} == {Fate.ACCEPTED}
    assert {entry.pool for entry in matrix.found} == {"main", "spare"}
    matrix.check(gone=[("main", main)])


# --- nobody there ---


@pytest.mark.parametrize("action", ["hold", "exit"])
async def test_all_pools_go_down_and_come_back_one_by_one(action: NoPoolAction) -> None:
    async with mining_at(2, replace(WORK, no_pool_action=action)) as matrix:
        await matrix.stands_by(*matrix.servers)
        await matrix.serves("main")

        go_down(matrix, *matrix.servers)
        await matrix.until(lambda: matrix.pools.serving == ())
        seat = matrix.miner.seat("hasher 0")
        if action == "hold":
            of_nobody = matrix.miner.tally.reasons
            await matrix.until(lambda: of_nobody.get("of no pool", 0) >= 3)
        else:
            await matrix.until(lambda: seat.waits)
        if action == "exit":
            await asyncio.wait_for(matrix.gave_up.wait(), 60)
        for name in ("spare", "main"):
            await matrix.servers[name].listen_again()
            await matrix.serves(name)

    assert matrix.gave_up.is_set() == (action == "exit")
    assert [note.fields["to"] for note in matrix.switches()][-3:] == ["", "spare", "main"]
    matrix.check()


async def test_a_choice_by_hand_waits_for_its_pool_and_takes_it_back_at_once() -> None:
    async with mining_at(3) as matrix:
        await matrix.stands_by(*matrix.servers)
        matrix.pools.use("spare")
        await matrix.serves("spare")

        go_down(matrix, "spare")
        await matrix.until(lambda: matrix.miner.seat("hasher 0").waits)
        others = matrix.accepted("main"), matrix.accepted("third")
        await matrix.servers["spare"].listen_again()
        await matrix.serves("spare")
        assert (matrix.accepted("main"), matrix.accepted("third")) == others
        matrix.pools.use(None)
        await matrix.serves("main")

    told = [note.fields["to"] for note in matrix.switches()]
    assert told[-4:] == ["spare", "", "spare", "main"]
    matrix.check()


async def test_a_pool_that_goes_on_refusing_us_does_not_disturb_the_others() -> None:
    async with mining_at(3, options={"main": {"password": "wrong"}}) as matrix:
        matrix.troubled.add("main")
        await matrix.serves("spare")

        await matrix.until(lambda: matrix.servers["main"].logins["main.rig"] >= 12)
        await matrix.shares_at("spare")

        assert len(matrix.servers["spare"].tally().connections) == 1
    told = [note.fields["to"] for note in matrix.switches()]
    assert told.index("spare") == len(told) - 1
    assert not matrix.servers["main"].judged
    matrix.check()
