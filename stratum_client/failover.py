"""Which pool serves, which are to be connected, and why: the policy for several pools.

Pure; takes `now`, a monotonic time in seconds. The shell tells what happens at the pools and asks
for a `Decision` after that and at the moment that the last decision names; nothing is polled.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stratum_client.config_work import WorkConfig
from stratum_client.pool_health import Loss, PoolHealth, Tip
from stratum_client.pool_roles import PoolRole, role_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be so from now on.

    ``serving`` are the pools that work comes from, more than one where it is dealt by quota. When
    there is none, ``lingers`` names the pool whose last job may be worked on for a while.
    ``reason`` is a sentence on the last change. ``next_change`` is when to ask again though nothing
    has happened, None for never; ``waits_for_answers`` when it may also be at the pool's answer to
    the last share in flight. ``is_over`` says that there was no pool for too long.
    """

    serving: tuple[str, ...]
    lingers: str | None
    connect: frozenset[str]
    reason: str
    next_change: float | None
    waits_for_answers: bool
    is_over: bool


class PoolPolicy:
    """The pools in their order, what is known of each, and who serves."""

    def __init__(self, settings: WorkConfig, now: float) -> None:
        self._settings = settings
        self._pools: dict[str, PoolHealth] = {}
        self._chosen: str | None = None
        self._serving: tuple[str, ...] = ()
        self._last_served: str | None = None
        self._reason = "no pool has a job yet"
        self._connect: frozenset[str] = frozenset()
        self._turn_ends = 0.0
        self._held_since: float | None = None
        self._unserved_since: float | None = now
        self._awaited: set[str] = set()

    # --- what there is, and what the operator wants ---

    @property
    def names(self) -> tuple[str, ...]:
        """Return the pools in their order."""
        return tuple(self._pools)

    @property
    def chosen(self) -> str | None:
        """Return the pool that was chosen by hand, None when there is no such choice."""
        return self._chosen

    def quotas(self, names: Iterable[str]) -> dict[str, float]:
        """Return the quotas of these pools."""
        return {name: self._pools[name].quota for name in names}

    def is_enabled(self, name: str) -> bool:
        """Return whether a pool may take part."""
        return self._pools[name].enabled

    def add(self, name: str, now: float, *, quota: float = 1.0, patience: float = 15.0) -> None:
        """Take a pool in, as the last one."""
        assert name not in self._pools
        after = self._settings.failback_after
        pool = PoolHealth(name, quota=quota, patience=patience, failback_after=after)
        pool.begin(now)
        self._pools[name] = pool
        self._awaited.discard(name)

    def adjust(self, name: str, *, quota: float, patience: float) -> None:
        """Go by another quota and patience from now on; what is known of the pool stays."""
        pool = self._pools[name]
        pool.quota, pool.patience = quota, patience

    def remove(self, name: str, *, comes_back: bool = False) -> None:
        """Forget a pool; a choice of it is released. ``comes_back``: it is to be added again."""
        del self._pools[name]
        if comes_back:
            self._awaited.add(name)
        self._release(name)

    def enable(self, name: str, now: float) -> None:
        """Let a pool take part again, as one that is new."""
        pool = self._pools[name]
        if not pool.enabled:
            pool.enabled = True
            pool.begin(now, forgiven=True)

    def disable(self, name: str) -> None:
        """Let a pool take no part; a choice of it is released."""
        pool = self._pools[name]
        pool.enabled, pool.tip = False, None
        self._release(name)

    def configure(self, settings: WorkConfig) -> None:
        """Go by other settings from now on; what is known of the pools stays."""
        self._settings = settings
        for pool in self._pools.values():
            pool.failback_after = settings.failback_after

    def arrange(self, names: Sequence[str]) -> None:
        """Put the pools into this order; all must be named."""
        assert set(names) == self._pools.keys()
        self._pools = {name: self._pools[name] for name in names}

    def use(self, name: str | None) -> None:
        """Let this pool alone serve, whatever its state, until released by None.

        Raises ValueError for a pool that is disabled.
        """
        if name is not None and not self._pools[name].enabled:
            raise ValueError(f"pool {name} is disabled: enable it first")
        self._chosen = name

    # --- what happens ---

    def job_arrived(self, name: str, tip: Tip, now: float) -> None:
        """Note a pool's new job."""
        if self._pools[name].enabled:
            self._pools[name].job_arrived(tip, now)

    def lost(self, name: str, loss: Loss, now: float) -> None:
        """Note the end of a session, or a vain attempt at one."""
        self._pools[name].lost(loss, now)

    # --- what is to be done ---

    def decide(self, now: float, *, in_flight: int = 0) -> Decision:
        """Return what is to be so now.

        ``in_flight`` is how many shares wait for an answer of the pools that serve.
        """
        self._compare_tips(now)
        self._held_since = self._held_since if self._serves() else None
        wanted, reason = self._wanted(now)
        if wanted == self._serving:
            self._held_since = None
        elif not self._must_wait(wanted, now, in_flight):
            self._switch(wanted, now)
            self._reason = reason
        elif self._held_since is None:
            self._held_since = now
        if not self._serving:
            self._reason = reason
        self._connect = self._wanted_connections(now)
        return Decision(
            serving=self._serving,
            lingers=None if self._serving else self._lingering(),
            connect=self._connect,
            reason=self._reason,
            next_change=self._next_change(now),
            waits_for_answers=self._held_since is not None,
            is_over=self._over_at is not None and now >= self._over_at,
        )

    def role(self, name: str, now: float) -> tuple[PoolRole, str]:
        """Return what a pool is by the last decision, and a few words more."""
        return role_of(
            self._pools[name],
            now,
            serves=name in self._serving,
            is_chosen=name == self._chosen,
            is_wanted=name in self._connect,
        )

    # --- inside ---

    def _release(self, name: str) -> None:
        if self._chosen == name:
            self._chosen = None

    def _compare_tips(self, now: float) -> None:
        """Note which usable pools are behind another one."""
        usable = [pool for pool in self._pools.values() if pool.usable]
        for pool in usable:
            behind = max(_blocks_behind(pool, other) for other in usable)
            pool.compare(behind, now, behind_after=self._settings.behind_after)

    def _serves(self) -> bool:
        """Return whether the pools that serve still can."""
        pools = [self._pools.get(name) for name in self._serving]
        return bool(pools) and all(pool and pool.usable and not pool.left_behind for pool in pools)

    def _wanted(self, now: float) -> tuple[tuple[str, ...], str]:
        """Return who should serve, and why that is so if it is new."""
        if self._chosen:
            why = f"{self._chosen} was chosen by hand"
            if self._pools[self._chosen].usable:
                return (self._chosen,), why
            return (), "; ".join(filter(None, (why, self._why_gone(self._chosen))))
        if self._settings.strategy == "quota":
            if steady := tuple(p.name for p in self._pools.values() if p.is_steady(now)):
                return steady, self._why_dealt(steady)
        elif self._serves():
            return self._moved_by_choice(now)
        if best := self._best(now):
            return (best.name,), self._why_left(best)
        return (), self._why_nobody()

    def _moved_by_choice(self, now: float) -> tuple[tuple[str, ...], str]:
        """Return who should serve though the one that does still could."""
        current = self._pools[self._serving[0]]
        if len(self._serving) == 1 and self._settings.strategy == "rotate":
            return self._rotated(current, now)
        ahead = self._before(current) if len(self._serving) == 1 else list(self._pools.values())
        for pool in ahead:
            if pool.is_due(now):
                return (pool.name,), f"{pool.name} is preferred and well"
        return self._serving[:1], "one pool is enough"

    def _rotated(self, current: PoolHealth, now: float) -> tuple[tuple[str, ...], str]:
        if now >= self._turn_ends:
            for pool in self._after(current):
                if pool.is_steady(now):
                    return (pool.name,), f"it is the turn of {pool.name}"
        return self._serving, ""

    def _before(self, current: PoolHealth) -> list[PoolHealth]:
        pools = list(self._pools.values())
        return pools[: pools.index(current)]

    def _after(self, current: PoolHealth) -> list[PoolHealth]:
        pools = list(self._pools.values())
        place = pools.index(current)
        return pools[place + 1 :] + pools[:place]

    def _best(self, now: float) -> PoolHealth | None:
        """Return who serves best when somebody has to: the well before the others, in order."""
        usable = [pool for pool in self._pools.values() if pool.usable]
        last = self._pools.get(self._last_served or "")
        if last and self._settings.strategy == "rotate":
            usable = [pool for pool in (*self._after(last), last) if pool.usable]

        def trouble(pool: PoolHealth) -> tuple[bool, bool, bool]:
            return pool.left_behind, not pool.is_due(now), not pool.is_steady(now)

        return min(usable, key=trouble, default=None)

    def _why_nobody(self) -> str:
        """Return what is the matter with all pools."""
        told = [self._why_gone(name) for name in self._pools]
        return "; ".join(("no pool has a job", *filter(None, told)))

    def _why_dealt(self, steady: tuple[str, ...]) -> str:
        """Return what has changed among those that work is dealt to."""
        gone = [self._why_gone(name) for name in self._serving if name not in steady]
        return "; ".join(("work is dealt by quota", *filter(None, gone)))

    def _why_left(self, best: PoolHealth) -> str:
        """Return why ``best`` takes over from the pool that served last."""
        last = self._last_served
        why = self._why_gone(last) if last and last != best.name else ""
        if why and self._serving:
            return why
        return "; ".join(filter(None, (f"{best.name} has a job", why)))

    def _why_gone(self, name: str) -> str:
        """Return what became of a pool that served; empty if nothing did."""
        pool = self._pools.get(name)
        if pool is None:
            what = "is to reconnect with other settings" if name in self._awaited else "was removed"
            return f"{name} {what}"
        if not pool.enabled:
            return f"{name} was disabled"
        return f"{name}: {pool.loss}" if pool.loss else ""

    def _must_wait(self, wanted: tuple[str, ...], now: float, in_flight: int) -> bool:
        """Return whether a move by choice waits for answers to shares; losses never wait."""
        leaves = set(self._serving) - set(wanted)
        if self._chosen or not in_flight or not leaves or not self._serves():
            return False
        held_since = now if self._held_since is None else self._held_since
        return now < held_since + self._settings.answers_wait

    def _switch(self, serving: tuple[str, ...], now: float) -> None:
        self._held_since = None
        for name in serving:
            if name not in self._serving:
                self._pools[name].serving_since = now
        for name in self._serving:
            if name not in serving and name in self._pools:
                self._pools[name].serving_since = None
        if serving:
            self._last_served, self._unserved_since = serving[0], None
            self._turn_ends = now + self._settings.rotate_every
        elif self._unserved_since is None:
            self._unserved_since = now
        self._serving = serving

    def _lingering(self) -> str | None:
        """Return whose last job may be worked on while nobody serves."""
        if self._chosen:
            return self._chosen
        last = self._pools.get(self._last_served or "")
        holds = self._settings.no_pool_action == "hold"
        return last.name if last and (last.enabled or holds) else None

    def _wanted_connections(self, now: float) -> frozenset[str]:
        enabled = [pool for pool in self._pools.values() if pool.enabled]
        if self._settings.standby == "warm" or self._settings.strategy != "failover":
            return frozenset(pool.name for pool in enabled)
        if self._chosen:
            return frozenset({self._chosen})
        wanted: list[PoolHealth] = []
        for pool in enabled:
            if pool.name not in self._connect and not pool.usable:
                pool.begin(now)
            wanted.append(pool)
            if pool.name in self._serving or pool.is_due(now) or pool.is_awaited(now):
                break
        return frozenset((*self._serving, *(pool.name for pool in wanted)))

    @property
    def _over_at(self) -> float | None:
        """Return when there has been no pool for too long, if that ends the daemon."""
        if self._unserved_since is None or self._settings.no_pool_action != "exit":
            return None
        return self._unserved_since + self._settings.exit_after

    def _next_change(self, now: float) -> float | None:
        pools = [pool for pool in self._pools.values() if pool.enabled]
        moments = [moment for pool in pools for moment in pool.moments]
        moments += [
            pool.behind_since + self._settings.behind_after
            for pool in pools
            if pool.behind_since is not None and not pool.left_behind
        ]
        if self._settings.strategy == "rotate" and self._serving:
            moments.append(self._turn_ends)
        if self._held_since is not None:
            moments.append(self._held_since + self._settings.answers_wait)
        if self._over_at is not None:
            moments.append(self._over_at)
        return min((moment for moment in moments if moment > now), default=None)


def _blocks_behind(pool: PoolHealth, other: PoolHealth) -> int:
    assert pool.tip
    assert other.tip
    return pool.tip.blocks_behind(other.tip, fell_behind=pool.fell_behind)
