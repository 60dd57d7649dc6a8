"""Who is held back after a rest, until when and why; and what outlives the daemon."""

from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stratum_client.control.claims import IDLE, Claim, Decision, Level
from stratum_client.control.rests_file import (
    Ending,
    Leavings,
    RestsFileError,
    beginning,
    ending_told_by,
    leavings_in,
    marker_text,
    text_of,
)
from stratum_client.control.soft_restart import (
    Rest,
    RestartRules,
    Restarts,
    Wish,
    restart_claims,
    wish_of,
)
from stratum_client.control.start_slots import Slots

MIDNIGHT = 1_749_945_600.0  # 2025-06-15 00:00 UTC, a multiple of 600 s
SLOTS = Slots(count=600, length=1.0, own=17)
RULES = RestartRules(slots=SLOTS, min_off=120.0)
RUN, REST, ALONE = Wish.RUN, Wish.REST, Wish.REST_ALONE


def starts(restarts: Restarts, wishes: dict[str, Wish], now: float) -> dict[str, float | None]:
    return {name: rest.start for name, rest in restarts.look(wishes, now).items()}


def test_what_never_rested_is_never_held_back() -> None:
    restarts = Restarts(RULES)

    assert starts(restarts, {"a": RUN, "b": RUN}, MIDNIGHT) == {}
    assert starts(restarts, {"a": RUN, "b": RUN, "late": RUN}, MIDNIGHT + 5) == {}


def test_what_rested_with_the_site_starts_in_its_slot() -> None:
    restarts = Restarts(RULES)
    assert starts(restarts, {"a": REST}, MIDNIGHT - 3600) == {}

    assert starts(restarts, {"a": RUN}, MIDNIGHT) == {"a": MIDNIGHT + 17}
    assert starts(restarts, {"a": RUN}, MIDNIGHT + 16.9) == {"a": MIDNIGHT + 17}
    assert starts(restarts, {"a": RUN}, MIDNIGHT + 17) == {}
    assert starts(restarts, {"a": RUN}, MIDNIGHT + 18) == {}


def test_a_released_device_keeps_its_start_however_often_it_is_looked_at() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": REST}, MIDNIGHT - 3600)

    told = {starts(restarts, {"a": RUN}, MIDNIGHT + at / 10)["a"] for at in range(0, 169, 7)}

    assert told == {MIDNIGHT + 17}


def test_a_device_that_rests_again_before_its_start_waits_for_the_next_release() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": REST}, MIDNIGHT - 3600)
    starts(restarts, {"a": RUN}, MIDNIGHT)
    starts(restarts, {"a": REST}, MIDNIGHT + 5)

    assert starts(restarts, {"a": RUN}, MIDNIGHT + 100) == {"a": MIDNIGHT + 617}


def test_a_device_that_rested_too_shortly_stays_off_for_the_minimum_time_first() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": REST}, MIDNIGHT)

    assert starts(restarts, {"a": RUN}, MIDNIGHT + 3) == {"a": MIDNIGHT + 617}


def test_the_minimum_time_begins_when_a_device_has_come_to_rest() -> None:
    restarts = Restarts(RestartRules(min_off=120.0), {"old": Rest(off_since=MIDNIGHT - 60)})
    starts(restarts, {"a": RUN}, MIDNIGHT - 60)
    starts(restarts, {"a": REST, "old": REST, "new": REST}, MIDNIGHT)
    waits = {"a": MIDNIGHT + 121, "new": MIDNIGHT + 120}
    assert starts(restarts, {"a": RUN, "old": REST, "new": RUN}, MIDNIGHT + 1) == waits

    assert restarts.is_off("a", MIDNIGHT + 2)
    assert not restarts.is_off("a", MIDNIGHT + 50)
    assert not restarts.is_off("old", MIDNIGHT + 2)
    assert not restarts.is_off("new", MIDNIGHT + 2)
    assert not restarts.is_off("unknown", MIDNIGHT + 2)

    late, old = MIDNIGHT + 122, MIDNIGHT + 60
    assert starts(restarts, {"a": RUN, "old": RUN}, MIDNIGHT + 3) == {"a": late, "old": old}


