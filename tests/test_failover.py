"""Who serves, and why: every rule of the policy for several pools, with a clock of our own."""

from typing import Any

import pytest

from stratum_client.config_work import WorkConfig
from stratum_client.errors import (
    AuthorizationError,
    ConnectError,
    ConnectionLostError,
    HandshakeTimeoutError,
    PayoutError,
    PoolProtocolError,
    PoolRefusedError,
    PoolSilentError,
    StratumError,
)
from stratum_client.failover import Decision, PoolPolicy
from stratum_client.pool_health import Loss, Tip, loss_of
from stratum_client.pool_roles import PoolRole

TARGET = 1 << 180
PATIENCE = 15.0
FAILBACK = 300.0
HOUR = 3600.0


class Pools:
    """A policy, and the time."""

    def __init__(self, *names: str, **settings: Any) -> None:
        self.now = 1000.0
        self.policy = PoolPolicy(WorkConfig(**settings), self.now)
        for name in names:
            self.policy.add(name, self.now, patience=PATIENCE)
        self.decided = self.decide()

    def decide(self, in_flight: int = 0) -> Decision:
        self.decided = self.policy.decide(self.now, in_flight=in_flight)
        return self.decided

    def serves(self) -> tuple[str, ...]:
        return self.decide().serving

    def up(self, *names: str, height: int | None = None, target: int = TARGET) -> None:
        for name in names:
            self.policy.job_arrived(name, Tip(height=height, network_target=target), self.now)
            self.decide()

    def lose(self, name: str, loss: Loss = Loss.CONNECTION) -> None:
        self.policy.lost(name, loss, self.now)
        self.decide()

    def wait(self, seconds: float) -> None:
        """Let time pass, asking at each moment that a decision names, and never else."""
        end = self.now + seconds
        while (moment := self.decided.next_change) is not None and moment <= end:
            assert moment > self.now
            self.now = moment
            self.decide()
        self.now = end

    def last_until(self, condition: str) -> float:
        """Return after how many seconds the pool called ``condition`` serves."""
        began = self.now
        while self.decided.serving != (condition,):
            assert self.decided.next_change is not None
            self.now = self.decided.next_change
            self.decide()
        return self.now - began


def well_served(*names: str, **settings: Any) -> Pools:
    """Return pools that have all been well for long, so that the first serves."""
    pools = Pools(*names, **settings)
    pools.up(*names)
    pools.wait(2 * HOUR)
    assert pools.serves() == names[:1]
    return pools


def test_the_first_pool_that_is_up_serves_and_a_better_one_may_be_a_little_late() -> None:
    pools = Pools("main", "spare")
    assert pools.serves() == ()

    pools.up("spare")
    assert pools.serves() == ("spare",)
    pools.wait(PATIENCE)
    pools.up("main")

    assert pools.serves() == ("main",)
    assert pools.decided.reason == "main is preferred and well"


def test_a_better_pool_that_is_very_late_must_be_well_for_long_first() -> None:
    pools = Pools("main", "spare")
    pools.up("spare")
    pools.wait(PATIENCE + 0.1)
    pools.up("main")

    assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_the_next_pool_serves_at_once_when_the_serving_one_is_lost() -> None:
    pools = well_served("main", "spare")

    pools.lose("main", Loss.SILENT)

    assert pools.decided.serving == ("spare",)
    assert pools.decided.reason == "main: silent"


def test_a_blip_of_a_good_pool_is_forgiven_but_not_a_second_one() -> None:
    pools = well_served("main", "spare")

    pools.lose("main")
    pools.wait(PATIENCE)
    pools.up("main")
    assert pools.serves() == ("main",)
    pools.wait(7)
    pools.lose("main")
    pools.wait(1)
    pools.up("main")

    assert pools.serves() == ("spare",)
    assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_a_pool_that_flaps_every_seven_seconds_is_left_alone() -> None:
    pools = well_served("main", "spare")

    switches, before = 0, pools.serves()
    for _ in range(200):
        pools.lose("main")
        pools.wait(3)
        pools.up("main")
        pools.wait(4)
        switches += pools.serves() != before
        before = pools.serves()

    assert switches == 1
    assert pools.last_until("main") == pytest.approx(FAILBACK - 4)


