"""Whatever a client sends ends in answers or a documented close; nothing grows without bound."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.emulated_pool.desk import JobDesk
from stratum_client.emulated_pool.jobs import IssuedJob, template_of
from stratum_client.emulated_pool.known_pools import PROFILES
from stratum_client.emulated_pool.outputs import Close, Output, Send
from stratum_client.emulated_pool.profiles import Profile, ShareRules
from stratum_client.emulated_pool.wire import BadLineError, LineReader
from tests.emulated_pool.rig import Rig

METHODS = [
    "mining.configure",
    "mining.subscribe",
    "mining.authorize",
    "mining.submit",
    "mining.suggest_difficulty",
    "mining.suggest_target",
    "mining.extranonce.subscribe",
    "mining.get_transactions",
    "mining.ping",
    "nonsense",
]

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["1", "00000000", "0000000000000000", "account.worker", "version-rolling"])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=6)
        | st.dictionaries(
            st.sampled_from(["version-rolling.mask", "minimum-difficulty.value", "x"]), inner
        )
    ),
    max_leaves=5,
)
requests = st.fixed_dictionaries(
    {"method": st.sampled_from(METHODS) | values, "params": st.lists(values, max_size=7) | values},
    optional={"id": values, "result": values},
)


def outputs_after(profile: Profile, pieces: list[bytes]) -> list[Output]:
    rig = Rig(profile=profile)
    client = rig.connect()
    for piece in pieces:
        client.raw(piece)
        rig.advance(0.01)
    rig.collect()
    rig.engine.tally()
    return client.outputs


def check(outputs: list[Output]) -> None:
    """Whole lines of JSON go out, then at most one close and nothing after it."""
    for output in outputs[:-1]:
        assert isinstance(output, Send)
    for output in outputs:
        match output:
            case Send(data):
                assert data.endswith(b"\n")
                broken_on_purpose = b'"result":{,' in data
                assert broken_on_purpose or isinstance(json.loads(data), dict)
            case Close(reason, reset):
                assert reason
                assert not reset


@settings(deadline=None)
@given(st.sampled_from(sorted(PROFILES)), st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_answered_or_end_the_connection(name: str, pieces: list[bytes]) -> None:
    check(outputs_after(PROFILES[name], pieces))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(PROFILES)), st.lists(requests, max_size=8), st.booleans())
def test_any_requests_are_answered_or_end_the_connection(
    name: str, messages: list[Any], started: bool
) -> None:
    start = [
        {"id": 1, "method": "mining.subscribe", "params": ["test"]},
        {"id": 2, "method": "mining.authorize", "params": ["account.worker", "x"]},
    ]
    lines = [json.dumps(message).encode() + b"\n" for message in start * started + messages]

    check(outputs_after(PROFILES[name], lines))


@settings(max_examples=30, deadline=None)
@given(st.lists(requests, max_size=4), st.lists(st.integers(1, 50), max_size=40))
def test_the_cut_of_the_stream_changes_nothing(messages: list[Any], cuts: list[int]) -> None:
    data = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    pieces, rest = [], data
    for cut in cuts:
        pieces.append(rest[:cut])
        rest = rest[cut:]

    profile = PROFILES["plain"]
    assert outputs_after(profile, [*pieces, rest]) == outputs_after(profile, [data])


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 10_000,
        b'{"id":1,"method":"mining.subscribe","params":' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"id":' + b"7" * 10_000 + b',"method":"mining.ping","params":[]}',
        b'{"id":1,"method":"mining.suggest_difficulty","params":[' + b"9" * 4_000 + b"]}",
        b'{"id":1,"method":"mining.suggest_difficulty","params":[1e999]}',
        b'{"id":NaN,"method":"mining.ping","params":[]}',
        b'{"id":"\\ud800","method":"mining.ping","params":[]}',
        b'{"id":1,"method":"mining.authorize","params":["\\ud800","x"]}',
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
    ],
    ids=lambda line: repr(line[:30]),
)
@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_lines_that_break_careless_parsers_do_no_harm(profile: Profile, line: bytes) -> None:
    rig = Rig(profile=profile)
    client = rig.connect()

    client.raw(line + b"\n")
    client.hear()

    again = rig.connect()
    assert again.subscribe()["result"]


@settings(deadline=None)
@given(st.binary(max_size=60), st.integers(1, 7))
def test_lines_do_not_depend_on_the_cut(data: bytes, step: int) -> None:
    whole, cut = LineReader(100), LineReader(100)

    pieces = [data[at : at + step] for at in range(0, len(data), step)]

    assert whole.feed(data) == [line for piece in pieces for line in cut.feed(piece)]


def test_a_line_without_an_end_is_refused_at_its_limit() -> None:
    reader = LineReader(1000)
    for _ in range(1000):
        reader.feed(b"x")

    with pytest.raises(BadLineError, match="longer than 1000"):
        reader.feed(b"x")


def test_names_and_texts_of_a_client_are_bounded_by_its_lines() -> None:
    rig = Rig()
    client = rig.connect()
    client.subscribe()
    for number in range(2000):
        client.send("mining.authorize", f"account.{number}", "x")
    client.hear()

    answers = [
        client.ask("mining.submit", *client.share(worker=worker))["error"]
        for worker in ("account.999", "account.1500")
    ]
    assert answers == [None, [24, "Unauthorized worker", None]]


def test_a_desk_keeps_a_bounded_number_of_jobs() -> None:
    rig = Rig()
    desk = JobDesk(ShareRules(jobs_kept=8), extranonce1=b"abcd", extranonce2_size=8, difficulty=1.0)
    client = rig.miner()
    ids = []
    for _ in range(20):
        rig.engine.new_work(rig.now)
        client.hear()
        template = template_of(client.job)
        ids.append(desk.issue(template, clean=False, now=0.0).template.job_id)
        tip = template.prev_hash

    found = [isinstance(desk.find(job_id, tip=tip, now=0.0), IssuedJob) for job_id in ids]
    assert found == [False] * 12 + [True] * 8