def test_a_user_who_pauses_one_device_waits_for_the_minimum_off_time_alone() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": ALONE, "b": RUN}, MIDNIGHT + 30)

    assert starts(restarts, {"a": RUN, "b": RUN}, MIDNIGHT + 40) == {"a": MIDNIGHT + 150}
    assert starts(restarts, {"a": RUN, "b": RUN}, MIDNIGHT + 150) == {}


def test_the_last_reason_to_rest_says_whether_the_start_is_soft() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": ALONE, "b": REST}, MIDNIGHT - 900)
    starts(restarts, {"a": REST, "b": ALONE}, MIDNIGHT - 800)

    assert starts(restarts, {"a": RUN, "b": RUN}, MIDNIGHT) == {"a": MIDNIGHT + 17}


def test_only_a_claim_of_a_user_on_one_device_is_its_own_affair() -> None:
    def decision(level: Level, device: str) -> Decision:
        claim = Claim(level=level, issuer="x", device=device, limit=IDLE, cause="c", since=0)
        return Decision(limit=IDLE, binding=(claim,))

    assert wish_of(decision(Level.USER, "a")) is ALONE
    assert wish_of(decision(Level.USER, "")) is REST
    assert wish_of(decision(Level.ORDER, "a")) is REST
    assert wish_of(decision(Level.WINDOW, "")) is REST
    assert wish_of(Decision()) is RUN


def test_a_clock_that_is_set_moves_every_time_with_it() -> None:
    restarts = Restarts(RULES)
    starts(restarts, {"a": REST}, MIDNIGHT)
    starts(restarts, {"a": RUN}, MIDNIGHT + 10)
    year = 365 * 86_400.0

    restarts.shift(year)

    # Still 110 s of the minimum off time are to go, then comes the next own slot.
    [start] = starts(restarts, {"a": RUN}, MIDNIGHT + 10 + year).values()
    assert start is not None
    assert start >= MIDNIGHT + year + 120
    assert (start - 17) % 600 == 0
    assert start < MIDNIGHT + year + 120 + 600


def test_a_clock_that_was_set_back_while_nothing_ran_delays_by_the_minimum_at_most() -> None:
    restarts = Restarts(RestartRules(min_off=120.0), {"a": Rest(off_since=MIDNIGHT + 1e6)})

    assert starts(restarts, {"a": RUN}, MIDNIGHT) == {"a": MIDNIGHT + 120}


def told(restarts: Restarts, wishes: dict[str, Wish], now: float) -> list[tuple[str, str]]:
    claims = restart_claims(restarts.look(wishes, now), wishes, restarts.rules, UTC)
    assert all(claim.level is Level.WINDOW and claim.limit == IDLE for claim in claims)
    return [(claim.device, claim.reason) for claim in claims]


def test_one_claim_says_it_for_all_devices_that_start_together() -> None:
    restarts = Restarts(RULES)
    restarts.look({"a": REST, "b": REST, "c": REST}, MIDNIGHT - 3600)
    wishes = {"a": RUN, "b": RUN, "c": ALONE}

    assert told(restarts, wishes, MIDNIGHT) == [
        ("", "soft restart: slot 17 of 600, starts 00:00:17")
    ]


def test_each_device_has_its_claim_where_another_one_runs() -> None:
    restarts = Restarts(RULES)
    restarts.look({"a": REST, "b": RUN, "c": ALONE}, MIDNIGHT)
    wishes = {"a": RUN, "b": RUN, "c": RUN}

    assert told(restarts, wishes, MIDNIGHT + 60) == [
        ("a", "soft restart: slot 17 of 600, starts 00:10:17"),
        ("c", "soft restart: off for 120 s at least, starts 00:02:00"),
    ]


