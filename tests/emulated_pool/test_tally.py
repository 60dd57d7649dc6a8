"""Counts by fate: total, by worker, by connection."""

import dataclasses
from typing import Any

import pytest

from stratum_client.emulated_pool.tally import Counts, Fate, Tally
from tests.emulated_pool.rig import EASY, Client, Rig


def spoiled(client: Client, at: int, text: str) -> list[object]:
    params = client.share()
    return [*params[:at], text, *params[at + 1 :]]


def test_each_fate_is_counted_once() -> None:
    rig = Rig()
    client = rig.miner()
    stale = client.share()
    rig.engine.new_block(rig.now)
    client.hear()
    twice = client.share()
    work = client.work()
    miss = [
        "account.worker",
        work.params[0],
        work.extranonce2,
        work.params[7],
        f"{work.solve(EASY, miss=True):08x}",
    ]

    for params in (
        twice,
        twice,
        stale,
        miss,
        spoiled(client, 0, "somebody.else"),
        spoiled(client, 1, "nonsense"),
        spoiled(client, 2, "00"),
        spoiled(client, 3, "00000000"),
        client.share()[:4],
    ):
        client.ask("mining.submit", *params)

    total = rig.engine.tally().total
    assert total == Counts(
        accepted=1,
        stale=2,
        duplicate=1,
        low_difficulty=1,
        invalid=3,
        unauthorized=1,
        accepted_difficulty=EASY,
    )
    assert total.shares == 9
    assert total.refused == 8


def test_workers_and_connections_are_told_apart() -> None:
    rig = Rig()
    first = rig.connect().handshake("account.one")
    second = rig.connect().handshake("account.two")
    assert second.ask("mining.authorize", "account.three", "x")["result"] is True

    for client, worker, shares in [
        (first, "account.one", 3),
        (second, "account.two", 2),
        (second, "account.three", 1),
    ]:
        for _ in range(shares):
            client.ask("mining.submit", *client.share(worker=worker))

    tally = rig.engine.tally()
    assert {name: counts.accepted for name, counts in tally.workers.items()} == {
        "account.one": 3,
        "account.two": 2,
        "account.three": 1,
    }
    assert [tally.connections[number].accepted for number in (1, 2)] == [3, 3]
    assert tally.total.accepted == 6
    assert tally.total.accepted_difficulty == 6 * EASY


def test_a_snapshot_does_not_change_any_more() -> None:
    rig = Rig()
    client = rig.miner()
    client.mine(1)

    before = rig.engine.tally()
    client.mine(1)

    assert before.total.accepted == 1
    assert before.workers["account.worker"].accepted == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        before.total.accepted = 5  # type: ignore[misc]  # the point of the test


def test_difficulties_add_up_as_they_were_asked_for() -> None:
    rig = Rig(difficulty=EASY * 4)
    client = rig.miner()
    client.mine(2, difficulty=EASY * 16)

    rig.engine.set_difficulty(EASY, rig.now)
    client.hear()
    client.mine(1)

    assert rig.engine.tally().total.accepted_difficulty == 9 * EASY


def test_endless_names_cost_bounded_memory() -> None:
    tally = Tally(limit=10)

    for number in range(50):
        tally.add(Fate.INVALID, worker=f"w{number}", connection=number, difficulty=0.0, block=False)

    snapshot = tally.snapshot()
    assert len(snapshot.workers) == len(snapshot.connections) == 10
    assert snapshot.total.invalid == 50


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        ("reply=drop,method=mining.submit", {"accepted": 2, "unanswered": 2}),
        ("reply=close,method=mining.submit", {"accepted": 1, "unanswered": 1}),
        ("storm=1", {"accepted": 1, "invalid": 1, "unanswered": 0}),
        ("silence,shares=1", {"accepted": 2, "unanswered": 1}),
        ("half-line,shares=1", {"accepted": 2, "unanswered": 1}),
        ("reply=twice,method=mining.submit", {"accepted": 2, "unanswered": 0}),
    ],
)
def test_a_share_whose_answer_was_withheld_is_counted_as_such(
    fault: str, expected: dict[str, Any]
) -> None:
    rig = Rig(fault)
    client = rig.miner()

    for _ in range(2):
        client.send("mining.submit", *client.share())
        rig.collect()

    total = dataclasses.asdict(rig.engine.tally().total)
    assert {name: total[name] for name in expected} == expected
