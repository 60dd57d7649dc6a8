"""The configuration read again: what differs is applied, what does not is left alone.

| request | other keys, all optional | result |
|---|---|---|
| reload | dry_run | changes, needs_restart, problems: lists of sentences |

A file with an error changes nothing. What cannot be taken over while the daemon runs is said.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

from drivers.api import Log
from stratum_client.api.control_lines import Handler, Order, OrderError, Reply
from stratum_client.config import Config, DeviceConfig, LogConfig, PoolConfig
from stratum_client.config_diff import (
    Change,
    DeviceAdded,
    DeviceChanged,
    DeviceRemoved,
    DevicesArranged,
    PoolAdded,
    PoolChanged,
    PoolRemoved,
    PoolsArranged,
    SectionChanged,
    applied,
    difference,
    is_applicable,
    is_told,
)
from stratum_client.config_work import WorkConfig
from stratum_client.control.schedule import Schedule
from stratum_client.errors import ConfigError, PoolOrderError
from stratum_client.rims import PlainRims, Rims

_READ_WAIT = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where settings come from, and who is told of what concerns the log.

    ``announced`` surrounds each reload, for those outside who wait for its end.
    """

    load: Callable[[], Config]
    change_log: Callable[[LogConfig, Sequence[str]], None]
    keep_secret: Callable[[str], None]
    announced: Callable[[], AbstractContextManager[None]] = nullcontext


class Devices(Protocol):
    """What is asked of the fleet."""

    def check(self, config: DeviceConfig) -> None:
        """Raise ConfigError if there cannot be such a device."""
        ...

    def add(self, config: DeviceConfig) -> None:
        """Take in a device and start it."""
        ...

    async def remove(self, name: str) -> None:
        """End a device."""
        ...


class Pools(Protocol):
    """What is asked of the pools; orders raise PoolOrderError."""

    def add(self, config: PoolConfig) -> None:
        """Take in a pool."""
        ...

    async def remove(self, name: str) -> None:
        """Let a pool go."""
        ...

    def replace(self, config: PoolConfig) -> None:
        """Give a pool other settings by a new session."""
        ...

    def adjust(self, config: PoolConfig) -> None:
        """Give a pool settings that need no new session."""
        ...

    def arrange(self, names: Sequence[str]) -> None:
        """Put the pools into this order; what is not named comes last."""
        ...

    def configure(self, work: WorkConfig) -> None:
        """Go by other settings of the work."""
        ...


class Windows(Protocol):
    """What is asked of the operating windows."""

    def prepared(self, config: Config) -> Schedule | None:
        """Return the schedule that ``config`` asks for; reads files, raises ConfigError."""
        ...

    def configure(self, schedule: Schedule | None, config: Config) -> None:
        """Go by another schedule from now on."""
        ...


