"""When faults strike, and those that change the terms: storms, swings, blocks, redirects."""

import pytest

from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.faults import Drop, Fault, When
from tests.emulated_pool.rig import EASY, Rig, heard, kinds, named


def test_a_fault_strikes_after_a_time() -> None:
    rig = Rig("close,after=10s")
    client = rig.miner()

    states = []
    for seconds in (9.9, 0.2):
        rig.advance(seconds)
        client.hear()
        states.append(client.closed)

    assert states == [False, True]


def test_a_fault_strikes_again_and_again() -> None:
    rig = Rig("message=hello,every=10s", work_every=0.0)
    client = rig.miner()

    rig.advance(35.0)

    assert named(client.hear(), "client.show_message") == [["hello"]] * 3


def test_a_fault_strikes_each_connection_that_comes_back() -> None:
    rig = Rig("reset,shares=3")
    for _ in range(2):
        client = rig.miner()
        closed = [client.mine(1) and client.closed for _ in range(3)]
        assert closed == [False, False, True]
        rig.disconnect(client)

    assert rig.engine.tally().total.accepted == 6
    assert rig.engine.tally().total.unanswered == 0


def test_a_fault_with_a_number_of_times_strikes_no_more_after_those() -> None:
    rig = Rig("close,on=mining.configure,times=1")
    first, second = rig.connect(), rig.connect()

    heard(first, "mining.configure", ["version-rolling"], {})
    heard(second, "mining.configure", ["version-rolling"], {})

    assert first.closed
    assert not second.closed


def test_an_injected_fault_strikes_open_connections_alone_unless_it_lasts() -> None:
    rig = Rig()
    first = rig.miner()
    rig.engine.inject(fault_of("storm"), rig.now)
    second = rig.miner()
    rig.engine.inject(fault_of("message=new rules"), rig.now, lasting=True)
    third = rig.connect()

    assert first.mine(1)[0]["error"] == [20, "Other/Unknown", None]
    assert second.mine(1)[0]["result"] is True
    assert named(third.hear(), "client.show_message") == [["new rules"]]


def test_a_storm_refuses_a_number_of_shares() -> None:
    rig = Rig("storm=3")
    client = rig.miner()

    answers = [answer["result"] for answer in client.mine(5)]

    assert answers == [None, None, None, True, True]
    assert rig.engine.tally().total.invalid == 3


def test_a_difficulty_swings_up_and_down_again() -> None:
    rig = Rig("swing=4,every=10s", work_every=0.0)
    client = rig.miner()

    rig.advance(31.0)
    messages = client.hear()

    assert named(messages, "mining.set_difficulty") == [[4 * EASY], [EASY], [4 * EASY]]
    assert kinds(messages) == ["mining.set_difficulty", "mining.notify"] * 3
    assert client.mine(1, difficulty=4 * EASY)[0]["result"] is True


def test_extranonces_change_every_so_often_with_other_sizes() -> None:
    rig = Rig("extranonce=6/4,every=5s")
    client = rig.miner()

    rig.advance(5.5)
    client.hear()

    assert (len(client.extranonce1), client.extranonce2_size) == (12, 4)
    assert client.mine(1)[0]["result"] is True


def test_blocks_are_announced_with_and_without_the_flag() -> None:
    rig = Rig("block,after=5s", "dirty-block,after=10s")
    client = rig.miner()
    jobs = []
    for _ in range(2):
        rig.advance(5.1)
        jobs += named(client.hear(), "mining.notify")

    assert [job[8] for job in jobs] == [True, False]
    assert len({job[1] for job in jobs}) == 2


def test_a_share_for_a_dirty_blocks_predecessor_is_stale() -> None:
    rig = Rig("dirty-block,after=5s")
    client = rig.miner()
    old = client.share()
    rig.advance(6.0)
    client.hear()

    assert client.ask("mining.submit", *old)["error"][0] == 21


@pytest.mark.parametrize(
    ("spec", "params"),
    [
        ("redirect", []),
        ("redirect=pool.example:3334", ["pool.example", 3334, 0]),
        ("redirect=[::1]:3334,wait=5", ["::1", 3334, 5]),
    ],
)
def test_a_client_is_sent_elsewhere(spec: str, params: list[object]) -> None:
    client = Rig(spec).connect()

    assert named(client.hear(), "client.reconnect") == [params]


def test_a_ping_comes_before_the_answer_with_the_same_id() -> None:
    rig = Rig("ping,on=mining.submit")
    client = rig.miner()

    messages = heard(client, "mining.submit", *client.share())

    assert [(message["id"], message.get("method")) for message in messages] == [
        (3, "mining.ping"),
        (3, None),
    ]
    client.raw(b'{"id":3,"result":"pong","error":null}\n')
    rig.collect()
    assert type(rig.events[-1]).__name__ == "ClientAnswered"
    assert rig.engine.tally().total.accepted == 1


@pytest.mark.parametrize(
    ("spec", "question"),
    [
        ("ping=77", {"id": 77, "method": "mining.ping", "params": []}),
        ("version", {"id": None, "method": "client.get_version", "params": []}),
        ("ask=client.get_algo,id=5", {"id": 5, "method": "client.get_algo", "params": []}),
        ("ask=x,id=none", {"id": None, "method": "x", "params": []}),
        ("message=hi", {"id": None, "method": "client.show_message", "params": ["hi"]}),
    ],
)
def test_a_pool_may_ask_its_client(spec: str, question: dict[str, object]) -> None:
    client = Rig(spec).connect()

    assert client.hear() == [question]


def test_a_restart_strikes_everyone() -> None:
    rig = Rig()
    clients = [rig.miner(), rig.miner()]

    rig.engine.inject(fault_of("restart,shares=1"), rig.now)
    clients[0].mine(1)
    clients[1].hear()

    assert all(client.closed for client in clients)


def test_a_flood_is_a_number_of_messages_at_once() -> None:
    client = Rig("flood=250").connect()

    assert len(client.hear()) == 250


def test_a_mask_is_sent_to_clients_that_roll() -> None:
    rig = Rig("mask=00006000,shares=1")
    client = rig.connect()
    client.ask("mining.configure", ["version-rolling"], {})
    client.handshake()
    client.send("mining.submit", *client.share())

    assert named(client.hear(), "mining.set_version_mask") == [["00006000"]]


def test_unpadded_jobs_can_be_mined() -> None:
    rig = Rig("unpadded", "job=version-short,shares=1")
    client = rig.miner()

    assert client.mine(2)[0]["result"] is True
    assert client.job[5] == "4"


@pytest.mark.parametrize(
    "wrong",
    [
        {"every": 1.0, "shares": 1},
        {"every": 1.0, "on": "mining.submit"},
        {"every": 0.0},
        {"after": -1.0},
        {"shares": 0},
    ],
)
def test_moments_that_cannot_be_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must|exclude"):
        When(**wrong)  # type: ignore[arg-type]  # the wrong ones are the point


def test_a_fault_is_called_by_its_text_or_its_kind() -> None:
    assert fault_of("close,after=5").name == "close,after=5"
    assert Fault(action=Drop()).name == "Drop"
