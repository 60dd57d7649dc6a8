"""A snapshot in words: it fits the terminal, and says what there is to say."""

import hashlib
import math
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.api import DeviceState, DeviceStats
from stratum_client.control.claims import IDLE, Claim, Decision, Level, Limit
from stratum_client.control.energy_account import EnergyOf, EnergyStats
from stratum_client.control.energy_records import EnergySum
from stratum_client.control.power import CapHeld, Source
from stratum_client.control.tuning_evidence import Goal
from stratum_client.control.tuning_views import Phase, TuningNote
from stratum_client.errors import PinMismatchError
from stratum_client.job import Fate
from stratum_client.pool_roles import PoolRole
from stratum_client.quota import Dealt
from stratum_client.stats import Metered, NamedDevice, PoolState, PoolStats, RigStats, ShareCounts
from stratum_client.status_text import (
    energy_text,
    next_share,
    power_text,
    status_fields,
    status_lines,
)
from stratum_client.units import counted, duration, plain, scaled

NUMBERS = st.floats(min_value=0, max_value=1e30, allow_nan=False)
MAYBE = st.none() | NUMBERS
FATES = st.fixed_dictionaries({fate: st.integers(0, 10**12) for fate in Fate})

COUNTS = st.builds(
    ShareCounts,
    fates=FATES,
    solutions=st.integers(0, 10**12),
    blocks=st.integers(0, 1000),
    best_difficulty=NUMBERS | st.just(math.inf),
    proven_hashrate=NUMBERS,
    recent_hashrate=NUMBERS,
    credited_hashrate=NUMBERS,
    uncertainty=st.floats(0, 1),
)
POOLS = st.builds(
    PoolStats,
    name=st.text(),
    url=st.text(),
    state=st.sampled_from(PoolState),
    problem=st.text(),
    user=st.text(),
    difficulty=st.none() | st.floats(2.0**-32, 2.0**128),
    height=st.none() | st.integers(0, 2**31),
    network_difficulty=MAYBE,
    round_trip=MAYBE,
    counts=COUNTS,
    role=st.none() | st.sampled_from(PoolRole),
    role_note=st.text(),
    dealt=st.none() | st.builds(Dealt, wanted=st.floats(0, 1), achieved=st.floats(0, 1)),
)
DEVICES = st.builds(
    NamedDevice,
    name=st.text(),
    driver=st.text(),
    stats=st.builds(
        DeviceStats,
        state=st.sampled_from(DeviceState),
        reason=st.text(),
        claimed_hashrate=NUMBERS,
        hardware_errors=st.integers(0, 10**9),
        temperature=st.none() | st.floats(-50, 200),
        power=MAYBE,
        frequency_mhz=MAYBE,
        details=st.dictionaries(st.text(), st.text() | st.integers() | st.none(), max_size=4),
    ),
    counts=COUNTS,
)
RIGS = st.builds(
    RigStats,
    uptime=st.floats(0, 1e10),
    counts=COUNTS,
    pools=st.lists(POOLS, max_size=3).map(tuple),
    devices=st.lists(DEVICES, max_size=3).map(tuple),
    work=st.text(),
)


@settings(max_examples=60, deadline=None)
@given(RIGS, st.integers(0, 300))
def test_no_line_is_longer_than_the_terminal_or_holds_control_characters(
    stats: RigStats, width: int
) -> None:
    lines = status_lines(stats, title="stratum-client", width=width)

    assert all(len(line) <= width for line in lines)
    assert all(line.isprintable() for line in lines)
    is_plain = [pool.role for pool in stats.pools] == [PoolRole.SERVING]
    why = bool(stats.work) and not is_plain
    below = sum(line.startswith(" " * 10) for line in lines)
    assert len(lines) >= 3 + len(stats.pools) + len(stats.devices) + why
    assert len(lines) - below <= 3 + len(stats.pools) + len(stats.devices) + why


@settings(max_examples=60, deadline=None)
@given(RIGS)
def test_the_fields_of_a_log_line_can_always_be_told(stats: RigStats) -> None:
    fields = status_fields(stats)

    assert fields["accepted"] == stats.counts.fates[Fate.ACCEPTED]
    assert all(isinstance(value, str | int) for value in fields.values())


