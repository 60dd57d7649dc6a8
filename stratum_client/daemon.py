"""The composition root: a configuration becomes objects, the objects run in one TaskGroup.

Also signals and the order in which everything ends: devices stop, shares in flight are answered,
pools close.
"""

import asyncio
import signal
from collections.abc import Callable
from dataclasses import replace
from random import Random

from drivers import registry
from drivers.api import Clock, Context, DeviceStats, Log, PortInfo
from drivers.errors import DriverError, SettingError
from stratum_client.config import Config, DeviceConfig
from stratum_client.errors import ConfigError
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.stats import NamedDevice, RigStats, ShareCounts
from stratum_client.supervise import SupervisedDevice

ANSWER_WAIT = 1.0
"""How long a clean end waits for the pool's answers to shares in flight."""

DEVICE_WAIT = 1.5
"""How long a clean end waits for devices to come to rest before it asks what pools still owe."""

EXIT_OK = 0


class Daemon:
    """Everything that runs on one rig."""

    def __init__(
        self,
        config: Config,
        *,
        clock: Clock,
        random: Random,
        log_for: Callable[[str], Log],
    ) -> None:
        self.miner = Miner(clock, submit_stale=any(pool.submit_stale for pool in config.pools))
        self._clock = clock
        self._random = random
        self._log_for = log_for
        self._started = clock.monotonic()
        self._stop = asyncio.Event()
        self._last_words: dict[str, DeviceStats] = {}
        self.pools = [
            Pool(
                pool,
                self.miner,
                clock=clock,
                random=random,
                log=_bound(log_for("pool"), pool=pool.name),
                hashrate=self.hashrate,
            )
            for pool in config.pools
        ]
        self.devices = [self._open(device) for device in config.devices]

    async def run(self) -> int:
        """Mine until `stop` is called; return the exit code."""
        async with asyncio.TaskGroup() as group:
            pools = [
                group.create_task(pool.run(), name=f"pool {pool.config.name}")
                for pool in self.pools
            ]
            devices = [
                group.create_task(device.run(), name=f"device {device.name}")
                for device in self.devices
            ]
            await self._stop.wait()
            self._last_words = {device.name: device.stats for device in self.snapshot().devices}
            for task in devices:
                task.cancel()
            if devices:
                await asyncio.wait(devices, timeout=DEVICE_WAIT)
            await asyncio.gather(*(pool.drain(ANSWER_WAIT) for pool in self.pools))
            for task in pools:
                task.cancel()
        return EXIT_OK

    def stop(self) -> None:
        """Begin the end: devices first, pools when they have answered."""
        self._stop.set()

    def stop_on_signals(self) -> None:
        """End cleanly at the first SIGINT or SIGTERM; at the second, cancel the calling task."""
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

    def hashrate(self) -> float:
        """Return H/s: what devices claim of themselves, else what they have proven."""
        claimed = sum(device.snapshot(0.0).stats.claimed_hashrate for device in self.devices)
        return claimed or self.miner.tally.proven.recent(self._clock.monotonic())

    def snapshot(self) -> RigStats:
        """Return all that is to be told of the rig."""
        now = self._clock.monotonic()
        return RigStats(
            uptime=now - self._started,
            counts=ShareCounts.of(self.miner.tally, now),
            pools=tuple(pool.snapshot(now) for pool in self.pools),
            devices=tuple(self._device_snapshot(device, now) for device in self.devices),
        )

    def _device_snapshot(self, device: SupervisedDevice, now: float) -> NamedDevice:
        """Return what a device says, or said last before it was told to stop."""
        snapshot = device.snapshot(now)
        return replace(snapshot, stats=self._last_words.get(device.name, snapshot.stats))

    def _open(self, config: DeviceConfig) -> SupervisedDevice:
        try:
            driver = registry.driver(config.driver)
        except DriverError as error:
            raise ConfigError(f"device {config.name}", str(error)) from error
        seat = self.miner.seat(config.name)
        log = _bound(self._log_for("device"), device=config.name)
        context = Context(
            name=config.name, miner=seat, clock=self._clock, random=self._random, log=log
        )
        try:
            device = driver.open(PortInfo(paths=config.paths), config.settings, context)
        except SettingError as error:
            raise ConfigError(f"device {config.name}", str(error)) from error
        return SupervisedDevice(
            device, driver=config.driver, seat=seat, random=self._random, log=log
        )


def _bound(log: Log, **fields: object) -> Log:
    bind = getattr(log, "bind", None)
    return bind(**fields) if bind else log
