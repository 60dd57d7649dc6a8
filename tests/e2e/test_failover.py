"""Several pools: lost and found again, chosen by hand, dealt work; every share at its own pool."""

import asyncio
from dataclasses import replace

import pytest

from drivers.api import Solution
from stratum_client.config_work import NoPoolAction
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.errors import PoolOrderError
from stratum_client.job import Fate
from stratum_client.pool_roles import PoolRole
from tests.e2e.pool_rig import BRISK, SETTINGS, SOON, config_of, mining_at


async def test_a_killed_pool_is_replaced_at_once_and_gone_back_to_when_it_is_well() -> None:
    async with mining_at(2) as bench:
        await bench.serves("main")
        await bench.until(lambda: bench.stats("spare").role is PoolRole.STANDBY)

        bench.servers["main"].stop_listening()
        bench.servers["main"].drop_clients()
        await bench.serves("spare")
        await bench.until(lambda: bench.stats("main").role is PoolRole.CONNECTING)
        await bench.servers["main"].listen_again()
        await bench.serves("main")

    assert bench.switches()[-2:] == [("main", "spare"), ("spare", "main")]
    bench.assert_nothing_went_astray()
    assert bench.miner.tally.fates[Fate.ACCEPTED] >= 9


async def test_shares_found_late_go_to_the_pool_of_their_job() -> None:
    async with mining_at(2) as bench:
        await bench.serves("main")
        await bench.until(lambda: bench.stats("spare").role is PoolRole.STANDBY)
        seat = bench.miner.seat("late")
        old = seat.next_work()
        assert old
        bench.pools.use("spare")
        new = seat.next_work()
        assert new
        before = bench.accepted("main")

        assert (old.job.session.pool, new.job.session.pool) == ("main", "spare")
        found = 0
        for nonce in range(4000):
            solution = Solution(work=old, nonce=nonce, version=old.version, ntime=old.ntime)
            if solution.hash() <= old.target:
                seat.found(solution)
                found += 1
        assert found
        await bench.until(lambda: bench.accepted("main") >= before + found)
        await bench.serves("spare")

    bench.assert_nothing_went_astray()


async def test_a_choice_by_hand_holds_even_when_that_pool_is_down() -> None:
    async with mining_at(2) as bench:
        await bench.serves("main")

        bench.pools.use("spare")
        await bench.serves("spare")
        bench.servers["spare"].stop_listening()
        bench.servers["spare"].drop_clients()
        await bench.until(lambda: bench.pools.serving == ())
        await bench.until(lambda: bench.miner.current_job("spare") is None)
        assert bench.miner.seat("hasher").next_work() is None
        at_rest = bench.accepted("main")
        bench.pools.use(None)
        await bench.serves("main")

        assert bench.accepted("main") > at_rest
    bench.assert_nothing_went_astray()


async def test_cold_standby_is_connected_only_when_it_is_needed_and_let_go_after_it() -> None:
    async with mining_at(2, replace(BRISK, standby="cold")) as bench:
        await bench.serves("main")
        await bench.until(lambda: bench.servers["spare"].clients == 0)
        assert bench.stats("spare").role is PoolRole.STANDBY

        bench.servers["main"].stop_listening()
        bench.servers["main"].drop_clients()
        await bench.serves("spare")
        await bench.servers["main"].listen_again()
        await bench.serves("main")
        await bench.until(lambda: bench.servers["spare"].clients == 0)

    bench.assert_nothing_went_astray()


async def test_pools_are_disabled_enabled_added_and_removed_while_it_runs() -> None:
    async with mining_at(2) as bench, EmulatedPool(SETTINGS) as late:
        bench.servers["late"] = late
        await bench.serves("main")

        bench.pools.disable("main")
        await bench.serves("spare")
        await bench.until(lambda: bench.servers["main"].clients == 0)
        assert bench.stats("main").role is PoolRole.DISABLED
        bench.pools.add(config_of(late, "late"))
        await bench.until(lambda: bench.stats("late").role is PoolRole.STANDBY)
        bench.pools.remove("spare")
        await bench.serves("late")
        await bench.until(lambda: bench.servers["spare"].clients == 0)
        bench.pools.enable("main")
        await bench.serves("main")
        bench.pools.arrange(["late", "main"])
        await bench.serves("late")

        with pytest.raises(PoolOrderError, match="there are: main, late"):
            bench.pools.use("spare")
        with pytest.raises(PoolOrderError, match="already"):
            bench.pools.add(config_of(late, "late"))
    bench.assert_nothing_went_astray()