@pytest.mark.parametrize("loss", [loss for loss in Loss if loss is not Loss.CONNECTION])
def test_only_a_lost_connection_is_ever_a_blip(loss: Loss) -> None:
    pools = well_served("main", "spare")

    pools.lose("main", loss)
    pools.wait(1)
    pools.up("main")

    assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_failback_starts_anew_with_each_loss() -> None:
    pools = well_served("main", "spare")
    pools.lose("main")
    pools.wait(HOUR)
    for _ in range(3):
        pools.up("main")
        pools.wait(FAILBACK - 1)
        assert pools.serves() == ("spare",)
        pools.lose("main")
    pools.up("main")

    assert pools.last_until("main") == pytest.approx(FAILBACK)
    assert pools.decided.reason == "main is preferred and well"


def test_failback_waits_for_answers_to_shares_but_not_for_ever() -> None:
    pools = well_served("main", "spare", answers_wait=5.0)
    pools.lose("main")
    pools.wait(60)
    pools.up("main")
    pools.wait(FAILBACK - 1)
    pools.now += 1

    held = pools.decide(in_flight=4)
    assert held.serving == ("spare",)
    assert held.waits_for_answers
    assert held.next_change == pools.now + 5
    assert pools.decide(in_flight=0).serving == ("main",), "all are answered"

    pools.lose("main", Loss.SILENT)
    pools.up("main")
    pools.wait(FAILBACK - 1)
    pools.now += 1
    assert pools.decide(in_flight=4).serving == ("spare",)
    pools.now += 5
    assert pools.decide(in_flight=4).serving == ("main",), "the time is over"


def test_a_loss_never_waits_for_answers() -> None:
    pools = well_served("main", "spare")
    pools.policy.lost("main", Loss.CONNECTION, pools.now)

    assert pools.decide(in_flight=9).serving == ("spare",)


@pytest.mark.parametrize("loss", [Loss.REJECT_STORM, Loss.BAD_WORK, Loss.LOGIN_REFUSED])
def test_each_fault_makes_the_way_back_twice_as_long_up_to_an_hour(loss: Loss) -> None:
    pools = well_served("main", "spare")

    waits = []
    for _ in range(6):
        pools.lose("main", loss)
        pools.up("main")
        waits.append(pools.last_until("main"))
        pools.wait(60)

    assert waits == pytest.approx([300, 600, 1200, 2400, 3600, 3600])
    pools.wait(HOUR)
    pools.lose("main", loss)
    pools.up("main")
    assert pools.last_until("main") == pytest.approx(300), "an hour of good service is a new start"


def test_faults_of_the_past_do_not_lengthen_the_way_back_for_those_who_only_had_outages() -> None:
    pools = well_served("main", "spare")
    for _ in range(5):
        pools.lose("main", Loss.SILENT)
        pools.wait(100)
        pools.up("main")

        assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_who_takes_over_is_rather_well_than_early_in_order() -> None:
    pools = well_served("main", "flaky", "third")
    pools.lose("flaky", Loss.SILENT)
    pools.up("flaky")
    pools.wait(5)

    pools.lose("main", Loss.SILENT)

    assert pools.serves() == ("third",)
    assert pools.last_until("flaky") == pytest.approx(FAILBACK - 5)


def test_a_pool_in_disgrace_serves_all_the_same_when_there_is_no_other() -> None:
    pools = well_served("main", "spare")
    pools.lose("main", Loss.REJECT_STORM)
    pools.up("main")
    assert pools.serves() == ("spare",)

    pools.lose("spare")

    assert pools.serves() == ("main",)


# --- cold standby ---


def test_a_cold_standby_is_connected_when_patience_with_the_first_ends() -> None:
    pools = Pools("main", "spare", "third", standby="cold")
    assert pools.decided.connect == {"main"}

    pools.wait(PATIENCE - 1)
    assert pools.decide().connect == {"main"}
    pools.wait(1)
    assert pools.decided.connect == {"main", "spare"}
    pools.wait(PATIENCE)
    assert pools.decided.connect == {"main", "spare", "third"}


def test_a_cold_standby_is_connected_at_once_when_the_first_refuses_us() -> None:
    pools = Pools("main", "spare", standby="cold")

    pools.lose("main", Loss.LOGIN_REFUSED)

    assert pools.decided.connect == {"main", "spare"}


@pytest.mark.parametrize("loss", sorted({*Loss} - {Loss.CONNECTION, Loss.STALE_CHAIN}))
def test_a_cold_standby_is_connected_at_once_when_the_first_does_worse_than_go(loss: Loss) -> None:
    pools = Pools("main", "spare", standby="cold")
    pools.up("main")
    pools.wait(HOUR)

    pools.lose("main", loss)

    assert pools.decided.connect == {"main", "spare"}


