"""What the operator can order, and what a session remembers."""

from typing import Any

import pytest

from stratum_client.emulated_pool.events import ClientGone
from stratum_client.emulated_pool.known_pools import CKPOOL
from stratum_client.emulated_pool.settings import PoolSettings
from tests.emulated_pool.rig import EASY, Rig, heard, kinds, named


def test_every_client_has_its_own_extranonce1() -> None:
    rig = Rig()

    extranonces = [rig.miner().extranonce1 for _ in range(50)]

    assert len(set(extranonces)) == 50


@pytest.mark.parametrize(("size1", "size2"), [(0, 1), (1, 16), (32, 2), (8, 8)])
def test_extranonces_have_the_sizes_of_the_settings(size1: int, size2: int) -> None:
    client = Rig(extranonce1_size=size1, extranonce2_size=size2).miner()

    assert (len(client.extranonce1) // 2, client.extranonce2_size) == (size1, size2)
    assert [answer["result"] for answer in client.mine(5)] == [True] * 5


def test_a_new_block_makes_older_shares_stale() -> None:
    rig = Rig()
    client = rig.miner()
    old = client.share()

    rig.engine.new_block(rig.now)
    [job] = named(client.hear(), "mining.notify")

    assert job[8] is True
    assert client.ask("mining.submit", *old)["error"] == [21, "Stale share", None]
    assert client.mine(1)[0]["result"] is True


@pytest.mark.parametrize(("clean", "accepted"), [(False, True), (True, False)])
def test_new_work_makes_older_shares_stale_only_when_clean(clean: bool, accepted: bool) -> None:
    rig = Rig()
    client = rig.miner()
    old = client.share()

    rig.engine.new_work(rig.now, clean=clean)
    client.hear()

    assert (client.ask("mining.submit", *old)["result"] is True) is accepted


def test_a_new_difficulty_holds_from_the_next_job_on() -> None:
    rig = Rig()
    client = rig.miner()
    old = client.share()

    rig.engine.set_difficulty(EASY * 1024, rig.now)
    messages = client.hear()

    assert kinds(messages) == ["mining.set_difficulty", "mining.notify"]
    assert client.ask("mining.submit", *old)["result"] is True
    work = client.work()
    low = work.solve(EASY * 1024, miss=True)
    params = ["account.worker", work.params[0], work.extranonce2, work.params[7], f"{low:08x}"]
    assert client.ask("mining.submit", *params)["error"] == [23, "Low difficulty share", None]


def test_a_difficulty_may_be_set_without_a_job() -> None:
    rig = Rig()
    client = rig.miner()

    rig.engine.set_difficulty(64, rig.now, with_job=False)

    [message] = client.hear()
    assert message["params"] == [64]


def test_extranonces_change_for_those_who_subscribed() -> None:
    rig = Rig()
    asked, other = rig.miner(), rig.miner()
    assert asked.ask("mining.extranonce.subscribe")["result"] is True
    before = asked.extranonce1

    count = rig.engine.set_extranonce(rig.now, extranonce2_size=4)

    assert count == 1
    assert kinds(asked.hear()) == ["mining.set_extranonce", "mining.notify"]
    assert other.hear() == []
    assert asked.extranonce1 != before
    assert asked.extranonce2_size == 4
    assert asked.job[8] is True
    assert asked.mine(1)[0]["result"] is True


def test_extranonces_change_for_everyone_if_ordered() -> None:
    rig = Rig()
    clients = [rig.miner(), rig.miner()]

    rig.engine.set_extranonce(rig.now, extranonce1=b"\xde\xad\xbe\xef\x01", everyone=True)

    for client in clients:
        client.hear()
        assert client.extranonce1 == "deadbeef01"
        assert client.mine(1)[0]["result"] is True


def test_a_job_keeps_the_extranonce_it_was_issued_with() -> None:
    rig = Rig(profile=CKPOOL)
    client = rig.miner()
    old = client.share()

    rig.engine.set_extranonce(rig.now, everyone=True)
    client.hear()

    assert client.ask("mining.submit", *old)["result"] is True


def test_a_version_mask_changes_at_once_for_all_jobs() -> None:
    rig = Rig()
    client = rig.connect()
    client.ask("mining.configure", ["version-rolling"], {"version-rolling.mask": "ffffffff"})
    client.handshake()
    other = rig.miner()

    count = rig.engine.set_version_mask(0x00006000, rig.now)

    assert count == 1
    assert named(client.hear(), "mining.set_version_mask") == [["00006000"]]
    assert other.hear() == []
    work = client.work()
    for bits, good in [(0x00002000, True), (0x00008000, False)]:
        nonce = work.solve(EASY, version=0x20000000 | bits)
        params = [work.params[0], work.extranonce2, work.params[7], f"{nonce:08x}"]
        answer = client.ask("mining.submit", "account.worker", *params, f"{bits:08x}")
        assert (answer["result"] is True) is good


def test_version_rolling_is_refused_without_a_mask() -> None:
    client = Rig(version_mask=0).connect()

    answer = client.ask("mining.configure", ["version-rolling"], {})

    assert answer["result"] == {"version-rolling": False}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"minimum-difficulty.value": 64}, [[64]]),
        ({"minimum-difficulty.value": 0}, [[EASY]]),
        ({"minimum-difficulty.value": 2.5}, [[2.5]]),
    ],
)
def test_a_minimum_difficulty_is_kept(options: dict[str, Any], expected: list[list[float]]) -> None:
    client = Rig().connect()
    answer = client.ask("mining.configure", ["minimum-difficulty"], options)
    client.subscribe()

    started = heard(client, "mining.authorize", "a.b", "x")

    assert answer["result"] == {"minimum-difficulty": True}
    assert named(started, "mining.set_difficulty") == expected


