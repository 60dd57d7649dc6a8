"""Pools that say anything, for a million lines; in brief without --soak."""

import gc
import os
import time
from collections import Counter
from random import Random, SystemRandom

import pytest

from stratum_client.job import Fate
from stratum_client.session_events import Failed
from tests.soak.hostile_pool import HostilePool
from tests.soak.hostile_rig import HostileRig
from tests.soak.memory import MEGABYTE, MemoryWatch

pytestmark = pytest.mark.soak

LONG, BRIEF = (10_000, 1_000_000), (50, 4_000)
"""Sessions and lines, both at least."""

LONGEST_SESSION = 1000
PAUSES = (0.0, 0.01, 0.1, 0.5, 2.0)


def test_no_pool_can_crash_us_grow_us_or_make_us_submit_what_is_forbidden(soaking: bool) -> None:
    seed = SystemRandom().getrandbits(32)
    print(f"\nseed of the pool: {seed}")  # noqa: T201  # to play it again
    random = Random(seed)
    rig, pool, memory = HostileRig(random), HostilePool(random), MemoryWatch(os.getpid())
    sessions, lines = LONG if soaking else BRIEF
    ends: Counter[str] = Counter()
    heard = number = 0
    began = time.perf_counter()
    while number < sessions or heard < lines:
        heard += one_session(rig, pool, random, ends)
        number += 1
        if number % (sessions // 10) == 0:
            gc.collect()
            memory.look()
    seconds = time.perf_counter() - began
    fates = rig.tally.fates
    print(  # noqa: T201  # the figures are what a soak is run for
        f"{number} sessions, {heard} lines in {seconds:.0f} s ({heard / seconds:.0f}/s), "
        f"{rig.checker.submits} submits checked, {dict(fates)}; {memory}\n{ends.most_common(20)}"
    )

    assert rig.checker.submits > heard / 50
    assert fates[Fate.ACCEPTED] > 0
    assert len(ends) > 5
    if soaking:
        assert memory.growth < 5 * MEGABYTE


def one_session(rig: HostileRig, pool: HostilePool, random: Random, ends: Counter[str]) -> int:
    """Talk until the session ends; return how many lines were heard."""
    rig.dial()
    pool.session_began()
    for heard in range(1, LONGEST_SESSION + 1):
        events = rig.hear(pool.next_line(rig.checker.pending))
        if rig.alive:
            events += rig.wait(random.choice(PAUSES) if random.random() < 0.995 else 61.0)
        if rig.alive and random.random() < 0.1:
            rig.device.come_late()
        if not rig.alive:
            [failed] = [event for event in events if isinstance(event, Failed)]
            ends["".join(c for c in str(failed.error)[:34] if not c.isdigit())] += 1
            return heard
    ends["cut"] += 1
    return LONGEST_SESSION
