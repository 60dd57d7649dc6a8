"""Faults as text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stratum_client.emulated_pool.fault_catalogue import FAULT_KINDS
from stratum_client.emulated_pool.fault_specs import catalogue, fault_of
from stratum_client.emulated_pool.faults import (
    AlterReply,
    Change,
    ChangeExtranonce,
    Drop,
    Pace,
    Redirect,
    When,
)
from stratum_client.emulated_pool.spec_values import FaultSpecError


@pytest.mark.parametrize(
    ("text", "action", "when"),
    [
        ("close,shares=10", Drop(), When(shares=10)),
        ("reset,every=1m30s", Drop(reset=True), When(every=90.0)),
        ("close,on=mining.configure,times=1", Drop(), When(on="mining.configure", times=1)),
        (
            "reply=delay,method=mining.submit,seconds=500ms,after=2.5",
            AlterReply(change=Change.DELAY, method="mining.submit", seconds=0.5),
            When(after=2.5),
        ),
        (
            "refuse-authorize=false",
            AlterReply(change=Change.RESULT_FALSE, method="mining.authorize"),
            When(),
        ),
        ("segments=3,gap=10ms", Pace(size=3, gap=0.01), When()),
        ("extranonce=/4", ChangeExtranonce(extranonce2_size=4), When()),
        ("redirect=h:1", Redirect(host="h", port=1), When()),
    ],
)
def test_a_text_names_an_action_and_a_moment(text: str, action: object, when: When) -> None:
    fault = fault_of(text)

    assert fault.action == action
    assert fault.when == when
    assert fault.name == text


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("clsoe", "did you mean 'close'"),
        ("", "known: reply"),
        ("close=now", "takes no value"),
        ("close,shares", "should read key=value"),
        ("close,shares=-1", "'-1' is not a whole number"),
        ("close,shares=²", "not a whole number"),
        ("close,whenever=1", "has no option 'whenever'"),
        ("close,after=soon", "a time has a unit"),
        ("close,after=nan", "not a time"),
        ("close,every=5,shares=2", "exclude each other"),
        ("reply=dorp", "did you mean 'drop'"),
        ("job=nbits-1", "did you mean"),
        ("send=nothing", "send 'nothing' is unknown"),
        ("difficulty=easy", "difficulty 'easy' is unknown"),
        ("extranonce=33", "0 to 32 bytes"),
        ("extranonce=4/17", "1 to 16"),
        ("swing=1", "above 1"),
        ("swing=x", "x"),
        ("mask=1ffffffff", "32 bits"),
        ("segments=0", "at least one byte"),
        ("ask", "which method"),
        ("redirect=host", "not a whole number"),
    ],
)
def test_a_text_that_means_nothing_is_refused_with_a_hint(text: str, problem: str) -> None:
    with pytest.raises(FaultSpecError) as refused:
        fault_of(text)

    assert problem in str(refused.value)


@settings(deadline=None)
@given(st.text(alphabet="abcdefglorstuy=,.-0123456789 ", max_size=60))
def test_any_text_gives_a_fault_or_the_one_error(text: str) -> None:
    try:
        fault = fault_of(text)
    except FaultSpecError:
        return
    assert fault.name == text


@settings(deadline=None)
@given(
    st.sampled_from(sorted(FAULT_KINDS)),
    st.text(max_size=20),
    st.sampled_from(["", ",after=1s", ",every=x", ",times=", ",gap=9", ",clean=true"]),
)
def test_any_value_gives_a_fault_or_the_one_error(name: str, value: str, rest: str) -> None:
    text = f"{name}={value}{rest}"
    try:
        fault = fault_of(text)
    except FaultSpecError:
        return
    assert fault.name == text


def test_the_catalogue_describes_every_fault() -> None:
    text = catalogue()

    for name, kind in FAULT_KINDS.items():
        assert f"\n  {name}{kind.value}\n      {kind.about}" in text
