"""How a session starts at each known pool, row by row of what was seen of them."""

from typing import Any

import pytest

from stratum_client.emulated_pool.known_pools import (
    BRAIINS,
    BTCCOM,
    CKPOOL,
    CKPOOL_2017,
    MININGCORE,
    NICEHASH,
    OCEAN,
    PLAIN,
    PROFILES,
    PUBLIC_POOL,
)
from stratum_client.emulated_pool.outputs import Send
from stratum_client.emulated_pool.profiles import Profile
from tests.emulated_pool.rig import (
    Rig,
    heard,
    kinds,
)

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ASKED = [["version-rolling", "minimum-difficulty"], {"version-rolling.mask": "00ffe000"}]


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda p: p.name)
def test_every_profile_mines(profile: Profile) -> None:
    rig = Rig(profile=profile)
    client = rig.connect()
    client.subscribe()
    client.send("mining.authorize", "account.worker", "x")
    client.hear()

    assert [answer["result"] for answer in client.mine(3)] == [True] * 3
    rig.engine.new_block(rig.now)
    rig.advance(1.0)
    client.hear()
    assert [answer["result"] for answer in client.mine(3)] == [True] * 3


@pytest.mark.parametrize(
    ("profile", "after_subscribe", "after_authorize"),
    [
        (PLAIN, "reply", "reply mining.set_difficulty mining.notify"),
        (CKPOOL, "reply mining.set_difficulty", "mining.notify mining.set_difficulty reply"),
        (CKPOOL_2017, "reply mining.set_difficulty mining.notify", "reply"),
        (PUBLIC_POOL, "reply", "reply mining.set_difficulty mining.notify"),
        (OCEAN, "reply mining.set_difficulty mining.notify", "reply"),
        (MININGCORE, "mining.set_difficulty reply", "reply mining.set_difficulty mining.notify"),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_a_session_starts_in_the_pools_own_order(
    profile: Profile, after_subscribe: str, after_authorize: str
) -> None:
    client = Rig(profile=profile).connect()

    assert kinds(heard(client, "mining.subscribe", "test")) == after_subscribe.split()
    assert kinds(heard(client, "mining.authorize", "a.b", "x")) == after_authorize.split()


@pytest.mark.parametrize(
    ("profile", "answer"),
    [
        (
            PLAIN,
            {
                "version-rolling": True,
                "version-rolling.mask": "00ffe000",
                "minimum-difficulty": "invalid minimum-difficulty.value",
            },
        ),
        (CKPOOL, {"version-rolling": True, "version-rolling.mask": "1fffe000"}),
        (PUBLIC_POOL, {"version-rolling": True, "version-rolling.mask": "1fffe000"}),
        (
            OCEAN,
            {
                "version-rolling": True,
                "version-rolling.mask": "00ffe000",
                "minimum-difficulty": False,
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_configure_is_answered_in_the_pools_own_way(
    profile: Profile, answer: dict[str, Any]
) -> None:
    assert Rig(profile=profile).connect().ask("mining.configure", *ASKED)["result"] == answer


@pytest.mark.parametrize("profile", [CKPOOL, PUBLIC_POOL], ids=lambda p: p.name)
def test_some_pools_grant_version_rolling_unasked(profile: Profile) -> None:
    answer = (
        Rig(profile=profile)
        .connect()
        .ask("mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 1})
    )

    assert answer["result"] == {"version-rolling": True, "version-rolling.mask": "1fffe000"}


def test_the_ckpool_of_2017_hangs_up_on_configure() -> None:
    client = Rig(profile=CKPOOL_2017).connect()

    assert heard(client, "mining.configure", *ASKED) == []
    assert client.closed


def test_ocean_breaks_the_json_when_only_a_minimum_is_asked_for() -> None:
    rig = Rig(profile=OCEAN)
    client = rig.connect()

    client.send("mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 1})

    rig.collect()
    [output] = client.outputs
    assert isinstance(output, Send)
    assert output.data.endswith(b'"result":{,"minimum-difficulty":false}}\n')


def test_btccom_sends_the_mask_again_and_takes_whole_minimums_only() -> None:
    client = Rig(profile=BTCCOM).connect()

    messages = heard(client, "mining.configure", ["version-rolling"], {})
    refused = client.ask(
        "mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 1.5}
    )

    assert kinds(messages) == ["reply", "mining.set_version_mask"]
    assert messages[1]["params"] == ["1fffe000"]
    assert refused["result"] == {"minimum-difficulty": "invalid minimum-difficulty.value"}


@pytest.mark.parametrize(
    ("profile", "sizes", "pairs"),
    [
        (PLAIN, (4, 8), ["mining.set_difficulty", "mining.notify"]),
        (CKPOOL, (4, 8), ["mining.notify"]),
        (PUBLIC_POOL, (4, 4), ["mining.notify"]),
        (OCEAN, (4, 8), ["mining.notify", "mining.set_difficulty"]),
        (NICEHASH, (5, 3), ["mining.set_difficulty", "mining.notify"]),
        (BRAIINS, (4, 8), ["mining.set_difficulty", "mining.notify"]),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_subscribe_names_sizes_and_pairs_as_the_pool_does(
    profile: Profile, sizes: tuple[int, int], pairs: list[str]
) -> None:
    client = Rig(profile=profile).connect()

    [names, extranonce1, size2] = client.subscribe()["result"]

    assert (len(extranonce1) // 2, size2) == sizes
    assert [name for name, _ in names] == pairs


def test_ocean_numbers_its_subscriptions() -> None:
    [names, extranonce1, _] = Rig(profile=OCEAN).connect().subscribe()["result"]

    assert names == [
        ["mining.notify", f"{extranonce1}1"],
        ["mining.set_difficulty", f"{extranonce1}2"],
    ]


def test_public_pool_takes_the_extranonce_for_the_session_id() -> None:
    [names, extranonce1, _] = Rig(profile=PUBLIC_POOL).connect().subscribe()["result"]

    assert names == [["mining.notify", extranonce1]]


@pytest.mark.parametrize(
    ("profile", "answers"),
    [(PLAIN, 1), (CKPOOL, 0), (CKPOOL_2017, 0), (PUBLIC_POOL, 1), (OCEAN, 0)],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_a_second_subscribe_is_answered_or_not(profile: Profile, answers: int) -> None:
    client = Rig(profile=profile).connect()
    first = client.subscribe()["result"]

    again = heard(client, "mining.subscribe", "test")

    assert [message["result"][1] for message in again] == [first[1]] * answers


def test_authorize_before_subscribe_is_refused_by_ckpool() -> None:
    client = Rig(profile=CKPOOL).connect()

    answer = client.ask("mining.authorize", "a.b", "x")

    assert (answer["result"], answer["error"]) == (False, "Failed subscription")


def test_authorize_before_subscribe_is_kept_by_the_ckpool_of_2017() -> None:
    client = Rig(profile=CKPOOL_2017).connect()
    early = heard(client, "mining.authorize", "a.b", "x")

    late = heard(client, "mining.subscribe", "test")

    assert early == []
    assert kinds(late) == ["reply", "mining.set_difficulty", "mining.notify", "reply"]
    assert [message["id"] for message in late if message.get("id")] == [2, 1]


@pytest.mark.parametrize("profile", [PLAIN, PUBLIC_POOL], ids=lambda p: p.name)
def test_authorize_before_subscribe_is_taken_and_the_job_follows(profile: Profile) -> None:
    client = Rig(profile=profile).connect()

    assert client.ask("mining.authorize", "a.b", "x")["result"] is True
    assert kinds(heard(client, "mining.subscribe", "test")) == [
        "reply",
        "mining.set_difficulty",
        "mining.notify",
    ]


@pytest.mark.parametrize(
    ("profile", "closed"),
    [(PLAIN, False), (CKPOOL, True), (CKPOOL_2017, True), (PUBLIC_POOL, True)],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_a_submit_as_the_first_line_is_refused_or_ends_the_connection(
    profile: Profile, closed: bool
) -> None:
    rig = Rig(profile=profile)
    client = rig.connect()

    messages = heard(client, "mining.submit", "a.b", "1", "00" * 8, "00" * 4, "00" * 4)

    assert client.closed is closed
    assert bool(messages) is not closed
    assert rig.engine.tally().total.unauthorized == 1


def test_btccom_sends_a_reconnect_after_an_early_submit() -> None:
    client = Rig(profile=BTCCOM).connect()
    client.subscribe()

    messages = heard(client, "mining.submit", "a.b", "1", "00" * 8, "00" * 4, "00" * 4)

    assert messages[0]["error"] == [24, "Unauthorized worker", None]
    assert messages[1]["method"] == "client.reconnect"
    assert messages[1]["params"] == []


@pytest.mark.parametrize(
    ("profile", "answer"),
    [
        (PLAIN, {"result": True, "error": None}),
        (CKPOOL, {"result": None, "error": [20, "Not supported.", None]}),
        (CKPOOL_2017, None),
        (PUBLIC_POOL, None),
        (OCEAN, {"result": None, "error": [-3, "Method not found", None]}),
        (NICEHASH, {"result": True, "error": None}),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_extranonce_subscribe_meets_an_answer_or_silence(
    profile: Profile, answer: dict[str, Any] | None
) -> None:
    client = Rig(profile=profile).miner()

    messages = heard(client, "mining.extranonce.subscribe")

    assert messages == ([] if answer is None else [{**answer, "id": 3}])


@pytest.mark.parametrize(
    ("profile", "answers"),
    [(PLAIN, 1), (CKPOOL, 0), (PUBLIC_POOL, 0), (OCEAN, 1), (BTCCOM, 1)],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_an_unknown_method_meets_an_error_or_silence(profile: Profile, answers: int) -> None:
    client = Rig(profile=profile).miner()

    messages = heard(client, "mining.bogus")

    assert len(messages) == answers
    assert not client.closed


def test_ckpool_hangs_up_on_an_unknown_method_before_subscribe() -> None:
    client = Rig(profile=CKPOOL).connect()

    heard(client, "mining.bogus")

    assert client.closed


@pytest.mark.parametrize(
    ("profile", "closed"),
    [(PLAIN, False), (CKPOOL, True), (PUBLIC_POOL, True), (OCEAN, True)],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_a_line_that_is_not_json_is_refused_or_ends_the_connection(
    profile: Profile, closed: bool
) -> None:
    client = Rig(profile=profile).miner()

    client.raw(b'{"id": 99, not json}\n')
    client.hear()

    assert client.closed is closed


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":null,"method":"mining.subscribe","params":[]}',
        b'{"id":"1","method":"mining.subscribe","params":[]}',
        b'{"id":true,"method":"mining.subscribe","params":[]}',
        b'{"id":1,"method":"mining.subscribe"}',
        b'{"id":1,"id":2,"method":"mining.subscribe","params":[]}',
    ],
)
def test_ocean_hangs_up_on_requests_that_others_take(line: bytes) -> None:
    strict, plain = Rig(profile=OCEAN).connect(), Rig(profile=PLAIN).connect()
    for client in (strict, plain):
        client.raw(line + b"\n")
        client.hear()

    assert strict.closed
    assert not plain.closed


@pytest.mark.parametrize(
    ("profile", "limit"), [(CKPOOL, 1024), (PLAIN, 16_384)], ids=lambda v: getattr(v, "name", "")
)
def test_a_line_longer_than_the_pools_limit_ends_the_connection(
    profile: Profile, limit: int
) -> None:
    short, long = Rig(profile=profile).connect(), Rig(profile=profile).connect()
    start = b'{"id":1,"method":"mining.subscribe","params":["'
    short.raw(start + b"x" * (limit - len(start) - 3) + b'"]}\n')
    long.raw(start + b"x" * (limit - len(start) + 1))

    short.hear()
    long.hear()
    assert not short.closed
    assert long.closed


@pytest.mark.parametrize(
    ("profile", "answer"),
    [
        (CKPOOL, {"result": False, "error": None}),
        (PUBLIC_POOL, {"result": None, "error": [20, "Authorization validation error", ""]}),
        (PLAIN, {"result": None, "error": [24, "Unauthorized worker", None]}),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_a_name_that_is_no_address_is_refused_where_addresses_are_checked(
    profile: Profile, answer: dict[str, Any]
) -> None:
    client = Rig(profile=profile, check_addresses=True).connect()
    client.subscribe()

    refused = client.ask("mining.authorize", "bcrt1qnonsense.worker", "x")
    let_in = client.ask("mining.authorize", f"{ADDRESS}.worker", "x")

    assert {key: refused[key] for key in ("result", "error")} == answer
    assert let_in["result"] is True
