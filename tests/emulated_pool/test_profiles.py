"""Each known pool's ways once a session runs: wishes, blocks, shares, workers."""

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
    PUBLIC_POOL,
)
from stratum_client.emulated_pool.profiles import Profile
from tests.emulated_pool.rig import EASY, Rig, Work, easy_target, heard, kinds, named, value_of

ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
ASKED = [["version-rolling", "minimum-difficulty"], {"version-rolling.mask": "00ffe000"}]


def test_ckpool_prepares_a_suggestion_made_before_authorize() -> None:
    client = Rig(profile=CKPOOL).connect()
    client.subscribe()

    before = heard(client, "mining.suggest_difficulty", 4 * EASY)
    started = heard(client, "mining.authorize", "a.b", "x")
    same = heard(client, "mining.suggest_difficulty", 4 * EASY)
    other = heard(client, "mining.suggest_difficulty", 8 * EASY)

    assert before == same == []
    assert named(started, "mining.set_difficulty") == [[4 * EASY]]
    assert kinds(other) == ["mining.set_difficulty"]


def test_the_ckpool_of_2017_takes_whole_suggestions_only() -> None:
    client = Rig(profile=CKPOOL_2017, difficulty=1.0).miner()

    assert heard(client, "mining.suggest_difficulty", 0.5) == []
    assert named(heard(client, "mining.suggest_difficulty", 2), "mining.set_difficulty") == [[2]]


def test_public_pool_takes_the_first_suggestion_only() -> None:
    client = Rig(profile=PUBLIC_POOL).connect()
    client.subscribe()

    first = heard(client, "mining.suggest_difficulty", 4 * EASY)
    second = heard(client, "mining.suggest_difficulty", 8 * EASY)
    started = heard(client, "mining.authorize", "a.b", "x")

    assert named(first, "mining.set_difficulty") == [[4 * EASY]]
    assert second == []
    assert kinds(started) == ["reply", "mining.notify"]


@pytest.mark.parametrize("wish", [0, -1, True, "64", None, 1e300, float("nan")])
def test_a_wish_that_is_no_difficulty_is_passed_over(wish: object) -> None:
    client = Rig().miner()

    assert heard(client, "mining.suggest_difficulty", wish) == []
    assert not client.closed


def test_a_wish_may_be_a_target() -> None:
    client = Rig().miner()

    messages = heard(client, "mining.suggest_target", f"{(0xFFFF << 208) // 4:064x}")

    assert named(messages, "mining.set_difficulty") == [[4]]


def test_user_agents_may_have_their_own_first_difficulty() -> None:
    for agent, expected in [("cpuminer-opt-26.1", 0.1), ("test/1", 16_384)]:
        client = Rig(profile=PUBLIC_POOL, difficulty=None).connect()
        client.subscribe(agent)
        started = heard(client, "mining.authorize", "a.b", "x")
        assert named(started, "mining.set_difficulty") == [[expected]]


def test_a_password_may_ask_for_a_difficulty() -> None:
    client = Rig(profile=MININGCORE).connect()
    client.subscribe()

    started = heard(client, "mining.authorize", "a.b", "x,d=2048")

    assert named(started, "mining.set_difficulty") == [[2048]]


def test_ckpool_announces_a_block_twice_five_milliseconds_apart() -> None:
    rig = Rig(profile=CKPOOL)
    client = rig.miner()

    rig.engine.new_block(rig.now)
    first = named(client.hear(), "mining.notify")
    rig.advance(0.004)
    between = client.hear()
    rig.advance(0.002)
    second = named(client.hear(), "mining.notify")

    assert between == []
    assert [job[8] for job in first + second] == [True, False]
    assert first[0][1] == second[0][1]
    assert first[0][0] != second[0][0]


def test_ckpool_leaves_out_the_second_job_of_a_block_that_was_overtaken() -> None:
    rig = Rig(profile=CKPOOL)
    client = rig.miner()

    rig.engine.new_block(rig.now)
    rig.advance(0.003)
    rig.engine.new_block(rig.now)
    rig.advance(0.010)

    jobs = named(client.hear(), "mining.notify")
    assert [job[8] for job in jobs] == [True, True, False]
    assert jobs[1][1] == jobs[2][1]