@given(st.floats(allow_nan=False))
def test_any_number_is_shown_short(value: float) -> None:
    assert len(scaled(value, "H/s")) <= 20


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 H/s"),
        (1, "1 H/s"),
        (0.5, "0.5 H/s"),
        (999.4, "999 H/s"),
        (999.6, "1 kH/s"),
        (1_170_000_000_000, "1.17 TH/s"),
        (12_345, "12.3 kH/s"),
        (0.000012345, "1.2e-05 H/s"),
    ],
)
def test_rates_have_three_digits_and_a_prefix(value: float, text: str) -> None:
    assert scaled(value, "H/s") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1m00s"),
        (125, "2m05s"),
        (3599.7, "1h00m"),
        (11_520, "3h12m"),
        (86_400 * 12 + 4 * 3600, "12d4h"),
        (86_400 * 365 * 20_000, "20k years"),
    ],
)
def test_times_have_their_two_largest_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.20414, "0.2041"), (15.0249, "15.02"), (9999.4, "9999"), (8.04312e6, "8043120")],
)
def test_numbers_of_tables_have_four_digits_and_no_exponent_when_large(
    value: float, text: str
) -> None:
    assert plain(value) == text


def test_things_are_counted_in_their_number() -> None:
    assert counted(1, "share") == "1 share"
    assert counted(0, "share") == "0 shares"
    assert counted(2, "is left", "are left") == "2 are left"


def counts(**changes: Any) -> ShareCounts:
    fields: dict[str, Any] = {
        "fates": dict.fromkeys(Fate, 0),
        "solutions": 7,
        "blocks": 0,
        "best_difficulty": 12_345.0,
        "proven_hashrate": 1e9,
        "recent_hashrate": 2e9,
        "credited_hashrate": 9e8,
        "uncertainty": 0.25,
    }
    return ShareCounts(**fields | changes)


def rig(**changes: Any) -> RigStats:
    pool = PoolStats(
        name="main",
        url="stratum+tcp://pool.example.com:3333",
        state=PoolState.MINING,
        problem="",
        user="a.b",
        difficulty=16384.0,
        height=905_000,
        network_difficulty=1e14,
        round_trip=0.0421,
        counts=counts(),
    )
    stats = DeviceStats(
        state=DeviceState.MINING, claimed_hashrate=1.17e12, temperature=61.4, power=14.96
    )
    device = NamedDevice(name="gamma", driver="bm1370", stats=stats, counts=counts())
    fields: dict[str, Any] = {
        "uptime": 125.0,
        "counts": counts(),
        "pools": (pool,),
        "devices": (device,),
    }
    return RigStats(**fields | changes)


def test_energy_is_told_with_its_cost_and_what_is_only_modelled() -> None:
    energy = EnergySum(
        watt_hours={Source.DRIVER: Decimal(900), Source.MODEL: Decimal(300)},
        terahashes=Decimal(240_000),
        metered=Decimal(3600),
    )
    all_day = EnergyOf(hour=energy, today=energy)
    stats = rig(energy=EnergyStats(rig=all_day, costs={"KZT": Decimal("13.44")}))

    text = "1.2 kWh today (25% modelled) · 13.44 KZT · 18 J/TH in the last hour"
    assert energy_text(stats) == text
    assert f"energy    {text}" in status_lines(stats, title="t", width=200)
    assert energy_text(rig(energy=EnergyStats())) == energy_text(rig()) == ""

    hardly = replace(energy, watt_hours={Source.PLUG: Decimal(999), Source.MODEL: Decimal(1)})
    shown = energy_text(rig(energy=EnergyStats(rig=EnergyOf(hour=hardly, today=hardly))))
    assert shown.startswith("1 kWh today (under 1% modelled)")


