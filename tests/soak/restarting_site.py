"""A site of many rigs that start softly: the real control and desks of each, in virtual time.

Each rig has a clock of its own that is up to a quarter of a second wrong.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from random import Random

from stratum_client.boot import Boot
from stratum_client.config import Config
from stratum_client.config_inrush import InrushConfig
from stratum_client.config_schedule import WindowConfig
from stratum_client.control.rests_file import marker_text
from tests.restart_rig import OffsetClock, Rig, disk, order, site_config
from tests.virtual_time import VirtualTimeLoop

RIG_POWER = 3400.0
RAMP = 240.0
MINUTE = 60.0

CLOCK_ERROR = 0.25
"""Seconds that each rig's clock is wrong at most, to either side."""

BEGIN = 20.0
"""Virtual seconds at which the window opens, the order is released, or power comes back."""

OPENS = WindowConfig(hours=(15 * 60 + 7, 20 * 60))  # virtual time begins at 15:06:40

DELIVERED_WITHIN = 5.0
"""Seconds within which an order has reached every rig."""

BOOTED_WITHIN = 90.0
"""Seconds within which all rigs have booted after an outage."""

LONGEST_WAIT = 300.0


@dataclass(frozen=True, kw_only=True)
class Site:
    """``rigs`` of them, under a limit in watts a minute, each with an index or with a name."""

    rigs: int = 1000
    limit: float = 2e6
    is_indexed: bool = True
    seed: int = 1

    @property
    def cycle(self) -> float:
        """Return the seconds within which all rigs start that are released together."""
        return self.inrush(0).rules("any").slots.cycle

    def inrush(self, index: int) -> InrushConfig:
        return InrushConfig(
            site_limit=self.limit,
            rigs=self.rigs,
            rig_power=RIG_POWER,
            index=index if self.is_indexed else None,
            ramp=RAMP,
            after_power_loss=(0.0, LONGEST_WAIT),
        )

    def config(self, index: int, *, windows: Sequence[WindowConfig] = ()) -> Config:
        # Names as they are at a site: containers of 40 rigs.
        name = f"s{self.seed}-c{index // 40:02}-r{index % 40:02}"
        return site_config(self.inrush(index), name=name, windows=tuple(windows))


@dataclass(frozen=True)
class Curve:
    """The power of a site over time, from when each of its rigs started; seconds and watts."""

    starts: tuple[float, ...]
    ramp: float = RAMP

    @staticmethod
    def of(starts: Sequence[float]) -> "Curve":
        return Curve(tuple(sorted(starts)))

    def power(self, times: Sequence[float]) -> list[float]:
        """Return the power at each time; a rig without a ramp takes all at once."""
        sums = [0.0, *accumulate(self.starts)]
        found = []
        for at in times:
            begun = bisect_right(self.starts, at)
            if not self.ramp:
                found.append(RIG_POWER * begun)
                continue
            full = bisect_right(self.starts, at - self.ramp)
            rising = (begun - full) * at - (sums[begun] - sums[full])
            found.append(RIG_POWER * (full + rising / self.ramp))
        return found

    def steepest(self) -> float:
        """Return the most that the power rises within any 60 s.

        A curve of straight pieces rises the most from one of its corners, or up to one.
        """
        corners = [at + part for at in self.starts for part in (0.0, self.ramp)]
        ends = [*corners, *(at + MINUTE for at in corners)]
        # just before a step a minute ago is where a step still counts
        befores = [end - MINUTE - (0.0 if self.ramp else 1e-6) for end in ends]
        rises = zip(self.power(ends), self.power(befores), strict=True)
        return max(now - before for now, before in rises)

    def stepped(self) -> "Curve":
        """Return the curve of rigs without a ramp: the hardest that these starts could be."""
        return replace(self, ramp=0.0)


def in_virtual_time(site: Site, what: str) -> Curve:
    """Return how a site of real desks starts after ``what``: "window", "order" or "outage"."""
    play = {"window": _window, "order": _order, "outage": _outage}[what]
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(play(site))


async def _window(site: Site) -> Curve:
    rigs = [
        Rig(site.config(index, windows=[OPENS]), "board", clock=_clock(site, index))
        for index in range(site.rigs)
    ]
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_work(rig)) for rig in rigs]
        await asyncio.sleep(BEGIN + site.cycle + 5)
        _cancel(tasks)
    return _curve(rigs)


async def _order(site: Site) -> Curve:
    random = Random(site.seed)
    rigs = [
        Rig(site.config(index), "board", clock=_clock(site, index)) for index in range(site.rigs)
    ]
    claim = order()
    for rig in rigs:
        await rig.control.state(claim)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_work(rig)) for rig in rigs]
        await asyncio.sleep(BEGIN)
        for rig in rigs:
            release = _released(rig, random.uniform(0, DELIVERED_WITHIN))
            tasks += [group.create_task(release)]
        await asyncio.sleep(DELIVERED_WITHIN + site.cycle + 5)
        _cancel(tasks)
    return _curve(rigs)


async def _outage(site: Site) -> Curve:
    random = Random(site.seed)
    boots = [random.uniform(0, BOOTED_WITHIN) for _ in range(site.rigs)]
    rigs: list[Rig] = []
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(_booted(site, index, BEGIN + at, rigs, Random(random.random())))
            for index, at in enumerate(boots)
        ]
        await asyncio.sleep(BEGIN + BOOTED_WITHIN + LONGEST_WAIT + site.cycle + 5)
        _cancel(tasks)
    return _curve(rigs)


async def _booted(site: Site, index: int, at: float, rigs: list[Rig], random: Random) -> None:
    """Start a rig whose power came back."""
    await asyncio.sleep(at)
    clock = _clock(site, index)
    kept = disk(marker_text("before the outage", clock.wall() - 1e6))
    boot = Boot(id=f"boot of {index}", uptime=20.0)
    config = site.config(index)
    rig = Rig(config, "board", disk=kept, boot=boot, clock=clock, random=random)
    assert not rig.running(), "a rig that lost its power waits"
    rigs.append(rig)
    await _work(rig)


async def _work(rig: Rig) -> None:
    async with rig.working():
        await asyncio.Event().wait()


async def _released(rig: Rig, after: float) -> None:
    await asyncio.sleep(after)
    claims = [claim for claim in rig.control.claims.claims if claim.issuer == "grid"]
    await rig.control.withdraw(claims, by="grid")


def _clock(site: Site, index: int) -> OffsetClock:
    error = Random(site.seed * 100_003 + index).uniform(-CLOCK_ERROR, CLOCK_ERROR)
    return OffsetClock(error)


def _cancel(tasks: Sequence["asyncio.Task[None]"]) -> None:
    for task in tasks:
        task.cancel()


def _curve(rigs: Sequence[Rig]) -> Curve:
    """Return the curve of a site, of which every rig must have started once."""
    starts = [board.starts for rig in rigs for board in rig.boards.values()]
    assert all(len(times) == 1 for times in starts), "each rig starts once"
    assert all(board.setpoint.ramp == RAMP for rig in rigs for board in rig.boards.values())
    return Curve.of([times[0] for times in starts])