def test_ocean_announces_a_block_with_an_empty_job_first() -> None:
    rig = Rig(profile=OCEAN)
    client = rig.miner()

    rig.engine.new_block(rig.now)
    [empty] = named(client.hear(), "mining.notify")
    assert client.mine(1)[0]["result"] is True
    rig.advance(1.0)
    [full] = named(client.hear(), "mining.notify")

    assert (empty[0][0], empty[4], empty[8]) == ("N", [], True)
    assert (len(full[4]), full[8]) == (12, False)
    assert empty[1] == full[1]


def test_ocean_marks_jobs_of_a_quick_difficulty_change() -> None:
    rig = Rig(profile=OCEAN)
    client = rig.miner()

    rig.engine.set_difficulty(EASY * 2, rig.now)
    [job] = named(client.hear(), "mining.notify")

    assert job[0].startswith("Q")
    assert len(job[0]) == 17
    assert job[8] is True


def test_public_pool_announces_every_second_block_with_clean_false() -> None:
    rig = Rig(profile=PUBLIC_POOL)
    client = rig.miner()
    flags, answers = [], []
    for _ in range(4):
        old = client.share()
        rig.engine.new_block(rig.now)
        client.hear()
        flags.append(client.job[8])
        answers.append(client.ask("mining.submit", *old)["error"])

    assert flags == [True, False, True, False]
    assert answers == [[21, "Job not found", ""], None] * 2


def test_public_pool_sends_a_clean_job_after_each_difficulty() -> None:
    rig = Rig(profile=PUBLIC_POOL)
    client = rig.miner()
    old = client.share()

    rig.engine.set_difficulty(EASY / 2, rig.now)
    messages = client.hear()

    assert kinds(messages) == ["mining.set_difficulty", "mining.notify"]
    assert messages[1]["params"][8] is True
    assert client.ask("mining.submit", *old)["error"] == [21, "Job not found", ""]


def test_a_job_is_forgotten_after_its_lifetime() -> None:
    rig = Rig(profile=PUBLIC_POOL, work_every=60.0, idle_timeout=0.0)
    client = rig.miner()
    early, late = client.share(), client.share()

    rig.advance(299.0)
    assert client.ask("mining.submit", *early)["result"] is True
    rig.advance(2.0)
    assert client.ask("mining.submit", *late)["error"] == [21, "Job not found", ""]


