"""The composition root: a configuration becomes objects, the objects run in one TaskGroup.

Also signals and the order in which everything ends: devices stop, shares in flight are answered,
pools close.
"""

import asyncio
import gc
import os
import signal
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from random import Random

from drivers.api import Clock, Log
from stratum_client.api.control_lines import Handler
from stratum_client.api.control_socket import ControlSocket
from stratum_client.api.rim import Rim
from stratum_client.clock_sync import is_synchronized
from stratum_client.config import Config
from stratum_client.config_watch import FILE_NAME as CONFIG_FILE_NAME
from stratum_client.config_watch import ConfigWatch
from stratum_client.daemon_context import DaemonContext
from stratum_client.device_finder import Verdict
from stratum_client.device_orders import DeviceOrders
from stratum_client.exporter import Exporter
from stratum_client.ledger_desk import LedgerDesk
from stratum_client.loop_lag import LoopLag
from stratum_client.pool_control import FILE_NAME as POOLS_FILE_NAME
from stratum_client.pool_control import PoolControl
from stratum_client.reload import Reload, Settings
from stratum_client.rig import Rig
from stratum_client.rig_snapshots import RigSnapshots
from stratum_client.rims import PlainRims, Rims
from stratum_client.service_notify import ServiceReport
from stratum_client.site import Site
from stratum_client.stats import RigStats
from stratum_client.status_orders import StatusOrders
from stratum_client.supervise import kept_running
from stratum_client.telemetry import Events, Telemetry

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
        events = Events(config.rig.name, clock)
        self._context = DaemonContext(
            clock=clock,
            random=random,
            log_for=lambda component: events.heard_in(log_for(component), component),
            rims=rims or PlainRims(),
            state_dir=state_dir,
        )
        self._stop = asyncio.Event()
        self._exit_code = EXIT_OK
        self._rig = Rig(config, self._context, found=found, give_up=self._give_up)
        self.miner, self.pools, self.fleet = self._rig.miner, self._rig.pools, self._rig.fleet
        self.site = self._site_of(config, synchronized)
        events.broker = self.site.broker
        self._follows_site = follows_site
        self._lag = LoopLag(log_for("daemon"))
        self._snapshots = RigSnapshots(config.rig.name, self._rig, self.site, self._lag, clock)
        self._service = service
        self._metrics = self._metrics_of(config)
        self._ledger = self._ledger_of(config)
        self._pool_control = self._pool_control_of(settings)
        self._reload = self._reload_of(config, settings)
        self._socket = self._control_socket()

    def snapshot(self) -> RigStats:
        """Return all that is to be told of the rig."""
        return self._snapshots.snapshot()

    def hashrates(self) -> Mapping[str, float]:
        """Return the H/s of each device that hashes: what it claims, else what it has proven."""
        return self._rig.hashrates()

    def hashrate(self) -> float:
        """Return H/s: what devices claim of themselves, else what they have proven."""
        return self._rig.hashrate()

    # --- its life ---

    async def run(self) -> int:
        """Mine until `stop` is called; return the exit code."""
        async with self._ledger or nullcontext(), self._socket or nullcontext():
            try:
                return await self._mine()
            finally:
                self._rig.blocks.give_up()

    async def _mine(self) -> int:
        gc.freeze()  # a full collection need not look at what start-up made: 18 ms become 0.2
        async with asyncio.TaskGroup() as group:
            pools = group.create_task(self.pools.run(), name="pools")
            devices = group.create_task(self.fleet.run(), name="devices")
            services = [group.create_task(run, name=name) for name, run in self._services()]
            await self._stop.wait()
            if self._service:
                self._service.stopping()
            self._context.rims.stopping()
            self._snapshots.keep_last_words()
            devices.cancel()
            await asyncio.wait([devices], timeout=DEVICE_WAIT)
            await self.pools.drain(ANSWER_WAIT)
            for task in (pools, *services):
                task.cancel()
        return self._exit_code

    def _services(self) -> Iterator[tuple[str, Coroutine[object, object, None]]]:
        """Yield what runs beside pools and devices, each with its name."""
        yield "control", self._rig.control.run()
        yield "loop lag", self._lag.run()
        yield "pools that change", self._pool_control.run()
        yield "reload", self._reload.run()
        if self._follows_site:
            yield "site", self.site.run()
            yield "telemetry", self._telemetry()
        if watch := self._config_watch():
            yield "configuration file", watch.run()
        if self._metrics:
            yield "metrics", self._metrics.run()
        if self._service:
            yield "service", self._service.run(self.snapshot, self._snapshots.is_tended)

    def _config_watch(self) -> ConfigWatch | None:
        path, file = self._reload.config.path, self._context.state_file(CONFIG_FILE_NAME)
        if path is None or file is None or not self._follows_site:
            return None
        return ConfigWatch(path, file, self._context.log_for("config"))

    async def _telemetry(self) -> None:
        context = self._context
        run = Telemetry(self.site.broker, self.snapshot, context.clock).run
        log = context.log_for("mqtt")
        await kept_running("telemetry", run, random=context.random, log=log)

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
            self._context.log_for("daemon").info("daemon.stopping", signal=number.name)
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

    def _give_up(self) -> None:
        """End, for there has been no pool for too long and the configuration wants that."""
        if not self._stop.is_set():
            self._context.log_for("daemon").error("daemon.no_pool", reason=self.pools.reason)
            self._exit_code = EXIT_NO_POOL
            self.stop()

    # --- its parts, beside the rig ---

    def _site_of(self, config: Config, synchronized: Callable[[], bool | None]) -> Site:
        context = self._context
        return Site(
            config,
            control=self._rig.control,
            devices=lambda: self.fleet.devices,
            state_dir=context.state_dir,
            synchronized=synchronized,
            clock=context.clock,
            random=context.random,
            log_for=context.log_for,
        )

    def _metrics_of(self, config: Config) -> Rim | None:
        """Return the server of the metrics' pages, None where none is wanted."""
        listen = config.metrics.listen
        if listen is None:
            return None
        pages = Exporter(self.snapshot).pages
        return Rim(listen.host, listen.port, pages, self._context.log_for("metrics"))

    def _ledger_of(self, config: Config) -> LedgerDesk | None:
        """Return the desk of the share ledger, None where there is no place for it."""
        context = self._context
        if context.state_dir is None:
            return None
        return LedgerDesk(
            context.state_dir,
            config.ledger,
            miner=self.miner,
            blocks=self._rig.blocks,
            clock=context.clock,
            random=context.random,
            log=context.log_for("ledger"),
        )

    def _pool_control_of(self, settings: Settings | None) -> PoolControl:
        return PoolControl(
            self.pools,
            config=lambda: self._reload.config,
            keep_secret=lambda secret: settings.keep_secret(secret) if settings else None,
            file=self._context.state_file(POOLS_FILE_NAME),
            clock=self._context.clock,
            log=self._context.log_for("control"),
        )

    def _reload_of(self, config: Config, settings: Settings | None) -> Reload:
        return Reload(
            config,
            settings,
            pools=self._pool_control,
            devices=self.fleet,
            windows=self.site.windows,
            log=self._context.log_for("config"),
            rims=self._context.rims,
            checks=(self.site.check,),
            followers=(self.site.configure,),
        )

    def _control_socket(self) -> ControlSocket | None:
        """Return the socket that takes orders, None where there is no place for it."""
        context = self._context
        if context.state_dir is None:
            return None
        return ControlSocket(context.state_dir, self._handlers(), context.log_for("control"))

    def _handlers(self) -> Mapping[str, Handler]:
        """Return what can be ordered over the control socket."""
        context = self._context
        devices = DeviceOrders(
            self.fleet, self._rig.control, clock=context.clock, log=context.log_for("control")
        )
        status = StatusOrders(self.snapshot)
        return {
            **status.handlers,
            **devices.handlers,
            **self.site.handlers,
            **self._pool_control.handlers,
            **self._reload.handlers,
        }
