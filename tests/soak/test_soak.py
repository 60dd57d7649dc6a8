"""The whole program at work for a long time; in brief without --soak."""

import asyncio
from datetime import datetime
from pathlib import Path
from random import Random, SystemRandom
from typing import Any

import pytest

from tests.processes import Running, pool, running
from tests.soak.chaos_proxy import ChaosProxy
from tests.soak.memory import MEGABYTE, MemoryWatch

pytestmark = pytest.mark.soak

LOG_GRAIN = 0.05
"""Seconds that may pass on a loaded machine between an event and its log line's time."""

LONG = 600.0
BRIEF = 12.0
POOL = ("--difficulty", "0.0002", "--ignore-suggestions", "--block-every", "5s")
CHAOS = """\
[[pool]]
name = "chaos"
url = "stratum+tcp://127.0.0.1:{port}"
user = "account.rig"
[pool.deadlines]
connect = "2s"
configure = "1s"
subscribe = "2s"
authorize = "2s"
first_job = "2s"
silence = "8s"
submit = "1s"
submit_lost = "2s"
partial_line = "2s"
retry_first = "100ms"
retry_cap = "500ms"
retry_after_close = "100ms"
"""


def figures(name: str, seconds: float, ours: dict[str, Any], memory: MemoryWatch) -> None:
    fates = ("accepted", "rejected", "stale", "discarded", "unanswered", "hardware_errors")
    counts = " ".join(f"{fate}={ours[fate]}" for fate in fates)
    print(  # noqa: T201  # the figures are what a soak is run for
        f"\n{name}: {seconds:.0f} s, {counts}, {ours['hashrate'] / 1e6:.1f} MH/s proven; {memory}"
    )


def tally(server: Running, run: Running) -> tuple[dict[str, Any], dict[str, Any]]:
    """End both, the client first; return what each counted."""
    assert run.ended() == 0, run.err[-2000:]
    assert server.ended() == 0
    assert "Traceback" not in run.err
    return run.summary(), server.summary()


def lateness_of_stale_shares(log: str) -> list[float]:
    """Return for each stale share how long after the news of the block it was sent, in seconds."""
    block, lateness = 0.0, []
    for line in log.splitlines():
        at = datetime.fromisoformat(line.split()[0]).timestamp()
        if " job.new " in line and "clean=true" in line:
            block = at
        elif " share.stale " in line:
            seconds = float(line.rpartition("seconds=")[2].split()[0])
            lateness.append(at - seconds - block)
    return lateness


async def test_blocks_every_five_seconds_cost_nothing_but_shares_in_flight(
    soaking: bool, tmp_path: Path
) -> None:
    seconds = LONG if soaking else BRIEF
    with pool(*POOL, folder=tmp_path) as (server, url):
        words = ("run", "--pool", url, "--user", "account.rig", "--json")
        with running(*words, folder=tmp_path) as run:
            memory = await MemoryWatch.over(run.process.pid, seconds)
            ours, theirs = await asyncio.to_thread(tally, server, run)
    figures("blocks", seconds, ours, memory)

    assert ours["accepted"] == theirs["accepted"] >= seconds
    lateness = lateness_of_stale_shares(run.err)
    assert ours["stale"] == theirs["stale"] == len(lateness)
    assert max(lateness, default=0.0) <= LOG_GRAIN, sorted(lateness)
    assert ours["rejected"] == ours["hardware_errors"] == ours["unanswered"] == 0
    assert theirs["refused"] == theirs["stale"]
    assert memory.growth < 4 * MEGABYTE


async def test_a_network_gone_mad_costs_no_share_that_can_be_saved(
    soaking: bool, tmp_path: Path
) -> None:
    seconds, seed = (LONG if soaking else BRIEF), SystemRandom().getrandbits(32)
    print(f"\nseed of the chaos: {seed}")  # noqa: T201  # to play it again
    with pool(*POOL, folder=tmp_path) as (server, url):
        longest = 20.0 if soaking else 3.0
        chaos = ChaosProxy(int(url.rpartition(":")[2]), Random(seed), longest_life=longest)
        async with chaos:
            (tmp_path / "stratum-client.toml").write_text(CHAOS.format(port=chaos.port))
            with running("run", "--json", folder=tmp_path) as run:
                memory = await MemoryWatch.over(run.process.pid, seconds)
                ours, theirs = await asyncio.to_thread(tally, server, run)
    figures(f"chaos {dict(chaos.seen)}", seconds, ours, memory)

    unknown = ours["unanswered"]
    assert ours["accepted"] > 0
    assert ours["rejected"] == ours["hardware_errors"] == 0
    assert 0 <= theirs["accepted"] - ours["accepted"] <= unknown
    assert 0 <= theirs["stale"] - ours["stale"] <= unknown
    assert theirs["low_difficulty"] == theirs["invalid"] == theirs["unauthorized"] == 0
    assert sum(chaos.seen.values()) > 2
    assert memory.growth < 4 * MEGABYTE


@pytest.mark.parametrize("pace", ["", "segments=65536,gap=5ms"], ids=["fast", "slow"])
def test_a_giant_line_costs_next_to_no_memory(soaking: bool, pace: str, tmp_path: Path) -> None:
    size = 1 << 30 if soaking else 64 << 20
    faults = ("--fault", f"giant-line={size},shares=20", *(("--fault", pace) if pace else ()))
    with pool(*POOL, *faults, folder=tmp_path) as (server, url):
        words = ("run", "--pool", url, "--user", "account.rig", "--json")
        with running(*words, folder=tmp_path) as run:
            run.wait_for("share.accepted")
            memory = MemoryWatch(run.process.pid)
            memory.look()
            run.wait_for("(?s)(line too long.*share.accepted.*){2}")
            memory.look()
            ours, _ = tally(server, run)
    figures(f"lines of {size >> 20} MB", 0, ours, memory)

    assert ours["rejected"] == 0
    assert memory.peak_growth < 10 * MEGABYTE
