"""Shares that wait for their session: which of its jobs call them off."""

from dataclasses import replace
from random import Random

import pytest

from stratum_client.job import Fate, Job, SessionId, Share
from stratum_client.pool_shares import PoolShares
from tests.stand_ins import RecordingLog
from tests.test_miner import Rig


class Waiting:
    """A pool's shares with one that waits, and no connection to send it on."""

    def __init__(self) -> None:
        self.rig = Rig()
        self.shares = PoolShares(
            self.rig.miner, name="pool", host="pool", clock=self.rig.clock, log=RecordingLog()
        )
        self.job = replace(self.rig.job(), network_target=0)
        self.shares.job_arrived(self.job)
        share = Share(
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
