"""Sessions that are taken up again, and restarts that forget them."""

import pytest

from stratum_client.emulated_pool.known_pools import BRAIINS, CKPOOL, PUBLIC_POOL
from stratum_client.emulated_pool.profiles import Profile
from tests.emulated_pool.rig import EASY, Client, Rig


def resumed(profile: Profile, *, authorize: bool, wait: float = 0.0) -> tuple[Client, Client, Rig]:
    """Return a client, and the one that came back with its session id."""
    rig = Rig(profile=profile)
    first = rig.connect()
    [pairs, *_] = first.subscribe("test/1")["result"]
    if authorize:
        first.send("mining.authorize", "account.worker", "x")
        first.hear()
    rig.disconnect(first)
    rig.advance(wait)
    second = rig.connect()
    second.subscribe("test/1", pairs[0][1])
    return first, second, rig


@pytest.mark.parametrize(
    ("profile", "authorize", "same"),
    [
        (BRAIINS, True, True),
        (BRAIINS, False, True),
        (CKPOOL, True, True),
        (CKPOOL, False, False),
        (PUBLIC_POOL, True, False),
    ],
    ids=lambda value: value.name if isinstance(value, Profile) else str(value),
)
def test_a_session_is_resumed_as_the_pool_does(
    profile: Profile, authorize: bool, same: bool
) -> None:
    first, second, _ = resumed(profile, authorize=authorize)

    assert (first.extranonce1 == second.extranonce1) is same


def test_a_resumed_session_takes_shares_for_its_old_jobs_and_knows_the_sent_ones() -> None:
    first, second, rig = resumed(CKPOOL, authorize=True)
    late, sent = first.share(), first.share()
    second.send("mining.authorize", "account.worker", "x")
    second.hear()

    assert second.ask("mining.submit", *late)["result"] is True
    assert second.ask("mining.submit", *sent)["result"] is True
    assert second.ask("mining.submit", *sent)["error"][0] == 22
    assert rig.engine.tally().connections[2].accepted == 2


def test_a_resumed_session_starts_at_the_first_difficulty() -> None:
    rig = Rig(profile=BRAIINS)
    first = rig.miner()
    [pairs, *_] = first.ask("mining.subscribe", "test")["result"]
    rig.engine.set_difficulty(EASY * 64, rig.now)
    rig.disconnect(first)
    second = rig.connect()
    second.subscribe("test", pairs[0][1])

    second.ask("mining.authorize", "account.worker", "x")

    assert second.extranonce1 == first.extranonce1
    assert second.difficulty == EASY
    assert second.mine(1)[0]["result"] is True


def test_a_session_is_not_resumed_twice_or_when_that_is_off() -> None:
    rig = Rig(resume=False)
    client = rig.miner()
    [pairs, *_] = client.ask("mining.subscribe", "test")["result"]
    rig.disconnect(client)
    again = rig.connect()
    again.subscribe("test", pairs[0][1])

    assert again.extranonce1 != client.extranonce1


def test_a_restart_ends_all_connections_and_forgets_everything() -> None:
    rig = Rig()
    client = rig.miner()
    rig.engine.new_work(rig.now)
    client.hear()
    [pairs, *_] = client.ask("mining.subscribe", "test")["result"]

    rig.engine.restart(rig.now)
    client.hear()
    rig.disconnect(client)
    again = rig.connect()
    again.subscribe("test", pairs[0][1])
    again.ask("mining.authorize", "account.worker", "x")

    assert client.closed
    assert again.extranonce1 != client.extranonce1
    assert again.job[0] == "1"
    assert again.job[1] == client.job[1], "the chain goes on"
    assert again.mine(1)[0]["result"] is True


def test_a_restarted_ckpool_stamps_its_job_ids_anew() -> None:
    rig = Rig(profile=CKPOOL)
    first = rig.miner()
    before = first.job[0]

    rig.engine.restart(rig.now)
    again = rig.miner()

    assert (before[8:], again.job[0][8:]) == ("00000001", "00000001")
    assert int(again.job[0][:8], 16) > int(before[:8], 16)
