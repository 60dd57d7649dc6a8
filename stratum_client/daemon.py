"""The composition root: a configuration becomes objects, the objects run in one TaskGroup.

Also signals and the order in which everything ends: devices stop, shares in flight are answered,
pools close.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from random import Random

from drivers.api import Clock, DeviceState, DeviceStats, Log
from stratum_client import __version__
from stratum_client.api.control_lines import Handler
from stratum_client.api.control_socket import ControlSocket
from stratum_client.api.rim import Rim
from stratum_client.block_rescue import BlockRescue
from stratum_client.clock_sync import is_synchronized
from stratum_client.config import Config, PoolConfig
from stratum_client.device_control import FILE_NAME, DeviceControl
from stratum_client.device_finder import Verdict
from stratum_client.device_orders import DeviceOrders
from stratum_client.exporter import Exporter
from stratum_client.fleet import Fleet, bound
from stratum_client.health import is_tended
from stratum_client.ledger_desk import LedgerDesk
from stratum_client.loop_lag import LoopLag
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_control import FILE_NAME as POOLS_FILE_NAME
from stratum_client.pool_control import PoolControl
from stratum_client.pool_set import PoolSet
from stratum_client.pool_watcher import PoolWatcher
from stratum_client.reload import Reload, Settings
from stratum_client.rims import PlainRims, Rims
from stratum_client.service_notify import ServiceReport
from stratum_client.site import Site
from stratum_client.state_file import StateFile
from stratum_client.stats import Metered, NamedDevice, RigStats, ShareCounts
from stratum_client.status_orders import StatusOrders
from stratum_client.supervise import SupervisedDevice

ANSWER_WAIT = 1.0
"""How long a clean end waits for the pool's answers to shares in flight."""

DEVICE_WAIT = 1.2
"""How long a clean end waits for devices to come to rest before it asks what pools still owe."""

EXIT_OK, EXIT_NO_POOL = 0, 3

STDOUT = 1


