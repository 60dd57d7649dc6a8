import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bm13xx.bm1384 import PLL_WRITE, Bm1384Pll
from drivers.bm13xx.chips.table import CHIPS
from drivers.bm13xx.frames import COMMANDS, WriteRegister
from drivers.bm13xx.pll import (
    ESP_MINER_PLL,
    FACTORY_PLL,
    POST2_BELOW_POST1,
    BandedPll,
    SearchedPll,
    frequency_ramp,
)
from tests.bm13xx.vectors import VECTORS, name_of, rows

FRAMES = [row for row in rows("pll") if "hex" in row]
SEARCHES = [*rows("espminer_pll_search"), *(row for row in rows("pll") if "hex" not in row)]
ESP_MINER_FEEDBACK = {
    "BM1397": (60, 200),
    "BM1366": (144, 235),
    "BM1368": (144, 235),
    "BM1370": (160, 239),
    "BM1373": (160, 239),
}


def esp_miner_pll(chip: str) -> SearchedPll:
    """Return a PLL that is searched exactly as ESP-Miner does for ``chip``."""
    low, high = ESP_MINER_FEEDBACK[chip]
    return SearchedPll(
        vco_mhz=(12.5 * low, 12.5 * high),
        fast_vco_mhz=math.inf if chip == "BM1397" else 2400.0,
        dividers=POST2_BELOW_POST1,
        stored_less=0 if chip == "BM1397" else 1,
        times=2 if chip == "BM1397" else 1,
    )


def register_value(frame: str) -> int:
    command = COMMANDS.decode(bytes.fromhex(frame))
    assert isinstance(command, WriteRegister)
    return command.value


@pytest.mark.parametrize("row", FRAMES, ids=name_of)
def test_known_register_value_stands_for_its_frequency(row: Any) -> None:
    spec = CHIPS[row["chip"].lower()]

    assert spec.pll.mhz_of(register_value(row["hex"])) == row["mhz"]


@pytest.mark.parametrize("row", rows("pll", "BM1366"), ids=name_of)
def test_factory_search_makes_the_ramp_captured_on_an_s19_xp(row: Any) -> None:
    setting = FACTORY_PLL.nearest(row["mhz"])

    assert setting.writes == ((0x08, register_value(row["hex"])),)
    assert setting.mhz == row["mhz"]


@pytest.mark.parametrize("row", SEARCHES, ids=lambda row: f"{row['chip']}-{list(row.values())[1]}")
def test_esp_miner_search_finds_what_esp_miner_finds(row: Any) -> None:
    target = row["target"] if "target" in row else row["inputs"]["target"]

    setting = esp_miner_pll(row["chip"]).nearest(target)

    value = setting.writes[-1][1]
    less = 0 if row["chip"] == "BM1397" else 1
    found = (value >> 16 & 0xFFF, value >> 8 & 0x3F, (value >> 4 & 7) + less, (value & 7) + less)
    assert found == tuple(row[key] for key in ("fbdiv", "refdiv", "postdiv1", "postdiv2"))
    assert setting.mhz == pytest.approx(row["actual"] if "actual" in row else row["mhz"])


@pytest.mark.parametrize(
    ("name", "pll"),
    [
        ("bm1362_s19jpro_order_1chip_525mhz", FACTORY_PLL),
        ("bm1366_espminer_1chip_485mhz", esp_miner_pll("BM1366")),
        ("bm1368_espminer_1chip_490mhz", esp_miner_pll("BM1368")),
        ("bm1370_espminer_1chip_525mhz", ESP_MINER_PLL),
        ("bm1373_espminer_1chip_327mhz", esp_miner_pll("BM1373")),
        ("bm1397_espminer_1chip_425mhz", esp_miner_pll("BM1397")),
    ],
)
def test_ramp_of_a_known_start_up_is_made_step_by_step(name: str, pll: SearchedPll) -> None:
    target = float(name.rsplit("_", 1)[1].removesuffix("mhz"))
    expected = [
        register_value(line) for line in VECTORS["sequences"][name] if "090008" in line[:12]
    ]

    steps = [pll.nearest(mhz).writes for mhz in frequency_ramp(50.0, target)]

    assert [value for writes in steps for _, value in writes] == expected