def test_the_live_view_says_what_a_miner_asks_for() -> None:
    lines = status_lines(rig(), title="stratum-client 1", width=200)

    assert lines[0] == "stratum-client 1 · up 2m05s"
    assert "mining · difficulty 16.4k · height 905000 · reply in 42 ms" in lines[1]
    assert lines[2].startswith("shares    0 accepted · 0 rejected · 0 stale · best 12.3k")
    # 16384 x (2^32 + 2^16) hashes at 1.17 TH/s.
    assert lines[2].endswith("next in about 1m00s")
    assert lines[3] == "rate      1.17 TH/s claimed · 2 GH/s ±25% proven · 900 MH/s credited"
    assert lines[4] == "gamma     1.17 TH/s · 7 solutions · 0 errors · 61 °C · 15.0 W"


def test_a_device_that_is_held_back_shows_its_part_and_the_rig_the_claim() -> None:
    claim = Claim(
        level=Level.WINDOW, issuer="w", limit=Limit(share=0.6), cause="window: 60%", since=0.0
    )
    decision = Decision(limit=Limit(watts=12.345, mhz=400), binding=(claim,))
    held = replace(rig().devices[0], decision=decision)
    resting = replace(held, decision=Decision(limit=IDLE, binding=(claim,)))

    lines = status_lines(rig(devices=(held, resting), claims=(claim,)), title="t", width=200)

    assert lines[1] == "limit     at most 60% of full power: window: 60%"
    assert lines[-2].endswith("15.0 W · at most 12.3 W · at most 400 MHz")
    assert "at most" not in lines[-1]


def test_the_limit_of_a_tuner_is_told_in_the_row_of_its_device_alone() -> None:
    claim = Claim(
        level=Level.TUNER,
        issuer="tuner",
        device="gamma",
        limit=Limit(mhz=400),
        cause="tuned for efficiency",
        since=0.0,
    )
    [device] = rig().devices
    tuned = replace(
        device, tuning=TuningNote(goal=Goal.EFFICIENCY, phase=Phase.HOLDING, text="holds 400 MHz")
    )

    told = status_lines(rig(devices=(tuned,), claims=(claim,)), title="t", width=200)
    untold = status_lines(rig(devices=(device,), claims=(claim,)), title="t", width=200)

    assert not any(line.startswith("limit") for line in told)
    assert told[-1].endswith("· tuner holding: holds 400 MHz")
    assert untold[1].startswith("limit     gamma at most 400 MHz: tuned for efficiency")


def test_details_are_told_in_words_and_those_for_machines_are_not() -> None:
    [device] = rig().devices
    details = {
        "chips": 6,
        "nonces": 196,
        "ticket_difficulty": 6.1e-05,
        "proven_hashrate": 1.9e12,
        "fan_percent": 38.52,
        "voltage": 1.2,
        "resets": 0,
        "line_errors": 3,
        "acme_flow": 12_345.6,
        "per_chip": [{"nonces": 1}],
    }
    shown = replace(device, stats=replace(device.stats, details=details))

    *_, line = status_lines(rig(devices=(shown,)), title="t", width=300)

    assert line.endswith("15.0 W · 6 chips · fan 39% · 1.2 V · line errors 3 · acme flow 12.3k"), (
        line
    )


def test_rows_wrap_between_what_they_say_and_stay_aligned() -> None:
    [device] = rig().devices
    why = "resting: " + "because of one thing and another, " * 6
    stats = replace(device.stats, state=DeviceState.IDLE, reason=why, frequency_mhz=525.0)
    devices = (replace(device, name="hall4-gamma-1", stats=stats), device)

    lines = status_lines(rig(devices=devices), title="t", width=66)

    start = next(n for n, line in enumerate(lines) if line.startswith("hall4"))
    assert all(len(line) <= 66 for line in lines)
    assert lines[1] == "pool          main stratum+tcp://pool.example.com:3333 · mining"
    assert lines[2] == "              difficulty 16.4k · height 905000 · reply in 42 ms"
    assert lines[start].startswith("hall4-gamma-1 idle: resting: because of one thing")
    assert all(line.startswith(" " * 14) for line in lines[start + 1 : -1])
    told = " ".join(line[14:] for line in lines[start:-1])
    figures = "7 solutions · 0 errors · 61 °C 15.0 W · 525 MHz"
    assert told == f"idle: {why.strip()} · {figures}"
    assert lines[-1].startswith("gamma         1.17 TH/s")


