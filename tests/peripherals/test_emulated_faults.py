"""Faults as text: what can be said, and what is said about what cannot."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import SettingError
from drivers.peripherals.emulated_faults import NO_FAULTS, Faults, due, fault_help, parse_faults


def test_no_text_means_no_faults() -> None:
    assert parse_faults("") == NO_FAULTS == Faults()


@pytest.mark.parametrize("separator", [",", " ", ", "])
def test_pairs_are_separated_by_commas_or_blanks(separator: str) -> None:
    text = separator.join(
        ["drop=0.001", "mute=3+7", "wrong-nonce=1e-2", "stuck-temperature=-5", "unplug-after=30"]
    )

    assert parse_faults(text) == Faults(
        drop=0.001, mute=(3, 7), wrong_nonce=0.01, stuck_temperature=-5.0, unplug_after=30.0
    )


def test_a_mapping_with_underscores_is_as_good() -> None:
    assert parse_faults({"slow_control": "0.5"}) == Faults(slow_control=0.5)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("drop", "name=value"),
        ("dorp=0.1", "did you mean drop"),
        ("drop=much", "not a value in probability"),
        ("drop=1.5", "out of range"),
        ("drop=nan", "out of range"),
        ("mute=1+x", "not a value in chip numbers"),
        ("mute=256", "not a value in chip numbers"),
        ("unplug-after=-1", "out of range"),
        ("unplug-after=inf", "out of range"),
        ("stuck-temperature=9000", "out of range"),
        ("browns-out-above=20000", "out of range"),
    ],
)
def test_what_cannot_be_is_named_with_its_remedy(text: str, problem: str) -> None:
    with pytest.raises(SettingError, match=problem):
        parse_faults(text)


def test_each_fault_is_explained_and_can_be_given() -> None:
    for name, kind, meaning in fault_help():
        values = {"probability": "0.5", "seconds": "1", "degrees Celsius": "40", "MHz": "125"}
        values["share per hour"] = "0.1"
        value = values.get(kind, "1+2")
        assert parse_faults(f"{name}={value}") != NO_FAULTS
        assert meaning


def test_a_fault_with_a_time_begins_at_that_time() -> None:
    assert [due(2.0, 1.9), due(2.0, 2.0), due(None, 99.0)] == [False, True, False]


@settings(deadline=None)
@given(st.text())
def test_any_text_gives_faults_or_a_setting_error(text: str) -> None:
    with suppress(SettingError):
        assert isinstance(parse_faults(text), Faults)
