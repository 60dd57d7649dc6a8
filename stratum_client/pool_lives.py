"""The lives of pools: begun when wanted, ended when their shares in flight are answered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.stats import PoolState

LATE_NONCES = 0.5
"""Seconds in which devices may still find nonces of the work they had before a change of pool."""


@dataclass(slots=True, eq=False)
class _Life:
    """A pool; ``running`` is the task of its life, ``parting`` the task that ends it."""

    pool: Pool
    running: asyncio.Task[None] | None = None
    parting: asyncio.Task[None] | None = None
    is_ending: bool = False


class PoolLives:
    """Pools by name, each alive or not; ``parted`` is told of one that was let go."""

    def __init__(self, miner: Miner, parted: Callable[[str], None]) -> None:
        self._miner = miner
        self._parted = parted
        self._lives: dict[str, _Life] = {}
        self._group: asyncio.TaskGroup | None = None

    @property
    def may_begin(self) -> bool:
        """Return whether pools can be alive now."""
        return self._group is not None

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Let pools live inside of ``async with``."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            try:
                yield
            finally:
                self._group = None

    def add(self, pool: Pool) -> None:
        """Take in a pool, not yet alive."""
        self._lives[pool.config.name] = _Life(pool)

    def want(self, name: str, *, alive: bool) -> None:
        """Begin a pool's life, or begin to end it."""
        assert self._group
        life = self._lives[name]
        if not alive:
            if life.running and not life.parting:
                parting = self._part(name, life)
                life.parting = self._group.create_task(parting, name=f"pool {name} parts")
        elif life.parting and not life.is_ending:
            life.parting.cancel()
            life.parting = None
        elif life.running is None:
            life.running = self._group.create_task(life.pool.run(), name=f"pool {name}")

    def remove(self, name: str, then: Callable[[], None]) -> None:
        """Let a pool go for good, and call ``then`` when it is gone."""
        life = self._lives.pop(name)
        if self._group:
            self._group.create_task(self._remove(life, then), name=f"pool {name} leaves")
        else:
            then()

    async def _part(self, name: str, life: _Life) -> None:
        await self._end(life)
        if name in self._lives:
            self._parted(name)

    async def _remove(self, life: _Life, then: Callable[[], None]) -> None:
        if life.parting:
            await asyncio.wait([life.parting])
        await self._end(life)
        then()

    async def _end(self, life: _Life) -> None:
        """Let the pool answer what is in flight, then end its life."""
        pool, running = life.pool, life.running
        if running:
            await asyncio.sleep(LATE_NONCES)
            await pool.drain(pool.config.deadlines.submit)
            life.is_ending = True
            running.cancel()
            await asyncio.wait([running])
            pool.state = PoolState.DISCONNECTED
        self._miner.pool_gone(pool.config.name)
        life.running = life.parting = None
        life.is_ending = False
