"""Orders about pools, from users and from a configuration read again; choices are remembered.

| request | other keys | result |
|---|---|---|
| pools | | pools: a list as in the status, chosen, reason |
| pool.use | pool: a name, or nothing for automatic | as pools, durable, problem |
| pool.enable, pool.disable | pool | as pools, durable, problem |
| pool.add | url, user; name, password, proxy, pin, insecure if wanted | pool, note |
| pool.remove | pool | pool, note |

With dry_run each of them only says whether it could be followed, and changes nothing.

``chosen`` and disabled pools outlive the daemon. A pool that was added lasts until the daemon ends,
unless it stands in the configuration; one that was removed is back then, if it does.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count

from drivers.api import Clock, Log
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.config import Config, PoolConfig
from stratum_client.config_arguments import PoolArguments, with_arguments
from stratum_client.config_work import WorkConfig
from stratum_client.errors import ConfigError, PoolOrderError
from stratum_client.pool_choices import ChoicesFileError, PoolChoices, choices_in, text_of
from stratum_client.pool_set import PoolSet
from stratum_client.setting_kinds import NAME, NotAllowedError, read_value
from stratum_client.state_file import StateFile

FILE_NAME = "pools.json"

MAX_POOLS = 64

SAVE_AGAIN = 60.0
"""Seconds after which choices are written again that could not be."""

_CLOSED_SOON = 0.05
"""Seconds between looks whether a pool has closed whose name is wanted; it tells nobody."""

NOT_IN_FILE = "it is not in the configuration: it lasts until the daemon ends"
IN_FILE = "it stands in the configuration: it is back with the next start, unless it goes there too"

LOCKED = "pools are locked by security.lock_pools: they come from the configuration alone"


class PoolControl:
    """Follows orders to ``pools``; without a ``file`` choices last as long as the daemon.

    ``config`` returns the configuration in force, ``keep_secret`` takes a new password. What a
    disk does not take is tried again after ``save_again`` seconds.
    """

    def __init__(
        self,
        pools: PoolSet,
        *,
        config: Callable[[], Config],
        keep_secret: Callable[[str], None],
        file: StateFile | None,
        clock: Clock,
        log: Log,
        save_again: float = SAVE_AGAIN,
    ) -> None:
        self._pools = pools
        self._save_again = save_again
        self._config = config
        self._keep_secret = keep_secret
        self._file = file
        self._clock = clock
        self._log = log
        self._choices = PoolChoices()
        self._order: tuple[str, ...] = ()
        self._replacing: dict[str, PoolConfig] = {}
        self._has_replacing = asyncio.Event()
        self._is_unsaved = asyncio.Event()
        self._restore()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {
            "pools": lambda _: self._told(),
            "pool.use": self._use,
            "pool.enable": lambda order: self._switched(order, enable=True),
            "pool.disable": lambda order: self._switched(order, enable=False),
            "pool.add": self._add,
            "pool.remove": self._remove,
        }

    async def run(self) -> None:
        """Do what could not be done at once, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._run_replacing(), name="pools that reconnect")
            group.create_task(self._run_saving(), name="choices that are not saved")

    async def _run_saving(self) -> None:
        """Write down what a start has changed, and choices that a disk did not take."""
        if self._is_unsaved.is_set():
            await self._saved()
        while True:
            await self._is_unsaved.wait()
            await asyncio.sleep(self._save_again)
            if self._is_unsaved.is_set():
                await self._saved()

    async def _run_replacing(self) -> None:
        """Bring back pools with other settings as soon as their old sessions are closed."""
        while True:
            await self._has_replacing.wait()
            for config in list(self._replacing.values()):
                try:
                    self._take_in(config)
                except PoolOrderError:
                    continue  # the old session is still closing
                del self._replacing[config.name]
                self.arrange(self._order)
            if not self._replacing:
                self._has_replacing.clear()
            await asyncio.sleep(_CLOSED_SOON)

    # --- what users order ---

    async def _use(self, order: Order) -> Reply:
        name = order.text_or_nothing("pool") or None
        if order.flag("dry_run"):
            self._obeyed(lambda: self._pools.check(name, enabled=True))
            return self._told()
        self._obeyed(lambda: self._pools.use(name))
        self._log.info("pool.chosen", pool=name or "automatic", by=order.by)
        result = await self._remembered(replace(self._choices, use=name))
        if name is None or self._is_in_file(name):
            return result
        return {**result, "durable": False, "problem": f"{name}: {NOT_IN_FILE}"}

    async def _switched(self, order: Order, *, enable: bool) -> Reply:
        name = order.text("pool")
        if order.flag("dry_run"):
            self._obeyed(lambda: self._pools.check(name))
            return self._told()
        switch = self._pools.enable if enable else self._pools.disable
        self._obeyed(lambda: switch(name))
        self._log.info("pool.enabled" if enable else "pool.disabled", pool=name, by=order.by)
        disabled = self._choices.disabled - {name} if enable else self._choices.disabled | {name}
        use = self._choices.use if enable else self._choice_without(name)
        return await self._remembered(PoolChoices(use=use, disabled=disabled))

    async def _add(self, order: Order) -> Reply:
        self._refuse_if_locked()
        config = self._config_in(order)
        if len(self._names()) >= MAX_POOLS:
            raise OrderError(f"there are {MAX_POOLS} pools already")
        if config.name in self._replacing:
            raise OrderError(f"there is a pool called {config.name} already, about to reconnect")
        if order.flag("dry_run"):
            self._obeyed(lambda: self._pools.check_new(config.name))
            return {"pool": config.name, "note": NOT_IN_FILE}
        for secret in Config(pools=(config,)).secrets:
            self._keep_secret(secret)
        self._obeyed(lambda: self._pools.add(config))
        self._log.info("pool.added", pool=config.name, url=str(config.url), by=order.by)
        return {"pool": config.name, "note": NOT_IN_FILE}

    async def _remove(self, order: Order) -> Reply:
        self._refuse_if_locked()
        name = order.text("pool")
        if {*self._names(), *self._replacing} == {name}:
            raise OrderError(f"{name} is the only pool: add another one first, or pause")
        note = IN_FILE if self._is_in_file(name) else ""
        if order.flag("dry_run"):
            if name not in self._replacing:
                self._obeyed(lambda: self._pools.check(name))
            return {"pool": name, "note": note}
        if self._replacing.pop(name, None):
            self._pools.stays_away(name)
        else:
            self._obeyed(lambda: self._pools.remove(name))
        self._log.info("pool.removed", pool=name, by=order.by)
        disabled = self._choices.disabled - {name}
        await self._remembered(PoolChoices(use=self._choice_without(name), disabled=disabled))
        return {"pool": name, "note": note}

    def _refuse_if_locked(self) -> None:
        if self._config().security.lock_pools:
            raise OrderError(LOCKED)

    def _config_in(self, order: Order) -> PoolConfig:
        arguments = PoolArguments(
            url=order.text("url"),
            user=order.text("user"),
            password=order.text_or_nothing("password", 256) or None,
            proxy=order.text_or_nothing("proxy", 512) or None,
            pin=order.text_or_nothing("pin") or None,
            insecure=order.flag("insecure"),
        )
        name = order.text_or_nothing("name", 64)
        try:
            [config] = with_arguments(self._config(), pools=[arguments], environ={}).pools
            if name:
                return replace(config, name=str(read_value(NAME, name)))
        except ConfigError as error:
            raise OrderError(str(error)) from error
        except NotAllowedError as error:
            raise OrderError(f'"name" is not {NAME.allowed}') from error
        used = set(self._names())
        numbered = (config.name if n == 1 else f"{config.name}-{n}" for n in count(1))
        return replace(config, name=next(free for free in numbered if free not in used))

    # --- what a configuration orders ---

    def add(self, config: PoolConfig) -> None:
        """Take in a pool of the configuration, in place of one of that name that was added."""
        if config.name in self._names():
            self.replace(config)
            return
        try:
            self._take_in(config)
        except PoolOrderError:
            self._bring_back(config)

    async def remove(self, name: str) -> None:
        """Let a pool go, if it has not been removed by hand; a choice of it ends."""
        if self._replacing.pop(name, None):
            self._pools.stays_away(name)
        if name in self._names():
            self._pools.remove(name)
        if name == self._choices.use:
            await self._remembered(replace(self._choices, use=None))

    def replace(self, config: PoolConfig) -> None:
        """Let a pool's old session end, and begin one with other settings then."""
        if config.name in self._names():
            self._pools.remove(config.name, comes_back=True)
            self._bring_back(config)
        elif config.name in self._replacing:
            self._bring_back(config)

    def adjust(self, config: PoolConfig) -> None:
        """Give a pool settings that need no new session."""
        if config.name in self._replacing:
            self._bring_back(config)
        elif config.name in self._names():
            self._pools.adjust(config)

    def arrange(self, names: Sequence[str]) -> None:
        """Put the pools into this order; what is not named comes last."""
        self._order = tuple(names)
        there = self._names()
        self._pools.arrange(
            [
                *(name for name in names if name in there),
                *(name for name in there if name not in names),
            ]
        )

    def configure(self, work: WorkConfig) -> None:
        """Go by other settings of the work."""
        self._pools.configure(work)

    def _bring_back(self, config: PoolConfig) -> None:
        self._replacing[config.name] = config
        self._has_replacing.set()

    # --- choices ---

    def _restore(self) -> None:
        """Take up what was chosen when the last daemon ended, however it ended."""
        if not self._file:
            return
        path = str(self._file.path)
        try:
            data = self._file.read()
            self._choices = choices_in(data) if data is not None else PoolChoices()
        except OSError as error:
            self._log.error("choices.unreadable", path=path, error=error.strerror or str(error))
        except ChoicesFileError as error:
            aside = str(self._file.put_aside())
            self._log.error("choices.damaged", path=path, error=str(error), kept_as=aside)
        for name in self._names():
            self._apply_choices(name)
        chosen = self._choices.use
        if chosen and chosen not in self._names():
            self._log.warning("choices.void", pool=chosen, reason="there is no such pool any more")
            self._choices, chosen = replace(self._choices, use=None), None
            self._is_unsaved.set()  # so that the next start does not say it again
        if self._choices != PoolChoices():
            disabled = ", ".join(sorted(self._choices.disabled))
            self._log.info("choices.restored", use=chosen or "automatic", disabled=disabled)

    def _take_in(self, config: PoolConfig) -> None:
        """Take in a pool as users have chosen: one that is disabled is not even dialled."""
        self._pools.add(config, enabled=config.name not in self._choices.disabled)
        self._apply_choices(config.name)

    def _apply_choices(self, name: str) -> None:
        if name in self._choices.disabled:
            self._pools.disable(name)
        elif name == self._choices.use:
            self._pools.use(name)

    def _choice_without(self, name: str) -> str | None:
        """Return the choice that is left without a pool; it may be one about to reconnect."""
        return self._choices.use if self._choices.use != name else None

    async def _remembered(self, choices: PoolChoices) -> dict[str, object]:
        self._choices = choices
        problem = await self._saved()
        return {**self._told(), "durable": not problem, "problem": problem}

    async def _saved(self) -> str:
        """Write the choices down; return why that did not work, empty if it did."""
        if not self._file:
            return "there is no state directory"
        self._is_unsaved.clear()
        try:
            await self._file.write(text_of(self._choices))
        except OSError as error:
            problem = f"{self._file.path}: {error.strerror or error}"
            self._is_unsaved.set()
            self._log.error("choices.not_saved", error=problem, again_in=self._save_again)
            return problem
        return ""

    # --- small things ---

    def _told(self) -> dict[str, object]:
        pools = self._pools.snapshot(self._clock.monotonic())
        return {
            "pools": [pool.json() for pool in pools],
            "chosen": self._pools.chosen,
            "reason": self._pools.reason,
        }

    def _obeyed(self, order: Callable[[], None]) -> None:
        try:
            order()
        except PoolOrderError as error:
            raise OrderError(str(error)) from error

    def _names(self) -> list[str]:
        return [pool.config.name for pool in self._pools.pools]

    def _is_in_file(self, name: str) -> bool:
        return name in (pool.name for pool in self._config().pools)