@pytest.mark.parametrize(
    ("profile", "changed", "expected"),
    [
        (PLAIN, EASY * 16, True),
        (CKPOOL, EASY * 16, True),
        (BRAIINS, EASY * 16, True),
        (CKPOOL, EASY / 16, True),
        (PLAIN, EASY / 16, False),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else "",
)
def test_an_old_job_is_judged_by_its_own_or_the_lower_difficulty(
    profile: Profile, changed: float, expected: bool
) -> None:
    rig = Rig(profile=profile)
    client = rig.miner()
    difficulty = min(EASY, changed)
    work = client.work()
    nonce = work.solve(difficulty)
    while changed < EASY and meets(work, nonce, EASY):
        nonce = work.solve(difficulty, start=nonce + 1)

    rig.engine.set_difficulty(changed, rig.now, with_job=False)
    client.hear()
    answer = client.ask(
        "mining.submit",
        "account.worker",
        work.params[0],
        work.extranonce2,
        work.params[7],
        f"{nonce:08x}",
    )

    assert (answer["result"] is True) is expected


def meets(work: Work, nonce: int, difficulty: float) -> bool:
    return value_of(work.header(nonce)) <= easy_target(difficulty)


def test_ckpool_pings_when_it_had_nothing_to_say() -> None:
    rig = Rig(profile=CKPOOL, work_every=0.0)
    client = rig.miner()

    rig.advance(19.0)
    early = client.hear()
    rig.advance(6.0)
    [ping] = client.hear()
    client.raw(b'{"id":42,"result":"pong","error":null}\n')
    rig.collect()

    assert early == []
    assert (ping["id"], ping["method"], ping["params"]) == (42, "mining.ping", [])
    assert type(rig.events[-1]).__name__ == "ClientAnswered"


def test_ckpool_escalates_when_all_shares_are_bad() -> None:
    rig = Rig(profile=CKPOOL, work_every=0.0)
    client = rig.miner()
    reactions = []
    for _ in range(5):
        client.send("mining.submit", *client.share()[:4])
        reactions.append(kinds(client.hear())[1:])
        rig.advance(50.0)
        client.hear()

    assert reactions == [[], [], ["mining.notify"], ["client.reconnect"], []]
    assert client.closed


def test_one_good_share_ends_the_run_of_bad_ones() -> None:
    rig = Rig(profile=CKPOOL, work_every=0.0)
    client = rig.miner()
    client.send("mining.submit", *client.share()[:4])
    rig.advance(200.0)
    client.hear()

    client.mine(1)
    client.send("mining.submit", *client.share()[:4])

    assert kinds(client.hear()) == ["reply"]
    assert not client.closed


def test_the_ckpool_of_2017_gives_the_reason_beside_a_null_error() -> None:
    client = Rig(profile=CKPOOL_2017).miner()
    good = client.share()
    client.ask("mining.submit", *good)

    duplicate = client.ask("mining.submit", *good)
    malformed = client.ask("mining.submit", *good[:4])

    assert duplicate == {"result": False, "error": None, "reject-reason": "Duplicate", "id": 4}
    assert malformed == {"result": False, "error": "Invalid array size", "id": 5}


def test_ocean_tells_a_hash_above_difficulty_one_from_one_below_the_target() -> None:
    client = Rig(profile=OCEAN, difficulty=1.0).miner()
    work = client.work()

    answer = client.ask(
        "mining.submit", "account.worker", work.params[0], work.extranonce2, work.params[7], "0" * 8
    )

    assert answer["error"] == [23, "H-not-zero", None]


def test_ocean_refuses_a_share_without_the_bits_that_were_agreed() -> None:
    client = Rig(profile=OCEAN).connect()
    client.ask("mining.configure", ["version-rolling"], {})
    client.handshake()
    share = client.share()

    assert client.ask("mining.submit", *share)["error"] == [23, "bad-version", None]
    assert client.ask("mining.submit", *share, "00000000")["result"] is True


def test_miningcore_takes_shares_that_differ_in_version_bits_for_duplicates() -> None:
    client = Rig(profile=MININGCORE, difficulty=2.0**-32).connect()
    client.ask("mining.configure", ["version-rolling"], {})
    client.handshake()
    work = client.work()
    nonce = next(
        nonce
        for nonce in range(1000)
        if value_of(work.header(nonce)) <= easy_target(2.0**-32)
        and value_of(work.header(nonce, version=0x20002000)) <= easy_target(2.0**-32)
    )
    params = ["account.worker", work.params[0], work.extranonce2, work.params[7], f"{nonce:08x}"]

    assert client.ask("mining.submit", *params, "00000000")["result"] is True
    assert client.ask("mining.submit", *params, "00002000")["error"][0] == 22


def test_btccom_bounds_ntime_to_ten_minutes() -> None:
    client = Rig(profile=BTCCOM).miner()
    work = client.work()
    texts = []
    for ahead in (600, 601, -1):
        ntime = int(work.params[7], 16) + ahead
        nonce = work.solve(EASY, ntime=ntime)
        answer = client.ask(
            "mining.submit",
            "account.worker",
            work.params[0],
            work.extranonce2,
            f"{ntime:08x}",
            f"{nonce:08x}",
        )
        texts.append(answer["error"] and answer["error"][:2])

    assert texts == [None, [32, "Time too new"], [31, "Time too old"]]


def test_nicehash_changes_extranonces_without_being_asked() -> None:
    rig = Rig(profile=NICEHASH, work_every=0.0)
    client = rig.miner()
    before = client.extranonce1

    rig.advance(61.0)
    messages = client.hear()

    assert len(named(messages, "mining.set_extranonce")) == 1
    assert client.extranonce1 != before
    assert client.job[8] is True
    assert client.mine(1)[0]["result"] is True


def test_braiins_lets_several_workers_in_on_one_connection() -> None:
    client = Rig(profile=BRAIINS).miner()

    messages = heard(client, "mining.authorize", "account.second", "x")

    assert kinds(messages) == ["reply"]
    assert client.ask("mining.submit", *client.share(worker="account.second"))["result"] is True
    assert client.ask("mining.submit", *client.share(worker="account.third"))["error"][0] == 24


def test_ckpool_passes_over_a_second_worker() -> None:
    client = Rig(profile=CKPOOL).miner()

    assert heard(client, "mining.authorize", "account.second", "x") == []
    refused = client.ask("mining.submit", *client.share(worker="account.second"))
    assert refused["error"] == [20, "Worker mismatch", None]
