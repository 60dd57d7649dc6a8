"""Every fault does on the wire what it says, and strikes when it says."""

import json
from typing import Any

import pytest

from stratum_client.emulated_pool.bad_jobs import KINDS
from stratum_client.emulated_pool.fault_catalogue import FAULT_KINDS
from stratum_client.emulated_pool.fault_specs import fault_of
from stratum_client.emulated_pool.faults import Change
from stratum_client.emulated_pool.junk import DIFFICULTIES, JUNK
from stratum_client.emulated_pool.outputs import Close, Send, StopReading, Stream
from tests.emulated_pool.rig import Client, Rig, heard, kinds

EVERY_FAULT = [
    *(f"reply={change}" for change in Change),
    *(f"send={kind}" for kind in JUNK),
    *(f"job={kind}" for kind in KINDS),
    *(f"difficulty={kind}" for kind in DIFFICULTIES),
    *(
        "refuse-authorize=false",
        "early-notify=authorize",
        "silence",
        "hang",
        "half-line",
        "segments=7",
    ),
    *("together=1s", "crlf", "blank-lines", "unpadded", "giant-line=100000", "repeat-job"),
    *("reuse-job-id", "swing=4", "close", "reset", "restart", "redirect=127.0.0.1:3334,wait=2"),
    *("storm=3", "extranonce=6/4", "mask=00006000", "block", "dirty-block", "work"),
    *("clean-work", "ping=client", "ask=client.get_version,id=9", "message=hello", "version"),
    "flood=20",
]


def raw_output(client: Client) -> bytes:
    """Return all bytes that were sent since the last time."""
    client.rig.collect()
    outputs, client.outputs = client.outputs, []
    return b"".join(output.data for output in outputs if isinstance(output, Send))


def test_no_fault_is_left_untried() -> None:
    assert {spec.partition(",")[0].partition("=")[0] for spec in EVERY_FAULT} == set(FAULT_KINDS)


@pytest.mark.parametrize("spec", EVERY_FAULT)
def test_every_fault_strikes_a_running_session_once(spec: str) -> None:
    rig = Rig(f"{spec},after=5s,times=1")
    client = rig.miner()
    client.mine(2)
    assert not [event for event in rig.events if type(event).__name__ == "FaultPlayed"]

    rig.advance(6.0)
    client.send("mining.submit", *client.share())
    client.send("mining.authorize", "account.second", "x")
    rig.advance(10.0)

    rig.collect()
    played = [event for event in rig.events if type(event).__name__ == "FaultPlayed"]
    assert [event.fault for event in played] == [f"{spec},after=5s,times=1"]  # type: ignore[union-attr]  # FaultPlayed


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("drop", []),
        ("twice", [{"id": 1, "result": True}] * 2),
        ("id-text", [{"id": "1", "result": True}]),
        ("id-float", [{"id": 1.0, "result": True}]),
        ("id-unknown", [{"id": 1_000_000_001, "result": True}]),
        ("id-null", [{"id": None, "result": True}]),
        ("id-missing", [{"result": True}]),
        ("result-null", [{"id": 1, "result": None}]),
        ("result-false", [{"id": 1, "result": False}]),
        ("error-list", [{"id": 1, "result": None, "error": [20, "Other/Unknown", None]}]),
        ("error-text", [{"id": 1, "result": None, "error": "Other/Unknown"}]),
    ],
)
def test_a_reply_is_changed_as_named(change: str, expected: list[dict[str, Any]]) -> None:
    client = Rig(f"reply={change},method=mining.extranonce.subscribe").connect()

    messages = heard(client, "mining.extranonce.subscribe")

    assert messages == [{"error": None, **message} for message in expected]
    assert [type(message.get("id")) for message in messages] == [
        type(message.get("id")) for message in expected
    ]


def test_only_replies_to_the_named_method_are_changed() -> None:
    client = Rig("reply=drop,method=mining.submit").miner()

    assert client.ask("mining.ping")["result"] == "pong"
    assert heard(client, "mining.submit", *client.share()) == []


def test_a_number_of_replies_is_changed_and_then_no_more() -> None:
    rig = Rig("reply=drop,method=mining.submit,times=2")
    client = rig.miner()

    answers = [len(heard(client, "mining.submit", *client.share())) for _ in range(4)]

    assert answers == [0, 0, 1, 1]
    assert rig.engine.tally().total.accepted == 4
    assert rig.engine.tally().total.unanswered == 2


