"""A daemon in miniature, to be interrupted and killed by `test_processes`.

Prints the workers' process ids when it mines, "still mining" for a solution that was found after
an interrupt.
"""

import asyncio
import os
import signal

from drivers.api import PortInfo
from drivers.cpu.device import DRIVER
from tests.cpu.standins import RecordingMiner, context, worker_pids


async def mine() -> None:
    miner = RecordingMiner()
    device = DRIVER.open(PortInfo(), {"threads": 2, "kernel": "hashlib"}, context(miner))

    def interrupted() -> None:
        miner.job += 1
        device.job_changed(clean=True)

    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, interrupted)
    running = asyncio.create_task(device.run())
    await miner.until(lambda: len({s.work.merkle_root for s in miner.solutions}) == 2)
    print(*worker_pids(os.getpid()), flush=True)  # noqa: T201 - read by the test
    await miner.until(lambda: len({s.work.merkle_root for s in miner.solutions}) == 4)
    print("still mining", flush=True)  # noqa: T201 - read by the test
    await running


if __name__ == "__main__":
    asyncio.run(mine())