def test_a_cold_standby_takes_over_from_a_pool_that_flaps() -> None:
    pools = Pools("main", "spare", standby="cold")
    pools.up("main")
    pools.wait(HOUR)

    for _ in range(2):
        pools.lose("main")
        pools.wait(3)
        pools.up("main")
        pools.wait(4)
    pools.lose("main")
    assert pools.decided.connect == {"main", "spare"}
    pools.up("spare")
    pools.wait(3)
    pools.up("main")

    assert pools.serves() == ("spare",)
    assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_a_cold_standby_is_not_connected_for_a_blip() -> None:
    pools = Pools("main", "spare", standby="cold")
    pools.up("main")
    pools.wait(HOUR)

    pools.lose("main")
    assert pools.decided.serving == ()
    assert pools.decided.lingers == "main"
    pools.wait(PATIENCE - 1)
    pools.up("main")

    assert pools.decided.connect == {"main"}
    assert pools.serves() == ("main",)


def test_a_cold_standby_that_serves_stays_connected_whatever_the_first_does() -> None:
    pools = Pools("main", "spare", standby="cold")
    pools.up("main")
    pools.wait(HOUR)
    pools.lose("main")
    pools.wait(PATIENCE)
    pools.up("spare")
    for _ in range(5):
        pools.wait(40)
        pools.up("main")
        assert pools.serves() == ("spare",)
        pools.lose("main")
        assert pools.decided.connect == {"main", "spare"}

    pools.up("main")
    assert pools.last_until("main") == pytest.approx(FAILBACK)
    assert pools.decided.connect == {"main"}, "the other is let go when the first serves"


# --- behind the others ---


def test_a_pool_that_is_behind_for_too_long_is_left_and_must_be_well_again() -> None:
    pools = Pools("main", "spare")
    pools.up("main", "spare", height=100)
    pools.wait(HOUR)

    pools.up("spare", height=101)
    assert pools.serves() == ("main",)
    pools.wait(29)
    assert pools.serves() == ("main",)
    pools.wait(1)
    assert pools.decided.serving == ("spare",)
    assert pools.decided.reason == "main: behind the other pools"
    assert pools.policy.role("main", pools.now)[0] is PoolRole.UNHEALTHY

    pools.wait(HOUR)
    assert pools.serves() == ("spare",)
    pools.up("main", height=101)
    assert pools.last_until("main") == pytest.approx(FAILBACK)


def test_a_pool_that_has_fallen_behind_is_not_trusted_for_falling_further() -> None:
    pools = Pools("main", "spare", "third")
    pools.up("main", "spare", "third", height=100)
    pools.wait(HOUR)
    for height in range(101, 131):
        pools.up("spare", height=height)
        pools.wait(600)
    assert pools.serves() == ("spare",)

    pools.lose("main")
    pools.wait(5)
    pools.up("main", height=100)
    pools.wait(6 * HOUR)
    assert pools.serves() == ("spare",), "its new session is as far behind as the last one"

    pools.lose("spare")
    assert pools.serves() == ("main",), "the others are as far behind"
    pools.wait(5)
    pools.up("third", height=131)
    pools.wait(30)
    assert pools.serves() == ("third",)
    pools.up("main", height=131)
    assert pools.last_until("main") <= HOUR


def test_a_pool_far_ahead_from_the_first_mines_another_chain_even_while_others_come_and_go() -> (
    None
):
    pools = Pools("main", "spare")
    pools.up("main", height=100)
    pools.up("spare", height=500)
    pools.lose("spare")
    pools.wait(60)
    pools.up("spare", height=501)
    pools.wait(HOUR)

    assert pools.serves() == ("main",)


def test_being_late_with_a_block_is_no_fault() -> None:
    pools = Pools("main", "spare")
    pools.up("main", "spare", height=100)
    pools.wait(HOUR)

    for height in range(101, 120):
        pools.up("spare", height=height)
        pools.wait(25)
        pools.up("main", height=height)
        assert pools.serves() == ("main",)


