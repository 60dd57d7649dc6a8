"""Any history of several pools: what the policy never does, whatever happens."""

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from stratum_client.config_work import WorkConfig
from stratum_client.failover import Decision, PoolPolicy
from stratum_client.pool_health import Loss, Tip

PATIENCE = 15.0
NAMES = st.sampled_from(["a", "b", "c"])
TIPS = st.builds(
    Tip,
    height=st.sampled_from([None, None, 100, 101, 111]),
    network_target=st.sampled_from([1 << 180, 1 << 180, 1 << 190]),
)
LOSSES = st.sampled_from([loss for loss in Loss if loss is not Loss.STALE_CHAIN])
TIMES = st.sampled_from([0.1, 1.0, 7.0, 14.9, 15.0, 29.0, 61.0, 299.0, 300.0, 1800.0, 4000.0])


class Known:
    """What an onlooker knows of one pool, kept without the policy."""

    def __init__(self) -> None:
        self.enabled = True
        self.tip: Tip | None = None
        self.up_since = 0.0
        self.away_since: float | None = None
        self.newly_wanted = 0.0
        self.was_good = False

    def is_blip(self) -> bool:
        """Return whether its last absence was short, and the first or that of a good pool."""
        began = self.newly_wanted if self.away_since is None else self.away_since
        return self.up_since - began <= PATIENCE and (self.away_since is None or self.was_good)


