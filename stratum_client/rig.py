"""What mines: devices, pools, the miner between them, and who says how much devices may."""

from collections.abc import Callable, Mapping, Sequence

from drivers.api import DeviceState
from stratum_client.block_rescue import BlockRescue
from stratum_client.config import Config, PoolConfig
from stratum_client.daemon_context import DaemonContext
from stratum_client.device_control import FILE_NAME, DeviceControl
from stratum_client.device_finder import Verdict
from stratum_client.fleet import Fleet, bound
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_set import PoolSet
from stratum_client.pool_watcher import PoolWatcher


class Rig:
    """The parts of one rig, joined.

    ``found`` is what is plugged in, None where devices are configured. ``give_up`` is called when
    there has been no pool for too long. Raises ConfigError for a device that cannot be as it is
    configured.
    """

    def __init__(
        self,
        config: Config,
        context: DaemonContext,
        *,
        found: Sequence[Verdict] | None,
        give_up: Callable[[], None],
    ) -> None:
        clock, log_for = context.clock, context.log_for
        self._context = context
        self.miner = Miner(clock)
        self.blocks = BlockRescue(self.miner, clock=clock, log=log_for("pool"))
        self.pools = PoolSet(
            config.pools,
            config.work,
            self.miner,
            self._make_pool,
            clock=clock,
            log=log_for("pool"),
            hashrates=self.hashrates,
            give_up=give_up,
            rims=context.rims,
        )
        self.control = DeviceControl(
            lambda: self.fleet.devices,
            file=context.state_file(FILE_NAME),
            clock=clock,
            log=log_for("control"),
        )
        self.fleet = Fleet(
            config.devices,
            found=found,
            miner=self.miner,
            clock=clock,
            random=context.random,
            log_for=log_for,
            rims=context.rims,
            setpoint_for=self.control.setpoint,
            heat=config.thermal.goals,
        )

    def hashrates(self) -> Mapping[str, float]:
        """Return the H/s of each device that hashes: what it claims, else what it has proven."""
        now = self._context.clock.monotonic()
        snapshots = (device.snapshot(now) for device in self.fleet.devices)
        return {
            device.name: device.stats.claimed_hashrate or device.counts.recent_hashrate
            for device in snapshots
            if device.stats.state is DeviceState.MINING
        }

    def hashrate(self) -> float:
        """Return H/s: what devices claim of themselves, else what they have proven."""
        now = self._context.clock.monotonic()
        claimed = sum(device.snapshot(now).stats.claimed_hashrate for device in self.fleet.devices)
        return claimed or self.miner.tally.proven.recent(now)

    def _make_pool(self, config: PoolConfig, watcher: PoolWatcher) -> Pool:
        context, name = self._context, config.name
        return Pool(
            config,
            self.miner,
            clock=context.clock,
            random=context.random,
            log=bound(context.log_for("pool"), pool=name),
            hashrate=context.rims.hashrate(name, lambda: self.hashrate() * self.pools.part(name)),
            rim=context.rims.pool(name),
            blocks=self.blocks,
            watcher=watcher,
        )
