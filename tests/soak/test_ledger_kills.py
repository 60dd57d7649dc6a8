"""Kill -9 at random moments: the ledger has every share that the pool took, once, and every block.

The pool lives in this process, so what it accepted is known for sure; in brief without --soak.
"""

import asyncio
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random, SystemRandom

import pytest

from stratum_client.clock import SystemClock
from stratum_client.emulated_pool.chain import ChainSettings
from stratum_client.emulated_pool.events import Event, ShareJudged
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.emulated_pool.settings import PoolSettings
from stratum_client.emulated_pool.tally import Fate
from tests.e2e.rig import DIFFICULTY
from tests.ledgers import Book

pytestmark = pytest.mark.soak

EASY = DIFFICULTY / 8
"""One hash in 16 is a share: some hundred in each life."""

BLOCK_EVERY = 200.0
"""Shares, on average, of which one is a block."""

ROOT = Path(__file__).parents[2]


def key(difficulty: float) -> str:
    """Return a share's name: the difficulty of its hash, which two sides work out by themselves."""
    return f"{difficulty:.12g}"


async def lives_and_deaths(port: int, folder: Path, kills: int, seed: int) -> None:
    words = ("-m", "tests.soak.killed_miner", port, folder, kills, seed)
    process = await asyncio.create_subprocess_exec(sys.executable, *map(str, words), cwd=ROOT)
    try:
        assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_no_kill_loses_or_doubles_a_share_the_pool_took(
    soaking: bool, tmp_path: Path
) -> None:
    kills, seed = (1000 if soaking else 30), SystemRandom().getrandbits(32)
    judged: list[ShareJudged] = []

    def note(event: Event) -> None:
        if isinstance(event, ShareJudged):
            judged.append(event)

    chain = ChainSettings(network_difficulty=EASY * BLOCK_EVERY, branches=3)
    settings = PoolSettings(difficulty=EASY, vardiff="off", chain=chain)
    started = time.monotonic()
    async with EmulatedPool(settings, clock=SystemClock(), random=Random(1), on_event=note) as pool:
        await lives_and_deaths(pool.port, tmp_path, kills, seed)
    seconds = time.monotonic() - started

    book = Book(tmp_path / "shares")
    found = [line for line in book.lines() if line["kind"] == "found"]
    accepted = Counter(key(event.difficulty) for event in judged if event.fate is Fate.ACCEPTED)
    known = Counter(key(float(str(line["share_difficulty"]))) for line in found)
    fates = Counter(tuple(each) for each in book.fates().values())
    blocks = {line["id"]: line for line in book.blocks() if line["kind"] == "block"}
    ended = {line["id"] for line in book.blocks() if line["kind"] == "block_ended"}
    ends = Counter(str(line["fate"]) for line in book.blocks() if line["kind"] == "block_ended")
    print(  # noqa: T201  # the figures are what a soak is run for
        f"\n{kills} kills in {seconds:.0f} s (seed {seed}): {len(found)} shares in "
        f"{len(book.files())} files, {accepted.total()} accepted by the pool, {dict(fates)}; "
        f"{len(blocks)} blocks, {pool.tally().total.blocks} accepted by the pool, {dict(ends)}, "
        f"{len(blocks) - len(ended)} wait for their session"
    )

    assert accepted.total() > kills
    assert not accepted - known, "accepted shares are missing"
    assert max(known.values()) == 1, "shares are doubled"
    assert len({line["id"] for line in found}) == len(found)
    waiting = {share for share, told in book.fates().items() if told == ["found"]}
    assert waiting == blocks.keys() - ended, "only a block may wait, for a session that is gone"
    assert all(each[0] == "found" and len(each) <= 2 for each in fates)
    ours = {line["id"]: line for line in found}
    claimed = [ours[share] for share, told in book.fates().items() if told[-1] == "accepted"]
    assert all(key(float(str(line["share_difficulty"]))) in accepted for line in claimed)
    assert blocks.keys() == {line["id"] for line in found if line["block"]}
    taken = [event for event in judged if event.block and event.fate is Fate.ACCEPTED]
    block_keys = {key(float(str(ours[share]["share_difficulty"]))) for share in blocks}
    assert {key(event.difficulty) for event in taken} <= block_keys, "a block is lost"
