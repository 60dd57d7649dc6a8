"""The emulated chips' clocks: captured PLL values, and the rates that hosts are known to set."""

from typing import Any

import pytest

from drivers.bm13xx.emulated_clocks import baud_rate, pll
from drivers.bm13xx.emulated_models import BM1362, BM1370, BM1384, BM1387, BM1397, MODELS
from tests.vectors.load import vectors

Vector = dict[str, Any]
CAPTURED = [v for v in vectors("bm13xx", "pll") if "hex" in v]
SEARCHED = [v for v in vectors("bm13xx", "espminer_pll_search") if v["chip"].lower() in MODELS]


@pytest.mark.parametrize("vector", CAPTURED, ids=lambda vector: str(vector["id"]))
def test_a_captured_pll_value_locks_at_its_frequency(vector: Vector) -> None:
    value = int(vector["hex"][12:20], 16)

    result = pll(MODELS[vector["chip"].lower()], value)

    assert result.mhz == pytest.approx(vector["mhz"], abs=0.01)
    assert result.problem == ""


@pytest.mark.parametrize("vector", SEARCHED, ids=lambda v: f"{v['chip']}-{v['target']}")
def test_what_a_common_firmware_picks_locks(vector: Vector) -> None:
    stored = 0 if vector["chip"] == "BM1397" else 1
    post = (vector["postdiv1"] - stored) << 4 | vector["postdiv2"] - stored
    value = 0x40 << 24 | vector["fbdiv"] << 16 | vector["refdiv"] << 8 | post

    result = pll(MODELS[vector["chip"].lower()], value)

    assert result.mhz == pytest.approx(vector["actual"], abs=0.01)
    assert result.problem == ""


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (0x40F00155, "VCO at 6000 MHz"),
        (0x40100255, "VCO at 200 MHz"),
        (0x00A80230, "not enabled"),
        (0x40000255, "divider of 0"),
        (0x40A80055, "divider of 0"),
    ],
)
def test_a_setting_out_of_reach_is_named(value: int, problem: str) -> None:
    assert problem in pll(BM1370, value).problem


@pytest.mark.parametrize(
    ("value", "mhz"),
    [(0x0783, 100), (0x0B83, 150), (0x0703, 93.75), (0x0003, 6.25), (0x1087, 106.25)],
)
def test_a_bm1384_frequency_code_is_found(value: int, mhz: float) -> None:
    # driver-gekko.c: 0x785 - 2 + 0x80 * steps of 6.25 from 100; 2 * code + 0x7f + 2 off the grid
    assert pll(BM1384, value).mhz == mhz


def test_an_unknown_bm1384_code_is_refused() -> None:
    assert pll(BM1384, 0x1234).problem


def test_a_bm1387_frequency_is_25_times_fb_over_its_dividers() -> None:
    assert pll(BM1387, 0x00500241).mhz == 250.0
    assert pll(BM1387, 0x00500221).mhz == 500.0


@pytest.mark.parametrize(
    ("registers", "rate"),
    [
        ({}, 115740),
        ({0x28: 0x11300200}, 1041666),
        ({0x28: 0x11300000}, 3125000),
        ({0x28: 0x01300000}, 3125000),
        ({0x28: 0x15600700, 0x60: 0xC0700111}, 6250000),
    ],
)
def test_newer_chips_set_their_rate_in_register_28(registers: dict[int, int], rate: int) -> None:
    assert int(baud_rate(BM1362, {**BM1362.registers, **registers})) == rate


@pytest.mark.parametrize(
    ("registers", "rate"),
    [
        ({}, 115740),
        ({0x18: 0x00007A31}, 115740),
        ({0x18: 0x00006131}, 1562500),
        ({0x18: 0x00006031}, 3125000),
        ({0x18: 0x00016731, 0x68: 0xC0700111, 0x28: 0x0600000F}, 6250000),
    ],
)
def test_the_bm1397_sets_its_rate_in_register_18(registers: dict[int, int], rate: int) -> None:
    assert int(baud_rate(BM1397, {**BM1397.registers, **registers})) == rate


@pytest.mark.parametrize("value", [0x00200100, 0x40208180])
def test_the_bm1387_sets_its_rate_in_register_1c(value: int) -> None:
    assert baud_rate(BM1387, {0x1C: value}) == 1562500