async def test_the_end_waits_for_answers_of_a_pool_that_was_just_removed() -> None:
    async with mining_at(2) as bench:
        await bench.serves("main")
        pool = bench.pools.pools[0]
        bench.servers["main"].inject("reply=delay,method=mining.submit,seconds=300ms")
        await bench.until(lambda: pool.shares.in_flight() > 0)

        bench.pools.remove("main")
        await bench.pools.drain(30.0)

        assert pool.shares.in_flight() == 0
    assert bench.miner.tally.fates[Fate.UNANSWERED] == 0


async def test_a_pool_that_is_disabled_and_enabled_in_one_breath_stays_connected() -> None:
    async with mining_at(1) as bench:
        await bench.serves("main")

        bench.pools.disable("main")
        assert bench.miner.seat("hasher").next_work() is None
        bench.pools.enable("main")
        await bench.serves("main")

        assert len(bench.servers["main"].tally().connections) == 1
    bench.assert_nothing_went_astray()


async def test_a_pool_that_is_a_block_behind_is_left_and_gone_back_to() -> None:
    async with mining_at(2) as bench:
        await bench.serves("main")
        await bench.until(lambda: bench.stats("spare").role is PoolRole.STANDBY)

        bench.servers["spare"].new_block()
        await bench.serves("spare")
        [left] = [f for f in bench.log.named("pools.switched") if f["from"] == "main"]
        assert left["reason"] == "main: behind the other pools"
        bench.servers["main"].new_block()
        await bench.serves("main")

    bench.assert_nothing_went_astray()


async def test_work_is_dealt_by_quota_and_to_the_rest_when_one_is_lost() -> None:
    quotas = {"main": {"quota": 2}, "spare": {"quota": 1}, "third": {"quota": 1}}
    hashers = tuple(f"hasher {n}" for n in range(4))
    work = replace(BRISK, strategy="quota")
    async with mining_at(3, work, hashers=hashers, options=quotas) as bench:
        await bench.serves("main", "spare", "third")
        seats = [bench.miner.seat(name) for name in hashers]
        wanted = ["main", "main", "spare", "third"]
        await bench.until(lambda: sorted(str(seat.pool) for seat in seats) == wanted)

        bench.servers["main"].stop_listening()
        bench.servers["main"].drop_clients()
        await bench.serves("spare", "third")
        await bench.servers["main"].listen_again()
        await bench.until(lambda: bench.pools.serving == ("main", "spare", "third"))

    bench.assert_nothing_went_astray()


@pytest.mark.parametrize("action", ["idle", "hold", "exit"])
async def test_what_happens_when_there_is_no_pool_is_as_configured(
    action: NoPoolAction,
) -> None:
    work = replace(BRISK, no_pool_action=action, exit_after=1.0)
    async with mining_at(1, work) as bench:
        await bench.serves("main")
        seat = bench.miner.seat("hasher")

        bench.servers["main"].stop_listening()
        bench.servers["main"].drop_clients()
        await bench.until(lambda: bench.miner.current_job("main") is None)
        assert (seat.next_work() is not None) == (action == "hold")
        if action == "exit":
            await asyncio.wait_for(bench.gave_up.wait(), 30)
        if action == "hold":
            assert "keep warm" in bench.pools.reason
            discarded = bench.miner.tally.reasons.get("of no pool", 0)
            await bench.until(lambda: bench.miner.tally.reasons.get("of no pool", 0) > discarded)
        await bench.servers["main"].listen_again()
        await bench.serves("main")

    assert bench.gave_up.is_set() == (action == "exit")
    bench.assert_nothing_went_astray()


async def test_a_refused_login_is_left_for_the_next_pool_within_a_moment() -> None:
    deadlines = replace(SOON, failover=30.0)
    async with mining_at(
        2,
        replace(BRISK, standby="cold"),
        options={"main": {"user": "", "deadlines": deadlines}},
    ) as bench:
        await bench.serves("spare")

    bench.assert_nothing_went_astray()
