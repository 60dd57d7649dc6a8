"""Claims: the most restrictive one holds, whoever states it; levels only say who may release."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.control.claims import (
    FREE,
    IDLE,
    Claim,
    Claims,
    Decision,
    Level,
    Limit,
    may_release,
    utc,
)
from stratum_client.control.claims_file import ClaimsFileError, claims_in, text_of
from stratum_client.control.governor import DeviceFacts, decide

FEW = settings(max_examples=50)

NOW = 1_000_000.0
DEVICES = ("", "cpu", "gamma")

POSITIVE = st.sampled_from([0.5, 30.0, 400.0, 400.25, 5000.0])
LIMITS = st.builds(
    Limit, run=st.booleans(), watts=st.none() | POSITIVE, mhz=st.none() | POSITIVE
) | st.just(IDLE)
SHARES = st.none() | st.sampled_from([0.01, 0.6, 1.0])
ALL_LIMITS = st.builds(
    Limit,
    run=st.booleans(),
    watts=st.none() | POSITIVE,
    mhz=st.none() | POSITIVE,
    rig_watts=st.none() | POSITIVE,
    share=SHARES,
    eco=st.booleans(),
)
PLAIN = st.sampled_from(["", "paused by user miner", "Lüfter zu laut", 'a "quote"'])
CLAIMS = st.builds(
    Claim,
    level=st.sampled_from(Level),
    issuer=st.sampled_from(["pause", "disable", "grid"]),
    device=st.sampled_from(DEVICES),
    limit=LIMITS,
    cause=st.sampled_from(["paused by user miner", "Lüfter zu laut"]),
    remark=PLAIN,
    since=st.sampled_from([0.0, 0.5, NOW - 1, NOW]),
    until=st.none() | st.sampled_from([0.0, NOW - 1, NOW, NOW + 0.25, 2 * NOW]),
)


def decided(claims: Claims, device: str, now: float) -> Decision:
    return decide(claims, [DeviceFacts(name=device, is_known=False)], now)[device]


def gathered(claims: list[Claim]) -> Claims:
    together = Claims()
    for claim in claims:
        together = together.stated(claim)
    return together


def allows(outer: Limit, inner: Limit) -> bool:
    """Return whether what ``inner`` lets a device do is allowed by ``outer``."""

    def at_most(one: float | None, other: float | None) -> bool:
        return other is None or (one is not None and one <= other)

    return (
        inner.run <= outer.run
        and at_most(inner.watts, outer.watts)
        and at_most(inner.mhz, outer.mhz)
        and at_most(inner.rig_watts, outer.rig_watts)
        and at_most(inner.share, outer.share)
        and outer.eco <= inner.eco
    )


@FEW
@given(ALL_LIMITS, ALL_LIMITS, ALL_LIMITS)
def test_tightening_is_a_meet(a: Limit, b: Limit, c: Limit) -> None:
    assert a.tightened(b) == b.tightened(a)
    assert a.tightened(b).tightened(c) == a.tightened(b.tightened(c))
    assert a.tightened(a) == a.tightened(FREE) == a
    assert allows(a, a.tightened(b))
    if allows(a, c) and allows(b, c):
        assert allows(a.tightened(b), c), "no tighter than both together"


@FEW
@given(st.lists(CLAIMS, max_size=8), st.sampled_from(["cpu", "gamma", "other"]))
def test_a_device_never_may_what_a_claim_forbids_and_no_claim_is_stricter_than_stated(
    claims: list[Claim], device: str
) -> None:
    together = gathered(claims)

    decision = decided(together, device, NOW)

    concerned = [c for c in together.claims if c.device in {"", device}]
    valid = [c for c in concerned if c.until is None or c.until > NOW]
    assert all(allows(claim.limit, decision.limit) for claim in valid)
    assert decision.limit.run is all(claim.limit.run for claim in valid)
    for name in ("watts", "mhz"):
        stated = [getattr(c.limit, name) for c in valid if getattr(c.limit, name) is not None]
        assert getattr(decision.limit, name) == min(stated, default=None)
    assert decision.setpoint.run is decision.limit.run
    assert (decision.setpoint.reason == "") is (not decision.binding)


@FEW
@given(st.lists(CLAIMS, max_size=6))
def test_the_binding_claims_alone_decide_the_same(claims: list[Claim]) -> None:
    together = gathered(claims)

    decision = decided(together, "cpu", NOW)

    alone = decided(gathered(list(decision.binding)), "cpu", NOW)
    assert alone.limit.run is decision.limit.run
    if decision.limit.run:
        assert alone.limit == decision.limit
        assert len(decision.binding) <= 2
    else:
        [binding] = decision.binding
        assert not binding.limit.run
        idling = [c for c in together.claims if c.concerns("cpu") and c.holds(NOW)]
        assert binding.level == max(c.level for c in idling if not c.limit.run)
    assert (decision.binding == ()) is (decision.limit == FREE)


@FEW
@given(st.lists(CLAIMS, max_size=4, unique_by=lambda claim: claim.key))
def test_the_order_of_claims_does_not_matter(claims: list[Claim]) -> None:
    decisions = {decided(gathered(list(order)), "cpu", NOW) for order in permutations(claims)}

    assert len(decisions) == 1


@FEW
@given(st.lists(CLAIMS, max_size=6), CLAIMS)
def test_stating_and_withdrawing_touch_one_key(claims: list[Claim], claim: Claim) -> None:
    before = gathered(claims)

    after = before.stated(claim)

    assert after.claims[-1] == claim
    assert [c for c in after.claims if c.key != claim.key] == [
        c for c in before.claims if c.key != claim.key
    ]
    assert after.withdrawn(*claim.key) == before.withdrawn(*claim.key)


@FEW
@given(CLAIMS, st.sampled_from(Level))
def test_a_claim_is_forced_out_only_from_its_level_or_above_and_a_trip_by_nobody(
    claim: Claim, by: Level
) -> None:
    claims = Claims().stated(claim)

    if claim.level is Level.TRIP or by < claim.level:
        assert not may_release(by, claim)
        with pytest.raises(ValueError, match=str(claim.level)):
            claims.overridden(claim, by=by)
    else:
        assert claims.overridden(claim, by=by) == Claims()


def test_levels_rank_as_documented() -> None:
    ranked = sorted(Level, reverse=True)

    assert [str(level) for level in ranked] == [
        *("trip", "order", "window", "price", "user", "tuner"),
    ]


@FEW
@given(st.lists(CLAIMS, max_size=6))
def test_at_the_next_expiry_a_claim_is_gone_and_not_before(claims: list[Claim]) -> None:
    together = gathered(claims)
    until = together.next_expiry()

    if until is None:
        assert together.in_force(1e12) == together
    else:
        assert len(together.in_force(until).claims) < len(together.claims)
        earlier = [claim.until for claim in together.claims if claim.until is not None]
        assert until == min(earlier)
        assert together.in_force(until - 0.1) == together


def test_the_reason_says_who_when_how_long_and_why() -> None:
    claim = Claim(
        level=Level.USER,
        issuer="pause",
        limit=IDLE,
        cause="paused by user miner",
        remark="fan is loud",
        since=1_767_225_600.0,
        until=1_767_229_200.0,
    )

    assert claim.reason == (
        "paused by user miner, 2026-01-01 00:00:00 UTC, until 2026-01-01 01:00:00 UTC: fan is loud"
    )
    assert decided(Claims().stated(claim), "cpu", claim.since).setpoint.reason == claim.reason


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (IDLE, "idle"),
        (FREE, "free"),
        (Limit(watts=400), "at most 400 W"),
        (Limit(watts=400.5, mhz=500), "at most 400.5 W, at most 500 MHz"),
        (Limit(run=False, mhz=500), "idle"),
        (Limit(rig_watts=1200), "at most 1200 W of the whole rig"),
        (Limit(share=0.6, eco=True), "at most 60% of full power, at most the most efficient speed"),
    ],
)
def test_limits_in_words(limit: Limit, words: str) -> None:
    assert str(limit) == words


@FEW
@given(st.floats())
def test_any_time_can_be_told(at: float) -> None:
    assert utc(at).isprintable()


# --- the file ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


def is_read(data: bytes) -> bool:
    try:
        claims_in(data)
    except ClaimsFileError:
        return False
    return True


@FEW
@given(st.lists(st.tuples(CLAIMS, ALL_LIMITS), max_size=8))
def test_what_is_written_is_read_again(claims: list[tuple[Claim, Limit]]) -> None:
    together = gathered([replace(claim, limit=limit) for claim, limit in claims])

    assert claims_in(text_of(together)) == together


@FEW
@given(CLAIMS, st.sampled_from(["rig_watts", "share", "eco"]), JSON)
def test_a_newer_field_with_any_value_is_read_or_the_one_error(
    claim: Claim, field: str, value: object
) -> None:
    document = json.loads(text_of(Claims().stated(claim)))
    document["claims"][0][field] = value

    if is_read(json.dumps(document).encode()):
        decided(claims_in(json.dumps(document).encode()), "cpu", NOW)


def test_a_record_from_before_limits_of_the_rig_is_read() -> None:
    claim = Claim(level=Level.USER, issuer="pause", limit=IDLE, cause="paused", since=NOW)
    document = json.loads(text_of(Claims().stated(claim)))
    for field in ("rig_watts", "share", "eco"):
        del document["claims"][0][field]

    assert claims_in(json.dumps(document).encode()) == Claims((claim,))


@FEW
@given(st.binary(max_size=200))
def test_any_bytes_are_claims_or_the_one_error(data: bytes) -> None:
    is_read(data)


@FEW
@given(
    CLAIMS, st.sampled_from(["level", "issuer", "device", "run", "watts", "since", "until"]), JSON
)
def test_a_claim_with_any_field_replaced_is_read_or_the_one_error(
    claim: Claim, field: str, value: object
) -> None:
    document = json.loads(text_of(Claims().stated(claim)))
    document["claims"][0][field] = value

    if is_read(json.dumps(document).encode()):
        decided(claims_in(json.dumps(document).encode()), "cpu", NOW)
    del document["claims"][0][field]
    assert not is_read(json.dumps(document).encode())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        '{"format": 2, "claims": []}',
        '{"format": true, "claims": []}',
        '{"format": 1, "claims": [1]}',
        json.dumps({"format": 1, "claims": [{}] * 257}),
    ],
)
def test_what_is_no_record_of_ours_is_refused(text: str) -> None:
    assert not is_read(text.encode())