def test_a_delayed_reply_lets_others_pass() -> None:
    rig = Rig("reply=delay,method=mining.submit,seconds=3s")
    client = rig.miner()

    late = client.send("mining.submit", *client.share())
    soon = client.send("mining.ping")
    first = client.hear()
    rig.advance(2.9)
    between = client.hear()
    rig.advance(0.2)
    last = client.hear()

    assert [message["id"] for message in first] == [soon]
    assert between == []
    assert [message["id"] for message in last] == [late]


@pytest.mark.parametrize("change", ["close", "reset"])
def test_a_connection_ends_right_before_an_answer(change: str) -> None:
    rig = Rig(f"reply={change},method=mining.submit")
    client = rig.miner()

    client.send("mining.submit", *client.share())
    rig.collect()

    [output] = client.outputs
    assert isinstance(output, Close)
    assert output.reset is (change == "reset")
    assert rig.engine.tally().total.accepted == 1
    assert rig.engine.tally().total.unanswered == 1


@pytest.mark.parametrize(
    ("kind", "answer"),
    [("error", {"result": None}), ("false", {"result": False, "error": None}), ("close", None)],
)
def test_authorize_is_refused(kind: str, answer: dict[str, Any] | None) -> None:
    client = Rig(f"refuse-authorize={kind}").connect()
    client.subscribe()

    messages = [m for m in heard(client, "mining.authorize", "a.b", "x") if m.get("id") == 2]

    assert client.closed is (answer is None)
    assert [m["result"] for m in messages] == ([] if answer is None else [answer["result"]])


def test_the_first_job_comes_before_authorize_is_answered() -> None:
    client = Rig("early-notify").connect()
    client.subscribe()

    assert kinds(heard(client, "mining.authorize", "a.b", "x")) == [
        "mining.notify",
        "reply",
        "mining.set_difficulty",
    ]


def test_the_first_job_may_come_even_before_subscribe_is_answered() -> None:
    client = Rig("early-notify=subscribe").connect()

    assert kinds(heard(client, "mining.subscribe", "test")) == ["mining.notify", "reply"]
    started = heard(client, "mining.authorize", "account.worker", "x")
    assert kinds(started) == ["reply", "mining.set_difficulty", "mining.notify"]


@pytest.mark.parametrize(
    ("change", "extranonce1", "rest"),
    [
        ("extranonce1-odd", 9, [8]),
        ("extranonce1-not-hex", 8, [8]),
        ("extranonce1-long", 66, [8]),
        ("extranonce2-zero", 8, [0]),
        ("extranonce2-missing", 8, []),
    ],
)
def test_a_subscription_may_make_no_sense(change: str, extranonce1: int, rest: list[int]) -> None:
    client = Rig(f"reply={change},method=mining.subscribe").connect()

    [[_, first, *others]] = [m["result"] for m in heard(client, "mining.subscribe", "test")]

    assert (len(first), others) == (extranonce1, rest)


def test_a_difficulty_may_come_as_text() -> None:
    rig = Rig("difficulty=number-as-text,shares=1", difficulty=2.0**-27)
    client = rig.miner()

    client.send("mining.submit", *client.share(2.0**-27))

    assert [float(text) for [text] in difficulties(client)] == [2.0**-27]


def difficulties(client: Client) -> list[Any]:
    return [m["params"] for m in client.hear() if m.get("method") == "mining.set_difficulty"]


def test_a_flood_of_requests_at_a_slow_pace_ends_the_connection() -> None:
    client = Rig("segments=1,gap=1s", max_line=1 << 20).connect()

    client.raw(b'{"id":1,"method":"mining.ping","params":[]}\n' * 30_000)
    client.hear()

    assert client.closed


def test_late_replies_are_bounded_too() -> None:
    rig = Rig("reply=delay,method=mining.ping,seconds=60s")
    client = rig.connect()
    client.raw(b'{"id":1,"method":"mining.ping","params":[]}\n' * 10_500)

    rig.advance(61.0)

    assert len(client.hear()) == 10_000


def test_a_pool_closes_on_configure() -> None:
    client = Rig("close,on=mining.configure").connect()

    assert heard(client, "mining.configure", ["version-rolling"], {}) == []
    assert client.closed


def test_silence_leaves_the_socket_open_and_the_pool_counting() -> None:
    rig = Rig("silence,shares=2")
    client = rig.miner()
    client.mine(2)

    client.send("mining.submit", *client.share())
    rig.advance(120.0)

    assert client.hear() == []
    assert not client.closed
    assert rig.engine.tally().total.accepted == 3