def test_times_of_a_reason_are_those_of_the_rig() -> None:
    rest = Rest(off_since=0, start=MIDNIGHT + 17)

    assert rest.reason(RULES, ZoneInfo("Asia/Almaty")).endswith("starts 05:00:17")


# -- after the daemon has ended


def test_the_marker_says_how_the_last_daemon_ended() -> None:
    assert ending_told_by(None, "this") is Ending.CLEAN
    assert ending_told_by(marker_text("this", MIDNIGHT), "this") is Ending.KILLED
    assert ending_told_by(marker_text("that", MIDNIGHT), "this") is Ending.POWER_LOST
    for damaged in (b"", b"\0" * 80, b"[" * 100_000, b"[]", b'{"boot_id": 7}'):
        assert ending_told_by(damaged, "this") is Ending.POWER_LOST


LEFT = Leavings(boot_id="that", rests={"a": Rest(off_since=MIDNIGHT - 900, is_soft=False)})


def test_after_a_loss_of_power_everything_waits_and_then_takes_its_slot() -> None:
    begun = beginning(
        LEFT,
        Ending.POWER_LOST,
        boot_id="this",
        booted=MIDNIGHT - 30,
        wait_until=MIDNIGHT + 200,
        now=MIDNIGHT,
    )
    restarts = Restarts(RULES, begun.rests, begun.unseen)
    wishes = {"a": RUN, "b": RUN}

    assert told(restarts, wishes, MIDNIGHT) == [
        ("", "soft restart after a loss of power: slot 17 of 600, starts 00:10:17")
    ]
    assert starts(restarts, {**wishes, "late": RUN}, MIDNIGHT + 600) == dict.fromkeys(
        ("a", "b", "late", ""), MIDNIGHT + 617
    )
    assert starts(restarts, {**wishes, "late": RUN}, MIDNIGHT + 617) == {}
    assert starts(restarts, {**wishes, "later": RUN}, MIDNIGHT + 618) == {}


def test_a_random_wait_is_told_of_where_there_are_no_slots() -> None:
    unseen = Rest(off_since=MIDNIGHT, not_before=MIDNIGHT + 83)
    restarts = Restarts(RestartRules(), {}, unseen)

    assert told(restarts, {}, MIDNIGHT) == [
        ("", "soft restart after a loss of power: random wait, starts 00:01:23")
    ]


def test_a_wait_goes_on_under_the_next_daemon() -> None:
    begun = beginning(
        Leavings(),
        Ending.POWER_LOST,
        boot_id="b",
        booted=MIDNIGHT,
        wait_until=MIDNIGHT + 200,
        now=MIDNIGHT,
    )
    restarts = Restarts(RULES, begun.rests, begun.unseen)
    restarts.look({"a": RUN}, MIDNIGHT)

    left = leavings_in(text_of("b", restarts.remembered))
    again = beginning(
        left, Ending.KILLED, boot_id="b", booted=MIDNIGHT, wait_until=MIDNIGHT + 9999, now=MIDNIGHT
    )

    restarts = Restarts(RULES, again.rests, again.unseen)
    wishes = {"a": RUN, "plugged in late": RUN}
    assert starts(restarts, wishes, MIDNIGHT + 20) == dict.fromkeys((*wishes, ""), MIDNIGHT + 617)


def test_a_daemon_that_was_killed_delays_only_what_rested() -> None:
    running = Leavings(boot_id="this", rests={"a": Rest(off_since=MIDNIGHT - 900)})
    begun = beginning(
        running, Ending.KILLED, boot_id="this", booted=0, wait_until=MIDNIGHT + 200, now=MIDNIGHT
    )
    restarts = Restarts(RULES, begun.rests, begun.unseen)

    assert starts(restarts, {"a": RUN, "ran": RUN}, MIDNIGHT) == {"a": MIDNIGHT + 17}