def test_in_a_low_terminal_devices_have_the_lines_that_their_rate_or_reason_needs() -> None:
    [device] = rig().devices
    failed = replace(
        device.stats, state=DeviceState.FAILED, reason="no chip answers, and that is all " * 3
    )
    mining = replace(device.stats, details={"fan_percent": 40, "voltage": 1.15, "chips": 4})
    devices = [replace(device, name=f"board-{n}", stats=mining) for n in range(6)]
    devices[3] = replace(devices[3], stats=failed)

    whole = status_lines(rig(devices=devices), title="t", width=70, height=40)
    brief = status_lines(rig(devices=devices), title="t", width=70, height=12)

    assert sum(line.startswith("board-") for line in whole) == 6
    assert sum("fan 40%" in line for line in whole) == 5
    assert sum("15.0 W" in line for line in brief) == 5
    assert not any("fan 40%" in line for line in brief)
    start = brief.index(next(line for line in brief if line.startswith("board-3")))
    reason = " ".join(line[10:] for line in brief[start : start + 2])
    assert reason.startswith(f"failed: {failed.reason.strip()}")
    assert [line.split()[0] for line in brief[start + 2 :]] == ["board-4", "board-5"]


def test_a_block_stands_out_among_the_shares() -> None:
    assert "★ 1 BLOCK FOUND ★" in status_lines(rig(counts=counts(blocks=1)), title="", width=120)[2]
    assert (
        "★ 2 BLOCKS FOUND ★" in status_lines(rig(counts=counts(blocks=2)), title="", width=120)[2]
    )


def test_the_next_share_is_unknown_without_a_rate_or_a_difficulty() -> None:
    assert next_share(rig(pools=())) == ""
    assert next_share(rig(devices=(), counts=counts(recent_hashrate=0.0))) == ""
    [device] = rig().devices
    resting = replace(device, stats=replace(device.stats, state=DeviceState.IDLE))
    assert next_share(rig(devices=(resting,), counts=counts(recent_hashrate=1e12))) == ""
    assert status_fields(rig(pools=()))["next_share"] == "unknown"


NOTHING = ShareCounts(
    fates=dict.fromkeys(Fate, 0),
    solutions=0,
    blocks=0,
    best_difficulty=0.0,
    proven_hashrate=0.0,
    recent_hashrate=0.0,
    credited_hashrate=0.0,
    uncertainty=1.0,
)


def pool(name: str, role: PoolRole, note: str = "", **changes: Any) -> PoolStats:
    values: dict[str, Any] = {
        "name": name,
        "url": f"stratum+tcp://{name}.example:3333",
        "state": PoolState.MINING,
        "problem": "",
        "user": "me",
        "difficulty": 1000.0,
        "height": None,
        "network_difficulty": None,
        "round_trip": None,
        "counts": NOTHING,
        "role": role,
        "role_note": note,
    }
    return PoolStats(**values | changes)


def lines_of(*pools: PoolStats, work: str = "") -> list[str]:
    stats = RigStats(uptime=1.0, counts=NOTHING, pools=pools, devices=(), work=work)
    return status_lines(stats, title="t", width=200)[1:-2]


def test_one_pool_that_serves_needs_no_words_about_it() -> None:
    [line] = lines_of(pool("main", PoolRole.SERVING), work="main has a job")

    assert line == "pool      main stratum+tcp://main.example:3333 · mining · difficulty 1k"


@pytest.mark.parametrize("width", [80, 100, 132])
def test_a_problem_that_has_no_room_beside_its_pool_is_told_whole_below_it(width: int) -> None:
    digest = hashlib.sha256(b"a certificate").hexdigest()
    problem = str(PinMismatchError("main.example:3334", certificate=digest, public_key=digest))
    broken = pool("main", PoolRole.CONNECTING, state=PoolState.DISCONNECTED, problem=problem)
    stats = RigStats(
        uptime=1.0,
        counts=NOTHING,
        pools=(broken, pool("spare", PoolRole.SERVING)),
        devices=(),
        work="",
    )

    first, *below, last, _, _ = status_lines(stats, title="t", width=width)[1:]

    assert first.startswith("pool      main stratum+tcp://main.example:3333 · disconnected")
    assert last.startswith("pool      spare")
    assert all(line.startswith(" " * 10) and len(line) <= width for line in below)
    assert " ".join(line.strip() for line in below) == problem
    assert sum(digest in line for line in below) == 2, "to be copied in one piece"