def test_a_hanging_pool_stops_reading_too() -> None:
    rig = Rig("hang,shares=1")
    client = rig.miner()
    client.send("mining.submit", *client.share())
    rig.collect()

    assert StopReading() in client.outputs
    assert [type(output) for output in client.outputs] == [Send, StopReading]


def test_half_a_line_is_followed_by_silence() -> None:
    rig = Rig("half-line,shares=1")
    client = rig.miner()
    client.mine(1)

    client.send("mining.ping")
    half = raw_output(client)
    client.send("mining.ping")

    assert half == b'{"id":4,"result":"pong","error":null}'[: len(half)]
    assert 0 < len(half) < 30
    assert raw_output(client) == b""


def test_a_stream_is_cut_into_single_bytes() -> None:
    rig = Rig("segments")
    client = rig.connect()
    client.send("mining.ping")
    rig.collect()

    pieces = [output.data for output in client.outputs if isinstance(output, Send)]

    assert {len(piece) for piece in pieces} == {1}
    assert json.loads(b"".join(pieces))["result"] == "pong"


def test_segments_may_be_paced() -> None:
    rig = Rig("segments=10,gap=100ms")
    client = rig.connect()
    client.send("mining.ping")
    client.send("mining.ping")

    sizes = []
    for _ in range(12):
        rig.advance(0.1001)
        sizes.append(len(raw_output(client)))

    assert sum(sizes) == 2 * len(b'{"id":1,"result":"pong","error":null}\n')
    assert sizes[:7] == [10] * 7
    assert sizes[8:] == [0] * 4


def test_lines_may_come_together_in_one_segment() -> None:
    rig = Rig("together=200ms")
    client = rig.connect()
    for _ in range(3):
        client.send("mining.ping")
    rig.collect()
    before = list(client.outputs)

    rig.advance(0.25)
    rig.collect()

    assert before == []
    [together] = client.outputs
    assert isinstance(together, Send)
    assert [json.loads(line)["id"] for line in together.data.splitlines()] == [1, 2, 3]


def test_what_is_held_back_still_goes_out_before_a_close() -> None:
    rig = Rig("together=10s", "close,on=mining.bogus")
    client = rig.connect()
    client.send("mining.ping")

    client.send("mining.bogus")
    rig.collect()

    assert [type(output) for output in client.outputs] == [Send, Close]


@pytest.mark.parametrize(("spec", "start"), [("crlf", b"{"), ("blank-lines", b"\r\n\n{")])
def test_lines_may_end_in_another_way(spec: str, start: bytes) -> None:
    client = Rig(spec).connect()

    client.send("mining.ping")

    line = raw_output(client)
    assert line.endswith(b"}\r\n")
    assert line.startswith(start)


@pytest.mark.parametrize("kind", sorted(JUNK))
def test_junk_goes_out_as_it_is(kind: str) -> None:
    rig = Rig()
    client = rig.miner()
    client.hear()

    rig.engine.inject(fault_of(f"send={kind}"), rig.now)
    data = raw_output(client)

    assert data.endswith(b"\n")
    assert len(data) < 300_000
    assert kind != "deep-json" or data == b"[" * 100_000 + b"]" * 100_000 + b"\n"
    assert kind != "not-utf-8" or b"\xff\xfe" in data


def test_a_giant_line_is_streamed_from_a_small_piece() -> None:
    rig = Rig()
    client = rig.miner()
    client.hear()

    rig.engine.inject(fault_of("giant-line"), rig.now)
    client.send("mining.ping")
    rig.collect()

    [start, stream] = client.outputs
    assert isinstance(start, Send)
    assert isinstance(stream, Stream)
    assert len(stream.chunk) == 65_536
    assert len(stream.chunk) * stream.count == 1 << 30
    assert b"\n" not in start.data + stream.chunk


@pytest.mark.parametrize("kind", sorted(DIFFICULTIES))
def test_an_odd_difficulty_is_only_said(kind: str) -> None:
    rig = Rig()
    client = rig.miner()
    client.hear()

    rig.engine.inject(fault_of(f"difficulty={kind}"), rig.now)
    line = raw_output(client)

    assert line.startswith(b'{"id":null,"method":"mining.set_difficulty","params":')
    assert client.mine(1)[0]["result"] is True
