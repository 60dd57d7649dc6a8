"""Orders to rest by MQTT, whatever the rig is at: few boards and orders unless --soak."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from stratum_client.job import Fate
from tests.soak.curtailed_rig import (
    GLANCE_EVERY,
    LOOK_EVERY,
    MIN_OFF,
    PATIENCE,
    RAMP,
    REST_WATTS,
    CurtailedRig,
    curtailed_rig,
)
from tests.soak.stick_rack import percentile

pytestmark = pytest.mark.soak

BOARD_WATTS = 45.0
START = 4.0
"""Seconds within which a board is brought up and in the middle of its ramp."""

WITHIN = 3.0
"""Seconds from an order to idle boards; a machine that has much else to do is given `PATIENCE`."""

EACH_CONFIRMED = 5
"""Of how many orders one is held until the meter has confirmed it."""


async def steady(rig: CurtailedRig, _moment: float) -> None:
    before = rig.daemon.miner.tally.solutions
    await rig.until(lambda: rig.daemon.miner.tally.solutions > before, "it finds nothing")


async def starting(rig: CurtailedRig, moment: float) -> None:
    await asyncio.sleep(moment * START)


async def reconnecting(rig: CurtailedRig, moment: float) -> None:
    await asyncio.sleep(moment * START)
    rig.server.drop_clients(reset=moment < 0.5)
    await asyncio.sleep(moment * 0.1)


async def with_a_clean_job(rig: CurtailedRig, moment: float) -> None:
    await rig.mining()
    rig.server.new_block(clean=True)
    await asyncio.sleep(moment * 0.02)


SITUATIONS: tuple[Callable[[CurtailedRig, float], Awaitable[None]], ...] = (
    *(steady, starting, reconnecting, with_a_clean_job, starting, reconnecting),
)


async def test_a_rig_rests_within_seconds_of_any_order_and_resumes_softly(
    soaking: bool, tmp_path: Path
) -> None:
    boards, orders, latest = (16, 200, 1.0) if soaking else (4, len(SITUATIONS), 0.2)
    random, full = Random(1), boards * BOARD_WATTS
    async with curtailed_rig(tmp_path, boards) as rig:
        try:
            for number in range(orders):
                situation = SITUATIONS[number % len(SITUATIONS)]
                await situation(rig, random.uniform(0.0, latest))
                until = "confirmed" if number % EACH_CONFIRMED == 0 else "idle"
                await rig.order_idle(situation.__name__, until=until)
        finally:
            print(figures(rig))  # noqa: T201  # the figures are what a soak is for
        if soaking:
            await rig.until(lambda: rig.rack.watts() > 0.9 * full, "it is not at full speed")
            await rig.order_idle("full speed", until="confirmed")
        stats = rig.daemon.site.curtail.stats
        ours = rig.daemon.miner.tally

    within = WITHIN if soaking else PATIENCE
    assert max(one.idle for one in rig.obeyed) < within
    assert stats.idle_longest == pytest.approx(max(one.told for one in rig.obeyed), abs=0.001)
    assert max(one.told for one in rig.obeyed) < within
    assert (stats.obeyed, sum(stats.refused.values())) == (len(rig.obeyed), 0)
    assert max(one.watts for one in rig.obeyed) <= REST_WATTS * boards
    assert [one for one in rig.obeyed if one.late] == []
    assert rig.shortest_rest >= MIN_OFF - GLANCE_EVERY
    assert rig.steepest <= (2 * full * LOOK_EVERY / RAMP if soaking else full / 2)
    assert ours.solutions
    assert ours.fates[Fate.REJECTED] == 0
    if soaking:  # a machine that has much else to do answers boards too late
        assert (rig.log.named("device.failed"), stats.late) == ([], 0)


def figures(rig: CurtailedRig) -> str:
    """Return what is to be told of a run."""
    rows = []
    for situation in dict.fromkeys(["all", *(one.situation for one in rig.obeyed)]):
        times = [one.idle for one in rig.obeyed if situation in {"all", one.situation}]
        shown = ", ".join(f"{1e3 * percentile(times, percent):.0f}" for percent in (50, 99, 100))
        rows.append(f"{situation}: {len(times)} orders, idle after p50, p99, p100: {shown} ms")
    watts = max(one.watts for one in rig.obeyed)
    rise, rest = rig.steepest / LOOK_EVERY, rig.shortest_rest
    rows.append(f"at most {watts:.0f} W at rest, for {rest:.2f} s at least; rise {rise:.0f} W/s")
    late = [float(str(told["seconds"])) for told in rig.log.named("loop.late")]
    rows.append(f"the loop was late {len(late)} times, at most {max(late, default=0.0):.2f} s")
    failed = [str(told["error"]) for told in rig.log.named("device.failed")]
    rows.append(f"{len(failed)} boards failed, and came back as soon as they could: {failed}")
    return "\n".join(["", *rows])
