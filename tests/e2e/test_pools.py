"""The client at every known kind of pool, and sent on, locked out, restarted by them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.known_pools import PROFILES
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from stratum_client.rims import PlainPoolRim
from stratum_client.stats import PoolState
from tests.e2e.rig import DIFFICULTY, SHORT, mining

CLASH = 0x20000000 | 0x00C00000
"""A version that signals with two bits inside the mask of BIP 320."""

KNOWN = sorted(PROFILES)
REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"


def settings_of(profile: str, **changes: Any) -> PoolSettings:
    chain = changes.pop("chain", ChainSettings(network_difficulty=1.0, branches=3))
    return PoolSettings(
        profile=PROFILES[profile], difficulty=DIFFICULTY, vardiff="off", chain=chain, **changes
    )


def options_of(profile: str) -> dict[str, Any]:
    """Return what a user of that pool configures."""
    user = f"{REGTEST_ADDRESS}.rig" if profile == "public-pool" else "account.rig"
    return {"user": user, "extranonce_subscribe": profile == "nicehash"}


@pytest.mark.parametrize("profile", KNOWN)
async def test_every_known_pool_is_mined_at_before_and_after_a_lost_connection(
    profile: str,
) -> None:
    async with mining(settings_of(profile), **options_of(profile)) as bench:
        await bench.mine_shares(10)
        assert bench.pool.state is PoolState.MINING
        bench.server.drop_clients()
        await bench.mine_shares(10)
        bench.server.new_block()
        await bench.mine_shares(10)

    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


@pytest.mark.parametrize("profile", KNOWN)
async def test_shares_survive_a_pool_that_signals_with_bits_we_may_roll(profile: str) -> None:
    chain = ChainSettings(network_difficulty=1.0, branches=2, version=CLASH)
    async with mining(settings_of(profile, chain=chain), **options_of(profile)) as bench:
        await bench.mine_shares(30)

    # A pool that xors is found out by its first refusals; nobody else refuses any.
    assert bench.ours.fates[Fate.REJECTED] <= 16
    bench.assert_tallies_agree()


@pytest.mark.parametrize(
    ("profile", "form"),
    [
        *((profile, "mask") for profile in ("braiins", "ckpool", "ocean")),
        *((profile, "xor") for profile in ("public-pool", "btccom", "ckpool", "ocean")),
    ],
)
async def test_the_right_form_of_version_bits_is_never_refused(profile: str, form: str) -> None:
    chain = ChainSettings(network_difficulty=1.0, branches=2, version=CLASH)
    options = options_of(profile) | {"version_bits": form}
    async with mining(settings_of(profile, chain=chain), **options) as bench:
        await bench.mine_shares(30)

    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


@pytest.mark.parametrize("every", [0.1, 0.03])
async def test_a_pool_that_moves_every_target_all_the_time_refuses_nothing(every: float) -> None:
    async with mining(settings_of("plain", block_every=every, extranonce_every=0.25)) as bench:
        bench.server.inject("swing=2,every=120ms", lasting=True)
        await bench.mine_shares(60)

    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


async def test_a_redirect_to_another_port_of_the_same_host_is_followed_for_one_session() -> None:
    async with EmulatedPool(settings_of("plain")) as other, mining() as bench:
        await bench.mine_shares(10)
        bench.server.inject(f"redirect=127.0.0.1:{other.port}")
        await bench.until(lambda: other.tally().total.accepted >= 10)
        assert bench.server.clients == 0
        other.drop_clients()
        await bench.until(lambda: bench.server.clients == 1)
        await bench.mine_shares(10)

    theirs = bench.theirs.accepted + other.tally().total.accepted
    assert 0 <= theirs - bench.accepted() <= bench.ours.fates[Fate.UNANSWERED]
    assert bench.ours.fates[Fate.REJECTED] == 0
    assert len(bench.log.named("redirect.followed")) == 1
    left, *_ = bench.log.named("pool.lost")
    assert left["error"] == f"connection to 127.0.0.1:{bench.server.port} lost: the pool sent us on"


async def test_a_pool_that_sends_us_on_may_answer_what_is_in_flight() -> None:
    rare = replace(settings_of("plain", work_every=0.1), difficulty=64 * DIFFICULTY)
    async with EmulatedPool(rare) as other, mining(rare) as bench:
        bench.server.inject("reply=delay,method=mining.submit,seconds=50ms", lasting=True)
        await bench.until(lambda: bench.unanswered() > 0)
        bench.server.inject(f"redirect=127.0.0.1:{other.port}")
        await bench.until(lambda: other.tally().total.accepted >= 3)

        assert bench.theirs.accepted > 0
        assert bench.ours.fates[Fate.UNANSWERED] == 0
        [gone] = bench.log.named("pool.lost")
        assert "sent us on" in str(gone["error"])


@pytest.mark.parametrize("host", ["192.0.2.7", "pool.example.net", "127.0.0.2", "localhost"])
async def test_a_redirect_to_a_foreign_host_is_refused(host: str) -> None:
    async with mining() as bench:
        await bench.mine_shares(10)
        bench.server.ask("client.reconnect", host, 3333, 0)
        await bench.until(lambda: bool(bench.log.named("redirect.refused")))
        await bench.mine_shares(10)

    assert not bench.log.named("pool.lost")
    bench.assert_tallies_agree()


async def test_a_pool_that_restarts_again_and_again_gets_no_share_of_an_old_session() -> None:
    async with mining() as bench:
        for _ in range(5):
            await bench.mine_shares(10)
            bench.server.restart()
        await bench.mine_shares(10)

    bench.assert_tallies_agree()
    assert bench.ours.fates[Fate.REJECTED] == 0
    assert bench.theirs.invalid == bench.theirs.unauthorized == bench.theirs.low_difficulty == 0


async def test_job_ids_used_again_cost_no_more_than_shares_in_flight() -> None:
    async with mining() as bench:
        await bench.mine_shares(10)
        for _ in range(20):
            bench.server.inject("reuse-job-id")
            await bench.mine_shares(2)
            bench.server.new_block()
            await bench.mine_shares(1)

    # Shares in flight are judged by the job that took over their id: the work of one turn each.
    assert bench.ours.fates[Fate.REJECTED] <= 20 * 2
    bench.assert_tallies_agree()


async def test_every_block_found_reaches_the_pool() -> None:
    chain = ChainSettings(network_difficulty=4 * DIFFICULTY, branches=3)
    async with mining(settings_of("plain", chain=chain, block_every=0.05)) as bench:
        await bench.until(lambda: bench.theirs.blocks >= 10)
        await bench.mine_shares(10)

    # Late ones too, which the pool may call stale; only those of a dead session are lost.
    assert bench.ours.blocks >= bench.theirs.blocks >= 10
    assert bench.ours.fates[Fate.REJECTED] == 0
    assert len(bench.log.named("BLOCK.FOUND")) == bench.ours.blocks
    bench.assert_tallies_agree()


async def test_a_wrong_password_is_tried_again_with_long_pauses_and_never_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses: list[float] = []

    async def pause(rim: PlainPoolRim, seconds: float) -> None:
        pauses.append(seconds)
        await asyncio.sleep(seconds)

    monkeypatch.setattr(PlainPoolRim, "pause", pause)
    settings = settings_of("plain", users={"account": "right"})
    waits = replace(SHORT, authorize_retry=0.02, authorize_retry_cap=0.1)
    async with mining(settings, password="wrong", deadlines=waits) as bench:
        await bench.until(lambda: len(pauses) >= 6)

    assert max(pauses) <= 0.1
    assert len(bench.log.named("pool.lost")) == 1, "the same each time"
    assert bench.theirs.shares == 0
    assert bench.ours.solutions == 0, "nothing is mined before the pool knows us"


async def test_a_pool_that_asks_for_ever_and_never_reads_is_dropped() -> None:
    question = b'{"id":7,"method":"client.get_version","params":[]}\n' * 4000
    largest = 0
    dropped = asyncio.Event()

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(question)
                await writer.drain()
        except ConnectionError:
            dropped.set()
        finally:
            writer.close()

    def unsent() -> int:
        transport = bench.pool._connection and bench.pool._connection._transport
        return transport.get_write_buffer_size() if transport else 0

    server = await asyncio.start_server(ask, "127.0.0.1", 0)
    async with mining(deadlines=replace(SHORT, write=5.0, subscribe=30.0, authorize=30.0)) as bench:
        await bench.mine_shares(10)
        port = int(server.sockets[0].getsockname()[1])
        bench.server.inject(f"redirect=127.0.0.1:{port}")
        while not dropped.is_set():
            largest = max(largest, unsent())
            await asyncio.sleep(0)
        await bench.mine_shares(10)
        server.close()

    assert largest < 2 << 20
