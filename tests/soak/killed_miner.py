"""A program that mines, is killed, and mines again: forked anew for each life, so that it is quick.

``python -m tests.soak.killed_miner PORT FOLDER LIVES SEED``: each life is a process of its own with
the real pool client, hub and ledger, and ends by SIGKILL at a random moment: four in five while it
mines, the others perhaps before. The last few have time to settle what was open, and end by
themselves.
"""

import asyncio
import os
import select
import signal
import sys
import time
from pathlib import Path
from random import Random, SystemRandom

from stratum_client import ledger_files
from stratum_client.block_rescue import BlockRescue
from stratum_client.clock import SystemClock
from stratum_client.config import PoolConfig
from stratum_client.config_ledger import LedgerConfig
from stratum_client.ledger_desk import LedgerDesk
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_url import parse_pool_url
from tests.e2e.rig import SHORT, LoopHasher
from tests.stand_ins import RecordingLog

MINING, SHORT_LIFE = 0.05, 0.15
"""Seconds that a life may last, at most: from its first job, or from its birth."""

PATIENCE = 15.0
LAST_LIVES = 3

LAST_LIFE = 0.5
LOST_PARENT = 20
"""Seconds after which a life ends itself, should nobody be left to kill it."""


async def mine(port: int, folder: Path, seconds: float, has_job: int) -> None:
    clock, random, log = SystemClock(), SystemRandom(), RecordingLog()
    miner = Miner(clock)
    blocks = BlockRescue(miner, clock=clock, log=log)
    config = PoolConfig(
        name="pool",
        url=parse_pool_url(f"127.0.0.1:{port}"),
        user="account.rig",
        suggest_difficulty="off",
        deadlines=SHORT,
    )
    pool = Pool(
        config, miner, clock=clock, random=random, log=log, hashrate=lambda: 0.0, blocks=blocks
    )
    desk = LedgerDesk(
        folder,
        LedgerConfig(max_size=1_000_000_000),
        miner=miner,
        blocks=blocks,
        clock=clock,
        random=random,
        log=log,
    )
    async with desk, asyncio.TaskGroup() as group:
        talking = group.create_task(pool.run())
        hashing = group.create_task(LoopHasher(miner.seat("hasher")).run())
        while not miner.current_job("pool"):  # noqa: ASYNC110  # there is no event for it
            await asyncio.sleep(0.001)
        os.write(has_job, b".")
        await asyncio.sleep(seconds)  # the life of a process is what is wanted here
        hashing.cancel()
        await pool.drain(1.0)
        talking.cancel()


def live(port: int, folder: Path, seconds: float) -> tuple[int, int]:
    """Start a life; return its process id, and a pipe that tells when it has a job."""
    told, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        return child, told
    signal.alarm(LOST_PARENT)
    try:
        asyncio.run(mine(port, folder, seconds, telling))
        code = 0
    except BaseException as error:  # noqa: BLE001  # the end of a forked process, whatever it is
        sys.stderr.write(f"{error!r}\n")
        code = 1
    os._exit(code)


def main(port: int, folder: Path, lives: int, seed: int) -> None:
    ledger_files.LARGEST_FILE = 300_000  # so that files are rotated while lives end
    random = Random(seed)
    for _ in range(lives):
        child, told = live(port, folder, 3600.0)
        if random.random() < 0.8:
            assert select.select([told], [], [], PATIENCE)[0], "it does not mine"
            time.sleep(random.uniform(0.0, MINING))
        else:
            time.sleep(random.uniform(0.0, SHORT_LIFE))
        os.kill(child, signal.SIGKILL)
        os.close(told)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it ended before it was killed"
    for _ in range(LAST_LIVES):
        child, told = live(port, folder, LAST_LIFE)
        _, status = os.waitpid(child, 0)
        os.close(told)
        assert status == 0, "the last lives were to end well"


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