class Reload:
    """Holds the configuration in force, and takes over another one.

    ``checks`` are called with a new one before anything is changed, in a thread; they raise
    ConfigError for what could not be taken over. ``followers`` are called after each reload with
    what is in force, for those who look themselves whether anything changed for them.
    """

    def __init__(
        self,
        config: Config,
        settings: Settings | None,
        *,
        pools: Pools,
        devices: Devices,
        windows: Windows | None = None,
        log: Log,
        rims: Rims | None = None,
        checks: Sequence[Callable[[Config], None]] = (),
        followers: Sequence[Callable[[Config], None]] = (),
    ) -> None:
        self.config = config
        self._checks = checks
        self._followers = followers
        self._settings = settings
        self._pools = pools
        self._devices = devices
        self._windows = windows
        self._prepared: Schedule | None = None
        self._log = log
        self._rims = rims or PlainRims()
        self._turn = asyncio.Lock()
        self._signalled = asyncio.Event()

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """Return the handler of each request."""
        return {"reload": self._ordered}

    def signalled(self) -> None:
        """Read the configuration again soon; for signal handlers."""
        self._signalled.set()

    async def run(self) -> None:
        """Follow signals until cancelled."""
        while True:
            await self._signalled.wait()
            self._signalled.clear()
            try:
                await self.reload(by="SIGHUP")
            except OrderError:
                continue  # the log has it

    async def _ordered(self, order: Order) -> Reply:
        return await self.reload(by=order.by, dry_run=order.flag("dry_run"))

    async def reload(self, *, by: str, dry_run: bool = False) -> Reply:
        """Take over what the configuration says by now; raise OrderError if it is wrong."""
        announced = self._settings.announced if self._settings and not dry_run else nullcontext
        async with self._turn:
            with announced():
                return await self._reload(by, dry_run=dry_run)

    async def _reload(self, by: str, *, dry_run: bool) -> Reply:
        new, changes = await self._read(by)
        live = [change for change in changes if is_applicable(change)]
        problems: list[str] = []
        if not dry_run:
            for change in live:
                problems += await self._apply(change)
            self.config = applied(self.config, live)
            self._settled(new)
        told = [str(change) for change in live if is_told(change)]
        rest = [str(change) for change in changes if not is_applicable(change)]
        if not dry_run:
            tell = self._log.warning if rest or problems else self._log.info
            tell("reload.done", by=by, changes=told, needs_restart=rest, problems=problems)
        return {"changes": told, "needs_restart": rest, "problems": problems}

    async def _read(self, by: str) -> tuple[Config, tuple[Change, ...]]:
        """Return another configuration that was found good, and what it changes."""
        if self._settings is None:
            problem = "this daemon has no configuration to read again"
            self._log.warning("reload.refused", by=by, error=problem)
            raise OrderError(problem)
        try:
            async with asyncio.timeout(_READ_WAIT):
                new = await asyncio.to_thread(self._settings.load)
                self._rims.configured(new)
                kept = replace(new, rig=self.config.rig)
                if self._windows:
                    self._prepared = await asyncio.to_thread(self._windows.prepared, kept)
                for check in self._checks:
                    await asyncio.to_thread(check, kept)
            changes = difference(self.config, new)
            for change in changes:
                match change:
                    case DeviceAdded(device=device) | DeviceChanged(new=device):
                        self._devices.check(device)
        except (ConfigError, TimeoutError) as error:
            problem = str(error) or f"it could not be read within {_READ_WAIT:g} s"
            self._log.error("reload.refused", by=by, error=problem)
            raise OrderError(f"nothing was changed: {problem}") from error
        return new, changes

    async def _apply(self, change: Change) -> list[str]:
        """Apply one change; return what went wrong."""
        try:
            if isinstance(change, DeviceAdded | DeviceRemoved | DeviceChanged | DevicesArranged):
                await self._apply_to_devices(change)
            elif isinstance(change, SectionChanged):
                self._apply_section(change)
            else:
                await self._apply_to_pools(change)
        except (ConfigError, PoolOrderError) as error:
            return [f"{change}: {error}"]
        return []

    async def _apply_to_pools(
        self, change: PoolAdded | PoolRemoved | PoolChanged | PoolsArranged
    ) -> None:
        match change:
            case PoolAdded(pool=pool):
                self._pools.add(pool)
            case PoolRemoved(name=name):
                await self._pools.remove(name)
            case PoolChanged(new=new) if change.reconnects:
                self._pools.replace(new)
            case PoolChanged(new=new):
                self._pools.adjust(new)

    async def _apply_to_devices(
        self, change: DeviceAdded | DeviceRemoved | DeviceChanged | DevicesArranged
    ) -> None:
        match change:
            case DeviceAdded(device=device):
                self._devices.add(device)
            case DeviceRemoved(name=name):
                await self._devices.remove(name)
            case DeviceChanged(old=old, new=new) if change.restarts:
                await self._devices.remove(old.name)
                self._devices.add(new)

    def _apply_section(self, change: SectionChanged) -> None:
        if isinstance(change.new, WorkConfig):
            self._pools.configure(change.new)

    def _settled(self, new: Config) -> None:
        """Do what follows from the configuration as a whole."""
        assert self._settings
        self._settings.change_log(self.config.log, new.secrets)
        self._pools.arrange([pool.name for pool in self.config.pools])
        if self._windows:
            self._windows.configure(self._prepared, self.config)
        for follow in self._followers:
            follow(self.config)
        for warning in new.warnings:
            self._log.warning("config.warning", text=warning)
