"""Variable difficulty in simulated time: shares come by chance, at the rate of a given rig."""

from random import Random

import pytest

from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.known_pools import PUBLIC_POOL
from stratum_client.emulated_pool.vardiff import Vardiff, VardiffSettings
from tests.emulated_pool.rig import EASY, Rig, named

EASY_CHAIN = ChainSettings(network_difficulty=EASY * 8)

HASHES_PER_DIFFICULTY = 2.0**32


def rate_after(settings: VardiffSettings, *, hashrate: float, first: float) -> tuple[float, float]:
    """Mine for two hours; return seconds per share in the second one, and the difficulty."""
    random, now, shares = Random(11), 0.0, 0
    difficulty = first
    vardiff = Vardiff(settings, first, now)
    next_review = settings.interval
    while now < 7200:
        found = now + random.expovariate(hashrate / (difficulty * HASHES_PER_DIFFICULTY))
        now = min(found, next_review)
        if found <= next_review:
            vardiff.accepted(difficulty)
            shares += now > 3600
        else:  # the search has no memory: it may start again at the new difficulty
            next_review += settings.interval
        if now < found or vardiff.in_a_hurry:
            difficulty = vardiff.review(now) or difficulty
    return 3600 / max(shares, 1), difficulty


@pytest.mark.parametrize("hashrate", [1e5, 1e7, 1e9, 1e12, 1e14])
@pytest.mark.parametrize("seconds", [2.0, 10.0])
def test_vardiff_reaches_the_wanted_rate(hashrate: float, seconds: float) -> None:
    settings = VardiffSettings(seconds_per_share=seconds, interval=60.0)

    measured, difficulty = rate_after(settings, hashrate=hashrate, first=1.0)

    assert measured == pytest.approx(seconds, rel=0.35)
    assert difficulty == pytest.approx(hashrate * seconds / HASHES_PER_DIFFICULTY, rel=1.0)


def test_vardiff_keeps_within_its_limits() -> None:
    settings = VardiffSettings(seconds_per_share=5.0, lowest=0.5, highest=64.0)

    assert rate_after(settings, hashrate=1e5, first=1.0)[1] == 0.5
    assert rate_after(settings, hashrate=2e12, first=1.0)[1] == 64.0


def test_rounded_difficulties_are_powers_of_two_and_below_one_of_ten() -> None:
    settings = VardiffSettings(seconds_per_share=10.0, interval=60.0, rounded=True)

    assert rate_after(settings, hashrate=1e12, first=16_384.0)[1] in (1024.0, 2048.0)
    assert rate_after(settings, hashrate=4e6, first=0.1)[1] in (0.01, 0.001)


def test_a_difficulty_without_any_share_falls_step_by_step() -> None:
    vardiff = Vardiff(VardiffSettings(interval=30.0), 1024.0, 0.0)

    assert vardiff.review(29.0) is None
    assert vardiff.review(30.0) == 64.0
    assert vardiff.review(59.0) is None
    assert vardiff.review(60.0) == 4.0


def test_nothing_changes_while_the_rate_is_about_right() -> None:
    vardiff = Vardiff(VardiffSettings(seconds_per_share=5.0, interval=60.0), 8.0, 0.0)
    for _ in range(10):
        vardiff.accepted(8.0)

    assert vardiff.review(60.0) is None


def test_a_burst_is_looked_at_before_the_interval_is_over() -> None:
    vardiff = Vardiff(VardiffSettings(seconds_per_share=5.0, interval=60.0, burst=10), 1.0, 0.0)
    for _ in range(10):
        vardiff.accepted(1.0)

    assert vardiff.in_a_hurry
    assert vardiff.review(1.0) == 16.0


def test_a_session_is_told_its_new_difficulty_with_a_job_for_it() -> None:
    rig = Rig(vardiff=VardiffSettings(seconds_per_share=1.0, burst=4, lowest=EASY))
    client = rig.miner()

    rig.advance(0.1)
    client.mine(4)
    [change] = named(client.hear(), "mining.set_difficulty") or [None]

    assert change is None, "the answers had it already"
    assert rig.engine.tally().total.accepted == 4
    assert rig.events
    assert client.mine(1, difficulty=EASY * 16)[0]["result"] is True


def test_a_silent_session_gets_an_easier_difficulty() -> None:
    rig = Rig(difficulty=1.0, vardiff=VardiffSettings(interval=20.0), work_every=0.0)
    client = rig.miner()

    rig.advance(25.0)

    messages = client.hear()
    assert named(messages, "mining.set_difficulty") == [[0.0625]]
    assert [message["method"] for message in messages] == [
        "mining.set_difficulty",
        "mining.notify",
    ]


def test_vardiff_does_not_go_below_the_clients_minimum() -> None:
    rig = Rig(difficulty=1.0, vardiff=VardiffSettings(interval=20.0), work_every=0.0)
    client = rig.connect()
    client.ask("mining.configure", ["minimum-difficulty"], {"minimum-difficulty.value": 0.5})
    client.handshake()

    rig.advance(100.0)

    difficulties = named(client.hear(), "mining.set_difficulty")
    assert difficulties == [[0.5]]


def test_no_difficulty_is_above_the_networks() -> None:
    rig = Rig(vardiff=VardiffSettings(seconds_per_share=10.0, burst=4), chain=EASY_CHAIN)
    client = rig.miner()

    for _ in range(10):
        rig.advance(0.001)
        client.mine(1, difficulty=EASY_CHAIN.network_difficulty)

    assert rig.engine.tally().total.accepted == 10
    assert client.difficulty == EASY_CHAIN.network_difficulty


def test_a_profile_with_a_high_lowest_difficulty_obeys_a_low_first_one() -> None:
    rig = Rig(profile=PUBLIC_POOL, difficulty=EASY, vardiff=None)

    client = rig.miner()
    client.mine(3)
    rig.advance(61.0)

    difficulties = named(client.hear(), "mining.set_difficulty")
    assert all(difficulty <= 1 for [difficulty] in difficulties)
