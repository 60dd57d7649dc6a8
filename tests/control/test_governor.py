"""The one decision point: limits of a rig dealt out, never exceeded, and stable."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import OperatingPoint
from stratum_client.control.claims import FREE, IDLE, Claim, Claims, Decision, Level, Limit
from stratum_client.control.governor import (
    CALM,
    REST,
    SHED,
    TOO_LITTLE,
    UNCOUNTED,
    UNPLUGGED,
    WORTH,
    DeviceFacts,
    budget_of,
    decide,
)
from tests.control.test_claims import allows
from tests.control.test_dealing import board

FEW = settings(max_examples=40)
NOW = 1_000_000.0


def claim(limit: Limit, *, issuer: str = "grid", device: str = "", **fields: object) -> Claim:
    plain = Claim(
        level=Level.ORDER, issuer=issuer, device=device, limit=limit, cause=issuer, since=NOW - 9
    )
    return replace(plain, **fields)  # type: ignore[arg-type]  # each test knows its fields


def of(*claims: Claim) -> Claims:
    together = Claims()
    for one in claims:
        together = together.stated(one)
    return together


def four_boards(*, volts: float = 0.0) -> list[DeviceFacts]:
    """Return four boards of 18 W and 1 000 H/s at full speed, 72 W together."""
    points = board(6, 12, 1000, volts=volts)
    return [DeviceFacts(name=name, points=points) for name in "abcd"]


def dealt(decisions: Mapping[str, Decision]) -> float:
    return sum(d.limit.watts or 0.0 for d in decisions.values() if d.limit.run and d.planned)


def hashes(decisions: Mapping[str, Decision]) -> float:
    return sum(d.planned.hashrate for d in decisions.values() if d.planned)


def resting(decisions: Mapping[str, Decision]) -> list[str]:
    return [name for name, found in decisions.items() if not found.limit.run]


# --- by example ---


def test_watts_of_the_rig_are_dealt_out_whole_and_the_claim_is_named() -> None:
    claims = of(claim(Limit(rig_watts=40), cause="curtailed by the grid"))

    found = decide(claims, four_boards(), NOW)

    assert resting(found) == ["c", "d"]
    assert dealt(found) == pytest.approx(40, abs=0.01)
    assert found["a"].limit == Limit(watts=20)
    assert found["a"].stated == "at most 40 W of the whole rig"
    assert found["a"].reason == f"curtailed by the grid, {'1970-01-12 13:46:31 UTC'}"
    assert found["d"].reason.endswith(f"UTC; {SHED}")
    assert found["d"].setpoint.run is False


def test_a_share_is_of_the_power_of_all_that_are_there_paused_or_not() -> None:
    window = claim(Limit(share=0.5))
    pause = claim(IDLE, issuer="pause", device="a", level=Level.USER)

    found, alone = decide(of(window), four_boards(), NOW), decide(of(pause), four_boards(), NOW)
    both = decide(of(window, pause), four_boards(), NOW)

    assert dealt(found) == pytest.approx(36, abs=0.01) == dealt(both)
    assert resting(found) == ["c", "d"]
    assert resting(both) == ["a", "d"]
    assert both["a"].reason == alone["a"].reason == pause.reason
    hard = decide(of(claim(Limit(rig_watts=36)), pause), four_boards(), NOW)
    assert (hard["a"].reason, resting(hard)) == (pause.reason, ["a", "d"])
    gone = [replace(facts, is_here=facts.name != "d") for facts in four_boards()]
    assert dealt(decide(of(window), gone, NOW)) == pytest.approx(27, abs=0.01)


def test_of_two_limits_of_the_rig_the_lower_holds_and_is_named() -> None:
    share, watts = claim(Limit(share=0.5)), claim(Limit(rig_watts=60), issuer="cap")
    facts = four_boards()

    found = decide(of(share, watts), facts, NOW)

    budget = budget_of(of(share, watts), facts)
    assert budget
    assert (budget.watts, budget.claim, budget.is_hard) == (36, share, True)
    assert {d.binding for d in found.values()} == {(share,)}
    assert budget_of(of(claim(IDLE), claim(Limit(watts=3), issuer="other")), facts) is None


def test_watts_beside_a_share_of_what_nobody_knows_are_dealt_out_as_if_alone() -> None:
    share, watts = claim(Limit(share=0.5)), claim(Limit(rig_watts=60), issuer="cap")
    seen = OperatingPoint(mhz=500, watts=40, hashrate=1e12)
    facts = [DeviceFacts(name="a", seen=seen, full_mhz=500)]

    budget, found = budget_of(of(share, watts), facts), decide(of(share, watts), facts, NOW)

    assert budget
    assert (budget.watts, budget.claim) == (60, watts)
    assert (found["a"].limit.run, found["a"].limit.mhz) == (True, 250)


def test_a_correction_is_of_the_watts_dealt_out() -> None:
    claims = of(claim(Limit(rig_watts=60)))

    found = decide(claims, four_boards(), NOW, correction=0.9)

    assert dealt(found) == pytest.approx(54, abs=0.01)
    assert {d.stated for d in found.values()} == {"at most 60 W of the whole rig"}


def test_what_devices_take_at_rest_is_not_there_for_others() -> None:
    facts = [replace(one, rest_watts=2.0) for one in four_boards()]

    found = decide(of(claim(Limit(rig_watts=40))), facts, NOW)

    assert resting(found) == ["c", "d"]
    assert dealt(found) == pytest.approx(40 - 2 * 2, abs=0.01)
    nothing_left = decide(of(claim(Limit(rig_watts=7))), facts, NOW)
    assert resting(nothing_left) == ["a", "b", "c", "d"]


def test_a_board_that_does_not_come_up_gets_enough_for_its_slowest_speed() -> None:
    facts = [replace(one, is_failing=one.name == "a") for one in four_boards(volts=0.4)]

    found = decide(of(claim(Limit(rig_watts=66))), facts, NOW)

    slowest = facts[0].points[0]
    assert found["a"].planned == slowest
    assert found["a"].limit.watts
    assert found["a"].limit.watts < facts[0].points[1].watts
    assert all(found[name].planned == facts[0].points[-1] for name in "bcd")


def test_what_a_board_leaves_that_has_failed_is_not_given_out_twice() -> None:
    claims, boards = of(claim(Limit(rig_watts=40))), four_boards(volts=0.4)
    before = decide(claims, boards, NOW)
    lost = before["a"].planned
    assert lost
    assert lost != boards[0].points[0]
    facts = [replace(one, is_failing=one.name == "a") for one in boards]

    lent = 1 + lost.watts / 40  # others have all that it leaves
    at_first = decide(claims, facts, NOW + 1, correction=lent, before=before)
    later = decide(claims, facts, NOW + 2, before=at_first)

    for found in (at_first, later):
        spent = sum(one.planned.watts for one in found.values() if one.planned)
        assert 38 < spent <= 40


def test_more_than_all_take_leaves_all_at_full_speed() -> None:
    found = decide(of(claim(Limit(rig_watts=500))), four_boards(), NOW)

    assert resting(found) == []
    assert all(d.planned and d.planned.mhz == 600 for d in found.values())


def test_less_than_the_slowest_takes_is_rest_and_says_so() -> None:
    found = decide(of(claim(Limit(rig_watts=5))), four_boards(), NOW)

    assert resting(found) == ["a", "b", "c", "d"]
    assert found["a"].note == TOO_LITTLE


@pytest.mark.parametrize(
    ("limit", "facts", "expected", "note"),
    [
        # a share: by frequency where no power is known, else told
        (Limit(share=0.6), DeviceFacts(name="x", full_mhz=500), Limit(mhz=300), "60% of its freq"),
        (Limit(share=0.6), DeviceFacts(name="x"), FREE, "no frequency to lower"),
        (Limit(share=0.6), DeviceFacts(name="x", is_known=False), FREE, ""),
        # watts: who cannot tell rests
        (Limit(rig_watts=60), DeviceFacts(name="x", full_mhz=500), IDLE, UNCOUNTED),
        (Limit(rig_watts=60), DeviceFacts(name="x"), IDLE, UNCOUNTED),
        (Limit(rig_watts=60, share=0.5), DeviceFacts(name="x"), IDLE, UNCOUNTED),
        # nobody is there yet
        (Limit(rig_watts=60), DeviceFacts(name="x", is_here=False), IDLE, UNPLUGGED),
        (Limit(share=0.6), DeviceFacts(name="x", is_here=False), IDLE, UNPLUGGED),
        # of one device
        (Limit(watts=60), DeviceFacts(name="x"), Limit(watts=60), "keeps no limit"),
        (Limit(eco=True), DeviceFacts(name="x", full_mhz=500), Limit(mhz=350), "70% of its freq"),
        (Limit(eco=True), DeviceFacts(name="x"), FREE, "no frequency to lower"),
    ],
)
def test_what_a_device_without_a_model_does(
    limit: Limit, facts: DeviceFacts, expected: Limit, note: str
) -> None:
    stated = claim(limit)

    found = decide(of(stated), [facts], NOW)["x"]

    assert found.limit == expected
    assert note in found.note
    assert found.binding == ((stated,) if note else ())


def test_a_device_seen_to_take_watts_runs_at_full_speed_or_not_at_all() -> None:
    seen = OperatingPoint(mhz=0, watts=30, hashrate=2000)
    facts = [*four_boards(), DeviceFacts(name="x", seen=seen)]

    much, little = (decide(of(claim(Limit(rig_watts=w))), facts, NOW) for w in (50, 29))

    assert resting(much) == ["b", "c", "d"]
    assert much["x"].limit == FREE
    assert "full speed or rest" in much["x"].reason
    assert much["a"].limit.watts
    assert much["a"].limit.watts + 30 <= 50
    assert "x" in resting(little)


def test_limits_of_one_device_hold_within_what_is_dealt_out() -> None:
    facts, rig = four_boards(volts=0.4), claim(Limit(rig_watts=60))
    slow = claim(Limit(mhz=400), issuer="tuner", device="a", level=Level.TUNER)
    half = claim(Limit(share=0.5), issuer="half", device="b")
    own = claim(Limit(rig_watts=9), issuer="own", device="c")

    found = decide(of(rig, slow, half, own), facts, NOW)

    assert found["a"].limit.mhz == 400
    assert found["a"].planned
    assert found["a"].planned.mhz <= 400
    assert (found["b"].limit.watts, found["b"].binding[0].issuer) == (9, "half")
    assert (found["c"].limit.watts, found["c"].binding[0].issuer) == (9, "own")
    assert dealt(found) <= 60
    too_low = claim(Limit(watts=1), issuer="own", device="d")
    assert decide(of(rig, too_low), facts, NOW)["d"].limit.watts == 1


def test_eco_is_the_most_efficient_speed_of_each() -> None:
    facts = [
        DeviceFacts(name="a", points=board(12, 30, 1000, volts=0.6)),
        DeviceFacts(name="b", points=board(6, 12, 1000)),
    ]

    found = decide(of(claim(Limit(eco=True))), facts, NOW)

    for one in facts:
        best = min(one.points, key=lambda p: p.watts / p.hashrate)
        assert found[one.name].limit == Limit(mhz=best.mhz)
    assert found["a"].limit.mhz != found["b"].limit.mhz


# --- stable ---


def test_a_plan_is_kept_while_little_is_to_be_gained() -> None:
    facts = four_boards(volts=0.4)
    first = decide(of(claim(Limit(rig_watts=45))), facts, NOW)

    after = {
        watts: decide(of(claim(Limit(rig_watts=watts))), facts, NOW + 600, before=first)
        for watts in (45, 45.2, 52)
    }

    plans = {watts: [d.planned for d in found.values()] for watts, found in after.items()}
    assert plans[45] == plans[45.2] == [d.planned for d in first.values()]
    assert plans[52] != plans[45]
    assert dealt(after[45.2]) == pytest.approx(45.2, abs=0.01), "the rest is dealt out all the same"


def test_who_was_told_to_rest_for_others_does_so_for_a_while() -> None:
    facts = four_boards()
    shed = decide(of(claim(Limit(rig_watts=40))), facts, NOW)
    more = of(claim(Limit(rig_watts=60)))

    soon = decide(more, facts, NOW + REST - 1, before=shed)
    later = decide(more, facts, NOW + REST, before=soon)

    assert resting(shed) == resting(soon) == ["c", "d"]
    assert (soon["c"].shed_at, soon["a"].shed_at) == (NOW, None)
    assert resting(later) == ["d"]
    assert resting(decide(of(), facts, NOW + 1, before=shed)) == [], "without a limit nobody rests"
    back = decide(more, facts, NOW - 9999, before=shed)
    assert resting(back) == ["d"], "a clock put back keeps nobody at rest"


def test_a_budget_that_wavers_hardly_stops_anybody() -> None:
    facts = [
        DeviceFacts(name=f"{n:02}", points=board(6 + n % 3, 12, 1000 + 10 * n)) for n in range(16)
    ]
    before = decide(of(claim(Limit(rig_watts=150))), facts, NOW)
    stops = 0
    for step in range(1, 41):
        budget = 150 + (1.5 if step % 2 else -1.5)
        after = decide(of(claim(Limit(rig_watts=budget))), facts, NOW + 30 * step, before=before)
        stops += len(set(resting(after)) - set(resting(before)))
        before = after
        assert dealt(before) <= budget

    assert stops <= 6, "in 20 minutes; each stops when it is long ago that another did"


# --- by property ---

FACTS = st.lists(
    st.builds(
        DeviceFacts,
        name=st.sampled_from(["a", "b", "c", "d"]),
        points=st.sampled_from([(), board(6, 12, 1000), board(1, 20, 900, volts=0.5, steps=4)]),
        seen=st.none() | st.just(OperatingPoint(mhz=500, watts=25, hashrate=800)),
        full_mhz=st.none() | st.just(500.0),
        rest_watts=st.sampled_from([0.0, 0.0, 2.0]),
        is_here=st.sampled_from([True, True, True, False]),
        is_known=st.booleans(),
        is_failing=st.sampled_from([False, False, True]),
    ),
    max_size=4,
    unique_by=lambda facts: facts.name,
)
CLAIMS = st.builds(
    Claim,
    level=st.sampled_from(Level),
    issuer=st.sampled_from(["one", "two"]),
    device=st.sampled_from(["", "", "a", "b"]),
    limit=st.builds(
        Limit,
        run=st.sampled_from([True, True, True, False]),
        watts=st.none() | st.sampled_from([8.0, 15.0]),
        mhz=st.none() | st.sampled_from([300.0, 450.0]),
        rig_watts=st.none() | st.sampled_from([4.0, 20.0, 33.3, 1000.0]),
        share=st.none() | st.sampled_from([0.01, 0.5, 0.9]),
        eco=st.booleans(),
    ),
    cause=st.just("because"),
    since=st.sampled_from([NOW - 1, NOW]),
    until=st.none() | st.sampled_from([NOW - 0.5, NOW + 5]),
)
MANY = st.lists(CLAIMS, max_size=5)


def power(decisions: Mapping[str, Decision], facts: Sequence[DeviceFacts]) -> float:
    """Return the watts that devices known to take any may draw: as dealt, or as seen at most."""
    total = 0.0
    for one in facts:
        found = decisions[one.name]
        if not one.is_here:
            continue
        if not found.limit.run:
            total += one.rest_watts
        elif one.points:
            within = [p.watts for p in one.points if allows(found.limit, Limit(watts=p.watts))]
            total += max(within, default=one.rest_watts)
        elif one.seen:
            total += one.seen.watts
        else:
            total += 10_000.0
    return total


@FEW
@given(MANY, FACTS, st.sampled_from([0.7, 1.0]))
def test_watts_of_the_rig_are_never_exceeded_by_any_device(
    claims: list[Claim], facts: list[DeviceFacts], correction: float
) -> None:
    found = decide(of(*claims), facts, NOW, correction=correction)

    of_rig = [c for c in of(*claims).claims if not c.device and c.limit.run and c.holds(NOW)]
    hard = [c.limit.rig_watts for c in of_rig if c.limit.rig_watts is not None]
    at_rest = sum(one.rest_watts for one in facts if one.is_here)
    if hard:
        assert power(found, facts) <= max(min(hard) * correction * (1 + 1e-6), at_rest)
    full = sum(one.points[-1].watts for one in facts if one.points and one.is_here)
    for share in [c.limit.share for c in of_rig if c.limit.share is not None]:
        modelled = [one for one in facts if one.points]
        assert power(found, modelled) <= max(share * full * correction * (1 + 1e-6), at_rest)


@FEW
@given(MANY, FACTS, CLAIMS)
def test_another_claim_never_loosens(
    claims: list[Claim], facts: list[DeviceFacts], more: Claim
) -> None:
    more = replace(more, issuer="more")
    before, after = decide(of(*claims), facts, NOW), decide(of(*claims, more), facts, NOW)

    assert hashes(after) <= hashes(before) * 1.002 or not hashes(before)
    for name, found in after.items():
        if before[name].shed_at is None and not before[name].limit.run:
            assert not found.limit.run, "what a claim forbids, no other allows"
    if budget_of(of(*claims, more).in_force(NOW), facts) is None:
        assert all(allows(before[name].limit, found.limit) for name, found in after.items())


@FEW
@given(MANY, FACTS, CLAIMS)
def test_a_release_restores_what_was(
    claims: list[Claim], facts: list[DeviceFacts], more: Claim
) -> None:
    more = replace(more, issuer="more")

    released = of(*claims, more).withdrawn(*more.key)
    expired = of(*claims, replace(more, until=NOW))

    assert decide(released, facts, NOW) == decide(of(*claims), facts, NOW)
    assert decide(expired, facts, NOW) == decide(of(*claims), facts, NOW)


@FEW
@given(
    st.lists(CLAIMS, max_size=3, unique_by=lambda one: one.key),
    FACTS.filter(lambda facts: len(facts) <= 3),
)
def test_the_order_of_claims_and_devices_does_not_matter(
    claims: list[Claim], facts: list[DeviceFacts]
) -> None:
    expected = decide(of(*claims), facts, NOW)

    for order in permutations(claims):
        assert decide(of(*order), facts, NOW) == expected
    for names in permutations(facts):
        assert decide(of(*claims), list(names), NOW) == expected


@FEW
@given(MANY, FACTS)
def test_whatever_holds_a_device_is_named(claims: list[Claim], facts: list[DeviceFacts]) -> None:
    together = of(*claims)
    for name, found in decide(together, facts, NOW).items():
        assert set(found.binding) <= set(together.in_force(NOW).claims)
        assert bool(found.binding) is (found.reason != "")
        if found.limit != FREE:
            assert found.binding
            assert found.stated != "free"
        assert all(one.concerns(name) for one in found.binding)
        if not found.limit.run and found.shed_at is None and not found.note:
            assert all(not one.limit.run for one in found.binding)


@FEW
@given(FACTS, st.lists(st.tuples(st.floats(0, 120), st.floats(0, 90)), max_size=8))
def test_a_budget_holds_at_each_step_whatever_was_before(
    facts: list[DeviceFacts], steps: list[tuple[float, float]]
) -> None:
    before: Mapping[str, Decision] = {}
    now = NOW
    for watts, passed in steps:
        now += passed
        before = decide(of(claim(Limit(rig_watts=watts))), facts, now, before=before)
        at_rest = sum(one.rest_watts for one in facts if one.is_here)
        assert power(before, facts) <= max(watts * (1 + 1e-6), at_rest) + 1e-9


@FEW
@given(st.floats(0.1, 1.0), st.floats(0.1, 1.0))
def test_after_a_while_what_is_kept_is_nearly_the_best(first: float, second: float) -> None:
    facts = four_boards(volts=0.5)
    before = decide(of(claim(Limit(share=first))), facts, NOW)

    later = decide(of(claim(Limit(share=second))), facts, NOW + CALM, before=before)

    best = decide(of(claim(Limit(share=second))), facts, NOW)
    assert hashes(later) >= hashes(best) * (1 - WORTH - 0.002)
