"""What is told of a rig, to whomever asks: status, metrics, the service manager."""

from dataclasses import replace

from drivers.api import Clock, DeviceStats
from stratum_client import __version__
from stratum_client.health import is_tended
from stratum_client.loop_lag import LoopLag
from stratum_client.rig import Rig
from stratum_client.site import Site
from stratum_client.stats import Metered, NamedDevice, RigStats, ShareCounts
from stratum_client.supervise import SupervisedDevice


class RigSnapshots:
    """Snapshots of a rig called ``name``; its uptime counts from here."""

    def __init__(self, name: str, rig: Rig, site: Site, lag: LoopLag, clock: Clock) -> None:
        self._name = name
        self._rig = rig
        self._site = site
        self._lag = lag
        self._clock = clock
        self._started = clock.monotonic()
        self._last_words: dict[str, DeviceStats] = {}

    def snapshot(self) -> RigStats:
        """Return all that is to be told of the rig."""
        now, rig, site = self._clock.monotonic(), self._rig, self._site
        power, energy = site.meters.power, site.energy.stats
        return RigStats(
            rig=self._name,
            version=__version__,
            uptime=now - self._started,
            counts=ShareCounts.of(rig.miner.tally, now),
            pools=rig.pools.snapshot(now),
            devices=tuple(
                replace(self._device(device, now), energy=energy.devices.get(device.name))
                for device in rig.fleet.devices
            ),
            work=rig.pools.reason,
            claims=rig.control.claims.in_force(self._clock.wall()).claims,
            loop_lag=self._lag.worst(),
            idle_after=rig.control.idle_after,
            orders=site.curtail.stats,
            power=Metered.of(power.total, now) if power else None,
            cap=site.meters.held,
            energy=energy,
        )

    def keep_last_words(self) -> None:
        """Go on telling what devices say now, when they have been told to stop."""
        self._last_words = {device.name: device.stats for device in self.snapshot().devices}

    def is_tended(self) -> bool:
        """Return whether somebody looks after the pools; a restart might help where not."""
        now, pools = self._clock.monotonic(), self._rig.pools.pools
        ages = {pool.config.name: now - pool.tended_at for pool in pools}
        pauses = (pool.config.deadlines.longest_pause for pool in pools)
        return is_tended(self.snapshot(), ages, max(pauses, default=0.0))

    def _device(self, device: SupervisedDevice, now: float) -> NamedDevice:
        """Return what a device says, or said last before it was told to stop."""
        snapshot, power = device.snapshot(now), self._site.meters.power
        reading = power.devices.get(device.name) if power else None
        return replace(
            snapshot,
            stats=self._last_words.get(device.name, snapshot.stats),
            decision=self._rig.control.decision(device.name),
            power=Metered.of(reading, now) if reading else None,
            tuning=self._site.tuner.note(device.name),
        )