def test_a_clean_restart_waits_for_the_minimum_off_time_alone() -> None:
    restarts = Restarts(RULES)
    restarts.look({"a": RUN, "resting": REST}, MIDNIGHT - 900)
    left = leavings_in(text_of("this", restarts.ended(["a", "resting"], MIDNIGHT)))

    begun = beginning(
        left, Ending.CLEAN, boot_id="this", booted=0, wait_until=MIDNIGHT + 200, now=MIDNIGHT
    )
    again = Restarts(RULES, begun.rests, begun.unseen)

    assert starts(again, {"a": RUN, "resting": RUN, "new": RUN}, MIDNIGHT + 5) == {
        "a": MIDNIGHT + 120,
        "resting": MIDNIGHT + 17,
    }


def test_a_machine_that_was_shut_down_starts_in_its_slot() -> None:
    begun = beginning(
        LEFT, Ending.CLEAN, boot_id="this", booted=MIDNIGHT, wait_until=MIDNIGHT + 999, now=MIDNIGHT
    )
    restarts = Restarts(RestartRules(slots=SLOTS), begun.rests, begun.unseen)

    assert starts(restarts, {"a": RUN, "b": RUN}, MIDNIGHT) == dict.fromkeys(
        ("a", "b", ""), MIDNIGHT + 17
    )


def test_the_first_start_ever_is_not_delayed() -> None:
    begun = beginning(
        Leavings(), Ending.CLEAN, boot_id="b", booted=MIDNIGHT, wait_until=MIDNIGHT, now=MIDNIGHT
    )

    assert begun.unseen is None
    assert starts(Restarts(RULES, begun.rests, begun.unseen), {"a": RUN}, MIDNIGHT) == {}


names = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
rests = st.builds(
    Rest,
    off_since=st.floats(0, 3e10),
    is_soft=st.booleans(),
    not_before=st.floats(0, 3e10),
)


@given(st.dictionaries(names, rests, max_size=5))
def test_what_is_written_down_is_read_back(written: dict[str, Rest]) -> None:
    assert leavings_in(text_of("boot", written)) == Leavings(boot_id="boot", rests=written)


@given(
    st.binary(max_size=200)
    | st.dictionaries(names, rests, max_size=2).map(lambda rests: text_of("b", rests)[:-9])
)
def test_damage_is_told_and_nothing_is_guessed(data: bytes) -> None:
    with pytest.raises(RestsFileError):
        leavings_in(data)


@pytest.mark.parametrize(
    "text",
    [
        b'{"format": 2, "boot_id": "b", "devices": {}}',
        b'{"format": 1, "boot_id": "b", "devices": []}',
        b'{"format": 1, "boot_id": 1, "devices": {}}',
        b'{"format": 1, "boot_id": "b", "devices": {"a": {}}}',
        *(
            b'{"format": 1, "boot_id": "b", "devices": {"a": {"off_since": %s, "is_soft": true,'
            b' "not_before": 0}}}' % value
            for value in (b"NaN", b"1e999", b"-1", b"true", b'"x"', b"9" * 400)
        ),
        b"[" * 100_000,
    ],
)
def test_a_file_that_is_none_of_ours_is_refused(text: bytes) -> None:
    with pytest.raises(RestsFileError):
        leavings_in(text)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([RUN, REST, ALONE]),
            st.floats(0, 400),
        ),
        max_size=40,
    )
)
def test_whatever_happens_a_device_is_off_long_enough_and_starts_in_its_slot(
    story: list[tuple[Wish, float]],
) -> None:
    restarts = Restarts(RULES)
    now, runs, off_since, last = MIDNIGHT, True, -1e9, RUN
    for wish, pause in story:
        held = starts(restarts, {"a": wish}, now)
        may_run = wish is RUN and not held
        if may_run and not runs:
            assert now >= off_since + 120
            assert last is ALONE or (now - 17) % 600 < 401  # looked at up to 400 s late
        if runs and not may_run:
            off_since = now
            assert wish is not RUN, "what runs is not stopped by a restart"
        if wish is not RUN:
            last = wish
        if held:
            assert held["a"] is not None
            assert now < held["a"] < now + 120 + 600
        runs = may_run
        now += pause