class Policy(RuleBasedStateMachine):
    """Two policies with the same history, and the onlooker."""

    strategy = "failover"
    standby = "warm"

    @initialize(names=st.lists(NAMES, min_size=1, max_size=3, unique=True))
    def start(self, names: list[str]) -> None:
        chosen: Any = {"strategy": self.strategy, "standby": self.standby}
        self.settings = WorkConfig(failback_after=300.0, rotate_every=900.0, **chosen)
        self.now = 0.0
        self.policies = [PoolPolicy(self.settings, self.now) for _ in range(2)]
        self.pools: dict[str, Known] = {}
        self.chosen: str | None = None
        self.decided: Decision | None = None
        for name in names:
            self._add(name)
        self._decide()

    def _add(self, name: str) -> None:
        for policy in self.policies:
            policy.add(name, self.now, patience=PATIENCE)
        self.pools[name] = Known()
        self.pools[name].newly_wanted = self.now

    def _decide(self, in_flight: int = 0) -> None:
        before = self.decided
        first, second = (policy.decide(self.now, in_flight=in_flight) for policy in self.policies)
        assert first == second, "the same history, another decision"
        self.decided = first
        for name in first.connect - (before.connect if before else frozenset()):
            if self.pools[name].tip is None:
                self.pools[name].newly_wanted, self.pools[name].away_since = self.now, None
        self._look_at_way_back(before)

    def _look_at_way_back(self, before: Decision | None) -> None:
        """See that nobody comes back early while another could go on."""
        assert self.decided
        if self.strategy != "failover" or self.chosen or not before or not before.serving:
            return
        [old], new = before.serving, self.decided.serving
        if new == (old,) or old not in self.pools or not self.pools[old].tip:
            return
        assert new
        known = self.pools[new[0]]
        is_ahead = list(self.pools).index(new[0]) < list(self.pools).index(old)
        well = self.now - known.up_since >= self.settings.failback_after - 1e-6
        if is_ahead and not self._is_behind(old):
            assert well or known.is_blip()

    def _is_behind(self, name: str) -> bool:
        tip = self.pools[name].tip
        others = [known.tip for known in self.pools.values() if known.tip]
        return any(tip and other and tip.blocks_behind(other, fell_behind=True) for other in others)

    # --- what may happen ---

    @rule(name=NAMES, tip=TIPS)
    def job(self, name: str, tip: Tip) -> None:
        known = self.pools.get(name)
        if known is None or not known.enabled:
            return
        if known.tip is None:
            known.up_since = self.now
        known.tip = tip
        for policy in self.policies:
            policy.job_arrived(name, tip, self.now)
        self._decide()

    @rule(name=NAMES, loss=LOSSES)
    def lose(self, name: str, loss: Loss) -> None:
        if name not in self.pools:
            return
        known = self.pools[name]
        if known.tip:
            known.was_good = loss is Loss.CONNECTION and self.now - known.up_since >= 300.0 - 1e-6
            known.tip, known.away_since = None, self.now
        known.was_good &= loss is Loss.CONNECTION
        for policy in self.policies:
            policy.lost(name, loss, self.now)
        self._decide()

    @rule(name=NAMES, loss=LOSSES, seconds=TIMES, tip=TIPS)
    def flap(self, name: str, loss: Loss, seconds: float, tip: Tip) -> None:
        if name not in self.pools or not self.pools[name].enabled:
            return
        self.lose(name, loss)
        self.wait(seconds)
        self.job(name, tip)

    @rule(tip=TIPS, seconds=TIMES)
    def all_are_well(self, tip: Tip, seconds: float) -> None:
        for name, known in self.pools.items():
            if known.enabled:
                self.job(name, tip)
        self.wait(seconds)

    @rule(seconds=TIMES)
    def wait(self, seconds: float) -> None:
        """Let time pass; nothing may change but at the moments that were named."""
        end = self.now + seconds
        while True:
            assert self.decided
            before, moment = self.decided, self.decided.next_change
            stop = end if moment is None else min(moment, end)
            self.now += (stop - self.now) / 2
            self._decide()
            assert self.decided.serving == before.serving
            assert self.decided.connect == before.connect
            self.now = stop
            self._decide()
            if stop == end:
                return

    @rule(in_flight=st.integers(1, 50))
    def ask_with_shares_in_flight(self, in_flight: int) -> None:
        before = self.decided
        self._decide(in_flight)
        assert self.decided
        if self.decided.waits_for_answers:
            assert before
            assert self.decided.serving == before.serving
            assert self.decided.next_change is not None

    @rule(name=NAMES)
    def disable(self, name: str) -> None:
        if name not in self.pools:
            return
        self.pools[name].enabled, self.pools[name].tip = False, None
        for policy in self.policies:
            policy.disable(name)
        self._release(name)
        self._decide()

    @rule(name=NAMES)
    def enable(self, name: str) -> None:
        if name not in self.pools:
            return
        known = self.pools[name]
        if not known.enabled:
            known.enabled, known.away_since, known.newly_wanted = True, None, self.now
        for policy in self.policies:
            policy.enable(name, self.now)
        self._decide()

    @rule(name=NAMES)
    def add_or_remove(self, name: str) -> None:
        if name not in self.pools:
            self._add(name)
        else:
            del self.pools[name]
            for policy in self.policies:
                policy.remove(name)
            self._release(name)
        self._decide()

    @rule(name=NAMES)
    def choose(self, name: str) -> None:
        if name not in self.pools or not self.pools[name].enabled:
            return
        self.chosen = name
        for policy in self.policies:
            policy.use(name)
        self._decide()

    @precondition(lambda self: self.chosen)
    @rule()
    def release(self) -> None:
        self.chosen = None
        for policy in self.policies:
            policy.use(None)
        self._decide()

    def _release(self, name: str) -> None:
        if self.chosen == name:
            self.chosen = None

    # --- what always holds ---

    @invariant()
    def only_who_can_serves(self) -> None:
        if self.decided:
            for name in self.decided.serving:
                assert name in self.pools
                assert self.pools[name].enabled
                assert self.pools[name].tip

    @invariant()
    def somebody_serves_if_anybody_can(self) -> None:
        if self.decided and not self.chosen:
            usable = {name for name, known in self.pools.items() if known.tip}
            assert bool(self.decided.serving) == bool(usable)
            if self.strategy != "quota":
                assert len(self.decided.serving) <= 1

    @invariant()
    def the_operator_is_obeyed(self) -> None:
        if self.decided and self.chosen:
            usable = self.pools[self.chosen].tip is not None
            assert self.decided.serving == ((self.chosen,) if usable else ())
            assert self.chosen in self.decided.connect

    @invariant()
    def who_serves_is_connected_and_who_is_disabled_is_not(self) -> None:
        if self.decided:
            enabled = {name for name, known in self.pools.items() if known.enabled}
            assert set(self.decided.serving) <= self.decided.connect <= enabled
            if self.standby == "warm":
                assert self.decided.connect == enabled
            assert self.decided.connect or not enabled, "somebody is tried as long as there is any"

    @invariant()
    def asking_twice_changes_nothing(self) -> None:
        if self.decided:
            before = self.decided
            self._decide()
            assert self.decided.serving == before.serving
            assert self.decided.connect == before.connect


class ColdPolicy(Policy):
    standby = "cold"


class RotatingPolicy(Policy):
    strategy = "rotate"


class DealingPolicy(Policy):
    strategy = "quota"


FEW = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_failover_to_a_warm_standby() -> None:
    run_state_machine_as_test(Policy, settings=FEW)


def test_failover_to_a_cold_standby() -> None:
    run_state_machine_as_test(ColdPolicy, settings=FEW)


def test_rotation() -> None:
    run_state_machine_as_test(RotatingPolicy, settings=FEW)


def test_dealing_by_quota() -> None:
    run_state_machine_as_test(DealingPolicy, settings=FEW)
