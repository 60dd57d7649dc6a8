"""Whether devices are served as promised, judged by links and devices, not by the client.

The promises, by the settings of the client:
- A device that could hash works for a link that is open, whenever there is a good one: a link that
  closes, or a pool that is disabled or leaves, costs no more than `AT_ONCE`.
- A pool that is silent is left within `silent_bound`.
- A pool that is well again has a link within `return_bound`, or `login_bound` after refused logins.
- Work goes back to a preferred pool when it has been well for `failback_after` (doubled for each
  fault after the first, up to an hour), and not before, unless it was gone for a moment only.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from stratum_client.config import Deadlines
from stratum_client.config_work import WorkConfig
from stratum_client.job import SessionId
from stratum_client.pool_health import GOOD_SERVICE, LONGEST_PROBATION, OUTAGES, Loss
from tests.soak.year.devices import SimulatedDevice
from tests.soak.year.network import Link, SimulatedPool

AT_ONCE = 1.0
"""Seconds; in truth it is one call, but this watch also sees moments inside of that."""

FAULTS = tuple(loss for loss in Loss if loss not in OUTAGES)

LOOK_EVERY = 60.0
"""Seconds between two looks at what may go wrong by time alone."""


@dataclass(slots=True)
class PoolRecord:
    """What a watcher remembers of one pool; times are None while it is not so."""

    good_since: float | None = None
    usable_since: float | None = None
    reachable_since: float | None = None
    login_refused_at: float = -1e9
    lost_at: float = -1e9
    blip: bool = False
    was_behind: bool = False
    caught_up_at: float = 0.0
    faults: int = 0
    served_since: float | None = None
    last_service: tuple[float, float] = (0.0, 0.0)
    outages: int = 0
    good_time: float = 0.0


@dataclass(slots=True)
class DeviceRecord:
    """What a watcher remembers of one device."""

    hashes: bool = False
    served: bool = False
    pool: str = ""
    unserved_since: float | None = None
    closed_since: float | None = None


@dataclass(slots=True)
class Orders:
    """What the user has ordered by now."""

    order: tuple[str, ...]
    work: WorkConfig
    chosen: str | None = None
    disabled: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    changed_at: float = 0.0


class ServiceWatch:
    """Follows links and devices from change to change."""

    def __init__(
        self,
        pools: Mapping[str, SimulatedPool],
        devices: Mapping[str, SimulatedDevice],
        orders: Orders,
        deadlines: Deadlines,
        *,
        share_interval: float,
        tick: float,
        now: Callable[[], float],
        breach: Callable[[str], None],
    ) -> None:
        self.orders = orders
        self.records = {name: PoolRecord() for name in pools}
        self.devices: dict[str, DeviceRecord] = {}
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.failbacks = 0
        self.longest_unserved = 0.0
        self._pools = pools
        self._present = devices
        self._deadlines = deadlines
        self._tick = tick
        self._now = now
        self._breach = breach
        self._settled_at = now()
        self.silent_bound = 1.5 * share_interval + deadlines.submit_lost + tick + AT_ONCE
        waits = (deadlines.retry_cap, deadlines.connect, deadlines.subscribe, deadlines.authorize)
        self.return_bound = deadlines.silence_cap + sum(waits) + 2 * tick
        self.login_bound = deadlines.authorize_retry_cap + self.return_bound

    # --- told ---

    def link_changed(self) -> None:
        """Look at everything: a link, a pool or a device has changed."""
        now = self._now()
        self._settle(now)
        for name, pool in self._pools.items():
            self._look_at_pool(name, pool, now)
        usable = self._usable()
        for name in self._present.keys() | self.devices.keys():
            record = self.devices.setdefault(name, DeviceRecord())
            self._look_at_device(name, record, now, usable=usable)

    def look(self) -> None:
        """Look for what went wrong by time alone."""
        self.link_changed()
        now = self._now()
        for name, record in self.devices.items():
            for since, bound, what in (
                (record.unserved_since, self.silent_bound, "not served"),
                (record.closed_since, AT_ONCE, "without work of an open link"),
            ):
                if since is not None and now - since > bound:
                    self._breach(f"{name} is {what} since {now - since:.1f} s: {self.told()}")
                    record.unserved_since = record.closed_since = now
        self._look_for_returns(now)
        self._look_for_failback(now)

    def fault(self, pool: str) -> None:
        """Take note of a fault that begins; if work comes from there, it is found out by a move."""
        if self.records[pool].served_since is None:
            self.records[pool].faults += 1

    def switched(self, before: str, after: str, reason: str) -> None:
        """Take note that work goes elsewhere, and check that it was not too soon."""
        orders, now = self.orders, self._now()
        for name, record in self.records.items():
            if any(f"{name}: {fault}" in reason for fault in FAULTS):
                self._found_out(record, now)
            record.was_behind |= f"{name}: {Loss.STALE_CHAIN}" in reason
        if orders.work.strategy != "failover" or orders.chosen or now - orders.changed_at < 60:
            return
        names = [name for name in orders.order if self._takes_part(name)]
        if before not in names or after not in names or names.index(after) > names.index(before):
            return
        old, new = self.records[before], self.records[after]
        if old.usable_since is None or new.usable_since is None:
            return
        self.failbacks += 1
        well = now - max(self._pools[after].ready_at, new.caught_up_at)
        new.caught_up_at = 0.0
        if well < orders.work.failback_after - AT_ONCE and not new.blip:
            self._breach(f"back to {after} after {well:.0f} s only: {self.told()}")

    def told(self) -> str:
        """Return how it stands, for the report of a breach."""
        pools = {
            name: (record.good_since, record.usable_since, record.faults)
            for name, record in self.records.items()
        }
        return f"{self._now():.1f}: {pools} {self.devices} {self.orders}"

    # --- inside ---

    def _found_out(self, record: PoolRecord, now: float) -> None:
        """Count a fault: as the first one after good service, which forgives those before."""
        began, ended = record.last_service  # often devices have left it in this very moment
        since = began if ended == now else now
        since = since if record.served_since is None else record.served_since
        record.faults = 1 if now - since >= GOOD_SERVICE else record.faults + 1

    def _settle(self, now: float) -> None:
        seconds, self._settled_at = now - self._settled_at, now
        usable = self._usable()
        for record in self.records.values():
            record.good_time += seconds if record.good_since is not None else 0.0
        for device in self.devices.values():
            if device.hashes:
                self.seconds["hashing or ready to"] += seconds
                if device.served:
                    self.seconds["served"] += seconds
                    self.seconds[f"served by {device.pool}"] += seconds
                elif usable and not self.orders.chosen:
                    self.seconds["unserved, a pool being good"] += seconds
                elif usable:
                    self.seconds["unserved by the user's choice"] += seconds
                else:
                    self.seconds["unserved, no pool being good"] += seconds

    def _takes_part(self, name: str) -> bool:
        return name in self.orders.order and not (
            name in self.orders.disabled or name in self.orders.gone
        )

    def _usable(self) -> bool:
        return any(
            record.good_since is not None and self._takes_part(name)
            for name, record in self.records.items()
        )

    def _look_at_pool(self, name: str, pool: SimulatedPool, now: float) -> None:
        record = self.records[name]
        good, takes_part = pool.is_good, self._takes_part(name)
        if not good:
            record.outages += record.good_since is not None
            record.good_since = None
        elif record.good_since is None:
            record.good_since = now
        if record.was_behind and not pool.is_stale:
            record.was_behind, record.caught_up_at = False, now
        usable = good and takes_part and not pool.is_stale
        if not usable:
            if record.usable_since is not None:
                well = now - record.usable_since
                record.blip = well >= self.orders.work.failback_after - AT_ONCE
                record.lost_at = now
            record.usable_since = None
        elif record.usable_since is None:
            record.usable_since = now
            away = now - max(record.lost_at, pool.lost_at)
            record.blip = record.blip and away <= self._deadlines.failover
        bad = pool.is_cut or pool.is_silent or pool.refuses_logins
        reachable = takes_part and pool.is_up and not bad
        if not reachable:
            record.reachable_since = None
        elif record.reachable_since is None:
            record.reachable_since = now

    def _look_at_device(self, name: str, record: DeviceRecord, now: float, *, usable: bool) -> None:
        device = self._present.get(name)
        record.hashes = bool(device and device.hashes)
        session = device.work.job.session if device and device.work else None
        link = self._link_of(session) if session else None
        record.served = bool(link and link.is_good)
        record.pool = link.pool.name if link else ""
        excused = not record.hashes or not usable or bool(self.orders.chosen)
        if record.served or excused:
            self._end_of(record, now)
            record.unserved_since = None
        elif record.unserved_since is None:
            record.unserved_since = now
        closed = not link or not link.is_open or link.is_leaving
        if not closed or excused:
            record.closed_since = None
        elif record.closed_since is None:
            record.closed_since = now
        self._note_service(now)

    def _end_of(self, record: DeviceRecord, now: float) -> None:
        if record.unserved_since is not None and record.hashes:
            self.longest_unserved = max(self.longest_unserved, now - record.unserved_since)

    def _note_service(self, now: float) -> None:
        """Note since when pools serve: good service is what faults are forgiven for."""
        serving = {device.pool for device in self.devices.values() if device.pool}
        for name, record in self.records.items():
            if name not in serving:
                if record.served_since is not None:
                    record.last_service = record.served_since, now
                record.served_since = None
            elif record.served_since is None:
                record.served_since = now

    def _link_of(self, session: SessionId) -> Link | None:
        return self._pools[session.pool].of_clients.get(session)

    def _look_for_returns(self, now: float) -> None:
        """Each pool that can be reached must have a link before long."""
        for name, record in self.records.items():
            since, pool = record.reachable_since, self._pools[name]
            if since is None or pool.is_good:
                continue
            late_login = now - record.login_refused_at < self.login_bound
            bound = self.login_bound if late_login else self.return_bound
            if now - max(since, record.lost_at) > bound:
                self._breach(f"{name} could be reached for {now - since:.0f} s: {self.told()}")
                record.reachable_since = now

    def _look_for_failback(self, now: float) -> None:
        """No device may work elsewhere for long while a preferred pool is well."""
        orders = self.orders
        if orders.work.strategy != "failover" or orders.chosen:
            return
        names = [name for name in orders.order if self._takes_part(name)]
        working = {device.pool for device in self.devices.values() if device.served}
        for place, name in enumerate(names):
            record = self.records[name]
            worse = working & set(names[place + 1 :])
            if record.usable_since is None or not worse:
                continue
            since = max(record.usable_since, orders.changed_at)
            if now - since > self._failback_bound(record):
                self._breach(f"{worse} serve, not {name}: {self.told()}")
                orders.changed_at = now

    def _failback_bound(self, record: PoolRecord) -> float:
        after = self.orders.work.failback_after
        probation = min(after * 2.0 ** min(max(record.faults - 1, 0), 20), LONGEST_PROBATION)
        return max(probation, after) + self.orders.work.answers_wait + self._tick + LOOK_EVERY
