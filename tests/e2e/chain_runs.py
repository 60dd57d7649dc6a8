"""Chains mining together at a pool that gives its clients no peace, and what came of it."""

import asyncio
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from drivers.transports.side_tasks import beside
from stratum_client.device_on_pty import power_of
from stratum_client.emulated_pool.server import EmulatedPool
from stratum_client.job import Fate
from tests.e2e.device_rig import DIFFICULTY, DeviceBench, Plug, PluggedDevice, device_bench

ENOUGH = 100
"""Accepted shares that every device must have; more are mined until every chip was heard."""

DISTURBED_EVERY = 0.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one chain did; ``silent`` are chips without a share, ``told`` what they refused.

    ``power`` is what a board was left with, ``unsafe`` how often its driver could not tell.
    """

    plug: Plug
    seconds: float
    accepted: int
    refused: int
    rolled: int
    outside_mask: int
    hardware_errors: int
    line_errors: int
    misplaced: int
    silent: tuple[int, ...]
    told: tuple[str, ...]
    power: str
    unsafe: int

    def __str__(self) -> str:
        return (
            f"{self.plug.label:<12} {self.accepted:>6} accepted in {self.seconds:5.1f} s, "
            f"{self.rolled:>6} rolled, {self.plug.count - len(self.silent):>3} chips heard, "
            f"{self.hardware_errors} errors, {self.line_errors} line errors"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Chains at one pool; ``disturbances`` counts what the pool did to them, by what it was."""

    outcomes: dict[str, Outcome]
    disturbances: dict[str, int]
    jobs: int
    in_flight: int
    too_late: int
    pool_refused: int

    def __str__(self) -> str:
        total = sum(outcome.accepted for outcome in self.outcomes.values())
        head = f"{total} shares accepted, {self.in_flight} in flight at a block, {self.jobs} jobs"
        return "\n".join((head, *map(str, self.outcomes.values())))


def run_of(plugs: Sequence[Plug], *, version_mask: int, seconds: float) -> Run:
    """Mine until each device has enough and each chip was heard, ``seconds`` at most."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_run(plugs, version_mask, seconds, Path(folder)))


class Disturber:
    """A pool's operator without patience: all that may happen to a job, in turn."""

    def __init__(self, server: EmulatedPool) -> None:
        self.seen: Counter[str] = Counter()
        self._server = server
        self._acts: dict[str, Callable[[], object]] = {
            "clean job": partial(server.new_work, clean=True),
            "difficulty doubled": partial(server.set_difficulty, 2 * DIFFICULTY),
            "block": server.new_block,
            "extranonce": partial(server.set_extranonce, size=3, extranonce2_size=7),
            "difficulty halved": partial(server.set_difficulty, DIFFICULTY / 2),
            "new job": server.new_work,
            "difficulty": partial(server.set_difficulty, DIFFICULTY),
            "extranonce again": partial(server.set_extranonce, size=4, extranonce2_size=4),
        }

    async def run(self) -> None:
        for what, act in itertools.cycle(self._acts.items()):
            await asyncio.sleep(DISTURBED_EVERY)
            act()
            self.seen[what] += 1

    @property
    def has_done_all(self) -> bool:
        return len(self.seen) == len(self._acts)


async def _run(plugs: Sequence[Plug], version_mask: int, seconds: float, folder: Path) -> Run:
    began = time.monotonic()
    finished: dict[str, float] = {}

    async with device_bench(plugs, folder, version_mask=version_mask) as bench:

        def all_done() -> bool:
            for name, device in bench.devices.items():
                if name not in finished and _is_done(device):
                    finished[name] = time.monotonic() - began
            return len(finished) == len(plugs) and disturber.has_done_all

        disturber = Disturber(bench.server)
        async with beside("disturber", disturber.run()):
            await bench.until(all_done, seconds)
    return _summed_up(bench, finished, disturber.seen)


def _is_done(device: PluggedDevice) -> bool:
    return device.accepted >= ENOUGH and len(device.watched.heard) >= device.plug.count


def _summed_up(bench: DeviceBench, finished: dict[str, float], seen: Counter[str]) -> Run:
    return Run(
        outcomes={name: _outcome(device, finished[name]) for name, device in bench.devices.items()},
        disturbances=dict(seen),
        jobs=bench.journal.jobs,
        in_flight=bench.journal.in_flight,
        too_late=len(bench.journal.foreseeable),
        pool_refused=bench.theirs.refused - bench.theirs.stale,
    )


def _outcome(device: PluggedDevice, seconds: float) -> Outcome:
    watched, plug, fates = device.watched, device.plug, device.fates
    return Outcome(
        plug=plug,
        seconds=seconds,
        accepted=device.accepted,
        refused=fates[Fate.REJECTED] + fates[Fate.UNANSWERED],
        rolled=watched.rolled,
        outside_mask=watched.outside,
        hardware_errors=device.stats.hardware_errors,
        line_errors=device.detail("line_errors"),
        misplaced=device.dropped("unknown_slot") + device.dropped("outside_mask"),
        silent=tuple(chip for chip in range(plug.count) if not watched.heard[chip]),
        told=tuple(device.refusals),
        power=power_of(device.emulated),
        unsafe=len(device.log.named("board.unsafe")),
    )