class Daemon:
    """Everything that runs on one rig.

    ``found`` is what is plugged in, None where devices are configured. With a ``state_dir``, which
    must be locked for us, orders are taken there; with ``settings`` one of them is to read them
    again. ``service`` tells the service manager. A replay, which has no devices, does not follow
    what the site wants. Raises ConfigError for a device that cannot be as it is configured.
    """

    def __init__(
        self,
        config: Config,
        *,
        found: Sequence[Verdict] | None = None,
        state_dir: Path | None = None,
        clock: Clock,
        random: Random,
        log_for: Callable[[str], Log],
        rims: Rims | None = None,
        settings: Settings | None = None,
        service: ServiceReport | None = None,
        synchronized: Callable[[], bool | None] = is_synchronized,
        follows_site: bool = True,
    ) -> None:
        self.miner = Miner(clock)
        self._settings = settings
        self._follows_site = follows_site
        self._clock = clock
        self._rims = rims or PlainRims()
        self._log_for = log_for
        self._started = clock.monotonic()
        self._stop = asyncio.Event()
        self._last_words: dict[str, DeviceStats] = {}
        self.blocks = BlockRescue(self.miner, clock=clock, log=log_for("pool"))
        self._random = random
        self._exit_code = EXIT_OK
        self.pools = PoolSet(
            config.pools,
            config.work,
            self.miner,
            self._make_pool,
            clock=clock,
            log=log_for("pool"),
            hashrates=self.hashrates,
            give_up=self._give_up,
            rims=self._rims,
        )
        self._service = service
        self._lag = LoopLag(log_for("daemon"))
        self.control = DeviceControl(
            lambda: self.fleet.devices,
            file=StateFile(state_dir / FILE_NAME) if state_dir else None,
            clock=clock,
            log=log_for("control"),
        )
        self.fleet = Fleet(
            config.devices,
            found=found,
            miner=self.miner,
            clock=clock,
            random=random,
            log_for=log_for,
            rims=self._rims,
            setpoint_for=self.control.setpoint,
        )
        self.site = Site(
            config,
            control=self.control,
            devices=lambda: self.fleet.devices,
            state_dir=state_dir,
            synchronized=synchronized,
            clock=clock,
            random=random,
            log_for=log_for,
        )
        listen, pages = config.metrics.listen, Exporter(self.snapshot).pages
        self._rim = Rim(listen.host, listen.port, pages, log_for("metrics")) if listen else None
        self._ledger = (
            LedgerDesk(
                state_dir,
                config.ledger,
                miner=self.miner,
                blocks=self.blocks,
                clock=clock,
                random=random,
                log=log_for("ledger"),
            )
            if state_dir
            else None
        )
        self._pool_control = PoolControl(
            self.pools,
            config=lambda: self._reload.config,
            keep_secret=lambda secret: settings.keep_secret(secret) if settings else None,
            file=StateFile(state_dir / POOLS_FILE_NAME) if state_dir else None,
            clock=clock,
            log=log_for("control"),
        )
        self._reload = Reload(
            config,
            settings,
            pools=self._pool_control,
            devices=self.fleet,
            windows=self.site.windows,
            log=log_for("config"),
            rims=self._rims,
            followers=(self.site.configure,),
        )
        self._socket = (
            ControlSocket(state_dir, self._handlers(), log_for("control")) if state_dir else None
        )

    async def run(self) -> int:
        """Mine until `stop` is called; return the exit code."""
        async with self._ledger or nullcontext(), self._socket or nullcontext():
            try:
                return await self._mine()
            finally:
                self.blocks.give_up()

    async def _mine(self) -> int:
        gc.freeze()  # a full collection need not look at what start-up made: 18 ms become 0.2
        async with asyncio.TaskGroup() as group:
            pools = group.create_task(self.pools.run(), name="pools")
            devices = group.create_task(self.fleet.run(), name="devices")
            services = [
                group.create_task(self.control.run(), name="control"),
                group.create_task(self._lag.run(), name="loop lag"),
                group.create_task(self._pool_control.run(), name="pools that change"),
                group.create_task(self._reload.run(), name="reload"),
            ]
            if self._follows_site:
                services.append(group.create_task(self.site.run(), name="site"))
            if self._rim:
                services.append(group.create_task(self._rim.run(), name="metrics"))
            if self._service:
                report = self._service.run(self.snapshot, self.is_tended)
                services.append(group.create_task(report, name="service"))
            await self._stop.wait()
            if self._service:
                self._service.stopping()
            self._rims.stopping()
            self._last_words = {device.name: device.stats for device in self.snapshot().devices}
            devices.cancel()
            await asyncio.wait([devices], timeout=DEVICE_WAIT)
            await self.pools.drain(ANSWER_WAIT)
            for task in (pools, *services):
                task.cancel()
        return self._exit_code

    def stop(self) -> None:
        """Begin the end: devices first, pools when they have answered."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """End cleanly at the first SIGINT or SIGTERM; at the second, cancel the calling task.

        SIGHUP reads the configuration again, but ends when it says that the terminal is gone.
        """
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task

        def signalled(number: signal.Signals) -> None:
            if self._stop.is_set():
                task.cancel()
                return
            self._log_for("daemon").info("daemon.stopping", signal=number.name)
            self.stop()

        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, signalled, number)
        had_terminal = os.isatty(STDOUT)

        def hung_up() -> None:
            """Tell a terminal that is gone from somebody who wants a reload."""
            if had_terminal and not os.isatty(STDOUT):
                signalled(signal.SIGHUP)
            else:
                self._reload.signalled()

        loop.add_signal_handler(signal.SIGHUP, hung_up)

    def _handlers(self) -> Mapping[str, Handler]:
        """Return what can be ordered over the control socket."""
        log = self._log_for("control")
        devices = DeviceOrders(self.fleet, self.control, clock=self._clock, log=log)
        status = StatusOrders(self.snapshot)
        return {
            **status.handlers,
            **devices.handlers,
            **self.control.handlers,
            **self.site.handlers,
            **self._pool_control.handlers,
            **self._reload.handlers,
        }

    def _make_pool(self, config: PoolConfig, watcher: PoolWatcher) -> Pool:
        name = config.name
        return Pool(
            config,
            self.miner,
            clock=self._clock,
            random=self._random,
            log=bound(self._log_for("pool"), pool=name),
            hashrate=self._rims.hashrate(name, lambda: self.hashrate() * self.pools.part(name)),
            rim=self._rims.pool(name),
            blocks=self.blocks,
            watcher=watcher,
        )

    def _give_up(self) -> None:
        """End, for there has been no pool for too long and the configuration wants that."""
        if not self._stop.is_set():
            self._log_for("daemon").error("daemon.no_pool", reason=self.pools.reason)
            self._exit_code = EXIT_NO_POOL
            self.stop()

    def hashrates(self) -> Mapping[str, float]:
        """Return the H/s of each device that hashes: what it claims, else what it has proven."""
        now = self._clock.monotonic()
        snapshots = (device.snapshot(now) for device in self.fleet.devices)
        return {
            device.name: device.stats.claimed_hashrate or device.counts.recent_hashrate
            for device in snapshots
            if device.stats.state is DeviceState.MINING
        }

    def hashrate(self) -> float:
        """Return H/s: what devices claim of themselves, else what they have proven."""
        now = self._clock.monotonic()
        claimed = sum(device.snapshot(now).stats.claimed_hashrate for device in self.fleet.devices)
        return claimed or self.miner.tally.proven.recent(now)

    def is_tended(self) -> bool:
        """Return whether somebody looks after the pools; a restart might help where not."""
        now, pools = self._clock.monotonic(), self.pools.pools
        ages = {pool.config.name: now - pool.tended_at for pool in pools}
        pauses = (pool.config.deadlines.longest_pause for pool in pools)
        return is_tended(self.snapshot(), ages, max(pauses, default=0.0))

    def snapshot(self) -> RigStats:
        """Return all that is to be told of the rig."""
        now, power = self._clock.monotonic(), self.site.meters.power
        energy = self.site.energy.stats
        return RigStats(
            rig=self._reload.config.rig.name,
            version=__version__,
            uptime=now - self._started,
            counts=ShareCounts.of(self.miner.tally, now),
            pools=self.pools.snapshot(now),
            devices=tuple(
                replace(self._device_snapshot(device, now), energy=energy.devices.get(device.name))
                for device in self.fleet.devices
            ),
            work=self.pools.reason,
            claims=self.control.claims.in_force(self._clock.wall()).claims,
            loop_lag=self._lag.worst(),
            idle_after=self.control.idle_after,
            orders=self.site.curtail.stats,
            power=Metered.of(power.total, now) if power else None,
            cap=self.site.meters.held,
            energy=energy,
        )

    def _device_snapshot(self, device: SupervisedDevice, now: float) -> NamedDevice:
        """Return what a device says, or said last before it was told to stop."""
        snapshot = device.snapshot(now)
        stats = self._last_words.get(device.name, snapshot.stats)
        power = self.site.meters.power
        reading = power.devices.get(device.name) if power else None
        return replace(
            snapshot,
            stats=stats,
            decision=self.control.decision(device.name),
            power=Metered.of(reading, now) if reading else None,
            tuning=self.site.tuner.note(device.name),
        )
