"""Each scripted fault of the embedded pool: the session comes back, and both tallies agree."""

import asyncio
from typing import Any

import pytest

from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.job import Fate
from tests.e2e.rig import DIFFICULTY, Bench, mining

ENDS_THE_SESSION = [
    *("close", "reset", "restart", "silence", "hang", "half-line", "giant-line=3000000"),
    *("send=garbage", "send=not-utf-8", "send=deep-json", "send=huge-integer", "send=array"),
    *("send=duplicate-keys", "send=nul-bytes", "send=deep-open-json", "send=half-json"),
    *("redirect", "storm=30"),
]
HARMLESS = [
    *("send=blank-lines", "send=orphan-reply", "send=orphan-error", "send=unknown-method"),
    *("send=params-object", "send=params-missing"),
    *("job=prev-short", "job=merkle-30", "job=nbits-0", "job=nbits-easy", "job=version-9"),
    *("job=cb-nonull", "job=cb-trailing", "job=cb-scriptlen", "job=cb-value", "job=cb-odd"),
    *("job=empty-job", "job=long-job", "job=job-null", "job=params-7", "job=params-0"),
    *("job=all-numbers", "job=8params", "job=10params", "job=version-short", "job=job-int"),
    *("job=clean-int", "job=upper-case", "repeat-job"),
    *("difficulty=zero", "difficulty=negative", "difficulty=infinity", "difficulty=too-large"),
    *("difficulty=tiny", "difficulty=true", "difficulty=word", "difficulty=missing"),
    *("swing=4", "extranonce", "extranonce=8/1", "extranonce=0/16"),
    *(
        "block",
        "dirty-block",
        "work",
        "clean-work",
        "ping",
        "ping=3",
        "message=\x1b[2Jhi",
        "version",
    ),
    *("ask=mining.whatever", "flood=500"),
]
VOIDS_WHAT_IS_IN_FLIGHT = ["mask=00c00000", "mask=0", "reuse-job-id"]
AT_ALL_TIMES = [
    *("early-notify", "segments", "segments=7", "together", "crlf", "blank-lines", "unpadded"),
    *("reply=twice", "reply=id-text", "reply=id-float", "reply=delay,seconds=50ms"),
    *("reply=drop,method=mining.configure", "reply=error-text,method=mining.configure"),
    *("reply=result-odd,method=mining.configure", "reply=error-list,method=mining.configure"),
    *("reply=error-object,method=mining.configure", "reply=id-null,method=mining.configure"),
    *("early-notify=subscribe", "repeat-job,every=30ms"),
    *("message=again,every=20ms", "version,every=20ms", "job=nbits-0,every=300ms"),
    *("difficulty=nan,every=30ms", "reply=delay,seconds=100ms"),
    *("ping=client,every=50ms", "work,every=30ms", "clean-work,every=60ms", "block,every=100ms"),
    *("dirty-block,every=80ms", "swing=4,every=150ms", "extranonce,every=150ms"),
]


ONCE_IN_THE_OPENING = [
    f"reply={change},method=mining.{method},times=1"
    for method in ("subscribe", "authorize")
    for change in (
        "drop",
        "close",
        "reset",
        "error-list",
        "error-text",
        "error-object",
        "id-missing",
    )
] + [
    *(f"reply={odd},method=mining.subscribe,times=1" for odd in ("extranonce1-odd", "result-odd")),
    *(f"reply=extranonce1-{odd},method=mining.subscribe,times=1" for odd in ("not-hex", "long")),
    *(f"reply=extranonce2-{odd},method=mining.subscribe,times=1" for odd in ("zero", "missing")),
    *("reply=result-false,method=mining.authorize,times=1", "reply=close,times=1"),
    *("refuse-authorize,times=2", "refuse-authorize=error,times=2"),
    *("refuse-authorize=false,times=2", "refuse-authorize=close,times=2"),
]
INSTEAD_OF_AN_ANSWER = ["drop", "close", "reset", "id-null", "id-missing", "id-unknown"]


def settings_with(**changes: Any) -> PoolSettings:
    chain = ChainSettings(network_difficulty=1.0, branches=3)
    return PoolSettings(difficulty=DIFFICULTY, vardiff="off", chain=chain, **changes)


async def play(bench: Bench, fault: str) -> None:
    """Mine ten shares, inject the fault, mine ten more."""
    await bench.mine_shares(10)
    bench.server.inject(fault)
    await asyncio.sleep(0.05)
    await bench.mine_shares(10)


@pytest.mark.parametrize("fault", ENDS_THE_SESSION)
async def test_a_session_that_ends_comes_back(fault: str) -> None:
    async with mining() as bench:
        await play(bench, fault)
        await bench.until(lambda: bool(bench.log.named("pool.lost")))
        await bench.mine_shares(10)

    bench.assert_tallies_agree()
    if not fault.startswith("storm"):
        assert bench.ours.fates[Fate.REJECTED] == 0
        assert bench.theirs.invalid == bench.theirs.unauthorized == 0, "a share of a dead session"


