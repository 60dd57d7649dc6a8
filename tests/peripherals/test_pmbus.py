from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.peripherals.pmbus import (
    linear11_of,
    linear11_value,
    linear16_of,
    linear16_value,
    vout_exponent,
)
from tests.peripherals.vectors import VECTORS


@pytest.mark.parametrize("case", VECTORS["linear11_encode"]["cases"], ids=lambda c: c["word"])
def test_linear11_encodes_as_captured(case: dict[str, Any]) -> None:
    word = linear11_of(case["value"])

    assert f"{word:04x}" == case["word"]
    assert word.to_bytes(2, "little").hex() == case["wire"]
    assert linear11_value(word) == case["decodes_to"]


@pytest.mark.parametrize("case", VECTORS["linear11_decode"]["cases"], ids=lambda c: c["word"])
def test_linear11_decodes_as_captured(case: dict[str, Any]) -> None:
    assert linear11_value(int(case["word"], 16)) == case["value"]


@pytest.mark.parametrize("case", VECTORS["ulinear16"]["cases"], ids=lambda c: c["word"])
def test_linear16_encodes_as_captured(case: dict[str, Any]) -> None:
    exponent = vout_exponent(int(case["vout_mode"], 16))
    assert exponent == -9

    word = linear16_of(case["volts"], exponent)

    assert word.to_bytes(2, "little").hex() == case["wire"]
    assert linear16_value(word, exponent) == case["decodes_to"]


@given(st.integers(0, 0xFFFF))
def test_every_linear11_word_survives_its_value(word: int) -> None:
    value = linear11_value(word)

    if abs(word & 0x7FF) != 0x400:  # the mantissa -1024 has no counterpart of 1023
        assert linear11_value(linear11_of(value)) == value


@given(st.floats(-33_000_000, 33_000_000))
def test_linear11_is_within_half_a_step(value: float) -> None:
    word = linear11_of(value)

    step = Fraction(2) ** ((word >> 11) - (0x20 if word & 0x8000 else 0))
    assert abs(Fraction(linear11_value(word)) - Fraction(value)) <= step / 2


def test_zero_is_a_word_of_zeros() -> None:
    assert linear11_of(0) == 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 4e7, -4e7])
def test_linear11_refuses_what_it_cannot_hold(value: float) -> None:
    with pytest.raises(ValueError, match=r"encode|too large"):
        linear11_of(value)


@pytest.mark.parametrize("value", [-0.1, 128.0, float("nan"), float("inf")])
def test_linear16_refuses_what_it_cannot_hold(value: float) -> None:
    with pytest.raises(ValueError, match="does not fit"):
        linear16_of(value, -9)


def test_voltage_modes_other_than_linear_have_no_exponent() -> None:
    assert vout_exponent(0x17) == -9
    assert vout_exponent(0x05) == 5
    assert vout_exponent(0x20) is None
    assert vout_exponent(0x40) is None
