"""What befalls pools, networks, devices and clocks in a simulated year; from a seed."""

import asyncio
from collections import Counter
from functools import partial

from stratum_client.emulated_pool.bad_jobs import WRONG
from stratum_client.emulated_pool.faults import BadJob, Fault, HalfLine, RejectStorm
from tests.soak.year.network import EASIEST, SimulatedPool
from tests.soak.year.rig import DEVICES, HOSTS, Rig

HOUR, DAY = 3600.0, 86_400.0
BLOCK_EVERY = 600.0
NEWS_WITHIN = 8.0
"""Seconds within which a pool hears of a block; a stale one takes more than `behind_after`."""

EPISODE_EVERY = 9 * HOUR
LOSS_EVERY = 40 * HOUR
STEP_EVERY = 60 * HOUR
STORM_HASTE = 8.0
"""How much faster devices find shares in a storm, for it takes many to make one."""

SWINGS = (2.0**-32, 2.0**-31, 2.0**-30, 2.0**-29)
MASKS = (0x1FFFE000, 0x00FFE000, 0x1FFF0000)


class Weather:
    """Blocks, episodes at pools, losses of devices, steps of the wall clock; ``seen`` counts."""

    def __init__(self, rig: Rig) -> None:
        self.seen: Counter[str] = Counter()
        self._rig = rig
        self._random = rig.random
        self._heights: dict[str, int] = {}

    async def run(self) -> None:
        """Go on until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._blocks(group), name="blocks")
            group.create_task(self._clock(), name="wall clock")
            for pool in self._rig.pools.values():
                group.create_task(self._pool(pool), name=f"weather at {pool.name}")
            for device in DEVICES:
                group.create_task(self._device(device), name=f"losses of {device}")

    # --- blocks ---

    async def _blocks(self, group: asyncio.TaskGroup) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(self._random.expovariate(1 / BLOCK_EVERY))
            self.seen["blocks"] += 1
            for pool in self._rig.pools.values():
                self._heights[pool.name] = self._heights.get(pool.name, 0) + 1
                if not pool.is_stale:
                    loop.call_later(self._random.uniform(0.1, NEWS_WITHIN), self._news, pool)

    def _news(self, pool: SimulatedPool) -> None:
        """Let a pool hear of all blocks that it has not heard of, unless it has gone deaf."""
        if not pool.is_stale:
            missed, self._heights[pool.name] = self._heights.get(pool.name, 0), 0
            for _ in range(missed):
                pool.order(pool.engine.new_block)

    # --- pools ---

    async def _pool(self, pool: SimulatedPool) -> None:
        episodes = {
            self._outage: 4,
            self._blip: 4,
            self._restart: 3,
            self._cut: 3,
            self._silence: 3,
            self._flap: 1,
            self._login: 1,
            self._storm: 2,
            self._stale: 1,
            self._half_line: 1,
            self._bad_jobs: 1,
            self._redirect: 2,
            self._swing: 5,
            self._extranonce: 5,
            self._mask: 2,
        }
        while True:
            await asyncio.sleep(self._random.expovariate(self._rig.pace / EPISODE_EVERY))
            [episode] = self._random.choices(list(episodes), list(episodes.values()))
            self.seen[f"{episode.__name__.strip('_').replace('_', ' ')} at {pool.name}"] += 1
            await episode(pool)

    def _while(self) -> float:
        """Return how long something lasts: seconds, minutes, seldom hours."""
        return min(self._random.lognormvariate(5.5, 1.7), 12 * HOUR / self._rig.pace)

    async def _outage(self, pool: SimulatedPool) -> None:
        pool.set_up(up=False)
        await asyncio.sleep(self._while())
        pool.set_up(up=True)
        self._rig.link_changed()

    async def _blip(self, pool: SimulatedPool) -> None:
        pool.order(pool.engine.drop_clients)

    async def _restart(self, pool: SimulatedPool) -> None:
        pool.order(pool.engine.restart)
        pool.set_up(up=False)
        await asyncio.sleep(self._random.uniform(1, 120))
        pool.set_up(up=True)
        self._rig.link_changed()

    async def _cut(self, pool: SimulatedPool) -> None:
        pool.set_cut(cut=True)
        await asyncio.sleep(self._while())
        pool.set_cut(cut=False)

    async def _silence(self, pool: SimulatedPool) -> None:
        pool.set_silent(silent=True)
        await asyncio.sleep(self._while())
        pool.set_silent(silent=False)

    async def _flap(self, pool: SimulatedPool) -> None:
        for _ in range(self._random.randint(5, 30)):
            pool.order(pool.engine.drop_clients)
            await asyncio.sleep(7)

    async def _login(self, pool: SimulatedPool) -> None:
        pool.set_login(refused=True)
        self._rig.service.fault(pool.name)
        pool.order(pool.engine.drop_clients)
        record = self._rig.service.records[pool.name]
        for _ in range(1 + int(self._while() / 30)):
            record.login_refused_at = asyncio.get_running_loop().time()
            await asyncio.sleep(30)
        pool.set_login(refused=False)

    async def _storm(self, pool: SimulatedPool) -> None:
        if not all(d.pool == pool.name for d in self._rig.service.devices.values()):
            return
        self._rig.service.fault(pool.name)
        pool.storms = True
        self._rig.driver.haste = STORM_HASTE
        pool.order(lambda now: pool.engine.inject(Fault(action=RejectStorm(shares=40)), now))
        await asyncio.sleep(HOUR / 4)
        for session in pool.engine._sessions.values():
            session.intake.storm = 0
        self._rig.driver.haste = 1.0
        await asyncio.sleep(10)
        pool.storms = False

    async def _stale(self, pool: SimulatedPool) -> None:
        self._rig.service.fault(pool.name)
        pool.is_stale = True
        self._rig.link_changed()
        await asyncio.sleep(self._random.uniform(600, 7200))
        pool.is_stale = False
        self._news(pool)
        await asyncio.sleep(1)
        self._rig.link_changed()

    async def _half_line(self, pool: SimulatedPool) -> None:
        for link in pool.links.values():
            link.is_mute = True
        pool.order(lambda now: pool.engine.inject(Fault(action=HalfLine()), now))
        self._rig.link_changed()

    async def _bad_jobs(self, pool: SimulatedPool) -> None:
        self._rig.service.fault(pool.name)
        for kind in self._random.sample(sorted(WRONG), 4):
            fault = Fault(action=BadJob(kind=kind))
            pool.order(partial(pool.engine.inject, fault))

    async def _redirect(self, pool: SimulatedPool) -> None:
        wild = self._random.random() < 0.3
        host = "pool.attacker.example" if wild else self._random.choice(HOSTS[pool.name])
        params = self._random.choice(([host, 3333, 0], [host, "3333", 20], [host]))
        pool.order(
            lambda now: pool.engine.ask("client.reconnect", list(params), now, identifier=None)
        )

    async def _swing(self, pool: SimulatedPool) -> None:
        for _ in range(self._random.randint(1, 6)):
            difficulty = self._random.choice(SWINGS)
            with_job = self._random.random() < 0.7
            pool.order(partial(pool.engine.set_difficulty, difficulty, with_job=with_job))
            await asyncio.sleep(self._random.uniform(1, 600))
        pool.order(lambda now: pool.engine.set_difficulty(EASIEST, now))

    async def _extranonce(self, pool: SimulatedPool) -> None:
        size = self._random.choice((None, 3, 4, 8))
        size2 = self._random.choice((None, 4, 8))
        pool.order(
            lambda now: pool.engine.set_extranonce(
                now, size=size, extranonce2_size=size2, everyone=True
            )
        )

    async def _mask(self, pool: SimulatedPool) -> None:
        mask = self._random.choice(MASKS)
        pool.order(lambda now: pool.engine.set_version_mask(mask, now))

    # --- devices and the clock ---

    async def _device(self, name: str) -> None:
        driver = self._rig.driver
        while True:
            await asyncio.sleep(self._random.expovariate(self._rig.pace / LOSS_EVERY))
            self.seen["losses of devices"] += 1
            driver.absent.add(name)
            if name in driver.present:
                driver.present[name].lose()
            await asyncio.sleep(self._while())
            driver.absent.discard(name)

    async def _clock(self) -> None:
        clock = self._rig.clock
        while True:
            await asyncio.sleep(self._random.expovariate(self._rig.pace / STEP_EVERY))
            self.seen["steps of the wall clock"] += 1
            hours = self._random.choice((0.0, 0.0, 1.0, -1.0, 5.5, -7.0, 0.01, -0.01))
            clock.wrong_by = hours * HOUR
