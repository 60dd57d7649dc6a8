"""The far ends of many serial devices, in a process of its own: BM1370s that find when told to.

Started as ``python -m tests.benchmarks.far_end COUNT``: prints COUNT paths of pseudo-terminals, one
per line. Each line on stdin is then a rate in nonces per second for each device; the answer is how
many jobs have come so far. Ends with stdin. It hashes nothing: whoever listens must take any nonce.
"""

import os
import selectors
import sys
import time
import tty
from contextlib import suppress
from itertools import count

from drivers.bm13xx.emulated_models import BM1370
from drivers.bm13xx.emulated_replies import nonce_frame, register_frame

COUNT_CHIPS = bytes.fromhex("55aa52050000")
JOB = bytes.fromhex("55aa2156")
_TICK = 0.002  # s


class FarEnd:
    """One device's end of a pseudo-terminal."""

    def __init__(self) -> None:
        self.master, self._slave = os.openpty()
        self.path = os.ttyname(self._slave)
        self.jobs = 0
        self._slot = 0
        self._nonces = count(1)
        tty.setraw(self._slave)
        os.set_blocking(self.master, False)

    def read(self) -> None:
        """Answer a count of chips, and take note of jobs."""
        with suppress(BlockingIOError):
            data = os.read(self.master, 65536)
            if COUNT_CHIPS in data:
                self._write(
                    register_frame(BM1370, address=0, register=0, value=BM1370.identity, wide=True)
                )
            jobs = data.count(JOB)
            if jobs:
                self.jobs += jobs
                self._slot = data[data.rindex(JOB) + len(JOB)]

    def find(self) -> None:
        """Send a nonce for the newest job, another one each time."""
        if self.jobs:
            nonce = next(self._nonces) * 0x9E3779B1 & 0xFFFFFFFF
            self._write(
                nonce_frame(BM1370, nonce=nonce, job_byte=self._slot, part=0, excess=0, rolled=0)
            )

    def _write(self, data: bytes) -> None:
        with suppress(BlockingIOError):
            os.write(self.master, data)


def serve(ends: list[FarEnd]) -> None:
    """Serve until stdin ends; nonces are spread evenly over time and devices."""
    selector = selectors.DefaultSelector()
    for end in ends:
        selector.register(end.master, selectors.EVENT_READ, end)
    selector.register(sys.stdin, selectors.EVENT_READ)
    rate, owed, turn, last = 0.0, 0.0, 0, time.monotonic()
    while True:
        for key, _ in selector.select(_TICK):
            if key.data:
                key.data.read()
            elif line := sys.stdin.readline():
                rate = float(line) * len(ends)
                _say(sum(end.jobs for end in ends))
            else:
                return
        now = time.monotonic()
        owed, last = min(owed + rate * (now - last), rate), now
        while owed >= 1:
            ends[turn].find()
            turn, owed = (turn + 1) % len(ends), owed - 1


def _say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> None:
    """Open as many as the first argument says, and serve."""
    ends = [FarEnd() for _ in range(int(sys.argv[1]))]
    _say("\n".join(end.path for end in ends))
    serve(ends)


if __name__ == "__main__":
    main()
