"""All pools of a rig: connected as the policy wants, and work taken from those that serve.

The shell around `failover`: pools tell it what happens, it asks the policy and does what that says,
in the same call stack. `pool_lives` begins and ends their connections.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from drivers.api import Clock, Log
from stratum_client.config import PoolConfig
from stratum_client.config_work import WorkConfig
from stratum_client.errors import PoolOrderError, StratumError
from stratum_client.failover import Decision, PoolPolicy
from stratum_client.job import Job
from stratum_client.miner import Miner
from stratum_client.pool import Pool
from stratum_client.pool_health import Loss, Tip, loss_of
from stratum_client.pool_lives import PoolLives
from stratum_client.pool_order import PoolOrder, PoolVerb
from stratum_client.pool_plan import PoolPlan
from stratum_client.pool_returning import RECONNECTING, ReturningPool
from stratum_client.pool_watcher import PoolWatcher
from stratum_client.rims import PlainRims, Rims, Timer
from stratum_client.stats import PoolStats

MakePool = Callable[[PoolConfig, PoolWatcher], Pool]


class PoolSet:
    """The pools, who of them serves, and what may be ordered of them; a `PoolWatcher`.

    ``hashrates`` tells the H/s of each device that hashes now. ``give_up`` is called when there
    has been no pool for so long that the daemon is to end.
    """

    def __init__(
        self,
        configs: Sequence[PoolConfig],
        work: WorkConfig,
        miner: Miner,
        make_pool: MakePool,
        *,
        clock: Clock,
        log: Log,
        hashrates: Callable[[], Mapping[str, float]],
        give_up: Callable[[], None],
        rims: Rims | None = None,
    ) -> None:
        now = clock.monotonic()
        self._work = work
        self._miner = miner
        self._make_pool = make_pool
        self._clock = clock
        self._log = log
        self._rims = rims or PlainRims()
        self._hashrates = self._rims.hashrates(hashrates)
        self._give_up = give_up
        self._policy = PoolPolicy(work, now)
        self._plan = PoolPlan(now)
        self._lives = PoolLives(miner, self._parted)
        self._members: dict[str, Pool] = {}
        self._leaving: dict[str, Pool] = {}
        self._returning: dict[str, ReturningPool] = {}
        self._timer: Timer | None = None
        for config in configs:
            self._take_in(config)
        self._decision = self._policy.decide(now)
        miner.hold_jobs = work.no_pool_action == "hold"
        miner.follow(self._plan)

    # --- for those who look on ---

    @property
    def pools(self) -> tuple[Pool, ...]:
        """Return the pools in their order."""
        return tuple(self._members[name] for name in self._policy.names)

    @property
    def serving(self) -> tuple[str, ...]:
        """Return the names of the pools that work comes from; empty when there is none."""
        return self._decision.serving

    @property
    def chosen(self) -> str | None:
        """Return the pool that was chosen by hand, None when there is no such choice."""
        return self._policy.chosen

    @property
    def reason(self) -> str:
        """Return in a sentence why it is so."""
        decision = self._decision
        if decision.serving or decision.lingers is None:
            return decision.reason
        if self._miner.holds_job(decision.lingers):
            return f"{decision.reason}: devices keep warm with an old job, nothing of it counts"
        return decision.reason

    def part(self, name: str) -> float:
        """Return the part of the rig's hashes that a pool gets while it serves, from 0 to 1."""
        if self._work.strategy != "quota":
            return 1.0
        quotas = self._policy.quotas(self._decision.serving or self._policy.names)
        return quotas[name] / sum(quotas.values()) if name in quotas else 1.0

    def is_leaving(self, name: str) -> bool:
        """Return whether a pool of that name was removed and is still closing."""
        return name in self._leaving

    def snapshot(self, now: float) -> tuple[PoolStats, ...]:
        """Return what is to be told of each pool."""
        rows = [self._snapshot(name, now) for name in self._policy.names]
        for one in sorted(self._returning.values(), key=lambda one: one.place):
            rows.insert(one.place, one.row(now))
        return tuple(rows)

    # --- what may be ordered ---

    def check(self, name: str | None, *, enabled: bool = False) -> None:
        """Raise PoolOrderError if no order can be given about this pool, or if it is disabled."""
        if name is not None:
            self._named(name)
            if enabled and not self._policy.is_enabled(name):
                raise PoolOrderError(f"pool {name} is disabled: enable it first")

    def check_new(self, name: str) -> None:
        """Raise PoolOrderError if there is such a pool, or one that has not closed yet."""
        if name in self._members:
            raise PoolOrderError(f"there is a pool called {name} already")
        if name in self._leaving:
            raise PoolOrderError(f"the last pool called {name} is still closing: try again")

    def use(self, name: str | None) -> None:
        """Take all work from this pool, whatever its state, until released by None.

        This and the orders below raise PoolOrderError when they make no sense.
        """
        self.check(name, enabled=True)
        self._rims.ordered(PoolOrder(verb=PoolVerb.USE, pool=name or ""))
        self._policy.use(name)
        self._decide()

    def enable(self, name: str) -> None:
        """Let a pool take part again."""
        pool = self._named(name)
        self._rims.ordered(PoolOrder(verb=PoolVerb.ENABLE, pool=name))
        self._policy.enable(name, self._clock.monotonic())
        if (connection := pool.shares.connection) and connection.session.current_job:
            self.job_arrived(name, connection.session.current_job)
        self._decide()

    def disable(self, name: str) -> None:
        """Let a pool take no part; a choice of it by hand ends."""
        self._named(name)
        self._rims.ordered(PoolOrder(verb=PoolVerb.DISABLE, pool=name))
        self._policy.disable(name)
        self._decide()

    def add(self, config: PoolConfig, *, enabled: bool = True) -> None:
        """Take in a pool, as the last in order; its name must be new."""
        self.check_new(config.name)
        order = PoolOrder(verb=PoolVerb.ADD, pool=config.name, config=config, enabled=enabled)
        self._rims.ordered(order)
        self._take_in(config)
        if not enabled:
            self._policy.disable(config.name)
        self._decide()

    def remove(self, name: str, *, comes_back: bool = False) -> None:
        """Let a pool go, when its shares in flight are answered.

        ``comes_back``: it will be added again, with other settings.
        """
        pool = self._named(name)
        self._rims.ordered(PoolOrder(verb=PoolVerb.REMOVE, pool=name, comes_back=comes_back))
        if comes_back:
            self._returning[name] = self._returning_one(pool)
        self._policy.remove(name, comes_back=comes_back)
        del self._members[name]
        self._leaving[name] = pool
        self._decide()
        self._lives.remove(name, then=lambda: self._forget(name))

    def stays_away(self, name: str) -> None:
        """Let a pool that was to come back not do so."""
        if self._returning.pop(name, None):
            self._miner.forget_tally(name)

    def arrange(self, names: Sequence[str]) -> None:
        """Put the pools, all of them, into this order."""
        if sorted(names) != sorted(self._members):
            raise PoolOrderError(f"name each pool once: {', '.join(self._members)}")
        self._rims.ordered(PoolOrder(verb=PoolVerb.ARRANGE, names=tuple(names)))
        self._policy.arrange(names)
        self._decide()

    def adjust(self, config: PoolConfig) -> None:
        """Give a pool other settings without a new session: deadlines hold from the next one on."""
        pool = self._named(config.name)
        self._rims.ordered(PoolOrder(verb=PoolVerb.ADJUST, pool=config.name, config=config))
        pool.adjust(config)
        self._policy.adjust(config.name, quota=config.quota, patience=config.deadlines.failover)
        self._decide(anew=True)

    def configure(self, work: WorkConfig) -> None:
        """Go by other settings from now on."""
        self._rims.ordered(PoolOrder(verb=PoolVerb.CONFIGURE, work=work))
        self._work = work
        self._miner.hold_jobs = work.no_pool_action == "hold"
        self._policy.configure(work)
        self._decide(anew=True)

    # --- its life ---

    async def run(self) -> None:
        """Keep pools connected and devices in work until cancelled."""
        async with self._lives.going_on():
            try:
                self._decide(anew=True)
                await asyncio.get_running_loop().create_future()
            finally:
                if self._timer:
                    self._timer.cancel()

    async def drain(self, seconds: float) -> None:
        """Wait until all pools have answered the shares in flight, for at most ``seconds``."""
        pools = (*self.pools, *self._leaving.values())
        await asyncio.gather(*(pool.drain(seconds) for pool in pools))

    # --- what pools tell ---

    def job_arrived(self, pool: str, job: Job) -> None:
        """Take note of a pool's new job."""
        if pool in self._members:
            tip = Tip(height=job.height, network_target=job.network_target)
            self._policy.job_arrived(pool, tip, self._clock.monotonic())
            self._decide()

    def share_answered(self, pool: str) -> None:
        """Look again if a move waits for this."""
        if self._decision.waits_for_answers and pool in self._decision.serving:
            self._decide()

    def session_ended(self, pool: str, error: StratumError) -> None:
        """Take note of the end of a session, or of a vain attempt at one."""
        if pool in self._members:
            self._policy.lost(pool, loss_of(error), self._clock.monotonic())
            self._decide()

    def _parted(self, pool: str) -> None:
        """Take note that a pool was let go; begin its life again if that is wanted by now."""
        self._policy.lost(pool, Loss.CONNECTION, self._clock.monotonic())
        self._decide()

    # --- decisions ---

    def _decide(self, *, anew: bool = False) -> None:
        """Ask the policy and do what it says; ``anew``: also what it said before."""
        now, before = self._clock.monotonic(), self._decision
        self._decision = decision = self._policy.decide(now, in_flight=self._in_flight())
        if anew or (decision.serving, decision.lingers) != (before.serving, before.lingers):
            self._follow(decision, now)
        if decision.serving != before.serving:
            for name in set(decision.serving) - set(before.serving):
                self._members[name].begins_to_serve = True
            self._tell(before, decision)
        if self._lives.may_begin:
            for name in self._members:
                self._lives.want(name, alive=name in decision.connect)
            self._set_timer(now)
        if decision.is_over:
            self._give_up()

    def _follow(self, decision: Decision, now: float) -> None:
        """Let work come from where it should, in this very call."""
        if decision.serving and self._work.strategy == "quota" and not self._policy.chosen:
            self._plan.deal(self._policy.quotas(decision.serving), now)
            self._plan.turn(self._hashrates(), now)
        else:
            self._plan.take_from((*decision.serving, decision.lingers)[0], now)
        self._miner.plan_changed()

    def _tell(self, before: Decision, decision: Decision) -> None:
        """Log a change of pools, and why."""
        names = {"from": ", ".join(before.serving), "to": ", ".join(decision.serving)}
        tell = self._log.info if decision.serving else self._log.warning
        tell("pools.switched", **names, reason=decision.reason)

    def _in_flight(self) -> int:
        pools = (self._members.get(name) for name in self._decision.serving)
        return sum(pool.shares.in_flight() for pool in pools if pool)

    def _set_timer(self, now: float) -> None:
        """Come back when a decision may change by time alone, or seats are to be dealt anew."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        moments = [
            at for at in (self._decision.next_change, self._plan.next_turn) if at is not None
        ]
        if moments:
            self._timer = self._rims.later(max(min(moments) - now, 0.0), self._time_is_up)

    def _time_is_up(self) -> None:
        now, turn = self._clock.monotonic(), self._plan.next_turn
        if turn is not None and now >= turn:
            self._plan.turn(self._hashrates(), now)
            self._miner.plan_changed()
        self._decide()

    # --- small things ---

    def _take_in(self, config: PoolConfig) -> None:
        self._returning.pop(config.name, None)
        self._members[config.name] = pool = self._make_pool(config, self)
        self._lives.add(pool)
        now, patience = self._clock.monotonic(), config.deadlines.failover
        self._policy.add(config.name, now, quota=config.quota, patience=patience)

    def _forget(self, name: str) -> None:
        self._leaving.pop(name, None)
        self._miner.remove_pool(name, comes_back=name in self._returning)
        self._plan.forget(name)

    def _named(self, name: str) -> Pool:
        if name in self._returning:
            raise PoolOrderError(f"pool {name} is {RECONNECTING}: try again when it is back")
        if name not in self._members:
            known = ", ".join(self._members)
            raise PoolOrderError(f"no pool is called {name!r}; there are: {known}")
        return self._members[name]

    def _returning_one(self, pool: Pool) -> ReturningPool:
        """Return where a pool is told of until it is back; it must be a member still."""
        names = [row.name for row in self.snapshot(self._clock.monotonic())]
        return ReturningPool(
            pool=pool,
            place=names.index(pool.config.name),
            enabled=self._policy.is_enabled(pool.config.name),
        )

    def _snapshot(self, name: str, now: float) -> PoolStats:
        role, note = self._policy.role(name, now)
        stats, dealt = self._members[name].snapshot(now), self._plan.dealt(name)
        return replace(stats, role=role, role_note=note, dealt=dealt)
