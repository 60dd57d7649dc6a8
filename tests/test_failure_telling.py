"""Failures that come again and again: told at first, then hourly; lines held back meanwhile."""

from hypothesis import given
from hypothesis import strategies as st

from stratum_client.failure_telling import (
    MAX_HELD,
    MAX_KINDS,
    TELL_AGAIN,
    FailureTelling,
    HeldLog,
)
from tests.stand_ins import RecordingLog


def test_a_failure_that_differs_in_a_number_alone_is_the_same_one() -> None:
    telling = FailureTelling()

    assert telling.times("no line for 91 s", 0.0) == 1
    assert telling.times("no line for 104 s", 60.0) is None
    assert telling.times("no job within 60 s", 70.0) == 1
    assert telling.times("no line for 90 s", TELL_AGAIN) == 2


def test_failures_that_come_in_turns_are_told_once_each() -> None:
    telling = FailureTelling()

    told = [telling.times("AB"[number % 2], number) for number in range(100)]

    assert told == [1, 1] + [None] * 98


def test_all_is_told_again_when_the_pool_has_lived() -> None:
    telling = FailureTelling()
    telling.times("gone", 0.0)
    telling.forget()

    assert telling.times("gone", 1.0) == 1


@given(st.lists(st.tuples(st.sampled_from("ABC"), st.floats(0.0, 2 * TELL_AGAIN)), max_size=60))
def test_what_is_told_adds_up_to_what_came_but_for_the_last_hour(
    failures: list[tuple[str, float]],
) -> None:
    telling, now = FailureTelling(), 0.0
    told_at: dict[str, float] = {}
    came, told = dict.fromkeys("ABC", 0), dict.fromkeys("ABC", 0)
    for text, pause in failures:
        now += pause
        came[text] += 1
        if times := telling.times(text, now):
            told[text] += times
            assert text not in told_at or now - told_at[text] >= TELL_AGAIN
            told_at[text] = now
            assert told == {**told, text: came[text]}
        else:
            assert now - told_at[text] < TELL_AGAIN


def test_of_very_many_kinds_of_failures_the_oldest_is_forgotten() -> None:
    telling = FailureTelling()
    for letter in "abcdefghijklmnop"[: MAX_KINDS + 1]:
        assert telling.times(letter, 0.0) == 1

    assert telling.times("a", 1.0) == 1
    assert telling.times("i", 1.0) is None


def test_lines_held_back_are_written_in_their_order_or_never() -> None:
    written = RecordingLog()
    log = HeldLog(written)
    log.info("before")
    log.hold()
    log.debug("a", n=1)
    log.info("b")
    log.warning("c")
    log.error("d")
    assert [event for _, event, _ in written.events] == ["before"]

    log.release()
    assert written.events[1:] == [
        ("debug", "a", {"n": 1}),
        ("info", "b", {}),
        ("warning", "c", {}),
        ("error", "d", {}),
    ]
    log.hold()
    log.info("never")
    log.drop()
    log.info("after")
    assert [event for _, event, _ in written.events[5:]] == ["after"]


def test_what_is_held_back_is_bounded() -> None:
    written = RecordingLog()
    log = HeldLog(written)
    log.hold()
    for number in range(3 * MAX_HELD):
        log.info("line", n=number)
    log.release()

    assert [fields["n"] for fields in written.named("line")] == list(range(MAX_HELD))