@pytest.mark.parametrize(
    ("height", "target"),
    [(None, TARGET), (111, TARGET), (101, TARGET * 5), (101, TARGET // 5), (100, TARGET)],
)
def test_pools_on_another_chain_or_of_unknown_height_do_not_count(
    height: int | None, target: int
) -> None:
    pools = Pools("main", "spare")
    pools.up("main", height=100)
    pools.up("spare", height=height, target=target)

    pools.wait(HOUR)

    assert pools.serves() == ("main",)


def test_a_standby_that_is_behind_is_passed_over() -> None:
    pools = Pools("main", "spare", "third")
    pools.up("main", "third", height=101)
    pools.up("spare", height=100)
    pools.wait(HOUR)

    pools.lose("main", Loss.SILENT)

    assert pools.serves() == ("third",)


def test_a_pool_that_is_behind_nobody_usable_serves() -> None:
    pools = Pools("main", "spare")
    pools.up("main", height=100)
    pools.up("spare", height=101)
    pools.wait(HOUR)
    assert pools.serves() == ("spare",)

    pools.lose("spare")

    assert pools.serves() == ("main",)


# --- rotation and quota ---


def test_rotation_gives_each_usable_pool_its_turn() -> None:
    pools = Pools("a", "b", "c", strategy="rotate", rotate_every=600.0)
    pools.up("a", "b", "c")
    seen = []
    for _ in range(4):
        seen.append(pools.serves())
        pools.wait(600)

    assert seen == [("a",), ("b",), ("c",), ("a",)]


def test_rotation_goes_on_after_a_loss_and_skips_who_is_lost() -> None:
    pools = Pools("a", "b", "c", strategy="rotate", rotate_every=600.0)
    pools.up("a", "b", "c")
    pools.wait(100)

    pools.lose("a", Loss.SILENT)
    assert pools.serves() == ("b",)
    pools.wait(600)
    assert pools.serves() == ("c",)
    pools.wait(600)
    assert pools.serves() == ("b",)
    pools.up("a")
    pools.wait(599)
    assert pools.serves() == ("b",)
    pools.wait(1)
    assert pools.serves() == ("c",)
    pools.wait(600)
    assert pools.serves() == ("a",)


def test_who_is_left_out_of_a_quota_is_told_with_the_reason() -> None:
    pools = Pools("a", "b", "c", strategy="quota")
    pools.up("a", "b", "c")

    pools.policy.disable("b")
    assert pools.decide().reason == "work is dealt by quota; b was disabled"
    pools.policy.remove("c")
    assert pools.decide().reason == "work is dealt by quota; c was removed"


def test_without_a_pool_all_that_is_the_matter_is_told() -> None:
    pools = Pools("a", "b", "c")
    pools.up("a", "b")
    pools.policy.use("c")
    pools.lose("c")
    assert pools.decided.reason == "c was chosen by hand; c: connection lost"

    pools.policy.use(None)
    pools.lose("b")
    pools.policy.disable("a")
    assert (
        pools.decide().reason
        == "no pool has a job; a was disabled; b: connection lost; c: connection lost"
    )


def test_quota_uses_all_that_are_usable_and_takes_an_outage_back_soon() -> None:
    pools = Pools("a", "b", strategy="quota")
    pools.up("a", "b")
    assert pools.serves() == ("a", "b")
    pools.wait(60)

    pools.lose("b")
    assert pools.decided.serving == ("a",)
    assert pools.decided.reason == "work is dealt by quota; b: connection lost"
    pools.wait(60)
    pools.up("b")
    pools.wait(PATIENCE - 1)
    assert pools.serves() == ("a",)
    pools.wait(1)

    assert pools.serves() == ("a", "b")


def test_quota_keeps_a_pool_in_disgrace_out_for_long() -> None:
    pools = Pools("a", "b", strategy="quota")
    pools.up("a", "b")
    pools.lose("b", Loss.REJECT_STORM)
    pools.up("b")

    pools.wait(FAILBACK - 1)
    assert pools.serves() == ("a",)
    pools.wait(1)

    assert pools.serves() == ("a", "b")


# --- by hand ---


def test_a_choice_by_hand_is_obeyed_until_it_is_released() -> None:
    pools = well_served("main", "spare", "third")

    pools.policy.use("third")
    assert pools.decide(in_flight=3).serving == ("third",), "at once"
    assert pools.decided.reason == "third was chosen by hand"
    pools.wait(24 * HOUR)
    assert pools.serves() == ("third",)
    pools.lose("third")
    assert pools.decided.serving == ()
    assert pools.decided.lingers == "third"
    pools.wait(HOUR)
    pools.up("third")
    assert pools.serves() == ("third",)
    pools.policy.use(None)

    assert pools.serves() == ("main",)


def test_a_cold_choice_by_hand_connects_that_pool_alone() -> None:
    pools = Pools("main", "spare", standby="cold")
    pools.up("main")

    pools.policy.use("spare")

    assert pools.decide().serving == ()
    assert pools.decided.connect == {"spare"}
    pools.up("spare")
    assert pools.decided.serving == ("spare",)


def test_a_pool_that_is_disabled_or_removed_serves_no_more_and_a_choice_of_it_ends() -> None:
    pools = well_served("main", "spare", "third")
    pools.policy.use("main")
    pools.decide()

    pools.policy.disable("main")
    assert pools.serves() == ("spare",)
    assert pools.decided.reason == "main was disabled"
    assert "main" not in pools.decided.connect
    with pytest.raises(ValueError, match="enable it first"):
        pools.policy.use("main")
    pools.policy.remove("spare")
    assert pools.serves() == ("third",)
    assert pools.decided.reason == "spare was removed"
    pools.policy.enable("main", pools.now)
    pools.up("main")

    assert pools.serves() == ("main",), "who enables a pool wants it"


def test_who_ends_a_time_without_any_pool_is_named_before_what_had_begun_it() -> None:
    pools = well_served("main", "spare")
    pools.lose("main")
    pools.lose("spare")
    assert pools.serves() == ()

    pools.up("main")

    assert pools.serves() == ("main",)
    assert pools.decided.reason == "main has a job; spare: connection lost"


def test_a_pool_added_at_run_time_is_a_standby() -> None:
    pools = well_served("main")

    pools.policy.add("late", pools.now, patience=PATIENCE)
    assert pools.decide().connect == {"main", "late"}
    pools.up("late")
    assert pools.policy.role("late", pools.now) == (PoolRole.STANDBY, "")
    pools.lose("main")

    assert pools.serves() == ("late",)


# --- no pool at all ---


@pytest.mark.parametrize("action", ["idle", "hold", "exit"])
def test_the_last_job_lingers_when_no_pool_is_left(action: str) -> None:
    pools = well_served("main", "spare", no_pool_action=action)
    pools.lose("main")
    pools.lose("spare")

    assert pools.decided.serving == ()
    assert pools.decided.lingers == "spare"
    assert (
        pools.decided.reason == "no pool has a job; main: connection lost; spare: connection lost"
    )


def test_a_disabled_pool_lingers_only_to_keep_devices_warm() -> None:
    for action, lingers in (("idle", None), ("hold", "main")):
        pools = well_served("main", no_pool_action=action)
        pools.policy.disable("main")
        assert pools.decide().lingers == lingers


def test_without_a_pool_for_too_long_it_is_over_where_that_is_wished() -> None:
    pools = well_served("main", no_pool_action="exit", exit_after=120.0)
    pools.lose("main")
    pools.wait(119)
    assert not pools.decide().is_over
    pools.up("main")
    pools.wait(500)
    assert not pools.decide().is_over
    pools.lose("main")

    pools.wait(120)

    assert pools.decided.is_over


@pytest.mark.parametrize("action", ["idle", "hold"])
def test_otherwise_it_is_never_over(action: str) -> None:
    pools = Pools("main", no_pool_action=action, exit_after=1.0)

    pools.wait(24 * HOUR)

    assert not pools.decide().is_over


@pytest.mark.parametrize(
    ("error", "loss"),
    [
        (ConnectError("pool:1", "refused"), Loss.CONNECTION),
        (ConnectionLostError("pool:1", "reset"), Loss.CONNECTION),
        (PoolSilentError("line", 90), Loss.SILENT),
        (HandshakeTimeoutError("job", 60), Loss.SILENT),
        (AuthorizationError("bob", 24, "who?"), Loss.LOGIN_REFUSED),
        (PoolRefusedError("most shares", 23, "low"), Loss.REJECT_STORM),
        (PoolRefusedError("mining.subscribe", 20, "full"), Loss.REFUSED),
        (PoolProtocolError("line too long"), Loss.BAD_WORK),
        (PayoutError("nothing to ADDRESS"), Loss.WRONG_PAYOUT),
        (StratumError("anything else"), Loss.BAD_WORK),
    ],
)
def test_the_end_of_a_session_tells_how_the_pool_was_lost(error: StratumError, loss: Loss) -> None:
    assert loss_of(error) is loss
