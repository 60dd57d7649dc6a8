"""What the people around a rig do in a simulated year: orders, and configurations read again."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

from stratum_client.api.control_lines import OrderError
from stratum_client.config import PoolConfig
from tests.soak.year.rig import DEVICES, Rig, device_config, pool_config
from tests.soak.year.weather import HOUR

ACT_EVERY = 8 * HOUR
CLOSING = 45.0
"""Seconds that a pool may take to close its old session and be back: it waits for answers."""

LOOK_AT_CLOCK = 61.0
"""Seconds after which the end of a pause has been noticed, however the clock was put."""


class Users:
    """Does one thing after another, and takes each of them back; ``seen`` counts."""

    def __init__(self, rig: Rig) -> None:
        self.seen: Counter[str] = Counter()
        self._rig = rig
        self._random = rig.random

    async def run(self) -> None:
        """Go on until cancelled."""
        acts: dict[Callable[[], Awaitable[None]], int] = {
            self._pause: 3,
            self._pause_for_a_time: 3,
            self._use: 3,
            self._disable: 3,
            self._other_user: 3,
            self._other_quota: 2,
            self._other_order: 2,
            self._other_strategy: 2,
            self._without_a_pool: 2,
            self._without_a_device: 2,
            self._bad_file: 1,
        }
        while True:
            await asyncio.sleep(self._random.expovariate(self._rig.pace / ACT_EVERY))
            [act] = self._random.choices(list(acts), list(acts.values()))
            self.seen[act.__name__.strip("_").replace("_", " ")] += 1
            await act()

    # --- orders ---

    async def _pause(self) -> None:
        device = self._random.choice(("", *self._devices()))
        await self._rig.ordered("pause", device=device or None)
        await asyncio.sleep(self._random.uniform(1, HOUR / self._rig.pace))
        self._check_rest(device, rests=True)
        await self._rig.ordered("resume", device=device or None)
        self._check_rest(device, rests=False)

    async def _pause_for_a_time(self) -> None:
        """Pause by the wall clock, which may be put anywhere meanwhile."""
        seconds = self._random.uniform(10, 2 * HOUR / self._rig.pace)
        clock = self._rig.clock
        until = clock.wall() + seconds
        await self._rig.ordered("pause", seconds=seconds)
        over_since = None
        while over_since is None or clock.monotonic() - over_since < LOOK_AT_CLOCK:
            rests = over_since is None and clock.wall() < until
            if not rests and over_since is None:
                over_since = clock.monotonic()
            if rests:
                self._check_rest("", rests=True)
            await asyncio.sleep(5)
        self._check_rest("", rests=False)

    async def _use(self) -> None:
        name = self._random.choice(self._rig.orders.order)
        self._rig.orders.chosen = name
        await self._rig.ordered("pool.use", pool=name)
        self._rig.link_changed()
        await asyncio.sleep(self._random.uniform(10, 3 * HOUR / self._rig.pace))
        await self._rig.ordered("pool.use", pool=None)
        self._rig.orders.chosen = None
        self._changed()

    async def _disable(self) -> None:
        name = self._random.choice(self._rig.orders.order)
        self._part_with(name)
        self._rig.orders.disabled.add(name)
        await self._rig.ordered("pool.disable", pool=name)
        self._rig.link_changed()
        await asyncio.sleep(self._random.uniform(1, 3 * HOUR / self._rig.pace))
        await self._rig.ordered("pool.enable", pool=name)
        self._rig.orders.disabled.discard(name)
        for link in self._rig.pools[name].of_clients.values():
            link.is_leaving = False
        self._changed()

    # --- configurations ---

    async def _other_user(self) -> None:
        name = self._random.choice(self._rig.orders.order)
        user = f"account.rig{self.seen['other user']}"
        await self._replace(pool_config(name, user=user))

    async def _other_quota(self) -> None:
        changed = replace(
            self._pool(self._random.choice(self._rig.orders.order)),
            quota=self._random.choice((0.5, 1.0, 3.0)),
            share_interval=self._random.choice((6.0, 10.0)),
        )
        self._put(changed)
        await self._reload()

    async def _other_order(self) -> None:
        for _ in range(2):
            names = self._rig.orders.order[::-1]
            pools = tuple(self._pool(name) for name in names)
            self._rig.config = replace(self._rig.config, pools=pools)
            self._rig.orders.order = names
            self._changed()
            await self._reload()
            await asyncio.sleep(self._random.uniform(10, 6 * HOUR / self._rig.pace))

    async def _other_strategy(self) -> None:
        for strategy in (self._random.choice(("quota", "rotate")), "failover"):
            work = replace(self._rig.config.work, strategy=strategy)
            self._rig.config = replace(self._rig.config, work=work)
            self._rig.orders.work = work
            self._changed()
            await self._reload()
            self._changed()
            await asyncio.sleep(self._random.uniform(10, 6 * HOUR / self._rig.pace))

    async def _without_a_pool(self) -> None:
        before = self._rig.config.pools
        name = self._random.choice(self._rig.orders.order)
        left = tuple(pool for pool in before if pool.name != name)
        self._rig.config = replace(self._rig.config, pools=left)
        self._part_with(name)
        self._rig.orders.gone.add(name)
        await self._reload()
        self._changed()
        await asyncio.sleep(self._random.uniform(1, 6 * HOUR / self._rig.pace))
        self._rig.config = replace(self._rig.config, pools=before)
        await self._reload()
        await self._is_back(name)

    async def _without_a_device(self) -> None:
        before = self._rig.config.devices
        name = self._random.choice(self._devices())
        left = tuple(device for device in before if device.name != name)
        self._rig.config = replace(self._rig.config, devices=left)
        await self._reload()
        await asyncio.sleep(self._random.uniform(1, 6 * HOUR / self._rig.pace))
        devices = tuple(device_config(name) for name in DEVICES)
        self._rig.config = replace(self._rig.config, devices=devices)
        await self._reload()

    async def _bad_file(self) -> None:
        """Read a configuration with an error: it changes nothing."""
        good = self._rig.config
        [first, *others] = good.devices
        self._rig.config = replace(
            good,
            devices=(replace(first, driver="abacus"), *others),
            pools=good.pools[:1],
        )
        try:
            await self._rig.ordered("reload")
        except OrderError:
            pass
        else:
            self._rig.breach("a configuration with an error was taken over")
        self._rig.config = good

    # --- small things ---

    async def _replace(self, config: PoolConfig) -> None:
        self._put(config)
        self._part_with(config.name)
        self._rig.orders.gone.add(config.name)
        await self._reload()
        await self._is_back(config.name)

    async def _is_back(self, name: str) -> None:
        """Wait until a pool is there again, which may take as long as answers are waited for."""
        assert self._rig.daemon
        loop = asyncio.get_running_loop()
        began = loop.time()
        while name not in [pool.config.name for pool in self._rig.daemon.pools.pools]:
            if loop.time() - began > CLOSING:
                self._rig.breach(f"{name} did not come back")
                return
            await asyncio.sleep(0.05)
        self._rig.orders.gone.discard(name)
        self._changed()

    def _part_with(self, name: str) -> None:
        for link in self._rig.pools[name].of_clients.values():
            link.is_leaving = True

    def _put(self, changed: PoolConfig) -> None:
        pools = tuple(changed if p.name == changed.name else p for p in self._rig.config.pools)
        self._rig.config = replace(self._rig.config, pools=pools)

    async def _reload(self) -> None:
        reply = await self._rig.ordered("reload")
        if reply["problems"] or reply["needs_restart"]:
            self._rig.breach(f"a good configuration was not taken over: {reply}")
        self._rig.link_changed()

    def _changed(self) -> None:
        self._rig.orders.changed_at = asyncio.get_running_loop().time()
        self._rig.link_changed()

    def _pool(self, name: str) -> PoolConfig:
        return next(pool for pool in self._rig.config.pools if pool.name == name)

    def _devices(self) -> list[str]:
        return [device.name for device in self._rig.config.devices]

    def _check_rest(self, device: str, *, rests: bool) -> None:
        for name, present in self._rig.driver.present.items():
            if device in {"", name} and present.setpoint.run == rests:
                self._rig.breach(f"{name} {'runs' if rests else 'rests'} against its orders")