@pytest.mark.parametrize("fault", HARMLESS)
async def test_a_session_goes_on_through_what_is_harmless(fault: str) -> None:
    async with mining() as bench:
        await play(bench, fault)

    assert not bench.log.named("pool.lost")
    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


@pytest.mark.parametrize("fault", VOIDS_WHAT_IS_IN_FLIGHT)
async def test_terms_that_change_at_once_cost_no_more_than_shares_in_flight(fault: str) -> None:
    async with mining() as bench:
        await play(bench, fault)
        await bench.until(lambda: not bench.unanswered())
        before = bench.ours.fates[Fate.REJECTED]
        await bench.mine_shares(20)

    assert not bench.log.named("pool.lost")
    assert before <= 4, "what one turn of the hasher finds"
    assert bench.ours.fates[Fate.REJECTED] == before
    bench.assert_tallies_agree()


@pytest.mark.parametrize("fault", AT_ALL_TIMES)
async def test_mining_works_with_a_pool_that_always_does_so(fault: str) -> None:
    async with mining() as bench:
        bench.server.inject(fault, lasting=True)
        bench.server.drop_clients()
        await bench.mine_shares(30)

    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


@pytest.mark.parametrize("fault", ONCE_IN_THE_OPENING)
async def test_an_opening_that_fails_is_tried_again(fault: str) -> None:
    async with mining() as bench:
        await bench.mine_shares(10)
        bench.server.inject(fault, lasting=True)
        bench.server.drop_clients()
        await bench.until(lambda: len(bench.log.named("pool.lost")) > 1)
        await bench.mine_shares(10)

    bench.assert_tallies_agree()
    assert bench.ours.fates[Fate.REJECTED] == 0
    assert bench.theirs.invalid == bench.theirs.unauthorized == 0


@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "forgotten"])
@pytest.mark.parametrize("change", INSTEAD_OF_AN_ANSWER)
async def test_a_share_whose_answer_is_lost_is_settled_if_the_session_resumes(
    change: str, resume: bool
) -> None:
    async with mining(settings_with(resume=resume)) as bench:
        await bench.mine_shares(10)
        bench.server.inject(f"reply={change},method=mining.submit,times=1", lasting=True)
        await bench.until(lambda: bool(bench.log.named("pool.lost")))
        await bench.mine_shares(10)

    bench.assert_tallies_agree()
    assert bench.ours.fates[Fate.REJECTED] == 0
    unknown = bench.ours.fates[Fate.UNANSWERED]
    assert unknown == 0 if resume else unknown > 0


@pytest.mark.parametrize("resume", [True, False], ids=["resumed", "forgotten"])
async def test_shares_found_while_away_are_sent_if_the_session_resumes(resume: bool) -> None:
    async with mining(settings_with(resume=resume)) as bench:
        await bench.mine_shares(10)
        bench.server.stop_listening()
        bench.server.drop_clients()
        await bench.until(lambda: not bench.server.clients)
        before, solved = bench.theirs.accepted, bench.ours.solutions
        await bench.until(lambda: bench.ours.solutions >= solved + 20)
        assert bench.theirs.accepted == before
        await bench.server.listen_again()
        await bench.mine_shares(20)

    bench.assert_tallies_agree()
    assert bench.ours.fates[Fate.REJECTED] == 0
    lost = bench.ours.fates[Fate.DISCARDED]
    assert lost < 10 if resume else lost >= 20


@pytest.mark.parametrize("profile_difficulty", [DIFFICULTY])
@pytest.mark.parametrize("size", range(1, 17))
async def test_every_size_of_extranonce2_works(size: int, profile_difficulty: float) -> None:
    settings = PoolSettings(
        difficulty=profile_difficulty,
        vardiff="off",
        extranonce1_size=size % 9,
        extranonce2_size=size,
        chain=ChainSettings(network_difficulty=1.0, branches=size),
        block_every=0.1,
    )
    async with mining(settings) as bench:
        await bench.mine_shares(10)

    assert bench.ours.fates[Fate.REJECTED] == 0
    bench.assert_tallies_agree()


async def test_a_connection_that_dies_before_a_word_does_not_cost_the_session() -> None:
    async with mining(settings_with(resume=True)) as bench:
        await bench.mine_shares(10)
        before = bench.log.named("pool.subscribed")[-1]["extranonce1"]
        bench.server.inject("close,on=mining.subscribe,times=2")
        bench.server.drop_clients()
        await bench.until(lambda: len(bench.log.named("pool.subscribed")) >= 2)
        await bench.mine_shares(10)

    assert bench.log.named("pool.subscribed")[-1]["extranonce1"] == before
    bench.assert_tallies_agree()
