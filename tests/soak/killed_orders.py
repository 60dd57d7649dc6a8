"""A rig that takes orders by MQTT, is killed, and takes orders again: forked anew for each life.

``python -m tests.soak.killed_orders PORT FOLDER LIVES SEED``: each life is a process of its own
with the real link, desk and store, two devices, and ends by SIGKILL at a random moment. What a life
has found when it began is a line of FOLDER/lives: the time, the last number of the key, and whether
all devices rest.
"""

import asyncio
import json
import os
import select
import signal
import sys
import time
from pathlib import Path
from random import Random

from tests.order_bench import OrderBench, working

CONNECTED, SHORT_LIFE = 0.15, 0.3
"""Seconds that a life may last, at most: from its connection to the broker, or from its birth."""

PATIENCE = 20.0
LOST_PARENT = 30
"""Seconds after which a life ends itself, should nobody be left to kill it."""


async def obey(port: int, folder: Path, is_connected: int) -> None:
    bench = OrderBench(folder, port=port)
    taken = bench.desk.book.taken.get("grid")
    found = {
        "at": time.time(),
        "number": taken.number if taken else 0,
        "rests": bench.running() == [],
    }
    with (folder / "lives").open("a") as lives:
        lives.write(json.dumps(found) + "\n")
    async with working(bench), asyncio.TaskGroup() as group:
        group.create_task(bench.link.run())
        while not bench.link.is_connected:  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.001)
        os.write(is_connected, b".")


def live(port: int, folder: Path) -> tuple[int, int]:
    """Start a life; return its process id, and a pipe that tells when it is connected."""
    told, telling = os.pipe()
    child = os.fork()
    if child:
        os.close(telling)
        return child, told
    signal.alarm(LOST_PARENT)
    asyncio.run(obey(port, folder, telling))
    os._exit(1)


def main(port: int, folder: Path, lives: int, seed: int) -> None:
    random = Random(seed)
    for _ in range(lives):
        child, told = live(port, folder)
        if random.random() < 0.8:
            assert select.select([told], [], [], PATIENCE)[0], "it does not connect"
            time.sleep(random.uniform(0.0, CONNECTED))
        else:
            time.sleep(random.uniform(0.0, SHORT_LIFE))
        os.kill(child, signal.SIGKILL)
        os.close(told)
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL, "it ended before it was killed"


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
