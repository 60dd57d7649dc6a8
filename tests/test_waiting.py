"""Back-off, queued shares, hash rates: the small pure pieces that live by the clock."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.backoff import Backoff
from stratum_client.habits import DAY, PoolHabits
from stratum_client.hashrate import HashRate
from stratum_client.job import Share, VersionBits
from stratum_client.share_queue import MAX_SHARES, SHARE_LIFE, ShareQueue
from tests.test_miner import Rig


def share(value: int = 1 << 250) -> Share:
    return Share(
        job=replace(Rig().job(), network_target=0),
        extranonce2=bytes(4),
        ntime=0,
        nonce=0,
        version=0,
        value=value,
        device="cpu",
        found_at=0.0,
    )


@given(st.integers())
def test_pauses_double_with_jitter_up_to_the_longest(seed: int) -> None:
    backoff = Backoff(Random(seed))

    pauses = [backoff.next_pause() for _ in range(100)]

    for number, pause in enumerate(pauses):
        whole = min(2.0**number, 60)
        assert whole / 2 <= pause <= whole
    backoff.reset()
    assert backoff.next_pause() <= 1


def test_a_queued_share_expires() -> None:
    queue = ShareQueue()
    queue.add(share(), 0.0)

    assert not queue.take_expired(SHARE_LIFE)
    assert len(queue.take_expired(SHARE_LIFE + 1)) == 1
    assert len(queue) == 0


def test_a_full_queue_gives_up_the_easiest_share() -> None:
    queue = ShareQueue()
    for exponent in range(MAX_SHARES + 1):
        dropped = queue.add(share((1 << 200) + exponent), 0.0)

    assert dropped
    assert dropped.share.value == (1 << 200) + MAX_SHARES
    assert len(queue) == MAX_SHARES


def test_a_pool_that_hangs_up_on_configure_is_spared_it_and_tried_again_once() -> None:
    habits = PoolHabits()
    assert habits.may_configure(0)

    habits.closed_before_a_word(configured=True, now=0)
    assert not habits.may_configure(1)
    habits.spoke(configured=False)
    assert habits.may_configure(2), "the network may have been to blame"

    habits.closed_before_a_word(configured=True, now=3)
    habits.spoke(configured=False)
    assert not habits.may_configure(4)
    assert habits.may_configure(4 + DAY)


def test_hanging_up_without_configure_clears_it_of_suspicion() -> None:
    habits = PoolHabits()
    habits.closed_before_a_word(configured=True, now=0)

    habits.closed_before_a_word(configured=False, now=1)

    assert habits.may_configure(2)
    habits.closed_before_a_word(configured=True, now=3)
    habits.spoke(configured=False)
    assert habits.may_configure(4), "a pool that was down for long has settled nothing"


@pytest.mark.parametrize(
    ("host", "given_form", "form"),
    [
        ("pool.example", None, VersionBits.MASK),
        ("solo.public-pool.io", None, VersionBits.XOR),
        ("public-pool.io", VersionBits.MASK, VersionBits.MASK),
    ],
)
def test_the_form_of_version_bits_starts_by_host(
    host: str, given_form: VersionBits | None, form: VersionBits
) -> None:
    assert PoolHabits(host=host, version_bits=given_form).version_bits is form


def test_a_hash_rate_is_hashes_over_time_and_forgets_the_past() -> None:
    rate = HashRate(0.0, window=300)
    for second in range(0, 1000, 10):
        rate.add(1e6, float(second))

    assert rate.average(1000) == pytest.approx(1e5)
    assert rate.recent(1000) == pytest.approx(1e5, rel=0.05)
    assert rate.recent(2000) == 0
    assert rate.uncertainty == pytest.approx(0.1)


def test_a_hash_rate_without_time_or_shares_is_nothing() -> None:
    rate = HashRate(5.0)

    assert rate.average(5.0) == rate.recent(5.0) == 0
    assert rate.uncertainty == 1


@given(st.lists(st.floats(0, 1e6), max_size=50))
def test_a_young_rate_counts_everything_it_was_given(hashes: list[float]) -> None:
    rate = HashRate(0.0)
    for number, amount in enumerate(hashes):
        rate.add(amount, float(number))

    assert rate.recent(100.0) == pytest.approx(sum(hashes) / 100)