def test_the_problem_of_a_terminal_too_narrow_for_it_is_cut() -> None:
    broken = pool("main", PoolRole.SERVING, state=PoolState.DISCONNECTED, problem="x " * 300)
    stats = RigStats(uptime=1.0, counts=NOTHING, pools=(broken,), devices=(), work="")

    assert len(status_lines(stats, title="t", width=39)) == 4
    assert len("".join(status_lines(stats, title="t", width=1000)[1])) > 600


def test_of_several_pools_each_has_its_role_and_the_last_change_its_reason() -> None:
    unhealthy = pool("main", PoolRole.UNHEALTHY, "well for 20 s of 5m")

    lines = lines_of(unhealthy, pool("spare", PoolRole.SERVING), work="main: silent")

    assert ":3333 · unhealthy: well for 20 s of 5m · " in lines[0]
    assert " · serving · " in lines[1]
    assert lines[2] == "work      main: silent"


def test_work_that_is_dealt_shows_what_was_wanted_and_what_was_achieved() -> None:
    dealt = Dealt(wanted=0.7, achieved=0.692)

    lines = lines_of(pool("a", PoolRole.SERVING, dealt=dealt), pool("b", PoolRole.STANDBY))

    assert " · serving 69% of 70% wanted · " in lines[0]


def test_a_rig_without_a_pool_says_why() -> None:
    lost = pool("main", PoolRole.CONNECTING, "connection lost")

    assert lines_of(lost, work="no pool has a job")[1] == "work      no pool has a job"


def test_the_next_share_is_expected_at_the_pool_that_serves() -> None:
    pools = (
        pool("main", PoolRole.CONNECTING, difficulty=1e9),
        pool("spare", PoolRole.SERVING, difficulty=1.0),
    )
    counts = replace(NOTHING, recent_hashrate=2.0**32)

    assert next_share(RigStats(uptime=1.0, counts=counts, pools=pools, devices=())) == "1.0 s"


def test_the_summary_tells_the_role_of_each_pool() -> None:
    dealt = Dealt(wanted=0.5, achieved=0.25)
    pools = (pool("a", PoolRole.SERVING, dealt=dealt), pool("b", PoolRole.STANDBY, "not connected"))

    summary = RigStats(uptime=1.0, counts=NOTHING, pools=pools, devices=(), work="why").summary()

    told: Any = summary["pools"]
    assert [(row["role"], row["role_note"]) for row in told] == [
        ("serving", ""),
        ("standby", "not connected"),
    ]
    assert [row["quota_wanted"] for row in told] == [0.5, None]
    assert [row["quota_achieved"] for row in told] == [0.25, None]
    assert summary["work"] == "why"


def test_power_is_shown_with_its_source_its_age_and_by_what_a_cap_is_held() -> None:
    plug = Metered(watts=387.25, source=Source.PLUG, age=0.4)
    old = Metered(watts=391.0, source=Source.MODEL, age=14.2, note="the rig's plug: silent")
    cap = CapHeld(watts=400.0, by="the model, corrected by 1.08; the rig's plug: silent")

    assert power_text(rig(power=plug)) == "387.2 W (plug)"
    assert power_text(rig(power=old)) == "391.0 W (model), 14 s ago · the rig's plug: silent"
    assert power_text(rig(power=old, cap=cap)) == (
        "391.0 W (model), 14 s ago · cap 400 W held by the model, corrected by 1.08;"
        " the rig's plug: silent"
    )
    assert power_text(rig(power=Metered(watts=0.0, source=Source.MODEL, age=0.0))) == ""
    assert status_fields(rig(power=plug))["power"] == "387.2 W (plug)"
    lines = status_lines(rig(power=plug), title="t", width=80)
    assert "power     387.2 W (plug)" in lines