@pytest.mark.parametrize("name", ["bm1362", "bm1366", "bm1368", "bm1370", "bm1397"])
@settings(deadline=None)
@given(mhz=st.floats(min_value=50.0, max_value=800.0))
def test_reached_frequency_is_honest_close_and_within_the_vco_limits(name: str, mhz: float) -> None:
    pll = CHIPS[name].pll
    assert isinstance(pll, SearchedPll)

    setting = pll.nearest(mhz)

    value = setting.writes[-1][1]
    vco = 12.5 * (value >> 16 & 0xFFF)
    assert pll.mhz_of(value) == pytest.approx(setting.mhz)
    assert pll.vco_mhz[0] <= vco <= pll.vco_mhz[1]
    assert (value >> 24) == (0x50 if vco >= pll.fast_vco_mhz else 0x40)
    assert abs(setting.mhz - mhz) <= 4.0


@pytest.mark.parametrize("name", ["bm1362", "bm1366", "bm1368", "bm1370", "bm1397"])
def test_no_setting_comes_closer_than_the_one_found(name: str) -> None:
    pll = CHIPS[name].pll
    assert isinstance(pll, SearchedPll)
    low, high = (int(limit / 12.5) for limit in pll.vco_mhz)
    all_reachable = {12.5 * f / (a * b) for f in range(low, high + 1) for a, b in pll.dividers}

    for mhz in (50.0, 77.7, 123.4, 311.1, 485.0, 523.7, 601.3, 800.0):
        best = min(abs(other - mhz) for other in all_reachable)
        assert abs(pll.nearest(mhz).mhz - mhz) == pytest.approx(best, abs=1e-4)


def test_bm1397_writes_the_divider_before_the_pll_and_both_twice() -> None:
    setting = CHIPS["bm1397"].pll.nearest(425.0)

    assert [register for register, _ in setting.writes] == [0x70, 0x70, 0x08, 0x08]
    assert {value for register, value in setting.writes if register == 0x70} == {0x0F0F0F00}
    assert setting.mhz == 425.0


@pytest.mark.parametrize(
    ("mhz", "value"), [(100.0, 0x00200241), (250.0, 0x00500241), (400.0, 0x00400221)]
)
def test_bm1387_divides_by_less_from_400_mhz_on(mhz: float, value: int) -> None:
    setting = BandedPll().nearest(mhz)

    assert setting.writes == ((0x0C, value),)
    assert setting.mhz == BandedPll().mhz_of(value) == mhz


def test_bm1384_codes_are_those_of_the_published_formula() -> None:
    pll = Bm1384Pll()
    fine, coarse = (6.25 * n for n in range(1, 65)), (12.5 * n for n in range(33, 41))

    for mhz in [*fine, *coarse]:
        [(register, code)] = pll.nearest(mhz).writes
        assert (register, code) == (PLL_WRITE, formula(mhz))
        assert pll.nearest(mhz).mhz == pll.mhz_of(code) == mhz
    assert formula(150) == 0x0B83


def formula(mhz: float) -> int:
    """Return the code as kanoi's driver-gekko.c computes it."""
    if mhz < 100:
        return int(0x783 - 0x80 * (100 - mhz) / 6.25)
    octave = math.floor(math.log2(mhz / 25))
    code = 0x785 - octave + (0x200 / 2**octave) * (mhz - 25 * 2**octave) / 6.25
    return int(code if mhz % 25 == 0 else 2 * code + 0x7F + octave)


@settings(deadline=None)
@given(mhz=st.floats(min_value=-1e6, max_value=1e6))
def test_frequencies_out_of_reach_end_at_the_limits(mhz: float) -> None:
    for spec in CHIPS.values():
        setting = spec.pll.nearest(mhz)
        assert spec.pll.mhz_of(setting.writes[-1][1]) == pytest.approx(setting.mhz)
        assert 0 < setting.mhz <= 3200


@pytest.mark.parametrize("name", ["bm1370", "bm1397", "bm1387"])
def test_a_stopped_clock_reads_as_0_mhz(name: str) -> None:
    assert CHIPS[name].pll.mhz_of(0) == 0.0


@settings(deadline=None)
@given(
    current=st.floats(min_value=6.25, max_value=900.0),
    target=st.floats(min_value=6.25, max_value=900.0),
)
def test_ramp_goes_one_way_in_small_steps_and_ends_on_the_target(
    current: float, target: float
) -> None:
    steps = [current, *frequency_ramp(current, target)]

    assert steps[-1] == target
    assert steps == sorted(steps, reverse=target < current)
    assert all(abs(after - before) <= 6.25 for before, after in pairwise(steps))
