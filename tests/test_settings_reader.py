"""Settings taken one by one: whatever is given, there is a value in range or a SettingError."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import SettingError
from drivers.settings_reader import SettingsReader

KNOWN = ("speed", "fan")
GIVEN = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.lists(st.integers())
)


def reader(**settings: object) -> SettingsReader:
    return SettingsReader("stick", settings, KNOWN)


@given(GIVEN)
def test_a_number_is_in_range_or_refused(value: object) -> None:
    with suppress(SettingError):
        assert 1.0 <= reader(speed=value).number("speed", 1.0, 9.0, "MHz", default=5.0) <= 9.0


@given(GIVEN)
def test_a_switch_is_on_off_or_refused(value: object) -> None:
    with suppress(SettingError):
        assert reader(fan=value).switch("fan", default=True) == (value != "off")


@pytest.mark.parametrize("value", ["3", 3, 3.0, " 3 "])
def test_numbers_may_come_as_text(value: object) -> None:
    assert reader(speed=value).whole("speed", 1, 9, default=5) == 3


@pytest.mark.parametrize("value", [2.5, "2.5", True, "three", "0x3", "nan", "inf", 10**400])
def test_what_is_no_whole_number_in_range_is_refused(value: object) -> None:
    with pytest.raises(SettingError, match="speed"):
        reader(speed=value).whole("speed", 1, 9, default=5)


@pytest.mark.parametrize("settings", [{}, {"speed": "auto"}])
def test_what_nobody_decides_is_left_to_us(settings: dict[str, object]) -> None:
    ours = reader(**settings)

    assert not ours.is_given("speed")
    assert ours.optional("speed", 1.0, 9.0) is None
    assert ours.number("speed", 1.0, 9.0, default=5.0) == 5.0


def test_an_unknown_setting_is_told_with_what_was_perhaps_meant() -> None:
    with pytest.raises(SettingError, match="did you mean speed"):
        reader(sped=3)