def test_a_minimum_difficulty_may_be_asked_for_later() -> None:
    client = Rig().miner()

    messages = heard(
        client, "mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 8}
    )
    lower = heard(client, "mining.suggest_difficulty", 2)

    assert named(messages, "mining.set_difficulty") == [[8]]
    assert named(lower, "mining.set_difficulty") == [[8]]


@pytest.mark.parametrize(
    "params",
    [
        [],
        [None],
        ["version-rolling"],
        [{}],
        [["version-rolling"], []],
        [["version-rolling"], 7],
        [[7, None, ["version-rolling"]], {}],
        [["version-rolling"], {"version-rolling.mask": "xyz"}],
        [["version-rolling"], {"version-rolling.mask": None}],
        [["minimum-difficulty"], {"minimum-difficulty.value": True}],
        [["minimum-difficulty"], {"minimum-difficulty.value": -1}],
        [["minimum-difficulty"], {"minimum-difficulty.value": 1e308}],
        [["unheard-of"], {}],
    ],
)
def test_an_odd_configure_is_answered_and_grants_nothing(params: list[Any]) -> None:
    client = Rig().connect()

    answer = client.ask("mining.configure", *params)

    result = answer["result"] or {}
    assert True not in result.values()
    assert not client.closed


def test_suggestions_may_be_passed_over() -> None:
    client = Rig(obey_suggestions=False).miner()

    assert heard(client, "mining.suggest_difficulty", 64) == []
    assert client.mine(1)[0]["result"] is True


def test_clients_can_be_dropped() -> None:
    rig = Rig()
    clients = [rig.miner(), rig.connect()]

    rig.engine.drop_clients(rig.now)

    for client in clients:
        client.hear()
    assert all(client.closed for client in clients)


def test_a_silent_client_is_dropped_after_the_idle_time() -> None:
    rig = Rig(idle_timeout=100.0)
    silent, talking = rig.miner(), rig.miner()

    for _ in range(13):
        rig.advance(10.0)
        talking.send("mining.ping")

    silent.hear()
    talking.hear()
    assert silent.closed
    assert not talking.closed


def test_users_need_their_password() -> None:
    rig = Rig(users={"alice": "secret", "bob.rig1": "x"})
    answers = {}
    for worker, password in [
        ("alice", "secret"),
        ("alice.rig7", "secret"),
        ("alice.rig7", "wrong"),
        ("bob.rig1", "x"),
        ("bob.rig2", "x"),
        ("mallory", "x"),
        ("", ""),
    ]:
        client = rig.connect()
        client.subscribe()
        answers[worker, password] = client.ask("mining.authorize", worker, password)["result"]

    assert [pair for pair, result in answers.items() if result] == [
        ("alice", "secret"),
        ("alice.rig7", "secret"),
        ("bob.rig1", "x"),
    ]


def test_the_pool_can_be_full() -> None:
    rig = Rig(max_clients=2)
    first = rig.connect()
    rig.connect()

    assert rig.engine.connect("late", rig.now) is None
    rig.disconnect(first)
    assert rig.engine.connect("late", rig.now) == 3


def test_the_pool_can_ask_with_an_id_of_the_clients() -> None:
    rig = Rig()
    client = rig.miner()

    rig.engine.ask("client.get_version", [], rig.now, identifier=2)
    [question] = client.hear()

    assert question == {"id": 2, "method": "client.get_version", "params": []}


def test_raw_bytes_go_out_as_they_are() -> None:
    rig = Rig()
    client = rig.miner()
    client.hear()

    rig.engine.send_raw(b'{"half":', rig.now)

    rig.collect()
    [output] = client.outputs
    assert output.data == b'{"half":'  # type: ignore[union-attr]  # a Send


def test_events_tell_who_came_and_went() -> None:
    rig = Rig()
    client = rig.miner()
    rig.disconnect(client)
    rig.collect()

    names = [type(event).__name__ for event in rig.events]
    assert names == ["ClientConnected", "ClientAuthorized", "ClientGone"]
    assert rig.events[-1] == ClientGone(connection=1, reason="gone")


@pytest.mark.parametrize(
    "wrong",
    [
        {"difficulty": 0.0},
        {"difficulty": float("nan")},
        {"difficulty": 2.0**129},
        {"extranonce1_size": 33},
        {"extranonce1_size": -1},
        {"extranonce2_size": 0},
        {"extranonce2_size": 17},
        {"version_mask": 1 << 32},
        {"block_every": -1.0},
    ],
)
def test_settings_no_pool_can_have_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must"):
        PoolSettings(**wrong)
