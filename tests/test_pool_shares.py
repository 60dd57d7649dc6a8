"""Shares that wait for their session: which of its jobs call them off."""

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.accepted_telling import LINES, STRETCH, AcceptedTelling
from stratum_client.job import Fate, Job, SessionId, Share
from stratum_client.pool_shares import PoolShares
from stratum_client.session_events import ShareAnswered
from tests.stand_ins import RecordingLog
from tests.test_miner import Rig


class Waiting:
    """A pool's shares with one that waits, and no connection to send it on."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.log = RecordingLog()
        self.shares = PoolShares(
            self.rig.miner, name="pool", host="pool", clock=self.rig.clock, log=self.log
        )
        self.job = replace(self.rig.job(), network_target=0)
        self.shares.job_arrived(self.job)
        self.share = share = Share(
            job=self.job,
            extranonce2=bytes(4),
            ntime=self.job.ntime,
            nonce=Random(1).getrandbits(32),
            version=self.job.version,
            value=1,
            device="cpu",
            found_at=0.0,
        )
        self.shares.submit(share)

    def arrives(self, *, clean: bool, session: int) -> Job:
        """Let a job on the same block arrive."""
        name = SessionId(pool="pool", number=session)
        job = replace(self.job, clean=clean, session=name, serial=self.job.serial + 1)
        self.shares.job_arrived(job)
        return job

    def answered(self, fate: Fate, count: int = 1) -> None:
        """Let the pool answer so many shares."""
        event = ShareAnswered(share=self.share, fate=fate, refusal=None, failure=None, seconds=0.01)
        for _ in range(count):
            self.shares.answered(event)

    def told(self, level: str, event: str) -> list[dict[str, Any]]:
        return [f for lv, name, f in self.log.events if (lv, name) == (level, event)]

    @property
    def discarded(self) -> int:
        return self.rig.miner.tally.fates[Fate.DISCARDED]


@pytest.mark.parametrize("clean", [True, False])
def test_only_a_clean_job_of_its_session_calls_a_waiting_share_off(clean: bool) -> None:
    waiting = Waiting()

    waiting.arrives(clean=clean, session=1)

    assert waiting.discarded == clean


def test_the_first_job_of_a_resumed_session_calls_nothing_off_but_the_next_may() -> None:
    waiting = Waiting()

    waiting.arrives(clean=True, session=2)
    assert waiting.discarded == 0

    waiting.arrives(clean=True, session=2)
    assert waiting.discarded == 1


def test_of_very_many_accepted_shares_the_first_have_lines_and_the_others_a_number() -> None:
    waiting = Waiting()

    waiting.answered(Fate.ACCEPTED, 1000)
    waiting.answered(Fate.REJECTED, 300)
    waiting.shares.tell_accepted()
    assert not waiting.told("info", "shares.accepted")
    waiting.rig.clock.now += STRETCH
    waiting.shares.tell_accepted()
    waiting.shares.tell_accepted()

    assert len(waiting.told("info", "share.accepted")) == LINES
    assert len(waiting.told("debug", "share.accepted")) == 1000 - LINES
    assert len(waiting.told("warning", "share.rejected")) == 300
    [rest] = waiting.told("info", "shares.accepted")
    best = round(waiting.share.difficulty, 6)
    assert rest == {"more": 1000 - LINES, "seconds": STRETCH, "best": best}
    waiting.answered(Fate.ACCEPTED)
    assert len(waiting.told("info", "share.accepted")) == LINES + 1


def test_what_was_accepted_without_a_line_is_told_before_a_pool_is_left() -> None:
    waiting = Waiting()
    waiting.answered(Fate.ACCEPTED, LINES + 5)

    waiting.shares.give_up()

    assert [rest["more"] for rest in waiting.told("info", "shares.accepted")] == [5]


@given(st.lists(st.tuples(st.floats(0, 2 * STRETCH), st.floats(0, 1e9)), max_size=200))
def test_each_accepted_share_is_told_once_and_lines_are_few(
    shares: list[tuple[float, float]],
) -> None:
    telling, now, lines, numbered = AcceptedTelling(), 0.0, [], 0
    for pause, difficulty in shares:
        now += pause if pause > 1 else 0.0
        untold = telling.over(now)
        numbered += untold.count if untold else 0
        if telling.is_told(difficulty, now):
            lines.append(now)
    rest = telling.over(now, at_once=True)

    assert len(lines) + numbered + (rest.count if rest else 0) == len(shares)
    for began in lines:
        assert sum(began <= at < began + STRETCH for at in lines) <= 2 * LINES
